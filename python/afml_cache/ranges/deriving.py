"""Longer bars made of shorter ones that are all there: anchored to the session, kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.aggregating import KNOWN, aggregated
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.belonging import belonging
from afml_cache.ranges.forms import write, zone_of
from afml_cache.ranges.places import labelled
from afml_cache.ranges.states import DATA, EMPTY, NEVER, Piece
from afml_cache.ranges.timeframes import Timeframe, timeframe
from afml_cache.ranges.zones import midnight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.intervals import Interval
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
        A timeframe is not a whole number of its children's, or an aggregation is not known.
    """
    found = {}
    for longer, value in (given or {}).items():
        whole = timeframe(longer)
        child, how = value if isinstance(value, tuple) else (value, {})
        part = timeframe(child)
        step, length = part.step, whole.step
        fits = step and not part.is_dates and (whole.is_dates or (length and length % step == 0))
        unknown = [each for each in how.values() if each not in KNOWN]
        if not fits or unknown or part == whole:
            message = (
                f"`derive` can't make {longer!r} of {value!r}: bars are made of intraday bars that "
                f"go into them a whole number of times, and columns by {', '.join(KNOWN)}"
            )
            raise CacheConfigError(message)
        found[whole.text] = Derived(part, child, dict(how))
    return found


def reach(axis: Axis, first: int, stop: int) -> Interval:
    """Give the instants of the children of the bars of an interval."""
    return belonging(axis).reach(first, stop)


def around(axis: Axis, first: int, stop: int) -> Interval:
    """Give the bars that an interval of children lies in; an empty interval for none."""
    return belonging(axis).around(first, stop)


def check_whole(series: Series, first: int, stop: int) -> None:
    """See that the children of an interval are all there, and final.

    Raises
    ------
    LoaderError
        Some are missing, doubtful, or may still change.
    """
    pieces = series.pieces(first, stop)
    final = [one for one in pieces if one.state == DATA or _is_empty(series.axis, one)]
    at = first
    for one in final:
        if one.first > at:
            break
        at = max(at, one.stop)
    if at < stop:
        what = series.axis.describe(at, stop)
        message = (
            f"bars can't be made of those of {series.name}: some of {what} are missing, doubtful "
            "or may still change; ask for the longer bars without `derive`, or refresh the shorter"
        )
        raise LoaderError(message)


def doubtful(children: Series, axis: Axis, first: int, stop: int) -> list[Interval]:
    """Give the bars of an interval of which a part had no children, and is to be asked for again.

    With a calendar there are none: `check_whole` refuses them.
    """
    if axis.sessions is not None:
        return []
    pieces = children.pieces(*reach(axis, first, stop))
    return [around(axis, one.first, one.stop) for one in pieces if _is_open(one)]


def _is_empty(axis: Axis, piece: Piece) -> bool:
    """Whether it can be said that there are no bars: where none are to be expected, at once."""
    return piece.state == EMPTY and (axis.sessions is None or not _is_open(piece))


def _is_open(piece: Piece) -> bool:
    """Whether bars may still come to where there are none."""
    return piece.state == EMPTY and piece.recheck_after != NEVER


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
    step, own = axis.timeframe.step, children.axis.timeframe.step
    if isinstance(axis, DateAxis) or not step or not own:
        return
    over = np.flatnonzero(at + own > labels + step)
    if len(over):
        child, bar = int(at[over[0]]), int(labels[over[0]])
        message = (
            f"bars can't be made of those of {children.name}: {axis.describe(child, child + own)} "
            f"reaches over the end of {axis.describe(bar, bar + step)}, as bars are counted from "
            "the open of their session, or from 1970 without a calendar; make them of shorter ones"
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
