"""A pickler that takes along what other processes can't import, memoized functions too."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from afml_cache._pickled import importable

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable

# Where the attributes of a class are in what it is reduced to.
_STATE: Final = 2


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """That of cloudpickle, which names what `functools.lru_cache` gives wherever it is.

    It also forgets where a class stands that is sent as it is, which is a part of its code here.
    """

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, functools._lru_cache_wrapper) and not importable(value):  # noqa: SLF001
            return _memoized, (value.__wrapped__, value.cache_parameters())
        if type(value) is functools.cached_property:  # has a lock up to Python 3.11
            return _property, (value.func, value.attrname)
        found = super().reducer_override(value)
        if isinstance(value, type) and isinstance(found, tuple) and len(found) > _STATE:
            found[_STATE][0]["__qualname__"] = value.__qualname__
        return found


def _memoized(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _property(function: Callable[[Any], Any], name: str | None) -> Any:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def dump(value: Any, callback: Callable[[pickle.PickleBuffer], object] | None) -> bytes:
    """Pickle an object; large buffers go to the callback, where there is one."""
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=callback).dump(value)
    return file.getvalue()
