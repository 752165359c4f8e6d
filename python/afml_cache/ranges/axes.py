"""The axes on which series lie: what a request, a label and now are in positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from afml_cache.ranges.bounds import Limits, Request
from afml_cache.ranges.date_axis import DateAxis
from afml_cache.ranges.instant_axis import InstantAxis
from afml_cache.ranges.zones import zone_of

if TYPE_CHECKING:
    import polars as pl

    from afml_cache.ranges.calendars import Sessions
    from afml_cache.ranges.callers import Caller
    from afml_cache.ranges.made_calendars import Instants
    from afml_cache.ranges.timeframes import Timeframe

__all__ = ["Axis", "DateAxis", "InstantAxis", "Limits", "Request", "axis_of"]


class Axis(Protocol):
    """What both axes do; see their methods. Intervals of positions are half-open."""

    @property
    def timeframe(self) -> Timeframe:
        """The length of its bars."""

    @property
    def sessions(self) -> Sessions | None:
        """When bars are to be expected, if that is known."""

    @property
    def naive(self) -> str:
        """Zone of times without one, or "raise"."""

    def floor(self, position: int) -> int:
        """Give the last place of the grid up to a position."""

    def ceil(self, position: int) -> int:
        """Give the first place of the grid from a position on."""

    def next(self, position: int) -> int:
        """Give the first place of the grid after a position."""

    def request(self, start: object, end: object, closed: str, now: int) -> Request:
        """Read a request; an `end` of `None` is up to `now`."""

    def closed_by(self, asked: Request, t: object) -> Request:
        """Give what of a request is closed at a time; a date is taken for its begin."""

    def whole(self, bounds: Request) -> Request:
        """Give a request of the same labels, widened to whole bars of this axis."""

    def positions(self, times: pl.Series) -> Instants:
        """Give the positions of a frame's time column."""

    def limits(self, now: int, settle: int) -> Limits:
        """Say which bars are final, closed, and yet to begin."""

    def settles_at(self, position: int) -> int:
        """Give the instant at which the bar with that label is closed."""

    def next_change(self, now: int) -> int:
        """Give the first close of a bar after `now`."""

    def expected(self, first: int, stop: int) -> int:
        """Count the bars that there may be."""

    def trading_time(self, first: int, stop: int) -> int:
        """Give the nanoseconds in which bars are to be expected."""

    def sessions_missing(self, first: int, stop: int, labels: Instants) -> list[tuple[int, int]]:
        """Give the intervals in which a session lacks its bars, by the calendar."""

    def is_closed(self, first: int, stop: int) -> bool:
        """Say whether a calendar knows that no bar with a label in [first, stop) trades."""

    @property
    def is_steady(self) -> bool:
        """Whether labels stay on the grid where clocks are set forward or back by an hour."""

    def for_loader(
        self, first: int, end: int, caller: Caller, *, inclusive: bool
    ) -> tuple[Any, Any]:
        """Give start and end for a loader that includes its end, or excludes it."""

    def last(self, first: int, stop: int, caller: Caller) -> int:
        """Give the last position that a loader is asked for that includes its end."""

    def describe(self, first: int, stop: int) -> str:
        """Write an interval for a message."""


def axis_of(
    timeframe: Timeframe,
    sessions: Sessions | None = None,
    naive: str = "UTC",
    zone: str | None = None,
) -> Axis:
    """Give the axis of bars of a timeframe.

    Parameters
    ----------
    timeframe
        How long a bar is.
    sessions
        When bars are to be expected, if that is known.
    naive
        Zone of times without one: "UTC", a name, or "raise".
    zone
        The zone whose dates daily bars have, where no calendar says it.

    Raises
    ------
    CacheConfigError
        `naive` or `zone` names no zone.
    """
    if naive != "raise":
        zone_of(naive)
    if zone is not None:
        zone_of(zone, "zone")
    if timeframe.is_dates:
        return DateAxis(timeframe, sessions, naive, zone)
    return InstantAxis(timeframe, sessions, naive)
