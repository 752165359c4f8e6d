"""Sessions of an exchange: when it trades, read from `exchange_calendars` into arrays once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.made_calendars import (
    bounds,
    calendar_named,
    making,
    name_of_holiday,
    read,
    special_dates,
    widened,
)
from afml_cache.ranges.zones import DAY, midnight

if TYPE_CHECKING:
    from afml_cache.ranges.made_calendars import Instants, Table

__all__ = ["Sessions", "sessions_of"]

# How far a calendar is made beyond its default end, where more isn't asked for.
_LATER: Final = 10 * 366 * DAY


class Sessions:
    """Sessions and trading times of a calendar.

    Dates are positions: a date's midnight as if it were UTC, in nanoseconds. All intervals are
    half-open. The calendar is made when it is first asked, and again, wider, when it is asked for
    dates that it does not reach. It is safe to use from several threads.

    Parameters
    ----------
    calendar
        A name that `exchange_calendars` knows, such as "XNYS" or "24/7", or a calendar of it.

    Raises
    ------
    CacheConfigError
        It is neither; when it is first asked: there is no such calendar, or it can't be made.
    """

    def __init__(self, calendar: Any) -> None:
        if not isinstance(calendar, str) and not hasattr(calendar, "schedule"):
            message = (
                '`calendar` takes a name such as "XNYS", or a calendar of `exchange_calendars`, '
                f"not {calendar!r}"
            )
            raise CacheConfigError(message)
        self._given = calendar
        self._table: Table | None = None
        self._names: dict[int, str | None] = {}

    @property
    def name(self) -> str:
        """Name of the calendar."""
        return self._given if isinstance(self._given, str) else str(self._given.name)

    @functools.cached_property
    def zone(self) -> str:
        """Key of the calendar's time zone."""
        zone = self._calendar.tz
        return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)

    @functools.cached_property
    def known(self) -> tuple[int, int]:
        """Bounds of the dates that the calendar can speak of; others are unknown, not closed.

        They lie within 1970 and 2200.
        """
        return bounds(self._calendar)

    @functools.cached_property
    def known_instants(self) -> tuple[int, int]:
        """The same of instants: sessions of the days outside may reach a day into the others."""
        return self.known[0] + DAY, self.known[1] - DAY

    def dates(self, first: int, stop: int) -> Instants:
        """Give the dates of the sessions in [first, stop)."""
        table = self._reaching(first, stop)
        return table.dates[slice(*np.searchsorted(table.dates, (first, stop)))]

    def opens_closes(self, first_date: int, stop_date: int) -> tuple[Instants, Instants]:
        """Give when the sessions in [first_date, stop_date) open and close."""
        table = self._reaching(first_date, stop_date)
        within = slice(*np.searchsorted(table.dates, (first_date, stop_date)))
        return table.opens[within], table.closes[within]

    def begins(self, first_date: int, stop_date: int) -> Instants:
        """Give when the days of the sessions in [first_date, stop_date) begin.

        That is at midnight in the calendar's zone, or at the open where it comes before that.
        """
        opens, _ = self.opens_closes(first_date, stop_date)
        midnights = [midnight(int(date), self.zone) for date in self.dates(first_date, stop_date)]
        return np.minimum(opens, np.array(midnights, np.int64))

    def close_of(self, date: int) -> int | None:
        """Give when the session of that date closes; `None` where there is none."""
        closes = self.opens_closes(date, date + 1)[1]
        return int(closes[0]) if len(closes) else None

    def open_of(self, date: int) -> int | None:
        """Give when the session of that date opens; `None` where there is none."""
        opens = self.opens_closes(date, date + 1)[0]
        return int(opens[0]) if len(opens) else None

    def spans(self, first: int, stop: int) -> tuple[Instants, Instants]:
        """Give where the spans of trading start and stop that overlap [first, stop), uncut."""
        table = self._reaching(first - 2 * DAY, stop + 2 * DAY)
        low = np.searchsorted(table.stops, first, "right")
        high = max(low, np.searchsorted(table.starts, stop))
        return table.starts[low:high], table.stops[low:high]

    def trading_spans(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Give the trading time in [first, stop) as intervals that do not touch, without breaks."""
        starts, stops = self.spans(first, stop)
        if not len(starts) or first >= stop:
            return []
        apart = np.flatnonzero(starts[1:] > stops[:-1])
        begins = np.maximum(starts[np.concatenate(([0], apart + 1))], first)
        ends = np.minimum(stops[np.concatenate((apart, [len(stops) - 1]))], stop)
        return list(zip(begins.tolist(), ends.tolist(), strict=True))

    def traded_before(self, instants: Instants) -> Instants:
        """Give the trading time before each of some instants; only differences mean anything."""
        if not instants.size:
            return instants
        table = self._reaching(int(instants.min()) - 2 * DAY, int(instants.max()) + 2 * DAY)
        at = np.searchsorted(table.starts, instants, "right") - 1
        since = np.minimum(instants, table.stops[at]) - table.starts[at]
        passed: Instants = np.where(at < 0, 0, table.sums[at] + since)
        return passed

    def next_close(self, instant: int) -> int | None:
        """Give the first close of a session after an instant; `None` where that is unknown."""
        table = self._reaching(instant - 2 * DAY, instant + 40 * DAY)
        at = int(np.searchsorted(table.closes, instant, "right"))
        return int(table.closes[at]) if at < len(table.closes) else None

    def is_doubtful(self, first: int, stop: int) -> bool:
        """Say whether a date in [first, stop) may be a session though it is not among them.

        Under pandas 3, `exchange_calendars` 4.13 leaves out the Saturdays on which Mumbai and
        Moscow traded, and Seoul until 1998.
        """
        special = self._special[slice(*np.searchsorted(self._special, (first, stop)))]
        return bool(len(special)) and not np.isin(special, self.dates(first, stop)).all()

    def reason_closed(self, date: int) -> str | None:
        """Say why there is no session on a date.

        Returns
        -------
        str or None
            "weekend", the holiday's name, or "holiday" where the calendar has no name for it;
            `None` if there is a session, or it is not known whether there is one.
        """
        if not self.known[0] <= date < self.known[1] or len(self.dates(date, date + 1)):
            return None
        if self.is_doubtful(date, date + 1):
            return None
        if date not in self._names:
            self._names[date] = name_of_holiday(self._calendar, date)
        return self._names[date]

    @functools.cached_property
    def _special(self) -> Instants:
        return special_dates(self._calendar)

    @functools.cached_property
    def _calendar(self) -> Any:
        with making:
            return calendar_named(self._given) if isinstance(self._given, str) else self._given

    def _reaching(self, first: int, stop: int) -> Table:
        """Give a table that reaches from one date to another, as far as the calendar can."""
        begin, end = self.known
        first, stop = min(max(first, begin), end), max(min(stop, end), begin)
        table = self._table
        if table is not None and table.begin <= first and stop <= table.end:
            return table
        with making:
            table = self._table or read(self._calendar)
            if first < table.begin or stop > table.end:
                table = self._wider(table, first, stop)
            self._table = table
        return table

    def _wider(self, table: Table, first: int, stop: int) -> Table:
        begin, end = self.known
        later = min(table.end + _LATER, end)
        begin = begin if first < table.begin else table.begin
        end = table.end if stop <= table.end else later if stop <= later else end
        return widened(self._calendar, begin, end)


@functools.lru_cache(maxsize=256)
def _sessions_named(name: str) -> Sessions:
    return Sessions(name)


def sessions_of(calendar: Any) -> Sessions:
    """Give the sessions of a calendar; those of a name are shared by all of the process."""
    if isinstance(calendar, Sessions):
        return calendar
    return _sessions_named(calendar) if isinstance(calendar, str) else Sessions(calendar)
