"""Instants and spans: nanoseconds since 1970-01-01 UTC from whatever names a time."""

from __future__ import annotations

import calendar
import datetime as dt
import importlib
import math
import re
import sys
from typing import Any, Final, NamedTuple, cast

from afml_cache.exceptions import CacheConfigError

EARLIEST: Final = -(2**63)
"""What nanoseconds in 64 bits begin with, in 1677; stands for an open start."""
LATEST: Final = 2**63 - 1
"""What they end with, in 2262; stands for an open end."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICROSECOND: Final = 1000
_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
# Compiled when the first text is read: that takes longer than the rest of this module.
_TEXT: Final = r"""\s*(?P<year>\d{4})
    (?:-?Q(?P<quarter>[1-4])
     | -(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})
       (?:[T\s]+(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?
          \s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?)?
     | (?P<compact>\d{4})
    )?\s*"""
_SIZES: Final = {"hour": 3600 * _SECOND, "minute": 60 * _SECOND, "second": _SECOND}
_COARSE: Final = frozenset("YMWD")


class Span(NamedTuple):
    """A first and a last instant, both included; an instant is a span with one."""

    first: int
    last: int


def span(value: object) -> Span | None:
    """Read an instant or a period.

    Parameters
    ----------
    value
        A text covers its whole period ("2024-05" the month, "2024-05-03" the day,
        "2024-05-03 14:30" the minute), a date covers its day, a pandas `Period` its period; a
        datetime, `Timestamp` or `datetime64` is an instant, save a `datetime64` of days or longer,
        which covers its unit. Without a zone, a time is UTC.

    Returns
    -------
    Span or None
        Nanoseconds UTC; `None` for what is no time.
    """
    found = _read(value)
    return found and Span(max(found.first, EARLIEST), min(found.last, LATEST))


def _read(value: object) -> Span | None:
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, dt.datetime):
        return _of_datetime(value)
    if isinstance(value, dt.date):
        first = (value.toordinal() - _EPOCH.toordinal()) * _DAY
        return Span(first, first + _DAY - 1)
    pandas: Any = sys.modules.get("pandas")
    numpy: Any = sys.modules.get("numpy")
    if pandas is not None and isinstance(value, pandas.Period):
        return Span(value.start_time.value, (value + 1).start_time.value - 1)
    if numpy is not None and isinstance(value, numpy.datetime64):
        return _of_datetime64(value, numpy)
    return None


def has_zone(value: object) -> bool:
    """Tell whether a time says which zone it is of."""
    if isinstance(value, str):
        found = re.fullmatch(_TEXT, value, re.VERBOSE)
        return found is not None and found["zone"] is not None
    return getattr(value, "tzinfo", None) is not None


def nanoseconds(value: object) -> int | None:
    """Read a length of time: a timedelta, seconds as a number, or a text such as "5min".

    Texts need pandas, which says what they mean.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int | float):
        return round(value * _SECOND)
    pandas: Any = sys.modules.get("pandas")
    if isinstance(value, str):
        pandas = importlib.import_module("pandas")
        try:
            value = pandas.Timedelta(value)
        except ValueError:
            return None
    if pandas is not None and isinstance(value, pandas.Timedelta):
        return None if value is pandas.NaT else int(value.value)
    if isinstance(value, dt.timedelta):
        return (value.days * 86_400 + value.seconds) * _SECOND + value.microseconds * _MICROSECOND
    return None


def length_of(option: str, value: object) -> int:
    """Give a length of time in nanoseconds, for the option of that name.

    Raises
    ------
    CacheConfigError
        It is none, or negative.
    """
    length = nanoseconds(value)
    if length is None or length < 0:
        message = (
            f"`{option}` takes a length of time that is not negative: a timedelta, seconds, or a "
            f'text such as "5min"; not {value!r}'
        )
        raise CacheConfigError(message)
    return length


def as_datetime(instant: int) -> dt.datetime:
    """Give an instant as an aware datetime, cut to microseconds."""
    return _EPOCH + dt.timedelta(microseconds=instant // _MICROSECOND)


def _of_datetime(value: dt.datetime) -> Span | None:
    if type(value).__module__.startswith("pandas"):  # a Timestamp counts nanoseconds
        exact: int = cast("Any", value).value
        return None if exact == EARLIEST else Span(exact, exact)  # the earliest is NaT
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.timezone.utc)
    since = value - _EPOCH
    instant = (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds * _MICROSECOND
    return Span(instant, instant)


def _of_datetime64(value: Any, numpy: Any) -> Span | None:
    unit = numpy.datetime_data(value.dtype)[0]
    if numpy.isnat(value) or unit == "generic":
        return None
    first = int(value.astype("datetime64[ns]").astype("int64"))
    if unit not in _COARSE:
        return Span(first, first)
    return Span(first, int((value + 1).astype("datetime64[ns]").astype("int64")) - 1)


def _of_text(text: str) -> Span | None:
    found = re.fullmatch(_TEXT, text, re.VERBOSE)
    if found is None:
        return None
    parts = {name: part for name, part in found.groupdict().items() if part is not None}
    if "compact" in parts:
        parts |= {"month": parts["compact"][:2], "day": parts["compact"][2:]}
    try:
        return _of_parts(parts)
    except (ValueError, OverflowError):
        return None


def _of_parts(parts: dict[str, str]) -> Span:
    year = int(parts["year"])
    month = int(parts.get("month", 3 * int(parts.get("quarter", 1)) - 2))
    first = dt.datetime(year, month, int(parts.get("day", 1)), tzinfo=dt.timezone.utc)
    length = _DAY * _days(parts, year, month)
    for name, size in _SIZES.items():
        if name in parts:
            first += dt.timedelta(seconds=int(parts[name]) * size // _SECOND)
            length = size
            if int(parts[name]) * size >= _DAY or (name != "hour" and int(parts[name]) > 59):  # noqa: PLR2004
                message = f"no {name} {parts[name]}"
                raise ValueError(message)
    begins = _of_datetime(first)
    start = (begins.first if begins else 0) - _offset(parts.get("zone", "Z"))
    if "fraction" in parts:
        start += int(parts["fraction"].ljust(9, "0"))
        length = 10 ** (9 - len(parts["fraction"]))
    return Span(start, start + length - 1)


def _days(parts: dict[str, str], year: int, month: int) -> int:
    if "day" in parts:
        return 1
    if "month" in parts:
        return calendar.monthrange(year, month)[1]
    if "quarter" in parts:
        return sum(calendar.monthrange(year, month + later)[1] for later in range(3))
    return 366 if calendar.isleap(year) else 365


def _offset(zone: str) -> int:
    if zone in {"Z", "UTC"}:
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return (seconds if zone[0] == "+" else -seconds) * _SECOND
