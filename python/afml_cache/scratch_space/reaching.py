"""What values hold and functions reach: the paths in there say which folders they may write to."""

from __future__ import annotations

import functools
import os
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from afml_cache._origin import origin, top_level
from afml_cache._values import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["reached"]

_PLAIN: Final = frozenset({int, float, complex, bool, bytes, type(None)})
_LEAVES: Final = (str, os.PathLike, ModuleType, type)
# Of whose objects there are many, and none of them is a path.
_DATA: Final = frozenset({"numpy", "pandas", "polars", "pyarrow"})


def reached(values: Iterable[Any]) -> Iterator[Any]:
    """Give values, and what is in them or reached by them, each once; plain numbers are left out.

    Functions of installed packages are not looked into.
    """
    seen: dict[int, Any] = {}  # with the values, whose numbers would else be used again
    left = list(values)
    while left:
        value = left.pop()
        if type(value) in _PLAIN or id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        left.extend(_within(value))


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, _LEAVES):
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, FunctionType):
        return _of_function(value)
    return _of_object(value)


def _of_function(function: FunctionType) -> Iterator[Any]:
    if origin(function.__module__ or "") != "user":
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # nothing was put in yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _of_object(value: Any) -> Iterator[Any]:
    kind = type(value)
    if top_level(kind.__module__) in _DATA:
        return
    if isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    attributes = attribute(value, "__dict__")
    if isinstance(attributes, dict):
        yield from attributes.values()
    for each in kind.__mro__:
        slots = each.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield attribute(value, name)
    yield attribute(value, "__wrapped__")
