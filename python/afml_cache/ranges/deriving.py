"""Longer bars made of shorter ones that are all there: anchored to the session, kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.aggregating import KNOWN, aggregated
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.belonging import belonging, made_ends
from afml_cache.ranges.forms import write, zone_of
from afml_cache.ranges.intervals import joined, without
from afml_cache.ranges.keys import rest_of_text
from afml_cache.ranges.places import labelled
from afml_cache.ranges.states import DATA, EMPTY, NEVER, VOLATILE, Piece
from afml_cache.ranges.timeframes import Timeframe, timeframe
from afml_cache.ranges.zones import DAY, midnight

if TYPE_CHECKING:
    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.made_calendars import Instants
    from afml_cache.ranges.series import Series


class Derived(NamedTuple):
    """Of which bars others are made, and how each column is put together."""

    child: Timeframe
    spelled: Any
    """The children's timeframe as the user wrote it, and as the loader gets it."""
    how: dict[str, str]


def derivations(given: Mapping[Any, Any] | None) -> dict[str, Derived]:
    """Read the option `derive`: a timeframe to that of its children, or to a pair with columns.

    Raises
    ------
    CacheConfigError
        It is no such mapping, a timeframe is not a whole number of its children's, or an
        aggregation is not known.
    """
    if given is not None and not isinstance(given, Mapping):
        raise _unreadable(given)
    found = {}
    for longer, value in (given or {}).items():
        child, how = _parts(longer, value)
        try:
            whole, part = timeframe(longer), timeframe(child)
        except CacheConfigError as error:
            raise _unreadable({longer: value}) from error
        if not _fits(whole, part) or any(each not in KNOWN for each in how.values()):
            message = (
                f"`derive` can't make {longer!r} of {value!r}: bars are made of intraday bars that "
                "go into them a whole number of times, days one by one, and columns by "
                f"{', '.join(KNOWN)}"
            )
            raise CacheConfigError(message)
        found[whole.text] = Derived(part, child, dict(how))
    return found


def _parts(longer: Any, value: Any) -> tuple[Any, Mapping[str, str]]:
    """Give the timeframe of the children, and how columns are made."""
    if not isinstance(value, tuple):
        return value, {}
    if len(value) != 2 or not isinstance(value[1], Mapping):  # noqa: PLR2004
        raise _unreadable({longer: value})
    return value[0], value[1]


def _fits(whole: Timeframe, part: Timeframe) -> bool:
    """Whether bars go into others a whole number of times; where several days begin is not told."""
    step, length = part.step, whole.step
    if not step or part.is_dates or part == whole:
        return False
    if whole.is_dates:
        return whole.unit != "D" or whole.count == 1
    return bool(length) and not (length or 0) % step


def _unreadable(given: Any) -> CacheConfigError:
    message = (
        "`derive` takes the timeframe of longer bars with that of the shorter ones that they are "
        'made of, as in derive={"1h": "1min"}, or with how columns are made too, as in '
        f'derive={{"1h": ("1min", {{"spread": "mean"}})}}; not {given!r}'
    )
    return CacheConfigError(message)


def lineage(derived: Mapping[str, Derived], frame: Timeframe, calendar: str | None) -> str | None:
    """Say of what the bars of a timeframe are made, and how; `None` where the vendor gives them.

    It is part of their key, so all that makes them differ is in it.
    """
    made = derived.get(frame.text)
    if made is None:
        return None
    how = sorted((str(column), rule) for column, rule in made.how.items())
    parts = [how, calendar, lineage(derived, made.child, calendar)]
    return json.dumps([made.child.text, *parts]) if any(parts) else made.child.text


def made_of(told: str) -> tuple[str, str | None]:
    """Read what `lineage` said: the timeframe of the children, and of what those are made."""
    child, *_, of = json.loads(told) if told.startswith("[") else (told, None)
    return child, of


def reach(axis: Axis, first: int, stop: int) -> Interval:
    """Give the instants of the children of the bars of an interval."""
    return belonging(axis).reach(first, stop)


def around(axis: Axis, first: int, stop: int) -> Interval:
    """Give the bars that an interval of children lies in; an empty interval for none."""
    return belonging(axis).around(first, stop)


def begins(axis: Axis, first: int, stop: int) -> Instants:
    """Give some bars of an interval that begin where any does within their length."""
    opens = np.empty(0, np.int64)
    if axis.sessions is not None:
        opens, _ = axis.sessions.opens_closes(first - 2 * DAY, stop + 2 * DAY)
        opens = opens[(opens > first) & (opens < stop)]
    return belonging(axis).labels(np.concatenate(([first], opens, [stop - 1])))[0]


class LackingError(LoaderError):
    """Some bars can't be made; `parts` are the intervals of the others, with what they hold."""

    def __init__(self, message: str, parts: list[tuple[Interval, Any]]) -> None:
        super().__init__(message)
        self.parts = parts


def lacking(series: Series, first: int, stop: int) -> list[Interval]:
    """Tell where closed children of an interval are missing or doubtful; some may still change.

    Where the calendar expects none, none is missing.
    """
    there = [
        (one.first, one.stop)
        for one in series.pieces(first, stop)
        if one.state in {DATA, VOLATILE} or _is_empty(series.axis, one)
    ]
    gaps = without([(first, stop)], joined(there))
    return [gap for gap in gaps if _expected(series.axis, gap)]


def whole(series: Series, axis: Axis, span: Interval, gaps: list[Interval]) -> list[Interval]:
    """Give the bars of an interval that have no part in some gaps of their children."""
    parts = [part for gap in gaps for part in _expected(series.axis, gap)]
    bars = [around(axis, *part) for part in parts]
    return without([span], joined([one for one in bars if one[0] < one[1]]))


def describe_lack(series: Series, gaps: list[Interval]) -> str:
    """Say why bars can't be made."""
    what = "; ".join(series.axis.describe(*gap) for gap in gaps)
    return (
        f"bars can't be made of those of {series.name}: some of {what} are missing or "
        "doubtful; ask for the longer bars without `derive`, or refresh the shorter"
    )


def doubtful(children: Series, axis: Axis, first: int, stop: int) -> list[Interval]:
    """Give the bars of an interval that may change though their time is over.

    A part of them may still change, had no children and is to be asked for again, or is yet to
    come: outside of sessions a day goes on.
    """
    begin, end = reach(axis, first, stop)
    pieces = children.pieces(begin, end)
    open_ = [(one.first, one.stop) for one in pieces if one.recheck_after != NEVER]
    last = pieces[-1].stop if pieces else begin
    latest = max((one.fetched_at for one in pieces), default=0)
    if last < end and latest < end + (children.axis.timeframe.step or 0):
        open_.append((last, end))
    bars = [around(axis, *one) for one in open_]
    return joined([one for one in bars if one[0] < one[1]])


def _expected(axis: Axis, gap: Interval) -> list[Interval]:
    """Give what of an interval the calendar does not know to be closed."""
    sessions = axis.sessions
    if sessions is None:
        return [gap]
    (first, stop), (begin, end) = gap, sessions.known_instants
    if first < begin or stop > end or sessions.is_doubtful(first - 2 * DAY, stop + DAY):
        return [] if axis.is_closed(*gap) else [gap]
    return sessions.trading_spans(first, stop)


def _is_empty(axis: Axis, piece: Piece) -> bool:
    """Whether it can be said that there are no bars: where none are to be expected, at once."""
    if piece.state != EMPTY:
        return False
    return axis.sessions is None or piece.recheck_after == NEVER


def derived(
    axis: Axis, children: Series, table: pl.DataFrame, how: Mapping[str, str], span: Interval
) -> Any:
    """Make the bars of an interval, as the children came: labelled by begin or session.

    Raises
    ------
    LoaderError
        A column can't be made, or a child reaches over into another bar.
    """
    form, at = children.form, children.positions(table)
    if form is None or form.time is None:
        return []
    labels, inside = belonging(axis).labels(at)
    inside = inside & (labels >= span[0]) & (labels < span[1])
    table, labels = table.filter(pl.Series(inside)), labels[inside]
    _check_ends(axis, children, at[inside], labels)
    made, places, rows = aggregated(form, table, labels, how)
    times = _times(axis, places, form, table.schema[form.time])
    return write(made, rows.with_columns(times.alias(form.time)))


def _check_ends(axis: Axis, children: Series, at: Any, labels: Any) -> None:
    """See that children end with their bar at the latest: a bar would know what comes after it."""
    ends = at + (children.axis.timeframe.step or 1)
    if "derived" in rest_of_text(children.text):
        ends = made_ends(children.axis, at)
    of_end, inside = belonging(axis).labels(ends - 1)
    over = np.flatnonzero((of_end != labels) | ~inside)
    if not len(over):
        return
    child, bar = int(at[over[0]]), int(labels[over[0]])
    if isinstance(axis, DateAxis):
        stop, why = axis.next(bar), f"days are sessions and dates in {axis.zone}"
    else:
        stop = bar + (axis.timeframe.step or 1)
        why = "bars are counted from the open of their session, or from 1970 without a calendar"
    message = (
        f"bars can't be made of those of {children.name}: "
        f"{children.axis.describe(child, int(ends[over[0]]))} reaches over the end of "
        f"{axis.describe(bar, stop)}, as {why}; make them of shorter ones"
    )
    raise LoaderError(message)


def _times(axis: Axis, positions: pl.Series, form: Form, dtype: Any) -> pl.Series:
    """Write labels as the children have their times; dates as midnights of the zone of those."""
    zone = zone_of(form)
    if isinstance(axis, DateAxis):
        return _midnights(axis, positions.to_numpy(), zone, dtype)
    if zone is None and axis.naive not in {"UTC", "raise"}:
        aware = positions.cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(axis.naive)
        walls: pl.Series = aware.dt.replace_time_zone(None).cast(dtype)
        return walls
    return _as_times(positions, dtype)


def _midnights(axis: DateAxis, dates: Any, zone: str | int | None, dtype: Any) -> pl.Series:
    """Give midnights of a zone that are taken for their dates again.

    Those of a zone that is an offset alone may not be, nor of one that bars did not have before:
    then they are of the zone that bars had, or of UTC.
    """
    if zone is None:
        return _as_times(pl.Series(dates, dtype=pl.Int64), dtype)
    times = []
    for own in (zone, axis.labels or "UTC", "UTC"):
        at = [int(one) - own if isinstance(own, int) else midnight(int(one), own) for one in dates]
        times.append(_as_times(pl.Series(at, dtype=pl.Int64), dtype))
        read = labelled(axis, zone).positions(times[-1])
        if np.array_equal(read, dates):
            return times[-1]
    return times[0]


def _as_times(instants: pl.Series, dtype: Any) -> pl.Series:
    zone = getattr(dtype, "time_zone", None)
    times: pl.Series = instants.cast(pl.Datetime("ns", "UTC" if zone else None)).cast(dtype)
    return times
