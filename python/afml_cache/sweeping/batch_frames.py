"""Tables of pandas, polars and pyarrow as columns."""

from __future__ import annotations

import math
import sys
from typing import Any

from afml_cache.exceptions import SchemaError
from afml_cache.sweeping.column_types import ForeignError, fitted, plain
from afml_cache.sweeping.installed import arrow


def is_table(given: Any) -> bool:
    """Whether a value is a table of a library: not a row of one, and nothing lazy."""
    pandas, polars, pyarrow = map(sys.modules.get, ("pandas", "polars", "pyarrow"))
    return (
        (pandas is not None and isinstance(given, pandas.DataFrame))
        or (polars is not None and isinstance(given, polars.DataFrame))
        or (pyarrow is not None and isinstance(given, pyarrow.Table | pyarrow.RecordBatch))
    )


def of_table(given: Any, position: int) -> tuple[int, dict[str, Any]]:
    """Give how many rows a table has, and its columns by name: arrays, or lists of objects.

    Raises
    ------
    SchemaError
        A column has no name that is text, or shares it, or has values that no file holds.
    """
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return len(given), _of_pandas(given, position, pandas)
    if not isinstance(given, arrow().Table | arrow().RecordBatch):
        return len(given), _of_polars(given, position)
    _check_names(given.column_names, position)
    columns = {
        name: plain_array(_whole(given.column(name)), name, position) for name in given.column_names
    }
    return given.num_rows, columns


def _of_polars(frame: Any, position: int) -> dict[str, Any]:
    _check_names(frame.columns, position)
    columns = {}
    for name in frame.columns:
        try:
            values = _arrow_of(frame[name])
        except (ForeignError, arrow().ArrowException) as error:
            message = (
                f"item {position} gave the column `{name}` of dtype `{frame[name].dtype}`, which "
                "files of batches do not have; give it as text, numbers or times"
            )
            raise SchemaError(message) from error
        columns[name] = plain_array(_whole(values), name, position)
    return columns


def _arrow_of(column: Any) -> Any:
    if column.dtype == sys.modules["polars"].Object:  # pyarrow would be given addresses
        raise ForeignError(column.dtype)
    return column.to_arrow()


def _whole(column: Any) -> Any:
    pyarrow = arrow()
    if not isinstance(column, pyarrow.ChunkedArray):
        return column
    if pyarrow.types.is_dictionary(column.type):  # whose chunks may have other dictionaries
        column = column.cast(column.type.value_type)
    found = column.combine_chunks()
    return pyarrow.concat_arrays(found.chunks) if hasattr(found, "chunks") else found


def plain_array(values: Any, name: str, position: int) -> Any:
    """Give an array as one of the types that files of batches have.

    Raises
    ------
    SchemaError
        It has values of another.
    """
    try:
        return fitted(values, plain(values.type))
    except ForeignError as error:
        message = (
            f"item {position} gave the column `{name}` with values of the type `{error}`, which "
            "files of batches do not have; give it as text, numbers or times"
        )
    except arrow().ArrowException as error:
        message = f"item {position} gave the column `{name}` with a value too large: {error}"
    raise SchemaError(message)


def _of_pandas(frame: Any, position: int, pandas: Any) -> dict[str, Any]:
    # pandas makes a RangeIndex of any numbers that are evenly spaced: a named one is a column.
    if not isinstance(frame.index, pandas.RangeIndex) or frame.index.name is not None:
        try:
            frame = frame.reset_index()
        except ValueError as error:
            message = (
                f"item {position} gave a DataFrame whose index can't become columns: {error}; "
                "rename it, or call `reset_index(drop=True)`"
            )
            raise SchemaError(message) from error
    names = list(frame.columns)
    _check_names(names, position)
    columns = (frame.iloc[:, number] for number in range(len(names)))
    return {
        str.__str__(name): _of_series(column, name, position, pandas)
        for name, column in zip(names, columns, strict=True)
    }


def _of_series(column: Any, name: str, position: int, pandas: Any) -> Any:
    dtype = column.dtype
    if dtype.kind == "O" and _is_numpy(column):
        return _of_objects(column.tolist())
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return _of_instants(pandas.DatetimeIndex(column), dtype)
    if isinstance(dtype, pandas.SparseDtype):
        column = column.sparse.to_dense()
    # NaN of a column of floats is a value; missing ones of other dtypes are null either way.
    values = column.to_numpy() if column.dtype.kind in "biufMm" and _is_numpy(column) else column
    try:
        found = arrow().array(values, from_pandas=values is column)
    except (arrow().ArrowException, TypeError, ValueError) as error:
        message = (
            f"item {position} gave the column `{name}` of dtype `{dtype}`, which files of batches "
            f"do not have: {error}"
        )
        raise SchemaError(message) from error
    return plain_array(_whole(found), name, position)


def _is_numpy(column: Any) -> bool:
    return isinstance(column.dtype, sys.modules["numpy"].dtype)


def _of_instants(index: Any, dtype: Any) -> Any:
    pyarrow = arrow()
    try:
        zone = pyarrow.lib.tzinfo_to_string(dtype.tz)
    except (ValueError, TypeError):
        zone = "UTC"
    counts = pyarrow.array(index.asi8, mask=index.isna())
    stored = counts.cast(pyarrow.timestamp(dtype.unit, zone))
    return fitted(stored, plain(stored.type))


def _of_objects(values: list[Any]) -> list[Any]:
    """Take NaN as missing, as pandas does, among values that are no numbers."""
    others = [value for value in values if value is not None and not _is_nan(value)]
    numbers = others and all(type(value) in {int, float} for value in others)
    return values if numbers else [None if _is_nan(value) else value for value in values]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _check_names(names: list[Any], position: int) -> None:
    for name in names:
        check_name(name, position)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        message = f"item {position} gave two columns of the name `{twice}`; rename one of them"
        raise SchemaError(message)


def check_name(name: Any, position: int) -> None:
    """See that a column has a name that a file can have.

    Raises
    ------
    SchemaError
        It is no text.
    """
    if not isinstance(name, str):
        message = f"item {position} gave a column of the name {name!r}; names have to be text"
        raise SchemaError(message)
    try:
        name.encode()
    except UnicodeEncodeError:
        message = f"item {position} gave a column of the name {name!r}, which UTF-8 can't hold"
        raise SchemaError(message) from None
