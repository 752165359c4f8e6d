"""Arguments that are computed only where they are needed, and count by what computes them."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Function, digest
from afml_cache.decorators import name_of, native_settings
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lazy", "lazy", "resolved"]

# What gives the key of a call: of cached functions and artifacts, and of backtests.
_KEYS: Final = ("cache_key", "run_id")


def lazy(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Lazy:
    """Pass a call in the place of its result: it counts by its key, and runs on a miss only.

    Artifacts and sweeps compute it before they run their body, and pass on the result. Any other
    cached function is given the `Lazy` itself, and calls `evaluate()`.

    Parameters
    ----------
    function : callable
        A cached function, an artifact, a cached backtest, or a plain function, which counts by its
        code as if it were cached.
    *args, **kwargs
        Its arguments, other lazy calls among them.

    Returns
    -------
    Lazy
        The call, to be passed as an argument: by itself, or in a list, tuple or dictionary.

    Raises
    ------
    CacheConfigError
        `function` is none, or a coroutine function.

    Examples
    --------
    >>> from afml_cache import digest
    >>> from afml_cache.artifacts.lazies import lazy
    >>> def label(prices, horizon):
    ...     print("labelling")
    ...     return [price > prices[0] for price in prices[:horizon]]
    >>> labels = lazy(label, [1.0, 1.2], horizon=2)
    >>> digest(labels) == digest(lazy(label, [1.0, 1.2], 2))
    True
    >>> labels.evaluate()
    labelling
    [False, True]
    """
    if not callable(function) or isinstance(function, type | Lazy):
        message = f"lazy takes a function and its arguments, not {function!r}"
        raise CacheConfigError(message)
    if inspect.iscoroutinefunction(function):
        message = f"lazy can't compute {function!r}, a coroutine function; await it, and pass that"
        raise CacheConfigError(message)
    return Lazy(function, args, kwargs)


class Lazy:
    """A call that stands for its result; `lazy` makes it.

    What it gave is kept for those who ask again, as long as it is as it was: a result that was
    changed in place, or that can't be digested, is computed again.
    """

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._call = function, args, kwargs
        self._lock = threading.RLock()
        self._result: tuple[Any, str] | None = None

    def __cache_key__(self) -> str:
        return self.cache_key()

    def cache_key(self) -> str:
        """Give the key of the call.

        Raises
        ------
        UncacheableArgumentError
            An argument can't be keyed.
        """
        function, args, kwargs = self._call
        for name in _KEYS:
            known = getattr(function, name, None)
            if known is not None:
                return str(known(*args, **kwargs))
        own = getattr(function, "__self__", None)
        if inspect.ismethod(function):
            function, args = function.__func__, (own, *args)
        settings = native_settings(raises=True)
        return Function(function, name_of(function), **settings).cache_key(*args, **kwargs)

    def evaluate(self) -> Any:
        """Give the result; computed when it is first asked for."""
        with self._lock:
            if self._result is not None and _digest(self._result[0]) == self._result[1]:
                return self._result[0]
            function, args, kwargs = self._call
            args, kwargs = resolved(args, kwargs)
            value = function(*args, **kwargs)
            known = _digest(value)
            self._result = None if known is None else (value, known)
            return value

    def __repr__(self) -> str:
        function, args, kwargs = self._call
        given = [*map(_shown, args), *(f"{name}={_shown(each)}" for name, each in kwargs.items())]
        return f"lazy({', '.join((name_of(function), *given))})"

    def __reduce__(self) -> Any:
        return Lazy, self._call


def resolved(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give arguments with the results of lazy calls in their places.

    Those that are arguments themselves are computed, and those that are items of an argument that
    is a list, a tuple or a dictionary; deeper ones stay as they are.
    """
    return (
        tuple(_resolved(each) for each in args),
        {name: _resolved(each) for name, each in kwargs.items()},
    )


def _resolved(value: Any) -> Any:
    kind = type(value)
    if kind is Lazy:
        return value.evaluate()
    if kind in {list, tuple} and any(type(each) is Lazy for each in value):
        return kind(_evaluated(each) for each in value)
    if kind is dict and any(type(each) is Lazy for each in value.values()):
        return {name: _evaluated(each) for name, each in value.items()}
    return value


def _evaluated(value: Any) -> Any:
    return value.evaluate() if type(value) is Lazy else value


def _digest(value: Any) -> str | None:
    try:
        return digest(value)
    except UncacheableArgumentError:
        return None


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | bool | Lazy) else "..."
