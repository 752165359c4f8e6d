"""The axis of daily bars and longer ones: positions are session dates."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache.ranges.bounds import Limits, Request, check_closed, part, refuse_order, weekdays
from afml_cache.ranges.callers import Caller
from afml_cache.ranges.frame_times import dates_of
from afml_cache.ranges.moments import Moment, moment
from afml_cache.ranges.periods import Periods, day_of
from afml_cache.ranges.timeframes import Timeframe
from afml_cache.ranges.zones import DAY, HIGHEST, LOWEST, date_of, midnight

if TYPE_CHECKING:
    import polars as pl

    from afml_cache.ranges.calendars import Sessions
    from afml_cache.ranges.made_calendars import Instants

__all__ = ["DateAxis"]

_DAILY: Final = Timeframe(1, "D")


class DateAxis(Periods):
    """Session dates, on the grid of their periods.

    A bar's label is any date of its period. Of several days, which a vendor counts from a day of
    its own, a bar is labelled with the first.

    Parameters
    ----------
    timeframe
        One whose bars are dates.
    sessions
        The dates that have a session, if that is known.
    naive
        Zone of times without one: "UTC", a name, or "raise".
    zone
        The zone whose dates are meant where no calendar says it; by default that of `naive`.
    labels
        The zone whose midnights are the labels of bars; by default that of each label.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        sessions: Sessions | None = None,
        naive: str = "UTC",
        zone: str | None = None,
        labels: str | None = None,
    ) -> None:
        super().__init__(timeframe)
        self.sessions = sessions
        self.naive = naive
        self.labels = labels
        self._given = zone
        self.behind = 0
        """How far labels of weeks lie behind the day that theirs begins with here."""

    def labelled(self, labels: str) -> DateAxis:
        """Give the same axis for bars whose labels are midnights of a zone."""
        made = DateAxis(self.timeframe, self.sessions, self.naive, self._given, labels)
        made.behind = self.behind
        return made

    def begun(self, at: Instants) -> DateAxis:
        """Give the same axis for weeks that may begin with labels such as these.

        A Sunday may be the first day of the week ahead, or the last of the one that is over: only
        when a week has passed since, the bar is closed for certain.
        """
        if self.timeframe.unit != "W" or not len(at):
            return self
        behind = int((at - self.floors(at)).max())
        if behind <= self.behind:
            return self
        made = copy.copy(self)
        made.behind = behind
        return made

    @functools.cached_property
    def zone(self) -> str:
        """Key of the zone whose dates are meant."""
        return self.named_zone or ("UTC" if self.naive == "raise" else self.naive)

    @property
    def named_zone(self) -> str | None:
        """That of the calendar, or the one that was given; `None` where there is neither."""
        return self._given if self.sessions is None else self.sessions.zone

    @functools.cached_property
    def _end_zones(self) -> tuple[str, ...]:
        """Keys of the zones in which a date is to be over."""
        is_named = self.named_zone is not None
        if is_named or self.labels is None or self.labels == self.zone:
            return (self.zone,)
        return self.zone, self.labels

    def request(self, start: object, end: object, closed: str, now: int) -> Request:
        """Read a request; an `end` of `None` is up to `now`.

        Raises
        ------
        CacheConfigError
            An end is no time, has no zone where that is refused, or comes before the start.
        """
        check_closed(closed)
        first, caller = self._date(moment(start, "start")), Caller(start, end, self.naive)
        stop = (
            max(self._future(now), first) if end is None else self._stop(end, closed, first, start)
        )
        if first >= stop:
            return Request(first, first, first, first, caller)
        low, high = max(self.floor(first), LOWEST), min(self.ceil(stop), HIGHEST)
        return Request(low, high, low, high, caller)

    def closed_by(self, asked: Request, t: object) -> Request:
        """Give what of a request is closed at a time; a date is taken for its begin."""
        found = moment(t, "t")
        if found.until is None:
            stop = self._opened(found.instant(self.naive))
        else:
            stop = self.floor(self._date(found)) - self._several
        return asked.before(stop, stop)

    def _date(self, found: Moment) -> int:
        """Give a session date; the calendar is not made for one that needs no zone."""
        midnight = found.midnight(self.naive)
        return found.date(self.naive, self.zone) if midnight is None else midnight

    def _stop(self, end: object, closed: str, first: int, start: object) -> int:
        last = moment(end, "end")
        stop = self._date(last)
        if stop < first:
            refuse_order(start, end)
        if closed == "left":
            return stop
        return stop + DAY if last.until is None else last.until

    def whole(self, bounds: Request) -> Request:
        """Give a request of the same labels, widened to whole bars of this axis."""
        return bounds

    def positions(self, times: pl.Series) -> Instants:
        """Give the session dates of a frame's time column.

        Raises
        ------
        ValueError
            It has nulls, times that can't be told, or is no column of times.
        """
        return dates_of(times, self.naive, self.zone, self.labels)

    def limits(self, now: int, settle: int) -> Limits:
        """Say which bars are final, closed, and yet to begin."""
        return Limits(self._opened(now - settle), self._opened(now), self._future(now))

    def _opened(self, now: int) -> int:
        """Give the first date whose bar is not closed; any earlier than two days ago is."""
        found = self.floor(date_of(now, self.zone) - 3 * DAY - self._reach)
        while self.settles_at(found) <= now:
            found = self.next(found)
        return found

    def _future(self, now: int) -> int:
        """Give the first date that has not begun; sessions may open on the evening before."""
        found = date_of(now, self.zone) + DAY
        if self.sessions is not None:
            opens, _ = self.sessions.opens_closes(found, found + 4 * DAY)
            ahead = self.sessions.dates(found, found + 4 * DAY)[opens <= now]
            found = int(ahead[-1]) + DAY if len(ahead) else found
        return self.ceil(found)

    def settles_at(self, position: int) -> int:
        """Give the instant at which the bar with that label is closed.

        With a calendar that is the close of its last session; otherwise, and where there is no
        session, the midnight after it: the later one where labels are midnights of another zone
        than the one that is taken for want of a name.
        """
        first, stop = self.floor(position) + self._reach, self.next(position) + self._reach
        if self.sessions is not None and self._is_known(first, stop):
            closes = self.sessions.opens_closes(first, stop)[1]
            if len(closes):
                return int(closes[-1])
        return max(midnight(stop, zone) for zone in self._end_zones)

    def next_change(self, now: int) -> int:
        """Give the first close of a bar after `now`."""
        if self.sessions is not None and self.timeframe == _DAILY:
            close = self.sessions.next_close(now)
            if close is not None:
                return close
        return self.settles_at(self._opened(now))

    def expected(self, first: int, stop: int) -> int:
        """Count the bars that there may be."""
        low, high = self._part(first, stop)
        known = 0
        if self.sessions is not None:
            known = len(np.unique(self.floors(self.sessions.dates(low, high))))
        outside = self.count(first, low) + self.count(high, stop)
        return -(-(known + outside) // (self._several // DAY + 1))

    def trading_time(self, first: int, stop: int) -> int:
        """Give the nanoseconds in which bars are to be expected: a day for each session.

        What no calendar knows is guessed: all but Saturdays and Sundays.
        """
        low, high = self._part(first, stop)
        known = 0 if self.sessions is None else len(self.sessions.dates(low, high)) * DAY
        return known + weekdays(first, low) + weekdays(high, stop)

    def sessions_missing(self, first: int, stop: int, labels: Instants) -> list[tuple[int, int]]:
        """Give the intervals in which sessions are without a bar; each is as long as it can be.

        `labels` are sorted. There are none without a calendar, and of bars of several days, whose
        labels no calendar knows.
        """
        if self.sessions is None or self._several:
            return []
        due = np.unique(self.floors(self.sessions.dates(*self._part(first, stop))))
        there = self.floors(labels)
        missing = due[~np.isin(due, there)]
        if not len(missing):
            return []
        before = np.searchsorted(there, missing)
        last = np.flatnonzero(np.append(before[1:] != before[:-1], True))
        begins = missing[np.append(0, last[:-1] + 1)].tolist()
        ends = map(self.next, missing[last].tolist())
        return [(max(low, first), min(high, stop)) for low, high in zip(begins, ends, strict=True)]

    def is_closed(self, first: int, stop: int) -> bool:
        """Say whether a calendar knows that no bar with a label in [first, stop) trades."""
        if self.sessions is None:
            return False
        if first >= stop:
            return True
        low, high = self.floor(first), self.ceil(stop) + self._reach
        if not self._is_known(low, high) or self.sessions.is_doubtful(low, high):
            return False
        return not len(self.sessions.dates(low, high))

    is_steady = False

    def for_loader(
        self, first: int, end: int, caller: Caller, *, inclusive: bool
    ) -> tuple[Any, Any]:
        """Give start and end for a loader that includes its end, or excludes it."""
        shown = caller.last(end, dates=True, inclusive=inclusive)
        return caller.first(first, dates=True), shown

    def last(self, first: int, stop: int, caller: Caller) -> int:  # noqa: ARG002
        """Give the last date of an interval."""
        return max(stop - DAY, first)

    def describe(self, first: int, stop: int) -> str:
        """Write an interval for a message: its first and its last date."""
        if stop - first <= DAY:
            return str(day_of(first))
        return f"{day_of(first)} .. {day_of(stop - DAY)}"

    @property
    def _several(self) -> int:
        """How far a bar of several days reaches beyond its first."""
        return (self.timeframe.count - 1) * DAY if self.timeframe.unit == "D" else 0

    @property
    def _reach(self) -> int:
        """How far a bar may reach beyond its place of the grid."""
        return self._several + self.behind

    def _part(self, first: int, stop: int) -> tuple[int, int]:
        """Give the part of an interval that the calendar knows: nothing without one."""
        return part(first, stop, (first, first) if self.sessions is None else self.sessions.known)

    def _is_known(self, first: int, stop: int) -> bool:
        return self._part(first, stop) == (first, stop)
