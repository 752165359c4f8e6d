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
)


def awaitable(native: Function, function: Callable[..., Any]) -> Any:
    """Wrap a coroutine function around its native one."""
    shared = _Shared()

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        alone = False
        while True:
            step, given = native.begin(args, kwargs, alone=alone)
            if step == "hit":
                return given
            if step == "turn":
                return await compute(given, args, kwargs)
            alone = await shared.landed(given) == "alone"
            given = None  # what it waits for is to be known no longer

    async def compute(turn: Turn | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if turn is None:
            return await function(*args, **kwargs)
        with turn:
            start = time.perf_counter()
            value = await function(*args, **kwargs)
            native.fill(value, time.perf_counter() - start, turn, args, kwargs)
        return value

    async def refresh(*args: Any, **kwargs: Any) -> Any:
        """Compute a call whatever is stored, and store the new result."""
        _, turn = native.begin(args, kwargs, alone=True)
        return await compute(turn, args, kwargs)

    for name in _SAME:
        setattr(wrapper, name, getattr(native, name))
    wrapper.refresh = refresh  # type: ignore[attr-defined]
    return wrapper


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
