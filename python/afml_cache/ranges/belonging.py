"""To which longer bar each shorter one belongs: one answer, whatever interval is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import polars as pl

from afml_cache.ranges.axes import DateAxis, InstantAxis
from afml_cache.ranges.zones import DAY, date_of, midnight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.calendars import Sessions
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.made_calendars import Instants

    Mask = NDArray[np.bool_]

# How far the session may lie whose open bars are counted from.
_NEAR: Final = 40 * DAY


class Belonging(Protocol):
    """Which shorter bars the bars of an axis are made of, all by the instants of their labels."""

    def labels(self, at: Instants) -> tuple[Instants, Mask]:
        """Give the bar that each shorter one belongs to, and which of them belong to any."""

    def reach(self, first: int, stop: int) -> Interval:
        """Give where the parts lie of the bars with a label in [first, stop)."""

    def around(self, first: int, stop: int) -> Interval:
        """Give the bars of which a part lies in [first, stop); an empty interval for none."""


def made_ends(axis: Axis, at: Instants) -> Instants:
    """Give where intraday bars end that are made of others: the next session may cut them."""
    return _grid(axis).bars(at)[1]


def belonging(axis: Axis) -> Belonging:
    """Tell what the bars of an axis are made of."""
    if isinstance(axis, DateAxis):
        return _Dates(axis) if axis.sessions is None else _SessionDates(axis, axis.sessions)
    return _grid(axis)


def _grid(axis: Axis) -> _Grid:
    step = axis.timeframe.step or 1
    return _Grid(axis.floor(0) if isinstance(axis, InstantAxis) else 0, step, axis.sessions)


class _Grid:
    """Intraday bars: from the open of their session in both directions, or of one grid.

    The bar that the midnight before a session lies in is the session's, unless another session
    is open then; so bars neither overlap nor go by the open of the day before.
    """

    def __init__(self, anchor: int, step: int, sessions: Sessions | None) -> None:
        self._anchor, self._step, self._sessions = anchor, step, sessions

    def labels(self, at: Instants) -> tuple[Instants, Mask]:
        begins, _ = self.bars(at)
        return begins, np.ones(len(at), dtype=bool)

    def reach(self, first: int, stop: int) -> Interval:
        return self._begin(first), self._begin(stop)

    def around(self, first: int, stop: int) -> Interval:
        begins, ends = self.bars(np.array([first, stop - 1]))
        return int(begins[0]), int(ends[1])

    def _begin(self, position: int) -> int:
        """Give where the first bar begins that is labelled there or later."""
        begins, ends = self.bars(np.array([position]))
        return position if begins[0] == position else int(ends[0])

    def bars(self, at: Instants) -> tuple[Instants, Instants]:
        """Give from where to where the bars reach that some instants lie in."""
        plain = at - (at - self._anchor) % self._step
        if self._sessions is None or not len(at):
            return plain, plain + self._step
        opens, firsts = self._sessions_around(int(at[0]), int(at[-1]))
        place = np.searchsorted(firsts, at, "right") - 1
        own = np.append(opens, 0)[place]
        near = (place >= 0) & (at - own < _NEAR)
        begins = np.where(near, own + (at - own) // self._step * self._step, plain)
        bounds = np.concatenate(([-(2**63)], firsts, [2**63 - 1]))
        ends = np.minimum(begins + self._step, bounds[place + 2])
        return np.maximum(begins, np.where(near, bounds[place + 1], begins)), ends

    def _sessions_around(self, first: int, last: int) -> tuple[Instants, Instants]:
        """Give when sessions open, and from where on bars are counted from there."""
        sessions, step = self._sessions, self._step
        if sessions is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        low, high = first - _NEAR - 2 * DAY, last + _NEAR
        opens, closes = sessions.opens_closes(low, high)
        nights = _midnights(sessions.dates(low, high), sessions.zone)
        firsts = opens - -(-np.maximum(opens - nights, 0) // step) * step
        firsts[1:] = np.maximum(firsts[1:], closes[:-1])
        return opens, firsts


class _Dates:
    """Days and longer bars without a calendar: from midnight to midnight in the zone of dates."""

    def __init__(self, axis: DateAxis) -> None:
        self._axis = axis

    def labels(self, at: Instants) -> tuple[Instants, Mask]:
        local = pl.Series(at).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(self._axis.zone)
        walls = local.dt.replace_time_zone(None).to_physical().to_numpy()
        return self._axis.floors(walls - walls % DAY), np.ones(len(at), dtype=bool)

    def reach(self, first: int, stop: int) -> Interval:
        return midnight(first, self._axis.zone), midnight(stop, self._axis.zone)

    def around(self, first: int, stop: int) -> Interval:
        begin, last = (date_of(one, self._axis.zone) for one in (first, stop - 1))
        return self._axis.floor(begin), self._axis.next(last)


class _Days(NamedTuple):
    """Session dates, and from where to where what belongs to them lies."""

    dates: Instants
    begins: Instants
    ends: Instants


class _SessionDates:
    """Days and longer bars by a calendar.

    A session has what lies between its open and its close, and what else falls on its date. What
    falls on a date without a session belongs to no bar, as none is asked for there.
    """

    def __init__(self, axis: DateAxis, sessions: Sessions) -> None:
        self._axis, self._sessions = axis, sessions

    def labels(self, at: Instants) -> tuple[Instants, Mask]:
        if not len(at):
            return np.empty(0, np.int64), np.ones(0, dtype=bool)
        days = self._days(int(at[0]) - 2 * DAY, int(at[-1]) + 3 * DAY)
        place = np.searchsorted(days.begins, at, "right") - 1
        ends = np.append(days.ends, -(2**63))[place]
        dates = np.append(days.dates, 0)[place]
        return self._axis.floors(dates), (place >= 0) & (at < ends)

    def reach(self, first: int, stop: int) -> Interval:
        days = self._days(first, stop)
        if not len(days.dates):
            begin = midnight(first, self._sessions.zone)
            return begin, begin
        return int(days.begins[0]), int(days.ends[-1])

    def around(self, first: int, stop: int) -> Interval:
        days = self._days(first - 2 * DAY, stop + 3 * DAY)
        low = np.searchsorted(days.ends, first, "right")
        high = np.searchsorted(days.begins, stop) - 1
        if low > high:
            return 0, 0
        return self._axis.floor(int(days.dates[low])), self._axis.next(int(days.dates[high]))

    def _days(self, first: int, stop: int) -> _Days:
        """Give the sessions of the dates in [first, stop), and those that nothing is known of."""
        low, high = (first - DAY) // DAY * DAY, -(-(stop + 2 * DAY) // DAY) * DAY
        zone = self._sessions.zone
        dates = self._sessions.dates(low, high)
        begins, closes = self._sessions.begins(low, high), self._sessions.opens_closes(low, high)[1]
        unknown = self._unknown(low, high, dates)
        nights = _midnights(unknown, zone)
        order = np.argsort(np.concatenate((dates, unknown)), kind="stable")
        dates = np.concatenate((dates, unknown))[order]
        begins = np.concatenate((begins, nights))[order]
        closes = np.concatenate((closes, nights))[order]
        begins[1:] = np.maximum(begins[1:], closes[:-1])
        later = np.minimum(_midnights(dates + DAY, zone), np.append(begins[1:], 2**63 - 1))
        within = slice(*np.searchsorted(dates, (first, stop)))
        return _Days(dates[within], begins[within], np.maximum(closes, later)[within])

    def _unknown(self, first: int, stop: int, dates: Instants) -> Instants:
        """Give the dates that may have a session though the calendar names none."""
        begin, end = self._sessions.known
        if begin <= first and stop <= end and not self._sessions.is_doubtful(first, stop):
            return np.empty(0, np.int64)
        every = np.arange(first, stop, DAY)
        others = every[~np.isin(every, dates)]
        doubted = [self._sessions.is_doubtful(int(one), int(one) + DAY) for one in others]
        unknown: Instants = others[(others < begin) | (others >= end) | np.array(doubted, bool)]
        return unknown


def _midnights(dates: Instants, zone: str) -> Instants:
    return np.array([midnight(int(date), zone) for date in dates], dtype=np.int64)
