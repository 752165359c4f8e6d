"""What names a series, as text: the same in every process, and another one for each key."""

from __future__ import annotations

import datetime as dt
import enum
import json
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.places import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from afml_cache.ranges.axes import Axis


# Of the others there are several types for one text, or only a name is stored.
_EXACT = frozenset({"str", "int", "float", "bool", "NoneType"})


def key_text(values: Mapping[str, Any], axis: Axis, about: Mapping[str, str | None]) -> str:
    """Give the key of a series as JSON: its values, what its positions are, and what else counts.

    Raises
    ------
    CacheConfigError
        A part of the key is no plain value.
    """
    parts = [[name, *_part(name, value)] for name, value in sorted(values.items())]
    return json.dumps({"key": parts, **rest_of(axis, about)}, sort_keys=True)


def rest_of(axis: Axis, about: Mapping[str, str | None]) -> dict[str, str]:
    """Give what the key of a series has besides its values."""
    known = {name: value for name, value in about.items() if value}
    return {"timeframe": axis.timeframe.text, "axis": name_of(axis), **known}


def rest_of_text(text: str) -> dict[str, str]:
    """Give what `key_text` wrote besides the values."""
    return {name: value for name, value in json.loads(text).items() if name != "key"}


def kin_of(text: str, frame: str) -> list[str]:
    """Give what the keys of a series and of what is made of it share, each as it is written.

    Parameters
    ----------
    frame
        The part of the key that says how long a bar is.
    """
    told = json.loads(text)
    own = {"key", "timeframe", "axis", "derived"}
    rest = [f"{json.dumps(name)}: {json.dumps(told[name])}" for name in told if name not in own]
    return [*rest, *(json.dumps(part) for part in told["key"] if part[0] != frame)]


def frame_of(text: str) -> str:
    """Give the timeframe that `key_text` wrote."""
    return str(json.loads(text)["timeframe"])


def _part(name: str, value: Any) -> tuple[str, Any]:  # noqa: PLR0911 - one for each kind
    if isinstance(value, enum.Enum):
        return "enum", f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, str):
        return "str", _text(name, value)
    if value is None or isinstance(value, bool):
        return type(value).__name__, value
    if isinstance(value, int):
        return "int", str(int(value))
    if isinstance(value, float):
        return "float", _present(name, float(value)).hex()
    if isinstance(value, dt.datetime):
        return "datetime", _present(name, value).isoformat()
    if isinstance(value, dt.date):
        return "date", value.isoformat()
    if isinstance(value, tuple | list | set | frozenset | dict):
        return _parts(name, value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of NumPy
        return _part(name, _present(name, value).item())
    message = (
        f"`{name}` is part of the key of a series and can't be {value!r}: a key is made of texts, "
        "numbers, dates, enum members, and tuples, lists, sets and dictionaries of them"
    )
    raise CacheConfigError(message)


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = (
            f"`{name}` is part of the key of a series and can't be {value!r}, which is no text in "
            f"Unicode ({error.reason}); decode it as what it was written in"
        )
        raise CacheConfigError(message) from error
    return str(value)


def _present(name: str, value: Any) -> Any:
    if value == value:  # noqa: PLR0124 - neither NaN nor NaT is
        return value
    message = (
        f"`{name}` is part of the key of a series and can't be {value!r}, which stands for a value "
        "that is missing; leave it out, or say None where that is meant"
    )
    raise CacheConfigError(message)


def _parts(name: str, values: Any) -> tuple[str, Any]:
    if isinstance(values, dict):
        pairs = [[list(_part(name, one)), list(_part(name, values[one]))] for one in values]
        return "dict", sorted(pairs, key=json.dumps)
    parts = [list(_part(name, value)) for value in values]
    if isinstance(values, set | frozenset):
        return "set", sorted(parts, key=json.dumps)
    return "list", parts


def values_of(text: str) -> dict[str, Any]:
    """Give the parts of a key that `key_text` wrote; members of enums as their names."""
    about = json.loads(text)
    return {name: _value(kind, written) for name, kind, written in about["key"]}


def tells_values(text: str) -> bool:
    """Tell whether `values_of` gives the parts of a key as callers wrote them."""
    return all(kind in _EXACT for _, kind, _ in json.loads(text)["key"])


def _value(kind: str, written: Any) -> Any:  # noqa: PLR0911 - one for each kind
    match kind:
        case "int":
            return int(written)
        case "float":
            return float.fromhex(written)
        case "date":
            return dt.date.fromisoformat(written)
        case "datetime":
            return _time(written)
        case "list":
            return tuple(_value(*part) for part in written)
        case "set":
            return frozenset(_value(*part) for part in written)
        case "dict":
            return {_value(*one): _value(*value) for one, value in written}
    return written


def _time(written: str) -> dt.datetime | str:
    """Read a time; one with more digits than Python knows stays a text."""
    try:
        return dt.datetime.fromisoformat(written)
    except ValueError:
        return written
