"""Positions of an axis as times, and the other way round."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from afml_cache.instants import EARLIEST, LATEST, as_datetime
from afml_cache.ranges.axes import DateAxis, InstantAxis
from afml_cache.ranges.bounds import Request
from afml_cache.ranges.callers import Caller
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import date_of, midnight
from afml_cache.ranges.zones import zone_of as zone_named

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.axes import Axis

_UNITS: Final = {"ns": 1, "us": 1000, "ms": 1_000_000}


def name_of(axis: Axis) -> str:
    """Name what the positions of an axis are: those of one name mean the same.

    Labels without a zone are kept as they are, so what they mean counts too.
    """
    name = f"dates of {axis.zone}" if isinstance(axis, DateAxis) else "instants"
    return name if axis.naive in {"UTC", "raise"} else f"{name}, without a zone of {axis.naive}"


def times(axis: Axis, first: int, stop: int) -> tuple[Any, Any]:
    """Show an interval: dates of sessions, or instants in UTC."""
    return time_of(axis, first), time_of(axis, stop)


def time_of(axis: Axis, position: int) -> Any:
    """Show a position: the date of a session, or an instant in UTC."""
    when = as_datetime(min(max(position, EARLIEST), LATEST))
    return when if isinstance(axis, InstantAxis) else when.date()


def between(axis: Axis, first: int, stop: int, dtype: pl.DataType | None) -> Request:
    """Make the request of an interval, with times as a column of that data type has them."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if dtype is not None and zone is None:
        like = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - bars without a zone
    else:
        like = dt.datetime(1970, 1, 1, tzinfo=zone_named(zone or "UTC"))
    naive = "UTC" if axis.naive == "raise" else axis.naive
    return Request(first, stop, first, stop, Caller(like, like, naive))


def anchored(axis: Axis, anchor: int | None) -> Axis:
    """Give the axis whose bars begin there, and a whole number of bars from there."""
    if not isinstance(axis, InstantAxis):
        return axis
    return InstantAxis(axis.timeframe, axis.sessions, axis.naive, anchor)


def labelled(axis: Axis, zone: str | int | None) -> Axis:
    """Give the axis whose labels are midnights of a zone, unless it has one or that has no key."""
    if isinstance(axis, DateAxis) and axis.labels is None and isinstance(zone, str):
        return axis.labelled(zone)
    return axis


def begun(axis: Axis, at: np.ndarray[Any, Any]) -> Axis:
    """Give the axis of weeks that may begin with labels such as these; others stay as they are."""
    return axis.begun(at) if isinstance(axis, DateAxis) else axis


def anchor_of(at: np.ndarray[Any, Any], step: int) -> int | None:
    """Tell where bars begin within their lengths; `None` where they begin anywhere."""
    begins = at % step
    return int(begins[0]) if (begins == begins[0]).all() else None


def day(axis: Axis, position: int, later: int = 0) -> int:
    """Give where the day begins that a position lies in, or one later."""
    if not isinstance(axis, InstantAxis):
        return position // DAY * DAY + later * DAY
    zone = zone_of(axis)
    return midnight(date_of(position, zone) + later * DAY, zone)


def month(axis: Axis, position: int, later: int = 0) -> int:
    """Give where the month begins that a position lies in, or one later."""
    date = position if not isinstance(axis, InstantAxis) else date_of(position, zone_of(axis))
    begin = as_datetime(date).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(later):
        begin = (begin + dt.timedelta(days=32)).replace(day=1)
    date = (begin.toordinal() - dt.date(1970, 1, 1).toordinal()) * DAY
    return date if not isinstance(axis, InstantAxis) else midnight(date, zone_of(axis))


def zone_of(axis: Axis) -> str:
    """Name the zone whose days are meant."""
    if axis.sessions is not None:
        return axis.sessions.zone
    return "UTC" if axis.naive == "raise" else axis.naive


def within(axis: Axis, time: str, dtype: pl.DataType, first: int, stop: int) -> pl.Expr | None:
    """Say which rows of a segment lie in an interval; `None` where that takes all of them."""
    if not isinstance(axis, InstantAxis) or not isinstance(dtype, pl.Datetime):
        return None
    if dtype.time_zone is None and axis.naive not in {"UTC", "raise"}:
        return None
    unit = _UNITS[dtype.time_unit]
    low, high = -(-first // unit), -(-stop // unit)
    column = pl.col(time)
    return (column >= pl.lit(low).cast(dtype)) & (column < pl.lit(high).cast(dtype))


def reason_closed(axis: Axis, position: int) -> str | None:
    """Tell why a day has no session: "weekend", or the name of the holiday."""
    if axis.sessions is None:
        return None
    date = date_of(position, zone_of(axis)) if isinstance(axis, InstantAxis) else position
    return axis.sessions.reason_closed(date)
