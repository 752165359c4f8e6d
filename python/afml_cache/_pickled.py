"""Pickles of cached functions: by reference as a function is, by value where `cloudpickle` asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from afml_cache import code

if TYPE_CHECKING:
    from afml_cache._native import Function

Reduced = str | tuple[Any, ...]

# Behind the frames that ask here is the pickler's own; subclasses of it add one or two.
_FRAMES = 5


def reduce(function: Function) -> Reduced:
    """Reduce a cached function for the pickler that is at work.

    By value it takes along what its code's digest was made from: where the source can't be read,
    the digest would be another one, and so the key of every call.
    """
    if is_by_name(function):
        return function.__qualname__
    wrapped = function.__wrapped__
    return rebuild, (wrapped, function.settings(), code.sources_of(wrapped))


def is_by_name(function: Any) -> bool:
    """Whether the pickler that is at work is to name a function, and no more."""
    return not _by_value() or importable(function)


def rebuild(function: Any, settings: dict[str, Any], sources: dict[bytes, Any]) -> Function:
    """Put a cached function together again."""
    from afml_cache.decorators import assemble

    code.learn_sources(sources)
    return assemble(function, settings)


def _by_value() -> bool:
    """Whether `cloudpickle`, or a copy of it inside another package, asks."""
    frame = sys._getframe(1)  # noqa: SLF001 - picklers do not say who they are
    for _ in range(_FRAMES):
        module = frame.f_globals.get("__name__")
        if isinstance(module, str) and module.rpartition(".")[2].startswith("cloudpickle"):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def importable(function: Any) -> bool:
    """Whether another process finds the function by importing its module."""
    name, path = (getattr(function, part, None) for part in ("__module__", "__qualname__"))
    if not isinstance(name, str) or not isinstance(path, str):
        return False
    if name in {"__main__", "__mp_main__"} | _shipped():
        return False
    found: object = sys.modules.get(name)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is function


def _shipped() -> set[str]:
    """Give the modules that `cloudpickle` was told to pickle by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    return set(cloudpickle.list_registry_pickle_by_value()) if cloudpickle else set()
