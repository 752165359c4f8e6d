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
import reprlib
import threading
import types
import typing
import uuid
import zoneinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from afml_cache._packages import checked_dependencies, checked_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Parts = tuple[tuple[object, ...], tuple[object, ...]]

# Values nested deeper than this are taken as they are, not looked into.
DEPTH: Final = 50
_TEXT: Final = 60

_SHORT: Final = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxtuple, _SHORT.maxfrozenset = 3, 12, 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _TEXT

_ATOMS: Final = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, type(...), range),
        *(dt.date, dt.timedelta, Decimal, uuid.UUID),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath),
        *(pathlib.PosixPath, pathlib.WindowsPath),
    }
)
_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})
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
_CACHED: Final = frozenset(
    {
        ("afml_cache._native", "Function"),
        ("afml_cache.artifacts.artifact", "Artifact"),
        ("afml_cache.incremental.calls", "Incremental"),
        ("afml_cache.runs.decorator", "CachedBacktest"),
        ("afml_cache.tracking", "Tracked"),
    }
)
_TUPLE_FIELD: Final = "_tuplegetter"


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Do as `isinstance`, without asking the object, which may answer for another one."""
    return issubclass(type(value), kind)


def attribute(value: object, name: str, default: Any = None) -> Any:
    """Give an attribute of any object, whatever it raises instead."""
    try:
        return getattr(value, name, default)
    except Exception:  # noqa: BLE001 - the code of others, which may raise anything
        return default


def constant(value: object) -> bool:
    """Whether a value can't change and is digested as it is."""
    level = {id(value): value}
    for _ in range(DEPTH):
        elements: dict[int, object] = {}
        for element in level.values():
            if type(element) is tuple or type(element) is frozenset:
                elements.update((id(part), part) for part in element)
            elif not _atomic(element):
                return False
        # each once, in however many tuples of a level it stands
        level = elements
        if not level:
            return True
    return False


def _atomic(value: object) -> bool:
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dt.datetime or kind is dt.time:
        return _known_zone(cast("dt.datetime", value).tzinfo)
    if kind is slice:
        bounds = cast("slice", value)
        return all(type(part) in _ATOMS for part in (bounds.start, bounds.stop, bounds.step))
    return False


def text(value: object) -> str:
    """Give a short `repr` of a constant."""
    try:
        if type(value) is frozenset:
            return f"frozenset({{{', '.join(sorted(map(_SHORT.repr, value)))}}})"[:_TEXT]
        if issubclass(type(value), enum.Enum):
            return f"{type(value).__name__}.{cast('enum.Enum', value).name}"[:_TEXT]
        if type(value) is tuple:
            return _SHORT.repr(value)[:_TEXT]
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
        ours = (kind.__module__, kind.__name__) in _CACHED
        if kind is types.FunctionType:
            module = cast("types.FunctionType", value).__globals__.get("__name__")
            ours = type(module) is str and module.startswith("afml_cache.")
        inner = attribute(value, "__wrapped__", value) if ours else value
        if inner is value:
            return value
        value = inner


def said_of(value: object) -> tuple[object, ...]:
    """Give what a cached function says counts as its code: version, packages and `deps`."""
    settings = getattr(value, "settings", None)
    if settings is None:
        return ()
    found = settings()
    options = found["options"]
    packages = checked_versions(options.get("track_packages", ()))
    said = (
        *(("version", found["version"]) if found["version"] else ()),
        *(part for package in packages for part in package),
        *(() if found.get("save_trades", True) else ("without trades",)),
        *found.get("periods", ()),
    )
    return (*said, *checked_dependencies(options.get("deps", ())))


def parts(value: object) -> Parts | None:
    """Split a value that can't change into what tells it apart and the values it is made of."""
    kind = type(value)
    exact = _EXACT.get(kind)
    if exact is not None:
        return exact(value)
    if issubclass(kind, enum.Enum):
        member = cast("enum.Enum", value)
        return ("enum", member.name), (kind, member.value)
    return _typing_parts(value) or _bound_parts(value) or _proxy_parts(value)


def inside(value: object) -> Iterator[object]:
    """Give every function and class inside plain containers and instances, however deep."""
    pending, seen = [value], set[int]()
    while pending:
        current = unwrap(pending.pop())
        if id(current) in seen or type(current) in _ATOMS:
            continue
        seen.add(id(current))
        if is_a(current, (types.FunctionType, type)):
            yield current
        elif is_a(current, dict):
            pending.extend(cast("dict[object, object]", current).values())
        elif type(current) in _CONTAINERS:
            pending.extend(cast("list[object]", current))
        else:
            pending.extend((type(current), attribute(current, "__dict__")))


def _known_zone(zone: dt.tzinfo | None) -> bool:
    return zone is None or type(zone) is dt.timezone or _has_key(zone)


def _has_key(zone: object) -> bool:
    return is_a(zone, zoneinfo.ZoneInfo) and cast("zoneinfo.ZoneInfo", zone).key is not None


def _frozen(argument: object) -> object:
    return tuple(argument) if isinstance(argument, list) else argument


def _typing_parts(value: object) -> Parts | None:
    """Split what `typing` and `dataclasses` make."""
    kind = type(value)
    alias = kind is types.GenericAlias or kind is types.UnionType
    if alias or kind.__module__ in {"typing", "typing_extensions", "collections.abc"}:
        origin = typing.get_origin(value)
        if origin is not None:
            # since Python 3.14 one and the same
            union = origin in {typing.Union, types.UnionType}
            head = ("union",) if union else ("generic",)
            first = () if union else (origin,)
            return head, (*first, *map(_frozen, typing.get_args(value)))
    if kind.__module__ in {"typing", "typing_extensions", "annotationlib"}:
        name = attribute(value, "__name__") or attribute(value, "__forward_arg__", "")
        inner = attribute(value, "__supertype__"), attribute(value, "__bound__")
        return ("typing", kind.__name__, str(name)), (*inner, attribute(value, "__constraints__"))
    if kind.__module__ == "dataclasses":
        return ("dataclass", kind.__name__), ()
    return None


def _bound_parts(value: Any) -> Parts | None:
    """Split what C code makes: methods of an object, and descriptors in a class."""
    if is_a(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        owner: object = value.__self__
        if owner is None or is_a(owner, types.ModuleType):
            return None
        return ("bound", value.__name__), (owner,)
    if is_a(value, _DESCRIPTORS):
        return ("descriptor", value.__name__), (value.__objclass__,)
    if type(value).__name__ == _TUPLE_FIELD:
        return ("field", value.__reduce__()[1][0]), ()
    return None


def _proxy_parts(value: object) -> Parts | None:
    """Split a proxy of `wrapt`, which answers for what it wraps and can't be taken apart."""
    if not any(base.__name__ == "ObjectProxy" for base in type(value).__mro__):
        return None
    names = ("__wrapped__", "_self_wrapper", "_self_instance", "_self_enabled", "_self_binding")
    return ("proxy",), (type(value), *(attribute(value, name) for name in names))


def _partial(value: Any) -> Parts:
    keywords = dict(value.keywords)
    head = ("partial", len(value.args), *keywords)
    return head, (value.func, *value.args, *keywords.values())


def _field(value: Any) -> Parts:
    head = ("field", value.name, value.init, value.repr, value.hash, value.compare, value.kw_only)
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
