"""Tables and record batches of pyarrow as tables of polars, and back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import dtypes, labels, times
from afml_cache.ranges.forms.form import Column, Form

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any

_UNREAD: Final = (
    "is_decimal256",
    "is_list_view",
    "is_large_list_view",
    "is_union",
    "is_interval",
    "is_run_end_encoded",
)


def read(value: Any, time: str | None) -> tuple[Form, pl.DataFrame]:
    """Read a table or a record batch; see `forms.read`."""
    what = f"the pyarrow `{type(value).__name__}`"
    names = labels.all_inside(value.schema.names)
    columns = []
    series = {}
    for number, name in enumerate(names):
        field = value.schema.field(number)
        values, outer = read_column(f'column "{field.name}" of {what}', value.column(number), field)
        seen = values.null_count() < len(values)
        columns.append(Column(name, field.name, values.dtype, outer, seen=seen))
        series[name] = values
    details: dict[str, Json] = {"batch": True} if isinstance(value, pa.RecordBatch) else {}
    if value.schema.metadata:
        details["metadata"] = _pack(pa.schema([], metadata=value.schema.metadata))
    form = Form("pyarrow", times.found(what, columns, time), tuple(columns), details)
    table = pl.DataFrame(series)
    if form.time is not None:
        times.check(what, table.get_column(form.time))
    return form, table


def _pack(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def _unpack(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def read_column(where: str, array: Any, field: pa.Field | None = None) -> tuple[pl.Series, Json]:
    """Read a column.

    Parameters
    ----------
    where
        What messages call the column.
    array
        An array, chunked or not.
    field
        What the schema says of it beside its type.

    Raises
    ------
    LoaderError
        It would not come back exactly.
    """
    field = pa.field("", array.type) if field is None else field.with_name("")
    if not _is_known(field.type):
        raise _refused(where, field.type)
    outer = {"as": "arrow", "field": _pack(pa.schema([field]))} | _zone(field.type)
    try:
        values: Any = pl.from_arrow(_cast(array, _inside(field.type)))
        if isinstance(values.dtype, pl.Categorical | pl.Enum):
            values = values.cast(pl.String)
        back: Any = pl.from_arrow(_cast(write_column(values, outer), _inside(field.type)))
    except (pa.ArrowException, pl.exceptions.PolarsError) as cause:
        raise _refused(where, field.type) from cause
    same = back.cast(values.dtype).equals(values, null_equal=True)
    if dtypes.encode(values.dtype) is None or not same:
        raise _refused(where, field.type)
    return values, outer


def _zone(kind: pa.DataType) -> dict[str, Json]:
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        return {}
    return {"zone": {"offset" if kind.tz[0] in "+-" else "zoneinfo": kind.tz}}


def _refused(where: str, kind: pa.DataType) -> LoaderError:
    return LoaderError(
        f"{where} has type `{kind}`, which can't be kept; cast it to numbers, texts or times in "
        "the loader"
    )


def _is_known(kind: pa.DataType) -> bool:
    """Whether polars reads a type, and all that it is made of."""
    if isinstance(kind, pa.BaseExtensionType) or any(_is(kind, name) for name in _UNREAD):
        return False
    if pa.types.is_dictionary(kind):
        return _is_known(kind.value_type)
    return all(_is_known(kind.field(number).type) for number in range(kind.num_fields))


def _is(kind: pa.DataType, name: str) -> bool:
    check = getattr(pa.types, name, None)  # which there are depends on pyarrow
    return check is not None and bool(check(kind))


def _inside(kind: pa.DataType) -> pa.DataType:
    """Give the type that polars is handed: times in UTC, since it takes no zone by offset."""
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_dictionary(kind):
        return _inside(kind.value_type)
    return kind


def _cast(array: Any, kind: pa.DataType) -> Any:
    if array.type == kind:
        return array
    if pa.types.is_dictionary(kind):
        plain = _cast(array, kind.value_type)
        return plain.dictionary_encode().cast(kind)
    return array.cast(kind)


def _field(values: pl.Series, outer: Mapping[str, Json]) -> pa.Field:
    if "field" in outer:
        return _unpack(outer["field"]).field(0)
    kind = values[:0].to_arrow().type
    return pa.field("", pa.string() if pa.types.is_large_string(kind) else kind)


def write_column(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    """Make the array again of what `read_column` gave."""
    return _cast(values.to_arrow(), _field(values, outer).type)


def dtype_of_pandas(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    """Give the dtype of pandas that has this type of pyarrow's."""
    import pandas as pd

    return pd.ArrowDtype(_field(values, outer).type)


def write(form: Form, table: pl.DataFrame) -> Any:
    """Make the table or record batch again; see `forms.write`."""
    fields = []
    arrays = []
    for column in form.columns:
        values = table.get_column(column.inner)
        field = _field(values, column.outer).with_name(column.label)
        fields.append(field.with_nullable(field.nullable or bool(values.null_count())))
        arrays.append(write_column(values, column.outer))
    packed = form.details.get("metadata")
    schema = pa.schema(fields, None if packed is None else _unpack(packed).metadata)
    made = pa.RecordBatch if form.details.get("batch") else pa.Table
    return made.from_arrays(arrays, schema=schema)
