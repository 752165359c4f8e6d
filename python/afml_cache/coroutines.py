"""Cached coroutine functions: the body is awaited, and so is another's computation of the call."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Function, Turn, Waiting
    from afml_cache.observers import Observer

# How long another's computation is first left alone, and how long at most, in seconds.
_FIRST: Final = 0.001
_LAST: Final = 0.02
# How often a task that is computed for looks whether it is waited for in a circle.
_CIRCLE: Final = 0.1

_SAME: Final = (
    "cache_info",
    "cache_clear",
    "cache_key",
    "is_cached",
    "check_call_in_cache",
    "explain",
    "put",
    "invalidate",
    "settings",
)


def awaitable(
    native: Function, function: Callable[..., Any], observer: Observer | None = None
) -> Any:
    """Wrap a coroutine function around its native one."""
    calls = _Calls(native, function, observer)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await calls.answer(args, kwargs)

    async def refresh(*args: Any, **kwargs: Any) -> Any:
        """Compute a call whatever is stored, and store the new result."""
        _, turn, key = native.begin(args, kwargs, alone=True)
        return await calls.observed(key, turn, args, kwargs)

    for name in _SAME:
        setattr(wrapper, name, getattr(native, name))
    wrapper.refresh = refresh  # type: ignore[attr-defined]
    return wrapper


class _Calls:
    """The calls of one coroutine function."""

    def __init__(
        self, native: Function, function: Callable[..., Any], observer: Observer | None
    ) -> None:
        self._native = native
        self._function = function
        self._observer = observer
        self._shared = _Shared()

    async def answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        alone = False
        while True:
            step, given, key = self._native.begin(args, kwargs, alone=alone)
            if step == "hit":
                if self._observer is not None and key is not None:
                    self._observer.hit(key, given, args, kwargs)
                return given
            if step == "turn":
                return await self.observed(key, given, args, kwargs)
            alone = await self._shared.landed(given) == "alone"
            given = None  # what it waits for is to be known no longer

    async def observed(
        self, key: str | None, turn: Turn | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._observer is None:
            return await self._compute(turn, args, kwargs)
        begun = self._observer.begins(args, kwargs)
        try:
            value = await self._compute(turn, args, kwargs)
        except BaseException as error:
            self._observer.failed(begun, error)
            raise
        await self._observer.computed_in_task(key, begun, value)
        return value

    async def _compute(
        self, turn: Turn | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if turn is None:
            return await self._function(*args, **kwargs)
        with turn:
            start = time.perf_counter()
            value = await self._function(*args, **kwargs)
            seconds = time.perf_counter() - start
            self._native.fill([(value, seconds, turn, args, kwargs)])
        return value


class _Shared:
    """One task of each loop watches a computation, for all tasks that wait for it."""

    def __init__(self) -> None:
        self._watchers: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, asyncio.Task[str]]
        ] = WeakKeyDictionary()

    async def landed(self, waiting: Waiting) -> str:
        """Wait until the computation has ended: "stored", "failed", or "alone" for no use."""
        loop = asyncio.get_running_loop()
        watchers = self._watchers.setdefault(loop, {})
        watcher = watchers.get(waiting.key)
        if watcher is None:
            watcher = loop.create_task(_watch(waiting))
            watchers[waiting.key] = watcher
            watcher.add_done_callback(lambda _: watchers.pop(waiting.key, None))
        while True:
            done, _ = await asyncio.wait({watcher}, timeout=_CIRCLE)
            if done:
                return "failed" if watcher.cancelled() else watcher.result()
            if waiting.closes_a_circle():
                return "alone"


async def _watch(waiting: Waiting) -> str:
    pause = _FIRST
    while True:
        landed = waiting.look()
        if landed is not None:
            return landed
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LAST)
