"""Why there is a bar at a time, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache.ranges.forming import forming
from afml_cache.ranges.places import reason_closed, time_of
from afml_cache.ranges.planning import listed
from afml_cache.ranges.reports import Explanation, known, shown
from afml_cache.ranges.states import (
    DELISTED,
    EMPTY,
    IMPORTED,
    PRE_LISTING,
    REASONS,
    SUSPECT,
    VOLATILE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from afml_cache.ranges.axes import Request as Bounds
    from afml_cache.ranges.options import Options
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.states import Piece

_WHY = {
    PRE_LISTING: "it is before the first day of trading",
    DELISTED: "it is after the last day of trading",
}


def explained(
    series: Series, bounds: Bounds, options: Options, values: Mapping[str, Any], now: int
) -> Explanation:
    """Tell why there is a bar at a time, or none."""
    axis = series.axis
    first, stop = bounds.clip_first, bounds.clip_stop
    what = f"{series.name}, {shown(time_of(axis, first))}"
    if first >= axis.limits(now, options.settle).future:
        return Explanation("future", f"{what}: no bar has begun yet at that time")
    begin, end = listed(series, options, values)
    if not begin <= first < end:
        reason = PRE_LISTING if first < begin else DELISTED
        return Explanation(REASONS[reason], f"{what}: {_WHY[reason]}")
    pieces = series.pieces(first, stop)
    opened = axis.limits(now, options.settle).opened
    at = _labels(series, first, stop, opened)
    if not len(at) and axis.timeframe.step:
        # It may lie in a bar that began before.
        at = _labels(series, first - axis.timeframe.step + 1, first, opened)[-1:]
        pieces = series.pieces(int(at[0]), int(at[0]) + 1) if len(at) else pieces
        what += "".join(f", in the bar of {shown(time_of(axis, int(one)))}" for one in at)
    if len(at):
        return _of_bar(series, what, pieces)
    if axis.is_closed(bounds.first, bounds.stop):
        return _of_closed(series, what, first)
    if not pieces:
        return Explanation("never asked", f"{what}: nobody has asked for it yet")
    return _of_nothing(series, what, pieces[0], first, now)


def _labels(series: Series, first: int, stop: int, opened: int) -> np.ndarray[Any, Any]:
    """Give where the bars of an interval stand, those among them that are still forming."""
    late = series.positions(forming(series, (first, stop), opened, stop, []))
    return np.concatenate([series.labels(first, stop), late])


def _of_bar(series: Series, what: str, pieces: list[Piece]) -> Explanation:
    if not pieces:
        return Explanation("volatile", f"{what}: the bar is still forming, and in memory alone")
    told = known(series.axis, pieces[0])
    if pieces[0].state == VOLATILE:
        text = f"{what}: there is a bar that may still change; it is asked for again"
        return Explanation("volatile", f"{text} after {shown(told.recheck_after)}")
    return Explanation("bar", f"{what}: there is a bar, {told.reason} at {shown(told.fetched_at)}")


def _of_closed(series: Series, what: str, first: int) -> Explanation:
    name = reason_closed(series.axis, first)
    if name in {None, "weekend"}:
        return Explanation("closed", f"{what}: no session, by the calendar ({name or 'closed'})")
    return Explanation("holiday", f"{what}: no session, by the calendar ({name})")


def _of_nothing(series: Series, what: str, piece: Piece, first: int, now: int) -> Explanation:
    told = known(series.axis, piece)
    if piece.reason == IMPORTED:
        text = f"{what}: the file that was taken in at {shown(told.fetched_at)} has no bar there"
        return Explanation("file-empty", f"{text}; the vendor is not asked unless you refresh it")
    again = f"asked for again after {shown(told.recheck_after)}" if told.recheck_after else "final"
    if piece.recheck_after <= now:
        again = "asked for again by the next request"
    fetched = f"asked at {shown(told.fetched_at)}, {again}"
    if piece.state == SUSPECT:
        text = f"{what}: the calendar has one expect a bar, and the vendor gave none ({fetched})"
        return Explanation("suspect", text)
    if piece.state == EMPTY and piece.reason in _WHY:
        return Explanation(REASONS[piece.reason], f"{what}: {_WHY[piece.reason]}")
    if piece.state == EMPTY and REASONS[piece.reason] == "calendar":
        return _of_closed(series, what, first)
    text = f"{what}: the vendor had nothing ({fetched})"
    return Explanation("vendor-empty", text)
