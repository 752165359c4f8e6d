"""What a loader is asked for, and up to where its answer says something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.series import Series


class Asking(NamedTuple):
    """The call for an interval.

    Attributes
    ----------
    start, end
        What the loader is given.
    stop
        What comes before it is asked for.
    """

    start: Any
    end: Any
    stop: int


def asking(request: Request, first: int, stop: int) -> Asking:
    """Tell how a loader is asked for an interval."""
    axis, caller = request.series.axis, request.bounds.caller
    if request.filler.options.loader_closed == "left":
        return Asking(*axis.for_loader(first, stop, caller, inclusive=False), stop)
    last = max(axis.last(first, stop, caller), _own_end(request, stop))
    ends = axis.for_loader(first, last, caller, inclusive=True)
    return Asking(*ends, min(axis.behind(last, caller), stop))


def _own_end(request: Request, stop: int) -> int:
    """Give the end that the caller included, where nothing else says at what times bars begin."""
    series, bounds = request.series, request.bounds
    is_own = request.filler.options.closed == "both" and stop == bounds.stop
    if series.knows_begins or not is_own or series.axis.floor(bounds.clip_stop) == bounds.clip_stop:
        return bounds.first
    return bounds.clip_stop - 1


def known_of(series: Series, asked: Interval, stop: int, *, learned: bool) -> Interval:
    """Give the interval of which an answer says something.

    Once it is known where bars begin, there are none up to the next such place. Where an answer
    has only just shown it, that place may lie beyond what was to be fetched.
    """
    if not (series.knows_begins and series.axis.is_steady):
        return asked
    reach = series.axis.ceil(asked[1])
    return asked[0], reach if learned else max(asked[1], min(reach, stop))
