"""Frames of polars as the tables inside, and back."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import dtypes, labels, times, zones
from afml_cache.ranges.forms.form import Column, Form

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any


def read(value: pl.DataFrame, time: str | None) -> tuple[Form, pl.DataFrame]:
    """Read a frame; see `forms.read`."""
    what = "the polars `DataFrame`"
    names = labels.all_inside(value.columns)
    columns = []
    series = {}
    for given, name in zip(value.get_columns(), names, strict=True):
        outer, values = _read_column(what, given)
        seen = values.null_count() < len(values)
        columns.append(Column(name, given.name, values.dtype, outer, seen=seen))
        series[name] = values
    form = Form("polars", times.found(what, columns, time), tuple(columns))
    table = pl.DataFrame(series)
    if form.time is not None:
        times.check(what, table.get_column(form.time))
    return form, table


def _read_column(what: str, values: pl.Series) -> tuple[dict[str, Json], pl.Series]:
    """Read a column: categories as texts, since parts have different ones."""
    written = dtypes.encode(values.dtype)
    if written is None:
        message = (
            f'column "{values.name}" of {what} is {values.dtype}, which Parquet can\'t hold; '
            "convert it to numbers, texts or times in the loader"
        )
        raise LoaderError(message)
    if isinstance(values.dtype, pl.Categorical | pl.Enum):
        return {"as": "polars", "dtype": written}, values.cast(pl.String)
    return {"as": "polars"}, values


def write(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Make the frame again; see `forms.write`."""
    return pl.DataFrame(
        {
            column.label: write_column(table.get_column(column.inner), column.outer)
            for column in form.columns
        }
    )


def write_column(values: pl.Series, outer: Mapping[str, Json]) -> pl.Series:
    """Make the column again of what was read."""
    made: pl.Series = values.cast(dtypes.decode(outer["dtype"])) if "dtype" in outer else values
    return made


def plain(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Give a table of any form as polars would have it: by readable names, in the user's zone."""
    names = readable(form)
    return pl.DataFrame(
        {
            names[column.inner]: _plain_column(table.get_column(column.inner), column.outer)
            for column in form.columns
            if column.inner in names
        }
    )


def readable(form: Form) -> dict[str, str]:
    """Give the names that a reader knows columns by, of each by its name inside."""
    shown = [column for column in form.columns if column.role != "marks"]
    names = labels.readable(_known(form, column) for column in shown)
    return {column.inner: name for column, name in zip(shown, names, strict=True)}


def _known(form: Form, column: Column) -> object:
    if column.role == "index" and column.label is None:
        return "time" if column.inner == form.time else "index"
    return column.label


def _plain_column(values: pl.Series, outer: Mapping[str, Json]) -> pl.Series:
    sort = outer.get("as")
    if sort == "polars":
        return write_column(values, outer)
    if sort == "categorical" and values.dtype == pl.String:
        return write_column(values, {"dtype": {"Enum": outer["categories"]}})
    described = outer.get("cells", outer)
    zone = described.get("zone")
    if zone is not None and isinstance(values.dtype, pl.Datetime):
        return _in_zone(values, zones.known_to_polars(zone))
    return _decimals(values) if described.get("kind") == "decimal" else values


def _in_zone(values: pl.Series, key: str) -> pl.Series:
    try:
        zoned: pl.Series = values.dt.convert_time_zone(key)
    except pl.exceptions.PolarsError:  # its list of zones is another
        return values
    return zoned


def _decimals(values: pl.Series) -> pl.Series:
    """Read numbers from their texts, where all have a place in 38 digits."""
    numbers = [None if text is None else decimal.Decimal(text) for text in values.to_list()]
    places = [number.as_tuple().exponent for number in numbers if number is not None]
    if not all(isinstance(place, int) for place in places):
        return values  # of infinity and what is no number there are none
    scale = max((-place for place in places if isinstance(place, int)), default=0)
    try:
        return pl.Series(values.name, numbers, dtype=pl.Decimal(38, max(scale, 0)))
    except (pl.exceptions.PolarsError, OverflowError):
        return values
