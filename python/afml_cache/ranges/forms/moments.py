"""Datetimes of Python and Timestamps of pandas as a series of polars, and back in their zone."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import zones

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = Any
Read = tuple[pl.Series, dict[str, Json]]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def read(where: str, cells: Sequence[Any], kind: type) -> Read:
    """Read times of one class and one zone, `None` for missing ones.

    Raises
    ------
    LoaderError
        They are of several zones, or of a class or zone that can't be kept.
    """
    zone = _zone_of(where, cells)
    if kind is dt.datetime:
        return _of_datetimes(where, cells, zone)
    if kind.__module__.startswith("pandas.") and kind.__name__ == "Timestamp":
        return _of_timestamps(where, cells, zone)
    message = (
        f"{where} holds `{kind.__qualname__}` objects, which can't be kept; give `datetime` objects"
    )
    raise LoaderError(message)


def _zone_of(where: str, cells: Sequence[Any]) -> Json:
    """Give the one zone of all times as JSON, `None` for none."""
    present = {id(cell.tzinfo): cell.tzinfo for cell in cells if cell is not None}
    written = [None if zone is None else zones.encode(zone) for zone in present.values()]
    for zone, text in zip(present.values(), written, strict=True):
        if zone is not None and text is None:
            message = (
                f"{where} has times of the zone {zone!r}, which has no key to find it by; give "
                'them in UTC or in a `ZoneInfo("America/New_York")`'
            )
            raise LoaderError(message)
    if len({json.dumps(text) for text in written}) > 1:
        names = ", ".join(sorted({str(zone) for zone in present.values()}))
        message = (
            f"{where} has times of several zones ({names}); give them all in one, such as by "
            "`.astimezone(timezone.utc)` or `pd.to_datetime(..., utc=True)` in the loader"
        )
        raise LoaderError(message)
    return written[0]


def _of_datetimes(where: str, cells: Sequence[Any], zone: Json) -> Read:
    if zone is None:
        return pl.Series(list(cells), dtype=pl.Datetime("us")), {"kind": "datetime"}
    counted = [None if cell is None else (cell - _EPOCH) // _MICROSECOND for cell in cells]
    values = pl.Series(counted, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    outer = {"kind": "datetime", "zone": zone}
    for cell, back in zip(cells, write(values, outer), strict=True):
        if cell is not None and (_on_the_wall(cell) != _on_the_wall(back)):
            message = (
                f"{where} has {cell!r}, a time that its zone skips or that was given the wrong "
                "side of a change of clocks; give times in UTC"
            )
            raise LoaderError(message)
    return values, outer


def _on_the_wall(time: dt.datetime) -> tuple[dt.datetime, int]:
    return time.replace(tzinfo=None, fold=0), time.fold


def _of_timestamps(where: str, cells: Sequence[Any], zone: Json) -> Read:
    present = [cell for cell in cells if cell is not None]
    units = {cell.unit for cell in present}
    if len(units) > 1:
        message = f"{where} has Timestamps of several units ({units}); give them one by `as_unit`"
        raise LoaderError(message)
    (unit,) = units
    counted = [None if cell is None else cell.as_unit("ns").value for cell in cells]
    outer = {"kind": "timestamp", "unit": unit} | ({} if zone is None else {"zone": zone})
    dtype = pl.Datetime("ns", None if zone is None else "UTC")
    return pl.Series(counted, dtype=pl.Int64).cast(dtype), outer


def write(values: pl.Series, outer: Json) -> list[Any]:
    """Make times again of what `read` gave, `None` for missing ones."""
    zone = zones.decode(outer["zone"]) if "zone" in outer else None
    if outer["kind"] == "timestamp":
        return _timestamps(values, outer["unit"], zone)
    naive = values.dt.replace_time_zone(None).to_list()
    return naive if zone is None else zones.local(naive, zone)


def _timestamps(values: pl.Series, unit: str, zone: dt.tzinfo | None) -> list[Any]:
    pandas: Any = importlib.import_module("pandas")
    counted = values.cast(pl.Datetime("ns", values.dtype.time_zone)).to_physical()  # type: ignore[attr-defined]
    index = pandas.DatetimeIndex(counted.fill_null(0).to_numpy().view("M8[ns]")).as_unit(unit)
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    missing = counted.is_null().to_list()
    return [None if absent else cell for absent, cell in zip(missing, index, strict=True)]
