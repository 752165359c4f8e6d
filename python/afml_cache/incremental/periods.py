"""Periods of the calendar: which one a day lies in, and what it is called."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Calendar", "make_calendar"]

_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_WORDS: Final = ("day", "week", "month", "quarter", "year")
_ALIASES: Final = {
    "D": "day",
    "W": "week",
    **dict.fromkeys(("M", "ME", "MS"), "month"),
    **dict.fromkeys(("Q", "QE", "QS"), "quarter"),
    **dict.fromkeys(("Y", "YE", "YS", "A"), "year"),
}
# Those whose anchor is the month or weekday that a period ends with.
_ANCHORED: Final = {"W": _WEEKDAYS, **dict.fromkeys(("Q", "QE", "Y", "YE", "A"), _MONTHS)}

_WEEK: Final = 7
_QUARTER: Final = 3
_YEAR: Final = 12
# 1970-01-01 was a Thursday.
_THURSDAY: Final = 3
_UNIX: Final = 719_163  # the ordinal of 1970-01-01


@dataclass(frozen=True, slots=True)
class Calendar:
    """How days come together to periods.

    Attributes
    ----------
    unit
        "day", "week", "month", "quarter" or "year".
    shift
        How much later than usual periods begin: days of a week after Monday, months of a quarter
        after January, or of a year.
    """

    unit: str
    shift: int = 0

    def ordinals(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the numbers of the periods that days lie in; these count from 1970-01-01."""
        if self.unit == "day":
            return days
        if self.unit == "week":
            return (days + (_THURSDAY - self.shift)) // _WEEK
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return (months - self.shift) // self._months

    def ordinal(self, day: int) -> int:
        """Give the number of the period that one day lies in."""
        return int(self.ordinals(np.array([day]))[0])

    def name(self, ordinal: int) -> str:
        """Give what a period is called, as "2024-05", "2024Q2" or "2024-05-06/2024-05-12"."""
        if self.unit == "day":
            return _day(ordinal)
        if self.unit == "week":
            first = ordinal * _WEEK - _THURSDAY + self.shift
            return f"{_day(first)}/{_day(first + _WEEK - 1)}"
        first = ordinal * self._months + self.shift
        if self.unit == "month":
            return _month(first)
        if self.shift:
            return f"{_month(first)}/{_month(first + self._months - 1)}"
        year = str(1970 + first // _YEAR)
        return year if self.unit == "year" else f"{year}Q{first % _YEAR // _QUARTER + 1}"

    @property
    def _months(self) -> int:
        return {"month": 1, "quarter": _QUARTER, "year": _YEAR}[self.unit]


def make_calendar(by: Any) -> Calendar:
    """Read the option `by`.

    Raises
    ------
    CacheConfigError
        It names no period.
    """
    if by in _WORDS:
        return Calendar(by)
    alias, _, anchor = by.partition("-") if isinstance(by, str) else ("", "", "")
    unit = _ALIASES.get(alias)
    if unit is not None and not anchor:
        return Calendar(unit)
    anchors = _ANCHORED.get(alias, ())
    if unit is None or anchor not in anchors:
        words = ", ".join(f'"{word}"' for word in _WORDS)
        message = (
            f"`by` takes {words}, or what pandas calls such periods, as in "
            f'"M", "W-FRI" or "Q-JAN"; not {by!r}'
        )
        raise CacheConfigError(message)
    size = {"week": _WEEK, "quarter": _QUARTER, "year": _YEAR}[unit]
    return Calendar(unit, (anchors.index(anchor) + 1) % size)


def _day(day: int) -> str:
    try:
        return dt.date.fromordinal(day + _UNIX).isoformat()
    except (ValueError, OverflowError):  # a year that dates have not
        return f"day {day} from 1970-01-01"


def _month(month: int) -> str:
    return f"{1970 + month // _YEAR}-{month % _YEAR + 1:02d}"
