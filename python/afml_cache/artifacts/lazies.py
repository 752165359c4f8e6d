"""Arguments that are computed only where they are needed, and count by what computes them."""

from __future__ import annotations

import functools
import inspect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache import modes
from afml_cache._native import Function, digest
from afml_cache.decorators import name_of, native_settings
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentError, warn
from afml_cache.look_ahead import note_seen, refuse_future, seen_until, watched

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lazy", "lazy", "resolved"]

# What gives the key of a call: of cached functions and artifacts, and of backtests.
_KEYS: Final = ("cache_key", "run_id")
_OURS: Final = "afml_cache"


def lazy(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Lazy:
    """Pass a call in the place of its result: it counts by its key, and runs on a miss only.

    Artifacts compute it before they run their body, and pass on the result. Any other cached
    function, in a sweep too, is given the `Lazy` itself, and calls `evaluate()`.

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
    TypeError
        The arguments do not fit its signature.

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
    while type(function) is functools.partial:
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    _check_arguments(function, args, kwargs)
    return Lazy(function, args, kwargs)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a call gave.

    Attributes
    ----------
    key
        Of the call, by its arguments and code as they were.
    value, digest
        The result, and its content as it was.
    seen_ns
        Up to when it has seen, in nanoseconds UTC.
    is_fresh
        Whether nothing that was stored was used for it.
    """

    key: str
    value: Any
    digest: str
    seen_ns: int | None
    is_fresh: bool


class Lazy:
    """A call that stands for its result; `lazy` makes it.

    What it gave is kept for those who ask again, as long as it and the call's key are as they were:
    a result that was changed in place, that can't be digested, or that asked for bars up to now,
    is computed again.
    """

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._call = function, args, kwargs
        self._lock = threading.RLock()
        self._kept: _Kept | None = None

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
        ask = _asked(function)
        if ask is not None:
            return str(ask(*args, **kwargs))
        own = getattr(function, "__self__", None)
        if inspect.ismethod(function):
            function, args = function.__func__, (own, *args)
        settings = native_settings(raises=True)
        _check_signature(function)
        return Function(function, name_of(function), **settings).cache_key(*args, **kwargs)

    def evaluate(self) -> Any:
        """Give the result; computed when it is first asked for.

        Raises
        ------
        LookAheadError
            It is there, and has seen beyond the time of the `as_of` around.
        """
        with self._lock:
            key, kept = self._key(), self._kept
            if kept is not None and kept.key == key and _is_good(kept):
                refuse_future(repr(self), kept.seen_ns)
                note_seen(kept.seen_ns)
                return kept.value
            return self._computed(key)

    def _computed(self, key: str | None) -> Any:
        function, args, kwargs = self._call
        is_fresh = not modes.looks_up()
        with watched() as seen:
            args, kwargs = resolved(args, kwargs)
            value = function(*args, **kwargs)
        given = None if _asked(function) else _seen_by(function, [args, kwargs])
        until = max((one for one in (given, seen.until) if one is not None), default=None)
        note_seen(until, open_ended=seen.open_ended)
        known = None if seen.open_ended or key is None or self._key() != key else _digest(value)
        self._kept = None
        if key is not None and known is not None:
            self._kept = _Kept(key, value, known, until, is_fresh)
        return value

    def _key(self) -> str | None:
        try:
            return self.cache_key()
        except UncacheableArgumentError:
            return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # somebody looks what it is
            raise AttributeError(name)
        message = (
            f"`{self!r}` is a call that is not computed, and has no `{name}`: an artifact computes "
            "its lazy arguments before its body runs; everywhere else ask for `.evaluate()`"
        )
        raise AttributeError(message)

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


def _check_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function of C that does not tell
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        message = f"lazy({name_of(function)}, ...): {error}"
        raise TypeError(message) from None


def _check_signature(function: Any) -> None:
    try:
        inspect.signature(function, follow_wrapped=False)
    except ValueError as error:  # of some that are written in C
        message = (
            f"`{name_of(function)}` can't be keyed as a lazy call: {error}; pass a function that "
            "calls it"
        )
        raise UncacheableArgumentError(message) from error


def _asked(function: Any) -> Any:
    """Give what a function of this package says of its calls; of all others `None`."""
    if type(function).__module__.partition(".")[0] != _OURS:
        return None
    return next((ask for name in _KEYS if (ask := getattr(function, name, None))), None)


def _is_good(kept: _Kept) -> bool:
    """Whether a result is as it was, and what is stored may be used where it was."""
    return (kept.is_fresh or modes.looks_up()) and _digest(kept.value) == kept.digest


def _seen_by(function: Any, given: list[Any]) -> int | None:
    """Give the last instant that the arguments of a plain function have seen, in ns UTC."""
    try:
        return seen_until(given)
    except Exception as error:  # noqa: BLE001 - of values of any kind; the caller has the result
        message = f"up to when `{name_of(function)}` has seen can't be told: {error}"
        warn("TimeRangeWarning", message)
        return None


def _digest(value: Any) -> str | None:
    try:
        return digest(value)
    except UncacheableArgumentError:
        return None


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | bool | Lazy) else "..."
