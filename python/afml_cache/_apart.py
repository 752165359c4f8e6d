"""Values taken apart into a kind and parts, for the digest to walk."""

from __future__ import annotations

import sys
import threading
from functools import partial
from importlib import import_module
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds import callables, standard
from afml_cache._kinds.instances import has_public_name, instance, is_plain, reduced
from afml_cache._kinds.model import Apart, code, defines, refusal
from afml_cache._kinds.refusals import refuse_handle, refuse_stream
from afml_cache._native import digest
from afml_cache.exceptions import UncacheableArgumentError
from afml_cache.hashers import hasher_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Taker = Callable[[Any], Apart | None]

__all__ = ["Apart", "take_apart"]

# By address, since a metaclass may define `__hash__`; the classes are held.
_TYPES: Final[dict[int, Taker]] = {
    id(kind): taker for kind, taker in (*callables.TYPES.items(), *standard.TYPES.items())
}
_REMEMBERED: Final = 4096
_known: dict[int, tuple[type, Taker | None]] = {}
# Modules of ours by the library that they are for: imported when an object of it turns up.
_LIBRARIES: Final = {
    "array": "buffers",
    "mmap": "buffers",
    "afml_cache": "buffers",
    "numba": "numpy",
    "numpy": "numpy",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "sklearn": "scipy",
    "torch": "torch",
}


class _Checking(threading.local):
    """Whether this thread is comparing two keys of one object."""

    active = False


_checking = _Checking()


def take_apart(value: object) -> Apart:
    """Take a value apart that is not handled natively.

    In this order: what its class says by `__cache_key__()`, a registered hasher, what is known of
    the standard library's and other libraries' classes, `__dask_tokenize__()`, and what pickle
    would make of it. No `__eq__`, `__hash__` or `__repr__` of a user's is called.

    Parameters
    ----------
    value
        Anything but plain data, functions and classes.

    Returns
    -------
    Apart
        Its kind and its parts; values again, that are digested in turn.

    Raises
    ------
    UncacheableArgumentError
        It can't be keyed by its content; the message is a phrase that says why, and what to do.
    """
    kind = type(value)
    refuse_stream(value, kind)
    declared = _declared(value, kind)
    if declared is not None:
        return declared
    refuse_handle(value, kind)
    try:
        return _known_by_class(value, kind) or _walked(value, kind)
    except UncacheableArgumentError:
        raise
    except Exception as error:
        why = f"which can't be looked at ({type(error).__name__}: {error})"
        raise refusal(value, why) from error


def _known_by_class(value: object, kind: type) -> Apart | None:
    taker = _taker(kind)
    return taker(value) if taker else None


def _walked(value: object, kind: type) -> Apart:
    """Take apart an instance of a class that nothing is known of."""
    if is_plain(kind):
        return instance(value)
    if defines(kind, "__dask_tokenize__"):
        return _keyed("dask", value, *_method(kind, "__dask_tokenize__"))
    if callable(value) and has_public_name(value):
        return code(value)
    return reduced(value)


def _declared(value: object, kind: type) -> Apart | None:
    """Give the key that the user has said counts."""
    if defines(kind, "__cache_key__"):
        return _keyed("cache key", value, *_method(kind, "__cache_key__"))
    hasher = hasher_of(kind)
    if hasher is not None:
        called = getattr(hasher, "__qualname__", type(hasher).__qualname__)
        return _keyed("hasher", value, called, hasher)
    return None


def _evidently_equal(key: object, again: object) -> bool:
    """Whether two keys are the same objects, so that no large one is digested three times."""
    if type(key) is tuple and type(again) is tuple and len(key) == len(again):
        return all(map(_evidently_equal, key, again))
    if type(key) is str and type(again) is str:
        return key == again
    return key is again


def _method(kind: type, name: str) -> tuple[str, Callable[[Any], object]]:
    return f"{kind.__qualname__}.{name}", methodcaller(name)


def _keyed(kind: str, value: object, called: str, function: Callable[[Any], object]) -> Apart:
    key = _key(value, called, function)
    if not _checking.active:
        # keys that are asked for on the way, as by `digest` in a key, are not checked once more
        _checking.active = True
        try:
            again = _key(value, called, function)
        finally:
            _checking.active = False
        if not _equal(key, again):
            raise refusal(value, f"of which `{called}` gave two different keys", _STABLE)
    return Apart(kind, ((".__class__", type(value)), (f".<{kind}>", key)))


_STABLE: Final = "return the same content every time"
_CONTENT: Final = "return what tells the object apart from others"


def _key(value: object, called: str, function: Callable[[Any], object]) -> object:
    try:
        key = function(value)
    except Exception as error:
        why = f"of which `{called}` raised {type(error).__name__}: {error}"
        raise refusal(value, why, _CONTENT) from error
    if key is None or key is NotImplemented or key is value:
        given = "the object itself" if key is value else str(key)
        raise refusal(value, f"of which `{called}` gave {given}", _CONTENT)
    try:
        refuse_stream(key, type(key))
    except UncacheableArgumentError as error:
        why = f"of which `{called}` gave a `{type(key).__qualname__}`"
        raise refusal(value, why, _CONTENT) from error
    return key


def _equal(key: object, again: object) -> bool:
    """Whether two keys have the same content; keys inside them are taken as they come."""
    if _evidently_equal(key, again):
        return True
    _checking.active = True
    try:
        return digest(key) == digest(again)
    except UncacheableArgumentError:
        return True  # the walk itself refuses it, and tells the place
    finally:
        _checking.active = False


def _taker(kind: type) -> Taker | None:
    """Find what takes the instances of a class apart, and remember it."""
    known = _known.get(id(kind))
    if known is None:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        known = _known[id(kind)] = (kind, _find(kind))
    return known[1]


def _find(kind: type) -> Taker | None:
    """Find the taker of a class's nearest base that is known; built-in types come last."""
    for base in kind.__mro__:
        taker = _TYPES.get(id(base)) or _of_library(base)
        if taker is not None:
            return taker
    for base in kind.__mro__:
        if id(base) in standard.BASES:
            return partial(standard.subclass, base=base)
    return None


def _of_library(base: type) -> Taker | None:
    """Find what takes a library's class apart; the library must hold this very class."""
    module = _LIBRARIES.get(base.__module__.partition(".")[0])
    if module is None:
        return None
    takers: dict[str, Taker] = import_module(f"afml_cache._kinds.{module}").TYPES
    found = takers.get(base.__qualname__)
    if found is None:
        return None
    offered = getattr(sys.modules.get(base.__module__), base.__qualname__, None)
    return found if offered is base else None
