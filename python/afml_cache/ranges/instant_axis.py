"""The axis of ticks and intraday bars: positions are instants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache.instants import as_datetime
from afml_cache.ranges.bounds import Limits, Request, check_closed, part, refuse_order, weekdays
from afml_cache.ranges.callers import Caller
from afml_cache.ranges.frame_times import instants_of
from afml_cache.ranges.moments import moment
from afml_cache.ranges.states import HOUR
from afml_cache.ranges.zones import DAY

if TYPE_CHECKING:
    import polars as pl

    from afml_cache.ranges.calendars import Sessions
    from afml_cache.ranges.made_calendars import Instants
    from afml_cache.ranges.timeframes import Timeframe

__all__ = ["InstantAxis"]

# How far ahead the next session is looked for; no exchange has closed for longer in a plan.
_AHEAD: Final = 40 * DAY


class InstantAxis:
    """Instants in nanoseconds UTC; a bar labelled t is [t, t + step).

    Parameters
    ----------
    timeframe
        One whose bars are no dates.
    sessions
        When bars are to be expected, if that is known.
    naive
        Zone of times without one: "UTC", a name, or "raise".
    anchor
        An instant at which a bar begins, from which all others are counted; `None` where labels
        are not on such a grid, as of bars counted from a session's open.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        sessions: Sessions | None = None,
        naive: str = "UTC",
        anchor: int | None = 0,
    ) -> None:
        self.timeframe = timeframe
        self.sessions = sessions
        self.naive = naive
        self._step = timeframe.step or 1
        self._grid = 1 if anchor is None else self._step
        self._anchor = (anchor or 0) % self._grid

    def floor(self, position: int) -> int:
        """Give the last place of the grid up to a position."""
        return position - (position - self._anchor) % self._grid

    def ceil(self, position: int) -> int:
        """Give the first place of the grid from a position on."""
        return position + (self._anchor - position) % self._grid

    def next(self, position: int) -> int:
        """Give the first place of the grid after a position."""
        return self.ceil(position + 1)

    def request(self, start: object, end: object, closed: str, now: int) -> Request:
        """Read a request; an `end` of `None` is up to `now`.

        Raises
        ------
        CacheConfigError
            An end is no time, has no zone where that is refused, or comes before the start.
        """
        check_closed(closed)
        first = moment(start, "start").instant(self.naive)
        caller = Caller(start, end, self.naive)
        stop = max(self.next(now), first) if end is None else self._stop(end, closed, first, start)
        if first >= stop:
            return Request(first, first, first, first, caller)
        return self.whole(Request(first, stop, first, stop, caller))

    def whole(self, bounds: Request) -> Request:
        """Give a request of the same labels, widened to whole bars of this axis."""
        first, stop, precision = bounds.clip_first, bounds.clip_stop, bounds.caller.precision
        if first >= stop:
            return bounds
        # The next start can't be told more exactly than this end.
        end = self.ceil(stop) if self._grid > 1 else -(-stop // precision) * precision
        return Request(self.floor(first), end, first, stop, bounds.caller)

    def closed_by(self, asked: Request, t: object) -> Request:
        """Give what of a request is closed at a time; a date is taken for its begin."""
        stop = moment(t, "t").instant(self.naive) + 1 - self._step
        return asked.before(self.ceil(stop), stop)

    def _stop(self, end: object, closed: str, first: int, start: object) -> int:
        last = moment(end, "end")
        stop = last.instant(self.naive)
        if stop < first:
            refuse_order(start, end)
        if closed == "left":
            return stop
        until = last.instant_until(self.naive)
        return stop + 1 if until is None else until

    def positions(self, times: pl.Series) -> Instants:
        """Give the positions of a frame's time column.

        Raises
        ------
        ValueError
            It has nulls, times that can't be told, or is no column of times.
        """
        return instants_of(times, self.naive, unique=self.timeframe.unit != "tick")

    def limits(self, now: int, settle: int) -> Limits:
        """Say which bars are final, closed, and yet to begin."""
        closed = 1 - self._step
        return Limits(self.ceil(now - settle + closed), self.ceil(now + closed), self.ceil(now + 1))

    def settles_at(self, position: int) -> int:
        """Give the instant at which the bar with that label is closed."""
        return position + self._step

    def next_change(self, now: int) -> int:
        """Give the first close of a bar after `now`; with a calendar, of one that trades."""
        if self.sessions is not None:
            starts, _ = self.sessions.spans(now, now + _AHEAD)
            if len(starts) and starts[0] > now and self.sessions.known_instants[0] <= now:
                now = max(now, self.floor(int(starts[0])))
        return now + self._step if self._grid < self._step else self.floor(now) + self._step

    def expected(self, first: int, stop: int) -> int:
        """Count the bars that there may be; of ticks that can't be said, and is 0."""
        if self.timeframe.unit == "tick" or first >= stop:
            return 0
        if self.sessions is None:
            return -((first - stop) // self._step)
        low, high = part(first, stop, self.sessions.known_instants)
        outside = max(low - first, 0) + max(stop - high, 0)
        return self._traded_bars(self.sessions, low, high) - (-outside // self._step)

    def _traded_bars(self, sessions: Sessions, first: int, stop: int) -> int:
        """Count the bars with a label in [first, stop) in which there is trading."""
        starts, stops = sessions.spans(first, stop + self._step)
        if self._grid < self._step:
            lengths = np.minimum(stops, stop) - np.maximum(starts, first)
            return int((-(-lengths // self._step)).clip(0).sum())
        begins = starts - (starts - self._anchor) % self._grid
        ends = stops + (self._anchor - stops) % self._grid
        begins[1:] = np.maximum(begins[1:], ends[:-1])
        lengths = np.minimum(ends, self.ceil(stop)) - np.maximum(begins, self.ceil(first))
        return int((lengths.clip(0) // self._step).sum())

    def trading_time(self, first: int, stop: int) -> int:
        """Give the nanoseconds in which bars are to be expected.

        What no calendar knows is guessed: all but Saturdays and Sundays in UTC.
        """
        if first >= stop:
            return 0
        if self.sessions is None:
            return weekdays(first, stop)
        low, high = part(first, stop, self.sessions.known_instants)
        known = _traded(self.sessions, np.array(low), np.array(high))
        return int(known) + weekdays(first, low) + weekdays(high, stop)

    def sessions_missing(self, first: int, stop: int, labels: Instants) -> list[tuple[int, int]]:
        """Give the intervals without a bar in which there is half of a session's trading or more.

        `labels` are sorted. Without a calendar there are none.
        """
        if self.sessions is None or first >= stop:
            return []
        within = labels[slice(*np.searchsorted(labels, (first, stop)))]
        begins = np.append([first], within + self._step)
        ends = np.append(within, [stop])
        runs = np.flatnonzero(begins < ends)
        begins, ends = begins[runs], ends[runs]
        lacking = _lacking(self.sessions, begins, ends)
        return list(zip(begins[lacking].tolist(), ends[lacking].tolist(), strict=True))

    def is_closed(self, first: int, stop: int) -> bool:
        """Say whether a calendar knows that no bar with a label in [first, stop) trades."""
        if self.sessions is None:
            return False
        low, high = self.ceil(first), self.ceil(stop) + self._step - self._grid
        if first >= stop or low >= high:
            return True
        begin, end = self.sessions.known_instants
        if low < begin or high > end or self.sessions.is_doubtful(low - 2 * DAY, high + DAY):
            return False
        return not len(self.sessions.spans(low, high)[0])

    @property
    def is_steady(self) -> bool:
        """Whether labels stay on the grid where clocks are set forward or back by an hour."""
        return self._grid > 1 and HOUR % self._grid == 0

    def for_loader(
        self, first: int, end: int, caller: Caller, *, inclusive: bool
    ) -> tuple[Any, Any]:
        """Give start and end for a loader that includes its end, or excludes it."""
        shown = caller.last(end, dates=False, inclusive=inclusive)
        return caller.first(first, dates=False), shown

    def last(self, first: int, stop: int, caller: Caller) -> int:
        """Give the last label in an interval, or the last time in it that a caller can tell."""
        label = self.floor(stop - 1)
        if self.is_steady and label >= first:
            return label
        # Ticks may be finer than that: some behind it are asked for too, rather than none.
        later = caller.precision - 1 if self.timeframe.unit == "tick" else 0
        return max((stop - 1 + later) // caller.precision * caller.precision, first)

    def describe(self, first: int, stop: int) -> str:
        """Write an interval for a message, in UTC."""
        return f"{_shown(first)} .. {_shown(stop)}"


def _lacking(sessions: Sessions, begins: Instants, ends: Instants) -> Any:
    """Say of each run whether it has half of the trading of some session.

    It has if a third session lies between those at its ends; else one of those two is to have
    half of its own in it.
    """
    if not len(begins):
        return np.zeros(0, dtype=bool)
    low, high = int(begins[0]) - 2 * DAY, int(ends[-1]) + 2 * DAY
    opens, closes = sessions.opens_closes(low, high)
    if not len(opens):
        return np.zeros(len(begins), dtype=bool)
    first = np.searchsorted(closes, begins, "right")
    last = np.searchsorted(opens, ends) - 1
    lacking = last - first > 1
    for session in (first, last):
        there = first <= last
        at = np.clip(session, 0, len(opens) - 1)
        whole = _traded(sessions, opens[at], closes[at])
        cut = (np.maximum(begins, opens[at]), np.minimum(ends, closes[at]))
        lacking |= there & (2 * _traded(sessions, *cut) >= whole)
    return lacking


def _traded(sessions: Sessions, begins: Instants, ends: Instants) -> Instants:
    passed = sessions.traded_before(np.stack((begins, ends)))
    traded: Instants = passed[1] - passed[0]
    return traded


def _shown(instant: int) -> str:
    return as_datetime(instant).isoformat().replace("+00:00", "Z")
