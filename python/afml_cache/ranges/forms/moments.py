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
Read = tuple[pl.Series, dict[str, Json], list[int] | None]

# What marks say of a cell from this bit on: one more than the place of its unit here.
UNIT: Final = 8
UNITS: Final = ("s", "ms", "us", "ns")

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
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "Timestamp":
        return _of_timestamps(cells, zone)
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
        return pl.Series(list(cells), dtype=pl.Datetime("us")), {"kind": "datetime"}, None
    counted = [None if cell is None else (cell - _EPOCH) // _MICROSECOND for cell in cells]
    values = pl.Series(counted, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    outer = {"kind": "datetime", "zone": zone}
    for cell, back in zip(cells, write(values, outer), strict=True):
        if cell is not None and cell.replace(tzinfo=None) != back.replace(tzinfo=None):
            message = (
                f"{where} has {cell!r}, a time that its zone skips at a change of clocks; give "
                "times in UTC"
            )
            raise LoaderError(message)
    return values, outer, None


def _of_timestamps(cells: Sequence[Any], zone: Json) -> Read:
    units = [UNITS[0] if cell is None else cell.unit for cell in cells]
    known = {cell.unit for cell in cells if cell is not None}
    unit = max(known, key=UNITS.index)
    marks = [UNIT * (1 + UNITS.index(each)) for each in units] if len(known) > 1 else None
    counted = [None if cell is None else cell.as_unit("ns").value for cell in cells]
    outer = {"kind": "timestamp", "unit": unit} | ({} if zone is None else {"zone": zone})
    dtype = pl.Datetime("ns", None if zone is None else "UTC")
    return pl.Series(counted, dtype=pl.Int64).cast(dtype), outer, marks


def write(values: pl.Series, outer: Json, marks: pl.Series | None = None) -> list[Any]:
    """Make times again of what `read` gave, `None` for missing ones."""
    zone = zones.decode(outer["zone"]) if "zone" in outer else None
    if outer["kind"] == "timestamp":
        return _timestamps(values, outer["unit"], zone, marks)
    naive = values.dt.replace_time_zone(None).to_list()
    return naive if zone is None else zones.local(naive, zone)


def _timestamps(
    values: pl.Series, unit: str, zone: dt.tzinfo | None, marks: pl.Series | None
) -> list[Any]:
    pandas: Any = importlib.import_module("pandas")
    counted = values.cast(pl.Datetime("ns", values.dtype.time_zone)).to_physical()  # type: ignore[attr-defined]
    index = pandas.DatetimeIndex(counted.fill_null(0).to_numpy().view("M8[ns]"))
    index = index if marks is not None else index.as_unit(unit)
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    missing = counted.is_null().to_list()
    stamps = [None if absent else cell for absent, cell in zip(missing, index, strict=True)]
    if marks is None:
        return stamps
    units = [_unit(mark) or unit for mark in marks.fill_null(0).to_list()]
    return [cell and cell.as_unit(own) for cell, own in zip(stamps, units, strict=True)]


def _unit(mark: int) -> str | None:
    number = mark // UNIT
    return UNITS[number - 1] if number else None
