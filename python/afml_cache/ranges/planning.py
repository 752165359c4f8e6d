"""Which calls a request takes: what is missing, cut and joined as the loader wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import span
from afml_cache.ranges.basis import has_prices, prices_of
from afml_cache.ranges.intervals import Interval, common, joined, without
from afml_cache.ranges.places import day, month
from afml_cache.ranges.states import CALENDAR, DAY, EVER, Piece, nothing

# So far back a price is looked for first.
_NEAR = 60 * DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.options import Options
    from afml_cache.ranges.series import Series


def closed_pieces(axis: Axis, gaps: list[Interval], now: int) -> list[Piece]:
    """Tell of gaps what needs no call by the calendar."""
    return [nothing(*gap, CALENDAR, now) for gap in gaps if axis.is_closed(*gap)]


def listed(series: Series, options: Options, values: Mapping[str, Any]) -> Interval:
    """Tell between which positions there may be bars: those of the days of trading.

    It is never stored: the last day of trading may move, and other caches of the name know of none.
    """
    if options.listing is None:
        return EVER
    given = options.listing(**values)
    if not isinstance(given, tuple) or len(given) != 2:  # noqa: PLR2004
        message = (
            "`listing` gives a pair for each key: the first and the last day of trading, None for "
            f"one that is not known; not {given!r}"
        )
        raise CacheConfigError(message)
    first, last = given
    start = EVER[0] if first is None else _position(series.axis, first, 0)
    return start, EVER[1] if last is None else _position(series.axis, last, 1)


def _position(axis: Axis, date: Any, later: int) -> int:
    read = span(date)
    if read is None:
        message = f"`listing` takes a date or a time, not {date!r}"
        raise CacheConfigError(message)
    if axis.timeframe.is_dates:
        date = read.first // DAY * DAY
        return axis.next(date) if later else axis.floor(date)
    return read.last + 1 if later else read.first


def planned(series: Series, gaps: list[Interval], options: Options, closed: int) -> list[Interval]:
    """Join gaps as the options say, with what else there is of their days or months.

    Of that, what is known is not fetched again, and nothing that comes behind `closed`, where bars
    begin that are not closed.
    """
    if options.align is None:
        return joined(gaps, options.merge_gaps)
    widened = joined([_aligned(series.axis, gap, options.align, closed) for gap in gaps])
    known = [(piece.first, piece.stop) for span in widened for piece in series.pieces(*span)]
    more = without(widened, joined([*known, *gaps]))
    more = [gap for gap in more if not series.axis.is_closed(*gap)]
    return joined([*gaps, *more], options.merge_gaps)


def _aligned(axis: Axis, gap: Interval, align: str, closed: int) -> Interval:
    first, last = gap
    begin = day if align == "day" else month
    end = min(axis.ceil(begin(axis, last - 1, later=1)), closed)
    return min(axis.floor(begin(axis, first)), first), max(last, end)


def calls_of(axis: Axis, gap: Interval, options: Options) -> list[Interval]:
    """Cut a gap so that no answer is longer than the vendor gives."""
    first, stop = gap
    calls = []
    while first < stop:
        end = stop
        if options.max_span is not None:
            end = min(end, max(axis.floor(first + options.max_span), axis.next(first)))
        if options.max_rows is not None and axis.expected(first, end) > options.max_rows:
            end = _full(axis, first, end, options.max_rows)
        calls.append((first, end))
        first = end
    return calls


def _full(axis: Axis, first: int, stop: int, most: int) -> int:
    """Give the last position up to which no more than `most` bars are to be expected."""
    low, high = axis.next(first), stop
    while axis.next(low) < high:
        middle = axis.floor((low + high) // 2)
        if middle <= low:
            break
        if axis.expected(first, middle) <= most:
            low = middle
        else:
            high = middle
    return low


def seams(series: Series, gaps: Sequence[Interval], sessions: int, *, each: bool) -> list[Interval]:
    """Give what is fetched again with gaps: the last sessions, where newer bars come.

    With `each`, a session that is stored is fetched again wherever bars come.
    """
    spans = series.final()
    if not spans or common(gaps, spans):
        return []
    if spans[-1][1] <= gaps[-1][0]:
        return common([_last_sessions(series, spans[-1], sessions)], spans)
    if not each:
        return []
    before, after = min(
        ((span, gap) for span in spans for gap in gaps),
        key=lambda pair: max(pair[1][0] - pair[0][1], pair[0][0] - pair[1][1]),
    )
    if before[1] <= after[0]:
        return [_last_sessions(series, before, 1)]
    return [_first_session(series, before)]


def beside(series: Series, asked: Sequence[Interval], sessions: int) -> Interval | None:
    """Give the last sessions that are stored before what is fetched again, or the first after it.

    Bars without a price, as of a halt, tell nothing and are passed over. `None` where no other bar
    is stored that was not asked for.
    """
    left = without(series.final(), joined(asked))
    earlier = [part for part in reversed(left) if part[1] <= asked[0][0]]
    for first, stop in earlier:
        at = _priced(series, (max(first, stop - _NEAR), stop)) or _priced(series, (first, stop))
        if at is not None:
            return _last_sessions(series, (first, min(series.axis.next(at[1]), stop)), sessions)
    for first, stop in left[len(earlier) :]:
        at = _priced(series, (first, min(first + _NEAR, stop))) or _priced(series, (first, stop))
        if at is not None:
            return _first_session(series, (max(series.axis.floor(at[0]), first), stop))
    return None


def _priced(series: Series, span: Interval) -> Interval | None:
    """Give the labels of the first and the last bar of an interval that have a price."""
    table = series.table(*span)
    columns = [] if series.form is None else prices_of(series.form, table)
    if not columns or not table.height:
        return None
    at = series.positions(table)[has_prices(columns)]
    return (int(at[0]), int(at[-1])) if len(at) else None


def _last_sessions(series: Series, span: Interval, sessions: int) -> Interval:
    """Give the last sessions of what is stored."""
    first, stop = span
    at = series.labels(max(first, stop - (10 + 2 * sessions) * DAY), stop)
    at = at if len(at) else series.labels(first, stop)
    days = _days(series.axis, at)
    last = np.unique(days)[-sessions:]
    begin = at[days >= last[0]][0] if len(last) else first
    return max(series.axis.floor(int(begin)), first), stop


def _first_session(series: Series, span: Interval) -> Interval:
    """Give the first session of what is stored."""
    first, stop = span
    at = series.labels(first, min(stop, first + 12 * DAY))
    at = at if len(at) else series.labels(first, stop)
    days = _days(series.axis, at)
    last = at[days == days[0]][-1] if len(at) else stop - 1
    return first, min(series.axis.next(int(last)), stop)


def _days(axis: Axis, at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Tell the bars of one day, or session, from others; it may begin on the evening before."""
    if axis.sessions is None or axis.timeframe.is_dates or not len(at):
        return at // DAY
    begins = axis.sessions.begins(int(at[0]) - 4 * DAY, int(at[-1]) + 2 * DAY)
    # The first bar of a session may be labelled before its open.
    last = at + (axis.timeframe.step or 1) - 1
    days: np.ndarray[Any, Any] = begins.searchsorted(last, "right")
    return days
