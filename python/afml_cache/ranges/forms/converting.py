"""What a loader gives as a table of polars, and a table as what the caller wants."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import polars as pl

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.forms import objects
from afml_cache.ranges.forms import polars as frames
from afml_cache.ranges.forms.times import listed
from afml_cache.ranges.forms.unite import conformed

if TYPE_CHECKING:
    from afml_cache.ranges.forms.form import Form

Output: TypeAlias = "Literal['pandas', 'polars', 'pyarrow'] | type | None"

# Of these a copied column has the same bytes, by other views.
_WITH_BUFFERS: Final = (pl.String, pl.Binary)
_OUTPUTS: Final = ("pandas", "polars", "pyarrow")
_LIBRARIES: Final = {
    "pandas": "pandas",
    "series": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
}
_TAKEN: Final = (
    "a frame or series of pandas, a frame of polars, a table of pyarrow, or a list of objects or "
    "dictionaries"
)


def read(
    value: object, *, time: str | None = None, default: Form | None = None
) -> tuple[Form, pl.DataFrame]:
    """Read what a loader gave.

    Parameters
    ----------
    value
        A `DataFrame` of pandas, a `Series` with a `DatetimeIndex`, a `DataFrame` or `LazyFrame` of
        polars, a `Table` or `RecordBatch` of pyarrow, a list or tuple of dataclasses, named tuples,
        models of pydantic, objects of attrs or plain classes, or dictionaries.
    time
        The column or field of times; otherwise the `DatetimeIndex`, or the one column of times that
        is called time, timestamp, date, datetime, ts, t or open_time.
    default
        The form of the series so far, for an empty answer that says none.

    Returns
    -------
    tuple of Form and polars.DataFrame
        The table has the value's columns in their order, the index first, and shares no memory
        with it.

    Raises
    ------
    LoaderError
        The value is of another kind, has no times, or holds what can't be kept.
    """
    form, table = _read(value, time, default)
    if not form.says_nothing:
        return form, _owned(table)
    if table.height:
        message = (
            f"the loader's answer has {table.height} rows without any value and no column of "
            f"times; it has {listed(form.columns)}; leave such rows out"
        )
        raise LoaderError(message)
    return (form, table) if default is None else (default, default.empty())


def _owned(table: pl.DataFrame) -> pl.DataFrame:
    """Copy a table whose memory a loader may fill with its next answer."""
    if any(dtype.is_nested() or dtype in _WITH_BUFFERS for dtype in table.dtypes):
        copied = io.BytesIO()
        table.write_ipc_stream(copied)
        copied.seek(0)
        return pl.read_ipc_stream(copied)
    return table[np.arange(table.height)]


def _read(value: Any, time: str | None, default: Form | None) -> tuple[Form, pl.DataFrame]:
    if value is None:
        message = f"the loader gave None; return an empty frame where there is nothing, or {_TAKEN}"
        raise LoaderError(message)
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.DataFrame):
        return frames.read(value, time)
    if type(value) in {list, tuple}:
        return objects.read(value, time, default)
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        from afml_cache.ranges.forms import pandas as of_pandas

        return of_pandas.read(value, time, default)
    pyarrow: Any = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(value, pyarrow.Table | pyarrow.RecordBatch):
        from afml_cache.ranges.forms import arrow

        return arrow.read(value, time)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    message = f"the loader gave a `{kind}`, which can't be kept; give {_TAKEN}"
    raise LoaderError(message)


def restore(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Give a table the columns and data types of its form, which a Parquet file may have lost.

    Raises
    ------
    SchemaError
        It holds values that the form has no place for.
    """
    return conformed(table, form.schema)


def write(form: Form, table: pl.DataFrame, output: Output = None) -> Any:
    """Make of a table what the loader gave, or what the caller wants.

    Parameters
    ----------
    form, table
        As `read` gave them, or those of several parts by `Form.merge` and `unite`.
    output
        "pandas", "polars", "pyarrow", a class of objects, or `dict`; as it was by default. An index
        becomes the first column, and the time the index of a frame of pandas. Objects that were of
        that class before are made without its checks; others by calling it with its fields.

    Raises
    ------
    CacheConfigError
        There is no such output, or the class of the objects is not known in this process.
    SchemaError
        The table holds values that the form has no place for.
    """
    check_output(output)
    table = restore(form, table)
    if isinstance(output, type):
        if is_of(form, output):
            return objects.Writer(form.bind(output), table).rows(0, table.height)
        return objects.made_of(output, frames.plain(form, table))
    if output is None or output == _LIBRARIES.get(form.kind):
        return _as_it_was(form, table)
    return _converted(form, table, output)


def _as_it_was(form: Form, table: pl.DataFrame) -> Any:
    if form.kind == "unknown":
        return []
    if form.kind == "objects":
        return objects.Writer(form, table).rows(0, table.height)
    if form.kind == "polars":
        return frames.write(form, table)
    if form.kind == "pyarrow":
        from afml_cache.ranges.forms import arrow

        return arrow.write(form, table)
    from afml_cache.ranges.forms import pandas

    return pandas.write(form, table)


def check_output(output: object) -> None:
    """See that an output is one of those there are.

    Raises
    ------
    CacheConfigError
        It is not.
    """
    if output is not None and output not in _OUTPUTS and not isinstance(output, type):
        names = ", ".join(f'"{name}"' for name in _OUTPUTS)
        message = f"`output` takes {names}, a class of objects, or None; not {output!r}"
        raise CacheConfigError(message)


def is_of(form: Form, cls: type) -> bool:
    """Whether a form is of objects of a class."""
    if form.kind != "objects":
        return False
    return form.bound is cls or form.details["class"][:2] == [cls.__module__, cls.__qualname__]


def _converted(form: Form, table: pl.DataFrame, output: str) -> Any:
    plain = frames.plain(form, table)
    if output == "polars":
        return plain
    if output == "pyarrow":
        return plain.to_arrow()
    from afml_cache.ranges.forms import pandas_plain

    shown = [column.inner for column in form.columns if column.role != "marks"]
    time = None if form.time is None else plain.columns[shown.index(form.time)]
    return pandas_plain.frame_of(plain, time)
