"""Which work it is to sweep something."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from afml_cache._native import Function, Method
from afml_cache.decorators import (
    assemble,
    check_function,
    code_settings,
    name_of,
    native_settings,
)
from afml_cache.sweeping.function_work import FunctionWork
from afml_cache.sweeping.other_work import OtherWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache.decorators import CodeOptions
    from afml_cache.sweeping.work import Work


def work_of(
    function: Any,
    shared: tuple[Any, ...],
    options: CodeOptions,
    consume: Callable[[Any], Any] | None = None,
) -> Work:
    """Give what a sweep runs for a function, cached or not.

    Raises
    ------
    TypeError
        It is no function that returns a result, is a coroutine function, or has options of its own
        and is given others.
    """
    settings = code_settings("sweep", dict(options))
    if isinstance(function, Method):
        work = work_of(function.__func__, (function.__self__, *shared), options, consume)
        work.prefix = (function.__self__,)
        return work
    if isinstance(function, Function) or _keeps_results(function):
        if options:
            given = ", ".join(f"`{name}`" for name in options)
            message = f"{name_of(function)} is cached and has its own options; leave out {given}"
            raise TypeError(message)
        if inspect.iscoroutinefunction(getattr(function, "__wrapped__", None)):
            _refuse_coroutine(function)
        if isinstance(function, Function) and function.settings()["observer"] is None:
            return FunctionWork(function, shared, consume)
        return OtherWork(function, consume)
    if inspect.iscoroutinefunction(function):
        _refuse_coroutine(function)
    check_function("sweep", function, settings["options"])
    native = assemble(function, native_settings(**settings))
    return FunctionWork(native, shared, consume)


def _keeps_results(function: Any) -> bool:
    """Whether something has results of its own: an artifact, a cached backtest, a coroutine."""
    return any(hasattr(function, name) for name in ("is_cached", "is_current"))


def _refuse_coroutine(function: Any) -> None:
    message = (
        f"sweep can't run {name_of(function)}, a coroutine function; give it a function that "
        "returns a result, such as one that calls `asyncio.run`"
    )
    raise TypeError(message)
