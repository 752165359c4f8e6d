"""The grid of dates: days, weeks that begin on Mondays, and months."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np

from afml_cache.ranges.zones import DAY

if TYPE_CHECKING:
    from afml_cache.ranges.made_calendars import Instants
    from afml_cache.ranges.timeframes import Timeframe

__all__ = ["Periods", "day_of"]

_UNIX: Final = 719_163  # the ordinal of 1970-01-01
_MONDAY: Final = 4 * DAY


class Periods:
    """What a bar's dates are, each as its midnight in UTC.

    Weeks begin on Mondays, counted from 1970-01-05, and months from January 1970.
    """

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe

    def floor(self, position: int) -> int:
        """Give the first date of the period that a date lies in; of days, the day."""
        if self.timeframe.unit == "M":
            return _month(_months(position) // self.timeframe.count * self.timeframe.count)
        length = self._length
        return position - (position - _MONDAY) % length

    def ceil(self, position: int) -> int:
        """Give the first date from a position on with which a period begins."""
        floor = self.floor(position)
        return floor if floor == position else self.next(position)

    def next(self, position: int) -> int:
        """Give the first date of the period after the one that a date lies in."""
        if self.timeframe.unit == "M":
            count = self.timeframe.count
            return _month((_months(position) // count + 1) * count)
        return self.floor(position) + self._length

    @property
    def _length(self) -> int:
        """Nanoseconds of a place of the grid: bars of several days are on none."""
        return 7 * DAY * self.timeframe.count if self.timeframe.unit == "W" else DAY

    def count(self, first: int, stop: int) -> int:
        """Count the periods that begin or lie in [first, stop)."""
        if first >= stop:
            return 0
        low, high = self.floor(first), self.ceil(stop)
        if self.timeframe.unit == "M":
            return (_months(high) - _months(low)) // self.timeframe.count
        return (high - low) // self._length

    def floors(self, dates: Instants) -> Instants:
        """Give the first date of the period of each of some dates."""
        if self.timeframe.unit != "M":
            return dates - (dates - _MONDAY) % self._length
        months = dates.view("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        begins = (months - months % self.timeframe.count).astype("datetime64[M]")
        floors: Instants = begins.astype("datetime64[ns]").astype(np.int64)
        return floors


def _months(date: int) -> int:
    """Count the months from January 1970 to a date's."""
    day = day_of(date)
    return (day.year - 1970) * 12 + day.month - 1


def _month(count: int) -> int:
    """Give the first date of the month that many after January 1970."""
    return (dt.date(1970 + count // 12, count % 12 + 1, 1).toordinal() - _UNIX) * DAY


def day_of(date: int) -> dt.date:
    """Give the date of a position."""
    return dt.date.fromordinal(date // DAY + _UNIX)
