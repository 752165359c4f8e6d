"""What a value reached by code is: a constant, something made of parts, or left alone."""

from __future__ import annotations

import _thread
import dataclasses
import datetime as dt
import enum
import fractions
import functools
import logging
import operator
import pathlib
import re
import threading
import types
import typing
import uuid
import zoneinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Parts = tuple[tuple[object, ...], tuple[object, ...]]

# Values nested deeper than this are taken as they are, not looked into.
DEPTH: Final = 50
_TEXT: Final = 60

_ATOMS: Final = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, type(...), range),
        *(dt.date, dt.timedelta, Decimal, uuid.UUID),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath),
        *(pathlib.PosixPath, pathlib.WindowsPath),
    }
)
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})
_INERT: Final = (
    *(logging.Logger, logging.LoggerAdapter, _thread.LockType, _thread.RLock),
    *(threading.Condition, threading.Semaphore),
)
_LOGGERS: Final = frozenset(
    {("loguru._logger", "Logger"), ("structlog._config", "BoundLoggerLazyProxy")}
)
_DESCRIPTORS: Final = (
    *(types.MemberDescriptorType, types.GetSetDescriptorType),
    *(types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType),
)
_LRU: Final = type(functools.lru_cache(int))
_TUPLE_FIELD: Final = "_tuplegetter"


def constant(value: object, depth: int = DEPTH) -> bool:
    """Whether a value can't change and is digested as it is."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if isinstance(value, (dt.datetime, dt.time)):
        return kind in {dt.datetime, dt.time} and _known_zone(value.tzinfo)
    if isinstance(value, slice):
        return all(type(part) in _ATOMS for part in (value.start, value.stop, value.step))
    if depth and (kind is tuple or kind is frozenset):
        elements = cast("tuple[object, ...]", value)
        return all(constant(element, depth - 1) for element in elements)
    return False


def text(value: object) -> str:
    """Give a short `repr` of a constant."""
    try:
        if isinstance(value, frozenset):
            return f"frozenset({{{', '.join(sorted(map(repr, value)))}}})"[:_TEXT]
        if issubclass(type(value), enum.Enum):
            return f"{type(value).__name__}.{cast('enum.Enum', value).name}"[:_TEXT]
        short = value[:_TEXT] if isinstance(value, (str, bytes)) else value
        return repr(short)[:_TEXT]
    except ValueError:  # an integer of more digits than Python prints
        return f"<{type(value).__name__}>"


def inert(value: object) -> bool:
    """Whether a value doesn't take part in results: a logger or a lock."""
    kind = type(value)
    return issubclass(kind, _INERT) or (kind.__module__, kind.__qualname__) in _LOGGERS


def unwrap(value: object) -> object:
    """Give the function behind a cached one: its store and its counters are no part of it."""
    while True:
        kind = type(value)
        ours = kind.__module__ == "afml_cache._native" and kind.__name__ == "Function"
        if isinstance(value, types.FunctionType):
            module = value.__globals__.get("__name__")
            ours = isinstance(module, str) and module.startswith("afml_cache.")
        if not ours or not hasattr(value, "__wrapped__"):
            return value
        value = value.__wrapped__


def parts(value: object) -> Parts | None:
    """Split a value that can't change into what tells it apart and the values it is made of."""
    kind = type(value)
    exact = _EXACT.get(kind)
    if exact is not None:
        return exact(value)
    if issubclass(kind, enum.Enum):
        member = cast("enum.Enum", value)
        return ("enum", member.name), (kind, member.value)
    return _typing_parts(value) or _bound_parts(value)


def inside(container: object) -> Iterator[object]:
    """Give every function and class inside plain containers, however deep."""
    pending, seen = [container], set[int]()
    while pending:
        value = pending.pop()
        if type(value) in _CONTAINERS:
            if id(value) not in seen:
                seen.add(id(value))
                pending.extend(_elements(value))
        elif type(value) not in _ATOMS:
            value = unwrap(value)
            if isinstance(value, types.FunctionType) or issubclass(type(value), type):
                yield value


def annotation(value: object) -> object:
    """Give a form of an annotation that is the same in every process."""
    if constant(value):
        return value
    if typing.get_origin(value) is not None:
        arguments = map(_frozen, typing.get_args(value))
        return ("generic", annotation(typing.get_origin(value)), *map(annotation, arguments))
    if isinstance(value, tuple):
        return tuple(map(annotation, value))
    named = value if hasattr(value, "__qualname__") else type(value)
    module = getattr(named, "__module__", "")
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    name = cast("enum.Enum", value).name if issubclass(type(value), enum.Enum) else name
    return (
        "__main__" if module == "__mp_main__" else str(module),
        type(value).__qualname__,
        name if isinstance(name, str) else "",
    )


def _known_zone(zone: dt.tzinfo | None) -> bool:
    return zone is None or type(zone) is dt.timezone or _has_key(zone)


def _has_key(zone: object) -> bool:
    return isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None


def _frozen(argument: object) -> object:
    return tuple(argument) if isinstance(argument, list) else argument


def _typing_parts(value: object) -> Parts | None:
    """Split what `typing` and `dataclasses` make."""
    kind = type(value)
    if typing.get_origin(value) is not None:
        return ("generic",), (typing.get_origin(value), *map(_frozen, typing.get_args(value)))
    if kind.__module__ in {"typing", "typing_extensions"}:
        return ("typing", kind.__name__, getattr(value, "__name__", "")), ()
    if kind.__module__ == "dataclasses":
        return ("dataclass", kind.__name__), ()
    return None


def _bound_parts(value: object) -> Parts | None:
    """Split what C code makes: methods of an object, and descriptors in a class."""
    if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        owner: object = value.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return None
        return ("bound", value.__name__), (owner,)
    if isinstance(value, _DESCRIPTORS):
        return ("descriptor", value.__name__), (value.__objclass__,)
    if type(value).__name__ == _TUPLE_FIELD:
        return ("field", cast("Any", value).__reduce__()[1][0]), ()
    return None


def _elements(container: Any) -> list[object]:
    if isinstance(container, dict):
        return [*container.keys(), *container.values()]
    elements = [element for element in container if type(element) not in _ATOMS]
    if isinstance(container, (set, frozenset)):
        elements.sort(key=_name_of)
    return elements


def _name_of(value: object) -> str:
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"


def _partial(value: Any) -> Parts:
    keywords = dict(value.keywords)
    head = ("partial", len(value.args), *keywords)
    return head, (value.func, *value.args, *keywords.values())


def _field(value: Any) -> Parts:
    head = ("field", value.name, value.init, value.repr, value.hash, value.compare)
    return head, (value.default, value.default_factory, tuple(value.metadata.items()))


def _reduced(value: Any) -> Parts:
    return ("reduced",), value.__reduce__()


_EXACT: Final[dict[type, Callable[[Any], Parts | None]]] = {
    tuple: lambda value: (("tuple",), value),
    staticmethod: lambda value: (("staticmethod",), (value.__func__,)),
    classmethod: lambda value: (("classmethod",), (value.__func__,)),
    property: lambda value: (("property",), (value.fget, value.fset, value.fdel)),
    functools.cached_property: lambda value: (("cached_property",), (value.func,)),
    functools.partial: _partial,
    functools.partialmethod: _partial,
    _LRU: lambda value: (("lru_cache",), (value.__wrapped__,)),
    types.MethodType: lambda value: (("method",), (value.__func__, value.__self__)),
    dt.timezone: lambda value: (("timezone", value.utcoffset(None), value.tzname(None)), ()),
    zoneinfo.ZoneInfo: lambda value: (("zone", value.key), ()) if _has_key(value) else None,
    fractions.Fraction: lambda value: (("fraction", value.numerator, value.denominator), ()),
    re.Pattern: lambda value: (("pattern", value.pattern, value.flags), ()),
    dataclasses.Field: _field,
    operator.itemgetter: _reduced,
    operator.attrgetter: _reduced,
    operator.methodcaller: _reduced,
    type(NotImplemented): lambda _: (("NotImplemented",), ()),
}
