"""What a loader is asked for, and up to where its answer says something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.frame_times import instants_of
from afml_cache.ranges.moments import moment
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import instant_of_wall

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.callers import Caller
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


def asking(request: Request, first: int, stop: int, *, whole: bool = False) -> Asking:
    """Tell how a loader is asked for an interval; with `whole`, for all of its last day."""
    series, caller = request.series, request.bounds.caller
    axis = series.axis
    if request.filler.options.loader_closed == "left":
        return Asking(*axis.for_loader(first, stop, caller, inclusive=False), stop)
    if isinstance(axis, DateAxis):
        reaches = (
            request.children is not None or caller.names_days or reaches_labels(series, caller)
        )
        if whole or reaches is False:
            last = stop - caller.precision
            return Asking(*axis.for_loader(first, last, caller, inclusive=True), stop)
        ends = axis.for_loader(first, max(stop - DAY, first), caller, inclusive=True)
        return Asking(*ends, stop if reaches else max(axis.floor(stop - DAY), first))
    last = max(axis.last(first, stop, caller), _own_end(request, first, stop))
    ends = axis.for_loader(first, last, caller, inclusive=True)
    return Asking(*ends, min(last + caller.precision, stop))


def _own_end(request: Request, first: int, stop: int) -> int:
    """Give the end that the caller included, where nothing else says at what times bars begin.

    Otherwise the begin of what is asked for.
    """
    series, bounds = request.series, request.bounds
    is_own = request.filler.options.closed == "both" and stop == bounds.stop
    if series.knows_begins or not is_own or series.axis.floor(bounds.clip_stop) == bounds.clip_stop:
        return first
    return bounds.clip_stop - 1


def known_of(request: Request, asked: Interval, stop: int, answer: Answer) -> Interval:
    """Give the interval of which an answer says something.

    Once it is known where bars begin, there are none up to the next such place. Where an answer
    has only just shown it, that place may lie beyond what was to be fetched.
    """
    series, at = request.series, answer.at
    learned = series.learn_anchor(at)
    if isinstance(series.axis, DateAxis):
        if len(at) and answer.form.time is not None:
            learn_labels(series, answer.table[answer.form.time], at)
        is_reached = len(at) and int(at[-1]) >= asked[1]
        if is_reached or reaches_labels(series, request.bounds.caller):
            return asked[0], stop
        # Without a bar that says when days are labelled, all of it is asked for again.
        return asked if len(at) or asked[1] == stop else (asked[0], asked[0])
    if not (series.knows_begins and series.axis.is_steady):
        return asked
    reach = series.axis.ceil(asked[1])
    return asked[0], reach if learned else max(asked[1], min(reach, stop))


def reaches_labels(series: Series, caller: Caller) -> bool | None:
    """Tell whether a day's label comes no later than the midnight that a caller writes for it.

    `None` where there is no bar yet that shows it.
    """
    if series.latest is None and series.form is not None and series.form.time is not None:
        stored = series.final()
        if stored:
            first, stop = stored[-1]
            table = series.table(max(first, stop - 40 * DAY), stop)
            if table.height:
                learn_labels(series, table[series.form.time], series.positions(table))
    if series.latest is None:
        return None
    date, instant = series.latest
    end = caller.last(date, dates=True, inclusive=True)
    naive = "UTC" if series.axis.naive == "raise" else series.axis.naive
    return moment(end, "end").instant(naive) >= instant


def learn_labels(series: Series, times: pl.Series, at: np.ndarray[Any, Any]) -> None:
    """See how late on its day a daily bar is labelled at most."""
    counted = instants_of(times, "UTC", unique=False)
    place = int((counted - at).argmax())
    date, instant = int(at[place]), int(counted[place])
    zone, naive = getattr(times.dtype, "time_zone", None), series.axis.naive
    if times.dtype == pl.Date:
        instant -= 2 * DAY  # it has no time of the day
    elif zone is None and naive not in {"UTC", "raise"}:
        instant = instant_of_wall(instant, naive)
    if series.latest is None or instant - date > series.latest[1] - series.latest[0]:
        series.latest = date, instant
