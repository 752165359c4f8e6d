"""Data types of polars as JSON, and the type that two parts of one column have in common."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import polars as pl

Json = Any

_INTEGERS: Final = ("Int8", "Int16", "Int32", "Int64", "Int128")
_NATURALS: Final = ("UInt8", "UInt16", "UInt32", "UInt64", "UInt128")
_FLOATS: Final = ("Float16", "Float32", "Float64")
_OTHERS: Final = ("Boolean", "String", "Binary", "Date", "Time", "Null")
_UNITS: Final = ("ms", "us", "ns")
_PLAIN: Final = {
    name: getattr(pl, name)
    for name in chain(_INTEGERS, _NATURALS, _FLOATS, _OTHERS)
    if hasattr(pl, name)
}


def encode(dtype: pl.DataType) -> Json:
    """Write a data type as JSON; `None` for one that Parquet can't hold."""
    if isinstance(dtype, pl.Datetime):
        return {"Datetime": [dtype.time_unit, dtype.time_zone]}
    if isinstance(dtype, pl.Duration):
        return {"Duration": dtype.time_unit}
    if isinstance(dtype, pl.Decimal):
        return {"Decimal": [dtype.precision, dtype.scale]}
    if isinstance(dtype, pl.Enum):
        return {"Enum": dtype.categories.to_list()}
    if isinstance(dtype, pl.Categorical):
        return {"Categorical": _categories(dtype)}
    if isinstance(dtype, pl.List | pl.Array | pl.Struct):
        return _encode_nested(dtype)
    name = dtype.base_type().__name__
    return name if name in _PLAIN else None


def _categories(dtype: pl.Categorical) -> Json:
    categories: Any = getattr(dtype, "categories", None)  # polars has them since 1.32
    if categories is None or categories.is_global():
        return None
    return [categories.name(), categories.namespace(), encode(categories.physical())]


def _encode_nested(dtype: pl.DataType) -> Json:
    if isinstance(dtype, pl.Struct):
        fields = [[field.name, encode(_made(field.dtype))] for field in dtype.fields]
        return {"Struct": fields} if fields and all(kind for _, kind in fields) else None
    nested: Any = dtype
    inner = encode(_made(nested.inner))
    if inner is None:
        return None
    return {"Array": [inner, nested.size]} if isinstance(dtype, pl.Array) else {"List": inner}


def _made(dtype: Any) -> pl.DataType:
    """Give an instance: polars takes a class of one for it where it has no parameters."""
    return dtype() if isinstance(dtype, type) else dtype


def decode(text: Json) -> pl.DataType:
    """Read what `encode` wrote.

    Raises
    ------
    ValueError
        It was not written by `encode`.
    """
    if isinstance(text, str) and text in _PLAIN:
        return _made(_PLAIN[text])
    if not isinstance(text, dict) or len(text) != 1:
        message = f"no data type of polars: {text!r}"
        raise ValueError(message)
    ((name, given),) = text.items()
    if name == "Datetime":
        return pl.Datetime(*given)
    if name == "Duration":
        return pl.Duration(given)
    if name == "Decimal":
        return pl.Decimal(*given)
    if name == "Enum":
        return pl.Enum(given)
    if name == "Categorical":
        return _decode_categorical(given)
    return _decode_nested(name, given)


def _decode_categorical(given: Json) -> pl.DataType:
    if given is None or not hasattr(pl, "Categories"):
        return pl.Categorical()
    name, namespace, physical = given
    return pl.Categorical(pl.Categories(name, namespace, decode(physical)))


def _decode_nested(name: str, given: Json) -> pl.DataType:
    if name == "List":
        return pl.List(decode(given))
    if name == "Array":
        return pl.Array(decode(given[0]), given[1])
    if name == "Struct":
        return pl.Struct([pl.Field(field, decode(kind)) for field, kind in given])
    message = f"no data type of polars: {name!r}"
    raise ValueError(message)


def is_time(dtype: pl.DataType) -> bool:
    """Whether values of this type say when a bar was."""
    return isinstance(dtype, pl.Datetime | pl.Date)


def common(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """Give the type that holds the values of both, `None` where there is none.

    Integers widen; an integer and a float make a float, which whoever casts must check; of times
    the finer unit counts, and where zones differ, UTC.
    """
    if left == right:
        return left
    if isinstance(left, pl.Null):
        return right
    if isinstance(right, pl.Null):
        return left
    if left.is_numeric() and right.is_numeric():
        return _common_number(left, right)
    if isinstance(left, pl.Datetime) and isinstance(right, pl.Datetime):
        return _common_datetime(left, right)
    if isinstance(left, pl.Duration) and isinstance(right, pl.Duration):
        return pl.Duration(_finer(left, right))
    if isinstance(left, pl.List) and isinstance(right, pl.List):
        inner = common(_made(left.inner), _made(right.inner))
        return None if inner is None else pl.List(inner)
    return None


def _common_number(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    if left.is_decimal() or right.is_decimal():
        return None
    if left.is_float() and right.is_float():
        return _wider(_FLOATS, left, right)
    if left.is_float() or right.is_float():
        return pl.Float64()
    if left.is_signed_integer() and right.is_signed_integer():
        return _wider(_INTEGERS, left, right)
    if left.is_unsigned_integer() and right.is_unsigned_integer():
        return _wider(_NATURALS, left, right)
    return _common_sign(left, right)


def _common_sign(left: pl.DataType, right: pl.DataType) -> pl.DataType:
    """Hold a sign and the other's range; beyond 64 bits it is up to the values whether they fit."""
    signed, natural = (left, right) if left.is_signed_integer() else (right, left)
    needed = _NATURALS.index(_name(natural)) + 1
    widest = _INTEGERS.index("Int64")
    least = max(_INTEGERS.index(_name(signed)), min(needed, widest))
    return _made(_PLAIN[_INTEGERS[least]])


def _wider(ladder: tuple[str, ...], left: pl.DataType, right: pl.DataType) -> pl.DataType:
    return _made(_PLAIN[max(_name(left), _name(right), key=ladder.index)])


def _name(dtype: pl.DataType) -> str:
    return dtype.base_type().__name__


def _common_datetime(left: pl.Datetime, right: pl.Datetime) -> pl.DataType | None:
    zones = left.time_zone, right.time_zone
    if zones[0] == zones[1]:
        return pl.Datetime(_finer(left, right), zones[0])
    return None if None in zones else pl.Datetime(_finer(left, right), "UTC")


def _finer(left: Any, right: Any) -> Any:
    return max(left.time_unit, right.time_unit, key=_UNITS.index)
