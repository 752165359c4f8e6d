"""Values of the standard library, and of the user's subclasses of built-in types."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import gc
import re
import types
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import attributes, instance, items
from afml_cache._kinds.model import Apart, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

_VIEWS: Final[tuple[type, ...]] = (
    *(type({}.keys()), type({}.values()), type({}.items())),
    *(type(collections.OrderedDict().keys()), type(collections.OrderedDict().values())),
    type(collections.OrderedDict().items()),
)
# Of protocol 2, a second hour of an autumn night is the first one.
_WITH_FOLD: Final = 4


def member(value: enum.Enum) -> Apart:
    """Describe a member of an Enum: by its name, or, for a combination of flags, by its value."""
    kind = type(value)
    name = value._name_
    own = [part for part in attributes(value) if not _is_of_enum(part[0][1:])]
    if isinstance(name, str) and kind.__members__.get(name) is value:
        return Apart("enum", ((".__class__", kind), (".name", name), *own))
    return Apart("enum", ((".__class__", kind), (".value", value._value_), *own))


def _is_of_enum(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def pattern(value: re.Pattern[Any]) -> Apart:
    """Describe a compiled regular expression."""
    return Apart("pattern", ((".pattern", value.pattern), (".flags", value.flags)))


def mapping_proxy(value: types.MappingProxyType[object, object]) -> Apart:
    """Describe a read-only view of a mapping, by the mapping."""
    return Apart("mapping proxy", (("", gc.get_referents(value)[0]),))


def view(value: Any) -> Apart:
    """Describe the keys, values or items of a dictionary."""
    return Apart("view", ((".__class__", type(value).__name__), ("", list(value))))


def ordered(value: collections.OrderedDict[object, object]) -> Apart:
    """Describe an ordered dictionary, whose order is not that of the `dict` it is made of."""
    return instance(value, ("", items(tuple(collections.OrderedDict.items(value)))))


def defaulting(value: collections.defaultdict[object, object]) -> Apart:
    """Describe a dictionary that makes what is missing."""
    factory = (".default_factory", value.default_factory)
    return instance(value, factory, ("", items(tuple(dict.items(value)))))


def queue(value: collections.deque[object]) -> Apart:
    """Describe a double-ended queue."""
    content = list(collections.deque.__iter__(value))
    return instance(value, (".maxlen", value.maxlen), ("", content))


def clock(value: Any) -> Apart:
    """Describe a user's kind of datetime or time."""
    _, arguments = value.__reduce_ex__(_WITH_FOLD)[:2]
    return instance(value, ("", arguments))


def span(value: dt.timedelta) -> Apart:
    """Describe a user's kind of time span."""
    return instance(value, ("", (value.days, value.seconds, value.microseconds)))


def memory(value: memoryview) -> Apart:
    """Describe the memory of another object."""
    try:
        content = value.tobytes()
    except ValueError as error:
        raise refusal(value, "which has been released", "pass the bytes") from error
    if "O" in value.format:
        raise refusal(value, "which holds addresses of objects", "pass the array")
    return Apart("memoryview", ((".format", value.format), (".shape", value.shape), ("", content)))


TYPES: Final[dict[type, Callable[[Any], Apart]]] = {
    enum.Enum: member,
    re.Pattern: pattern,
    types.SimpleNamespace: instance,
    types.MappingProxyType: mapping_proxy,
    **dict.fromkeys(_VIEWS, view),
    collections.OrderedDict: ordered,
    collections.defaultdict: defaulting,
    collections.deque: queue,
    dt.datetime: clock,
    dt.date: clock,
    dt.time: clock,
    dt.timedelta: span,
    memoryview: memory,
}

# What a subclass of these holds as one of them, read without the subclass's own methods.
_BASES: Final[dict[type, Callable[[Any], object]]] = {
    dict: lambda value: items(tuple(dict.items(value))),
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    set: lambda value: set.union(set(), value),
    frozenset: lambda value: frozenset.union(frozenset(), value),
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(bytearray.__getitem__(value, slice(None))),
    int: int.__int__,
    float: float.__pos__,
    complex: complex.__pos__,
}
# By address, since a metaclass may define `__hash__`.
BASES: Final = {id(kind): read for kind, read in _BASES.items()}


def subclass(value: object, base: type) -> Apart:
    """Describe an instance of a user's subclass of a built-in type."""
    return instance(value, ("", BASES[id(base)](value)))
