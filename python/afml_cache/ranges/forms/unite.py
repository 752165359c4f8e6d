"""Parts of a series put together, of which later ones may have more, fewer or other columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import polars as pl

from afml_cache.exceptions import SchemaError
from afml_cache.ranges.forms import dtypes

if TYPE_CHECKING:
    from collections.abc import Sequence

# Up to here every whole number is a float too.
_EXACT: Final = 2**53
_REMEDY: Final = (
    "let the loader give the column one dtype, and invalidate the parts that have another"
)


class United(NamedTuple):
    """Rows of all parts under one another, and what had to be changed for it."""

    table: pl.DataFrame
    messages: list[str]


def unite(tables: Sequence[pl.DataFrame]) -> United:
    """Concatenate tables: all columns in the order of their first appearance, nulls between.

    Parameters
    ----------
    tables
        The parts, in the order of their rows. Of a column whose data types differ the widest is
        taken, and integers become floats where each of them is exact; a part without values in a
        column has no say.

    Returns
    -------
    United
        The table, and a message for each column that was promoted or is not in all parts.

    Raises
    ------
    SchemaError
        A column has data types that don't fit together, or values that would lose digits.
    """
    if not tables:
        return United(pl.DataFrame(), [])
    schemas = [table.schema for table in tables]
    if all(list(schema.items()) == list(schemas[0].items()) for schema in schemas):
        return United(pl.concat(tables) if len(tables) > 1 else tables[0], [])
    messages: list[str] = []
    names = dict.fromkeys(name for schema in schemas for name in schema)
    target = pl.Schema({name: _dtype(name, tables, messages) for name in names})
    for name in names:
        missing = sum(name not in schema for schema in schemas)
        if missing:
            messages.append(f"column `{name}` is not in {missing} of {len(tables)} parts: nulls")
    return United(pl.concat([conformed(table, target) for table in tables]), messages)


def _dtype(name: str, tables: Sequence[pl.DataFrame], messages: list[str]) -> pl.DataType:
    """Find the data type of a column that holds the values of all parts."""
    columns = [table.get_column(name) for table in tables if name in table.columns]
    given = [column.dtype for column in columns if column.null_count() < len(column)]
    if not given:
        return next((column.dtype for column in columns if column.dtype != pl.Null), pl.Null())
    found = given[0]
    for dtype in given[1:]:
        wider = dtypes.common(found, dtype)
        if wider is None:
            _refuse(name, found, dtype)
        found = wider
    known = list(dict.fromkeys(map(str, given)))
    if len(known) > 1:
        messages.append(f"column `{name}` is {' and '.join(known)} in different parts: {found}")
    return found


def _refuse(name: str, left: pl.DataType, right: pl.DataType) -> NoReturn:
    message = f"column `{name}` is {left} in one part and {right} in another; {_REMEDY}"
    raise SchemaError(message)


def conformed(table: pl.DataFrame, target: pl.Schema) -> pl.DataFrame:
    """Give a table exactly these columns: others are left out, missing ones are null.

    Raises
    ------
    SchemaError
        A value would not be the same in the column's new data type.
    """
    if list(table.schema.items()) == list(target.items()):
        return table
    columns = {
        name: _cast(table.get_column(name), dtype)
        if name in table.columns
        else _nulls(name, table.height, dtype)
        for name, dtype in target.items()
    }
    return pl.DataFrame(columns)


def _nulls(name: str, count: int, dtype: pl.DataType) -> pl.Series:
    nulls: pl.Series = pl.Series(name, [None], dtype=dtype).new_from_index(0, count)
    return nulls


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if column.dtype == dtype:
        return column
    if column.null_count() == len(column):
        return _nulls(column.name, len(column), dtype)
    lossy = _lossy(column, dtype)
    try:
        cast: pl.Series | None = None if lossy else column.cast(dtype)
    except pl.exceptions.PolarsError:
        cast = None
    if cast is None:
        message = (
            f"column `{column.name}` is {column.dtype} in one part and {dtype} in the whole, which "
            f"{lossy or 'can not hold its values'}; {_REMEDY}"
        )
        raise SchemaError(message)
    return cast


def _lossy(column: pl.Series, dtype: pl.DataType) -> str | None:
    """Say what a cast would lose that polars does not tell of."""
    if column.dtype.is_integer() and dtype.is_float():
        lowest: Any = column.min()
        highest: Any = column.max()
        beyond = max(highest, -lowest) > _EXACT
        return "would round whole numbers beyond 2**53" if beyond else None
    if column.dtype.is_temporal() and dtype.is_temporal():
        back = column.cast(dtype, strict=False).cast(column.dtype, strict=False)
        return None if back.equals(column, null_equal=True) else "can not hold its times"
    if column.dtype.is_float() and dtype.is_integer():
        return "has no fractions"
    return None
