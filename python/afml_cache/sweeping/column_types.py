"""Types of columns: what two of them have in common, whatever the order they are met in.

The types are a lattice: `null` is below each; whole numbers are below floats, coarser times below
finer ones, smaller decimals below larger ones, two zones below UTC; lists and structs are joined
within. A column of a merged file has the join over all of its values, so that it does not depend
on how the list of items is cut into batches.
"""

from __future__ import annotations

from typing import Any, Final

from afml_cache.sweeping.installed import arrow

# Digits of a decimal of 128 bits, and of the largest there is.
_DIGITS: Final = 38
_MOST_DIGITS: Final = 76
_NAMES: Final = {
    "null": "nothing",
    "bool": "bool",
    "int64": "int",
    "double": "float",
    "string": "str",
    "binary": "bytes",
    "date32[day]": "date",
}


class ClashError(Exception):
    """Two types have no type in common.

    Attributes
    ----------
    path : str
        Where in a nested cell, such as ".window" or "[]"; empty for the cell itself.
    first, second
        The types.
    """

    def __init__(self, first: Any, second: Any, path: str = "") -> None:
        super().__init__(path)
        self.first, self.second, self.path = first, second, path


class ForeignError(Exception):
    """A column of files has no type of these; `str` of it says which it has."""


def joined(first: Any, second: Any, path: str = "") -> Any:
    """Give the least type that holds the values of both.

    Raises
    ------
    ClashError
        There is none.
    """
    types = arrow("types")
    if first.equals(second) or types.is_null(second):
        return first
    if types.is_null(first):
        return second
    numbers = {arrow().int64(), arrow().float64()}
    if first in numbers and second in numbers:
        return arrow().float64()
    for holds, join in (
        (types.is_struct, _structs),
        (types.is_list, _lists),
        (types.is_timestamp, _timestamps),
        (types.is_duration, _finer),
        (types.is_time64, _finer),
        (types.is_decimal, _decimals),
    ):
        if holds(first) and holds(second):
            return join(first, second, path)
    raise ClashError(first, second, path)


def _structs(first: Any, second: Any, path: str) -> Any:
    fields = {field.name: field.type for field in first}
    for field in second:
        name = field.name
        known = fields.get(name)
        fields[name] = joined(known, field.type, f"{path}.{name}") if known else field.type
    return arrow().struct(list(fields.items()))


def _lists(first: Any, second: Any, path: str) -> Any:
    return arrow().list_(joined(first.value_type, second.value_type, f"{path}[]"))


def _timestamps(first: Any, second: Any, path: str) -> Any:
    if (first.tz is None) != (second.tz is None):
        raise ClashError(first, second, path)
    zone = first.tz if first.tz == second.tz else "UTC"
    return arrow().timestamp(_unit(first, second), zone)


def _finer(first: Any, second: Any, _path: str) -> Any:
    return first if first.unit == _unit(first, second) else second


def _unit(first: Any, second: Any) -> str:
    return "ns" if "ns" in {first.unit, second.unit} else "us"


def _decimals(first: Any, second: Any, path: str) -> Any:
    scale = max(first.scale, second.scale)
    whole = max(first.precision - first.scale, second.precision - second.scale)
    if whole + scale > _MOST_DIGITS:
        raise ClashError(first, second, path)
    return decimal(whole, scale)


def decimal(whole: int, scale: int) -> Any:
    """Give the type of decimals of so many digits before and behind the point."""
    make = arrow().decimal128 if whole + scale <= _DIGITS else arrow().decimal256
    return make(max(whole + scale, 1), scale)


def plain(given: Any) -> Any:
    """Give the type of these that holds a column of a table of any tool.

    Raises
    ------
    ForeignError
        None does.
    """
    types, pyarrow = arrow("types"), arrow()
    if types.is_dictionary(given) or types.is_run_end_encoded(given):
        return plain(given.value_type)
    if types.is_struct(given):
        return _plain_struct(given)
    if types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given):
        return pyarrow.list_(plain(given.value_type))
    if types.is_decimal(given):
        whole = given.precision - given.scale
        return decimal(max(whole, 0), max(given.scale, 0))
    return _time(given) if types.is_temporal(given) else _flat(given)


def _plain_struct(given: Any) -> Any:
    if not given.num_fields:
        return arrow().null()
    if len({field.name for field in given}) < given.num_fields:
        raise ForeignError(given)
    return arrow().struct([(field.name, plain(field.type)) for field in given])


def _time(given: Any) -> Any:
    types, pyarrow = arrow("types"), arrow()
    if types.is_timestamp(given):
        return pyarrow.timestamp(_unit(given, given), given.tz)
    if types.is_duration(given):
        return pyarrow.duration(_unit(given, given))
    if types.is_time(given):
        return pyarrow.time64(_unit(given, given))
    return _flat(given)


def _flat(given: Any) -> Any:
    types, pyarrow = arrow("types"), arrow()
    for holds, least in (
        (types.is_null, pyarrow.null),
        (types.is_boolean, pyarrow.bool_),
        (types.is_integer, pyarrow.int64),
        (types.is_floating, pyarrow.float64),
        (types.is_string, pyarrow.string),
        (types.is_large_string, pyarrow.string),
        (types.is_string_view, pyarrow.string),
        (types.is_binary, pyarrow.binary),
        (types.is_large_binary, pyarrow.binary),
        (types.is_binary_view, pyarrow.binary),
        (types.is_fixed_size_binary, pyarrow.binary),
        (types.is_date, pyarrow.date32),
    ):
        if holds(given):
            return least()
    raise ForeignError(given)


def fitted(values: Any, kind: Any) -> Any:
    """Give an array as one of a type above its own.

    Parameters
    ----------
    values : pyarrow.Array
        Of any type of which `plain` gives one.
    kind : pyarrow.DataType
        A join of that.

    Raises
    ------
    pyarrow.ArrowInvalid
        A value would lose digits, or is out of what the type holds.
    """
    types, pyarrow = arrow("types"), arrow()
    if values.type.equals(kind) and not types.is_nested(kind):
        return values
    if types.is_null(values.type) or types.is_null(kind):
        return pyarrow.nulls(len(values), kind)
    if types.is_dictionary(values.type):
        return fitted(values.dictionary_decode(), kind)
    if types.is_run_end_encoded(values.type):
        return fitted(arrow("compute").run_end_decode(values), kind)
    if not types.is_nested(kind):
        return values.cast(kind)
    return (_fitted_struct if types.is_struct(kind) else _fitted_list)(values, kind)


def _fitted_struct(values: Any, kind: Any) -> Any:
    # Always made anew, since equal types may differ in which of their fields are required.
    pyarrow = arrow()
    # With the nulls of the structs themselves, and without what lies outside of a slice.
    held = dict(zip((field.name for field in values.type), values.flatten(), strict=True))
    parts = [
        fitted(held[field.name], field.type)
        if field.name in held
        else pyarrow.nulls(len(values), field.type)
        for field in kind
    ]
    return pyarrow.StructArray.from_arrays(parts, fields=list(kind), mask=values.is_null())


def _fitted_list(values: Any, kind: Any) -> Any:
    pyarrow, compute = arrow(), arrow("compute")
    lengths = compute.list_value_length(values).fill_null(0).cast(pyarrow.int32())
    ends = compute.cumulative_sum(lengths)
    starts = pyarrow.concat_arrays([pyarrow.array([0], pyarrow.int32()), ends])
    within = fitted(values.flatten(), kind.value_type)
    return pyarrow.ListArray.from_arrays(starts, within, type=kind, mask=values.is_null())


def word(kind: Any) -> str:
    """Give the name of a type as Python has it."""
    types = arrow("types")
    if types.is_timestamp(kind):
        return "datetime" if kind.tz is None else "datetime with a zone"
    for holds, name in (
        (types.is_list, "list"),
        (types.is_struct, "dict"),
        (types.is_duration, "timedelta"),
        (types.is_time64, "time"),
    ):
        if holds(kind):
            return name
    if types.is_decimal(kind):
        return f"Decimal of {kind.precision} digits, {kind.scale} of them behind the point"
    return _NAMES.get(str(kind), str(kind))
