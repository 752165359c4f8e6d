"""Data types of polars as JSON, and the type that two parts of one column have in common."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

Json = Any

_UNKNOWN: Final = object()

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
    for kind, parameters in _PARAMETERS.items():
        if isinstance(dtype, kind):
            given = parameters(dtype)
            return None if given is _UNKNOWN else {kind.__name__: given}
    name = _name(dtype)
    return name if name in _PLAIN else None


def _categories(dtype: Any) -> Json:
    categories: Any = getattr(dtype, "categories", None)  # polars has them since 1.32
    if categories is None or categories.is_global():
        return None
    return [categories.name(), categories.namespace(), encode(made(categories.physical()))]


def _fields(dtype: Any) -> Json:
    fields = [[field.name, encode(made(field.dtype))] for field in dtype.fields]
    return fields if fields and all(kind for _, kind in fields) else _UNKNOWN


def _inner(dtype: Any) -> Json:
    inner = encode(made(dtype.inner))
    return _UNKNOWN if inner is None else inner


def _inner_and_size(dtype: Any) -> Json:
    inner = _inner(dtype)
    return _UNKNOWN if inner is _UNKNOWN else [inner, dtype.size]


_PARAMETERS: Final[dict[type[pl.DataType], Callable[[Any], Json]]] = {
    pl.Datetime: lambda dtype: [dtype.time_unit, dtype.time_zone],
    pl.Duration: lambda dtype: dtype.time_unit,
    pl.Decimal: lambda dtype: [dtype.precision, dtype.scale],
    pl.Enum: lambda dtype: dtype.categories.to_list(),
    pl.Categorical: _categories,
    pl.List: _inner,
    pl.Array: _inner_and_size,
    pl.Struct: _fields,
}


def made(dtype: Any) -> pl.DataType:
    """Give an instance: polars takes a class of one for it where it has no parameters."""
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found


def decode(text: Json) -> pl.DataType:
    """Read what `encode` wrote.

    Raises
    ------
    ValueError
        It was not written by `encode`.
    """
    if isinstance(text, str) and text in _PLAIN:
        return made(_PLAIN[text])
    if isinstance(text, dict) and len(text) == 1 and (name := next(iter(text))) in _MAKERS:
        return _MAKERS[name](text[name])
    message = f"no data type of polars: {text!r}"
    raise ValueError(message)


def _make_categorical(given: Json) -> pl.DataType:
    if given is None or not hasattr(pl, "Categories"):
        return pl.Categorical()
    name, namespace, physical = given
    return pl.Categorical(pl.Categories(name, namespace, decode(physical)))


_MAKERS: Final[dict[str, Callable[[Json], pl.DataType]]] = {
    "Datetime": lambda given: pl.Datetime(*given),
    "Duration": pl.Duration,
    "Decimal": lambda given: pl.Decimal(*given),
    "Enum": pl.Enum,
    "Categorical": _make_categorical,
    "List": lambda given: pl.List(decode(given)),
    "Array": lambda given: pl.Array(decode(given[0]), given[1]),
    "Struct": lambda given: pl.Struct([pl.Field(name, decode(kind)) for name, kind in given]),
}


def is_time(dtype: pl.DataType) -> bool:
    """Whether values of this type say when a bar was."""
    return isinstance(dtype, pl.Datetime | pl.Date)


def common(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """Give the type that holds the values of both, `None` where there is none.

    Integers widen; an integer and a float make a float, which whoever casts must check; of times
    the finer unit counts, and where zones differ, UTC.
    """
    if left == right or isinstance(right, pl.Null):
        return left
    if isinstance(left, pl.Null):
        return right
    if left.is_numeric() and right.is_numeric():
        return _common_number(left, right)
    if isinstance(left, pl.Datetime) and isinstance(right, pl.Datetime):
        return _common_datetime(left, right)
    if isinstance(left, pl.Duration) and isinstance(right, pl.Duration):
        return pl.Duration(_finer(left, right))
    return _common_list(left, right)


def _common_list(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    if not isinstance(left, pl.List) or not isinstance(right, pl.List):
        return None
    inner = common(made(left.inner), made(right.inner))
    return None if inner is None else pl.List(inner)


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
    return made(_PLAIN[_INTEGERS[least]])


def _wider(ladder: tuple[str, ...], left: pl.DataType, right: pl.DataType) -> pl.DataType:
    return made(_PLAIN[max(_name(left), _name(right), key=ladder.index)])


def _name(dtype: pl.DataType) -> str:
    return dtype.base_type().__name__


def _common_datetime(left: pl.Datetime, right: pl.Datetime) -> pl.DataType | None:
    zones = left.time_zone, right.time_zone
    if zones[0] == zones[1]:
        return pl.Datetime(_finer(left, right), zones[0])
    return None if None in zones else pl.Datetime(_finer(left, right), "UTC")


def _finer(left: Any, right: Any) -> Any:
    return max(left.time_unit, right.time_unit, key=_UNITS.index)
