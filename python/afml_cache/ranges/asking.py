"""What a loader is asked for, and up to where its answer says something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.labels import Written, is_early, is_late, named_zone
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import HIGHEST, LOWEST, midnight

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.requests import Request


class Asking(NamedTuple):
    """The call for an interval.

    Attributes
    ----------
    start, end
        What the loader is given.
    stop
        What comes before it is known, whatever the answer.
    begin, until
        From where up to where the loader is asked, which is more than needed where labels of days
        come before or after the midnights that it is told.
    """

    start: Any
    end: Any
    stop: int
    begin: int
    until: int


def asking(request: Request, first: int, stop: int, *, whole: bool = False) -> Asking:
    """Tell how a loader is asked for an interval; with `whole`, for all of its last day."""
    axis = request.series.axis
    if isinstance(axis, DateAxis):
        return _asking_days(request, first, stop, whole=whole)
    caller = request.bounds.caller
    if request.filler.options.loader_closed == "left":
        last, known = stop, stop
    else:
        last = max(axis.last(first, stop, caller), _own_end(request, first, stop))
        known = min(last + caller.precision, stop)
    inclusive = request.filler.options.loader_closed == "both"
    return Asking(*axis.for_loader(first, last, caller, inclusive=inclusive), known, first, stop)


def _asking_days(request: Request, first: int, stop: int, *, whole: bool) -> Asking:
    """Ask for days by the midnights of the caller, and for more where labels lie beyond them."""
    series, caller = request.series, request.bounds.caller
    inclusive, last = request.filler.options.loader_closed == "both", stop - DAY
    ends = [(end - caller.precision * inclusive, end) for end in (stop, min(stop + DAY, HIGHEST))]
    if inclusive:
        ends.insert(0, (max(last, first), stop))

    def told(begin: int, end: int) -> tuple[Any, Any]:
        return series.axis.for_loader(begin, end, caller, inclusive=inclusive)

    start, end = told(first, ends[0][0])
    if request.children is not None:
        return Asking(start, end, stop, first, stop)
    begin = max(first - DAY, LOWEST) if is_early(series, first, start) else first
    for place, (position, until) in enumerate(ends):
        asked = Asking(*told(begin, position), stop, begin, until)
        late = is_late(series, last, asked.end, inclusive=inclusive)
        if late is None:
            # No bar has shown it yet: an end that is a midnight may be where its date begins.
            is_begin = inclusive and place == 0 and not Written.of(series.axis, asked.end).is_date
            late = is_begin or _may_be_late(request, last, asked.end)
            if late and not whole:
                return asked._replace(stop=first)
        if not late:
            break
    return asked


def _may_be_late(request: Request, last: int, end: Any) -> bool:
    """Tell whether a day's label may come after an end, as labels lie within their days.

    It is the zone that is named for the days that says so; longer bars are labelled with their
    first days.
    """
    series, options = request.series, request.filler.options
    told, zone = Written.of(series.axis, end), named_zone(series)
    if zone is None or told.is_date or series.axis.next(last) - series.axis.floor(last) > DAY:
        return False
    reach = request.bounds.caller.precision if options.loader_closed == "both" else 0
    return midnight(last + DAY, zone) > told.instant + reach


def _own_end(request: Request, first: int, stop: int) -> int:
    """Give the end that the caller included, where nothing else says at what times bars begin.

    Otherwise the begin of what is asked for.
    """
    series, bounds = request.series, request.bounds
    is_own = request.filler.options.closed == "both" and stop == bounds.stop
    if series.knows_begins or not is_own or series.axis.floor(bounds.clip_stop) == bounds.clip_stop:
        return first
    return bounds.clip_stop - 1


def known_of(request: Request, asked: Asking, first: int, stop: int, answer: Answer) -> Interval:
    """Give the interval of which an answer says something; [first, stop) was to be fetched.

    Once it is known where bars begin, there are none up to the next such place. Where an answer
    has only just shown it, that place may lie beyond what was to be fetched.
    """
    series, at = request.series, answer.at
    learned = series.learn_anchor(at)
    if isinstance(series.axis, DateAxis):
        if answer.labels is not None:
            series.day_labels = answer.labels.with_more(series.day_labels)
        return _known_dates(request, asked, first, stop, at)
    if not (series.knows_begins and series.axis.is_steady):
        return first, asked.stop
    reach = series.axis.ceil(asked.stop)
    return first, reach if learned else max(asked.stop, min(reach, stop))


def _known_dates(
    request: Request, asked: Asking, first: int, stop: int, at: np.ndarray[Any, Any]
) -> Interval:
    """Leave out the days at both ends whose labels lie beyond what the loader was told."""
    series, axis = request.series, request.series.axis
    inclusive = request.filler.options.loader_closed == "both"
    begin, end = first, stop if len(at) else asked.stop
    if request.children is not None:
        return begin, end
    if asked.until == stop:
        while end > first and is_late(series, end - DAY, asked.end, inclusive=inclusive):
            end = max(axis.floor(end - DAY), first)
    if len(at):
        end = max(end, min(axis.next(int(at[-1])), stop))
    if asked.begin == first and is_early(series, first, asked.start):
        second = axis.next(first)
        is_there = len(at) and int(at[0]) < second
        if not is_there and not axis.is_closed(first, second):
            begin = second  # its label comes before the start that the loader was told
    return min(begin, end), end
