"""Values of Python as columns: of which type they are, and nothing lost on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import operator
import sys
from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from afml_cache.sweeping.column_types import decimal, joined
from afml_cache.sweeping.installed import arrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TAKEN: Final = (
    "None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta, scalars and "
    "arrays of NumPy, and lists and dictionaries of these"
)
# Parquet files are looked at before they are read, and none that is deeper passes.
_DEEPEST: Final = 12
# Classes whose values are plain as they are, and the names of their types.
_PLAIN: Final[dict[type, str]] = {
    type(None): "null",
    bool: "bool_",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "binary",
    dt.date: "date32",
}


class CellError(Exception):
    """A value that no column can hold; `str` of it says which and why."""


def array_of(values: Sequence[Any]) -> Any:
    """Give values as an array of the least type that holds them all.

    Raises
    ------
    CellError
        One of them has no type.
    ClashError
        Two of them have no type in common.
    """
    classes = set(map(type, values))
    if not classes <= _PLAIN.keys():
        values = [_plain(value, 0) for value in values]
        classes = set(map(type, values))
    try:
        return arrow().array(values, _least(values, classes))
    except OverflowError:
        message = "an int or a time beyond 64 bits; give it as a float, or as text"
    except UnicodeEncodeError:
        message = "text with half a surrogate pair, which no file holds; mend how it is decoded"
    except arrow().ArrowException as error:
        message = str(error)
    raise CellError(message) from None


def _least(values: Iterable[Any], classes: set[type]) -> Any:
    if classes <= _PLAIN.keys():
        # In the order of the values where they clash, so that messages do not change.
        kinds = [getattr(arrow(), name)() for one, name in _PLAIN.items() if one in classes]
    else:
        kinds = [_type_of(value) for value in values]
    return reduce(joined, kinds, arrow().null())


def _type_of(value: Any) -> Any:
    """Give the type of a value that `_plain` gave."""
    pyarrow = arrow()
    name = _PLAIN.get(type(value))
    if name is not None:
        return getattr(pyarrow, name)()
    if isinstance(value, pyarrow.Scalar):
        return value.type
    if isinstance(value, list):
        return pyarrow.list_(reduce(joined, map(_type_of, value), pyarrow.null()))
    if isinstance(value, dict):
        return pyarrow.struct([(name, _type_of(each)) for name, each in value.items()])
    return _decimal(value) if isinstance(value, Decimal) else _time(value)


def _time(value: Any) -> Any:
    pyarrow = arrow()
    if isinstance(value, dt.datetime):
        return pyarrow.timestamp(_unit(value), None if value.tzinfo is None else _zone(value))
    return pyarrow.time64("us") if isinstance(value, dt.time) else pyarrow.duration(_unit(value))


def _unit(value: Any) -> str:
    return "ns" if getattr(value, "unit", "") == "ns" else "us"  # of pandas; Python's has none


def _zone(value: dt.datetime) -> str:
    # Instants are kept where a zone has no name.
    try:
        return str(arrow("lib").tzinfo_to_string(value.tzinfo))
    except (ValueError, TypeError):
        return "UTC"


def _decimal(value: Decimal) -> Any:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        message = f"{value!r}, which has no digits; give it as a float, or as None"
        raise CellError(message)
    scale, whole = max(-exponent, 0), max(len(digits) + exponent, 0)
    if scale + whole > arrow().decimal256(76, 0).precision:
        message = f"a Decimal of {scale + whole} digits; 76 is the most"
        raise CellError(message)
    return decimal(whole, scale)


def _plain(value: Any, depth: int) -> Any:
    """Give a value as one of few classes: those of `_PLAIN`, times, decimals, lists, dicts."""
    if type(value) in _PLAIN:
        return value
    if _is_missing(value):
        return None
    if depth > _DEEPEST:
        message = f"lists and dictionaries that are more than {_DEEPEST} deep; flatten them"
        raise CellError(message)
    fields = fields_of(value)
    if fields is not None:
        return _plain_fields(fields, depth)
    if isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    return _plain_leaf(value, depth)


def _plain_fields(fields: Mapping[Any, Any], depth: int) -> dict[str, Any] | None:
    """Give a dictionary; `None` for an empty one, which Parquet can't hold."""
    for name in fields:
        if not isinstance(name, str):
            message = f"a dictionary with the key {name!r}; its keys have to be text"
            raise CellError(message)
    return {str.__str__(name): _plain(each, depth + 1) for name, each in fields.items()} or None


def _plain_leaf(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return operator.index(value) if isinstance(value, int) else float.__float__(value)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _plain_of_numpy(value, numpy, depth)
    if isinstance(value, dt.time) and value.tzinfo is not None:
        message = f"{value!r}, a time of day with a zone; give a datetime"
        raise CellError(message)
    if isinstance(value, dt.datetime | dt.time | dt.timedelta | Decimal):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, dt.date):
        return dt.date(value.year, value.month, value.day)
    message = f"a `{type(value).__qualname__}`; a cell takes {TAKEN}"
    raise CellError(message)


def _plain_of_numpy(value: Any, numpy: Any, depth: int) -> Any:
    if isinstance(value, numpy.ndarray):
        return [_plain(each, depth + 1) for each in value] if value.ndim else _plain(value[()], 0)
    if isinstance(value, numpy.datetime64 | numpy.timedelta64):
        unit = numpy.datetime_data(value.dtype)[0]
        if numpy.isnat(value):
            return None
        if unit == "ns":
            return arrow().scalar(value)
        if unit in {"Y", "M"} and isinstance(value, numpy.datetime64):
            value = value.astype("M8[D]")
    found = value.item()
    if type(found) is type(value) or isinstance(found, numpy.generic | complex | tuple):
        message = f"a `numpy.{type(value).__name__}`; a cell takes {TAKEN}"
        raise CellError(message)
    if isinstance(value, numpy.datetime64 | numpy.timedelta64) and isinstance(found, int):
        message = f"{value!r}, which is finer or farther off than a file holds"
        raise CellError(message)
    return found


def _is_missing(value: Any) -> bool:
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NaT or value is pandas.NA)


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """Give the names and values of a mapping, dataclass or named tuple; `None` of others."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None
