"""A pickler that takes along what other processes can't import, memoized functions too."""

from __future__ import annotations

import functools
import io
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from afml_cache._pickled import importable

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable

# Where they are in what a class is reduced to: how it is begun, and its attributes.
_BEGUN: Final = 1
_STATE: Final = 2
# Where the attributes are in how it is begun that it has from the start.
_FIRST: Final = 3


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """That of cloudpickle, with what it forgets and code here is known by.

    It names what `functools.lru_cache` gives wherever that is. Of a class that is sent as it is it
    leaves out where it stands and that it has slots; of a function, the class that it stands in.
    """

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, functools._lru_cache_wrapper) and not importable(value):  # noqa: SLF001
            return _memoized, (value.__wrapped__, value.cache_parameters())
        if isinstance(value, functools.cached_property):
            # It has a lock up to Python 3.11.
            return _property, (value.func, value.attrname)
        found = super().reducer_override(value)
        if not isinstance(found, tuple) or len(found) <= _STATE:
            return found
        if isinstance(value, type):
            _complete_class(value, found)
        elif isinstance(value, FunctionType):
            name = value.__qualname__.partition(".")[0]
            owner = value.__globals__.get(name)
            if isinstance(owner, type):
                found[_STATE][1]["__globals__"][name] = owner
        return found


def _complete_class(cls: type, found: tuple[Any, ...]) -> None:
    found[_STATE][0]["__qualname__"] = cls.__qualname__
    slots, begun = vars(cls).get("__slots__"), found[_BEGUN]
    if slots and isinstance(slots, str | tuple | list) and isinstance(begun[_FIRST], dict):
        begun[_FIRST]["__slots__"] = slots


def _property(function: Callable[..., Any], name: str | None) -> functools.cached_property[Any]:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def _memoized(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def dump(value: Any, callback: Callable[[pickle.PickleBuffer], object] | None) -> bytes:
    """Pickle an object; large buffers go to the callback, where there is one."""
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=callback).dump(value)
    return file.getvalue()
