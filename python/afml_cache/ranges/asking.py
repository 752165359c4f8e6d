"""What a loader is asked for, and up to where its answer says something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.labels import is_early, is_late
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import LOWEST

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
        What comes before it is asked for.
    begin
        The loader is asked from there on, which is earlier than needed where labels of days come
        before the midnights that it is told.
    """

    start: Any
    end: Any
    stop: int
    begin: int


def asking(request: Request, first: int, stop: int, *, whole: bool = False) -> Asking:
    """Tell how a loader is asked for an interval; with `whole`, for all of its last day."""
    series, caller = request.series, request.bounds.caller
    axis, begin = series.axis, first
    if request.children is None and is_early(series, caller, first):
        begin = max(first - DAY, LOWEST)

    def asked(end: int, stop: int, *, inclusive: bool = True) -> Asking:
        return Asking(*axis.for_loader(begin, end, caller, inclusive=inclusive), stop, begin)

    if request.filler.options.loader_closed == "left":
        return asked(stop, stop, inclusive=False)
    if isinstance(axis, DateAxis):
        late = is_late(series, caller)
        reaches = request.children is not None or caller.names_days or late is False
        if whole or (late and not reaches):
            return asked(stop - caller.precision, stop)
        last = max(stop - DAY, first)
        return asked(last, stop if reaches else max(axis.floor(last), first))
    last = max(axis.last(first, stop, caller), _own_end(request, first, stop))
    return asked(last, min(last + caller.precision, stop))


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
    series, caller = request.series, request.bounds.caller
    begin, end = first, asked.stop
    is_reached = len(at) and int(at[-1]) >= end
    if is_reached or is_late(series, caller) is False:
        end = stop
    elif not len(at) and end < stop:
        end = first  # without a bar that says when days are labelled, all of it is asked for again
    if asked.begin == first and request.children is None and is_early(series, caller, first):
        second = series.axis.next(first)
        is_there = len(at) and int(at[0]) < second
        if not is_there and not series.axis.is_closed(first, second):
            begin = second  # its label comes before the start that the loader was told
    return min(begin, end), end
