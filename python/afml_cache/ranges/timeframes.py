"""Timeframes: how long a bar is, read from what vendors and libraries call it."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import re
import sys
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from afml_cache.exceptions import CacheConfigError

__all__ = ["Timeframe", "timeframe"]

_SECOND: Final = 1_000_000_000
_SIZES: Final = {
    "s": _SECOND,
    "min": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "D": 86_400 * _SECOND,
    "W": 7 * 86_400 * _SECOND,
}
_KNOWN: Final = (
    'tick; "30s", "second"; "1m", "5min", "15minute", "T"; "1h", "60min", "hourly"; "D", "1d", '
    '"daily"; "W", "weekly"; "M", "1mo", "ME", "MS", "monthly"; "Q"; "Y", "A"; MetaTrader\'s "M1", '
    '"M15", "H4", "D1", "W1", "MN1"; members of enumerations named so; timedeltas; offsets of '
    'pandas. "m" is minutes and "M" is months, but for MetaTrader\'s "M5"'
)

# Case tells these apart; the words below may be written in any.
_LETTERS: Final = {
    "m": ("min", 1),
    "M": ("M", 1),
    "MS": ("M", 1),
    "ME": ("M", 1),
    "BMS": ("M", 1),
    "BME": ("M", 1),
    "MN": ("M", 1),
    "T": ("min", 1),
    "A": ("M", 12),
    "B": ("D", 1),
    "QE": ("M", 3),
    "QS": ("M", 3),
    "YE": ("M", 12),
    "YS": ("M", 12),
}
_WORDS: Final = {
    "tick": ("tick", 1),
    "s": ("s", 1),
    "sec": ("s", 1),
    "second": ("s", 1),
    "min": ("min", 1),
    "minute": ("min", 1),
    "h": ("h", 1),
    "hr": ("h", 1),
    "hour": ("h", 1),
    "hourly": ("h", 1),
    "d": ("D", 1),
    "day": ("D", 1),
    "daily": ("D", 1),
    "w": ("W", 1),
    "wk": ("W", 1),
    "week": ("W", 1),
    "weekly": ("W", 1),
    "mo": ("M", 1),
    "month": ("M", 1),
    "monthly": ("M", 1),
    "q": ("M", 3),
    "quarter": ("M", 3),
    "quarterly": ("M", 3),
    "y": ("M", 12),
    "yr": ("M", 12),
    "year": ("M", 12),
    "yearly": ("M", 12),
    "annual": ("M", 12),
}
_METATRADER: Final = {
    "S": ("s", 1),
    "M": ("min", 1),
    "H": ("h", 1),
    "D": ("D", 1),
    "W": ("W", 1),
    "MN": ("M", 1),
}
# Ends of weeks, quarters and years of pandas that name the same periods as ours.
_ANCHORS: Final = {
    "W": {"FRI", "SAT", "SUN"},
    "Q": {"MAR", "JUN", "SEP", "DEC"},
    "QE": {"MAR", "JUN", "SEP", "DEC"},
    "QS": {"JAN", "APR", "JUL", "OCT"},
    "Y": {"DEC"},
    "YE": {"DEC"},
    "YS": {"JAN"},
    "A": {"DEC"},
}

_PREFIX: Final = re.compile(r"^(PERIOD|TIMEFRAME)_")
_SHORT: Final = re.compile(r"(S|M|H|D|W|MN)([0-9]+)")  # MetaTrader's
_NAMED: Final = re.compile(r"([A-Za-z]{3,})_([0-9]+)")
_COUNTED: Final = re.compile(r"([0-9]*)[\s_-]?([A-Za-z]+)(?:-([A-Z]{3}))?")


@dataclass(frozen=True)
class Timeframe:
    """The length of a bar.

    Attributes
    ----------
    count : int
        How many units.
    unit : str
        "tick", "s", "min", "h", "D", "W" or "M". Bars of "h" and shorter begin at instants; those
        of "D" and longer are sessions and whole periods of them: "24h" is not "1D".
    """

    count: int
    unit: str

    @property
    def text(self) -> str:
        """The one way in which it is written: "tick", "30s", "5min", "1h", "1D", "1W", "1M"."""
        return "tick" if self.unit == "tick" else f"{self.count}{self.unit}"

    @property
    def step(self) -> int | None:
        """Nanoseconds from one bar to the next; 1 for ticks, `None` for months."""
        if self.unit == "tick":
            return 1
        return None if self.unit == "M" else self.count * _SIZES[self.unit]

    @property
    def is_dates(self) -> bool:
        """Whether bars are sessions, weeks or months, whose labels are dates."""
        return self.unit in {"D", "W", "M"}


def timeframe(value: object) -> Timeframe:
    """Read a timeframe.

    Parameters
    ----------
    value
        A text such as "1D", "daily", "5min" or "H4", a member of an enumeration (its value is
        read, then its name), a timedelta, or an offset of pandas. A timedelta of whole days is
        that many daily bars.

    Returns
    -------
    Timeframe
        In canonical form: "60min" is "1h", a quarter three months, a year twelve.

    Raises
    ------
    CacheConfigError
        It is none of the known forms.
    """
    if isinstance(value, Timeframe):
        return value
    if isinstance(value, enum.Enum):
        found = _of_value(value.value) or _of_value(value.name)
    else:
        found = _of_value(value)
    return found or _refuse(value)


def _of_value(value: object) -> Timeframe | None:
    if isinstance(value, str):
        return _of_text(str(value))
    if isinstance(value, dt.timedelta):
        return _of_length(value)
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.tseries.offsets.BaseOffset):
        return _of_text(value.freqstr)
    return None


def _of_length(length: dt.timedelta) -> Timeframe | None:
    """Read a timedelta; one of pandas may be `NaT`, or have nanoseconds."""
    if length != length or length <= dt.timedelta(0):  # noqa: PLR0124
        return None
    if length.microseconds or getattr(length, "nanoseconds", 0):
        return None
    if not length.seconds:
        return Timeframe(length.days, "D")
    return _canonical(length.days * 86_400 + length.seconds, "s")


@functools.lru_cache(maxsize=1024)
def _of_text(text: str) -> Timeframe | None:
    text = _PREFIX.sub("", text.strip())
    metatrader = _SHORT.fullmatch(text)
    if metatrader:
        return _times(metatrader[2], _METATRADER[metatrader[1]])
    named = _NAMED.fullmatch(text)
    if named:
        text = named[2] + named[1]
    found = _COUNTED.fullmatch(text)
    if found is None:
        return None
    count, word, anchor = found.groups()
    if anchor and anchor not in _ANCHORS.get(word, ()):
        return None
    unit = _unit(word)
    return unit and _times(count or "1", unit)


def _unit(word: str) -> tuple[str, int] | None:
    if word in _LETTERS:
        return _LETTERS[word]
    lower = word.lower()
    return _WORDS.get(lower) or _WORDS.get(lower.removesuffix("s") if len(lower) > 2 else lower)  # noqa: PLR2004


def _times(count: str, unit: tuple[str, int]) -> Timeframe | None:
    name, each = unit
    total = int(count) * each
    if total == 0 or (name == "tick" and total != 1):
        return None
    return _canonical(total, name)


def _canonical(count: int, unit: str) -> Timeframe:
    """Give the longest unit up to the hour: longer ones are of another kind."""
    for shorter, longer in (("s", "min"), ("min", "h")):
        if unit == shorter and count % 60 == 0:
            count, unit = count // 60, longer
    return Timeframe(count, unit)


def _refuse(value: object) -> NoReturn:
    message = f"{value!r} is no timeframe that is known; it takes one of: {_KNOWN}"
    raise CacheConfigError(message)
