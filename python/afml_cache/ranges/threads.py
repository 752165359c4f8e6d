"""The driver for threads: what a generator waits for is done in the thread that calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any, TypeVar

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges import loops
from afml_cache.ranges.steps import (
    Call,
    Done,
    Effect,
    Failed,
    Outcome,
    Parallel,
    Pause,
    Step,
    Until,
    bounded,
    close,
    gives_awaitable,
    is_over,
    looks,
    resume,
    returned,
)

T = TypeVar("T")


def run(generator: Step[T]) -> T:
    """Do a generator's effects in this thread, and give what it returns.

    Whatever comes while it waits, such as Ctrl-C, is thrown in there, so that it can put things in
    order; the steps of a `Parallel` are stopped and waited for first. A call that is being done in
    another thread can't be stopped, so its end is waited for.

    Raises
    ------
    CacheConfigError
        A call gave a coroutine, and an event loop is running in this thread. It is thrown in.
    """
    return _drive(generator, None)


def _drive(generator: Step[T], stop: _Stop | None) -> T:
    reply: Outcome = Done(None)
    try:
        while True:
            try:
                # Ctrl-C may come between any two lines, and where a loop begins anew.
                while True:
                    reply = Done(_perform(resume(generator, reply), stop))
            except BaseException as error:  # noqa: BLE001 - thrown in
                if is_over(generator):
                    value: T = returned(error)
                    return value
                reply = Failed(error)
    finally:
        generator.close()
        del reply  # an exception in it would hold this frame, and the frame it


def _perform(effect: Effect, stop: _Stop | None) -> Any:
    if stop is not None:
        stop.rest(0)
    if isinstance(effect, Call):
        in_loop = loops.running() is not None or (stop is not None and stop.in_loop)
        return _called(effect, in_loop=in_loop)
    if isinstance(effect, Pause):
        seconds = bounded(effect.seconds)
        return time.sleep(seconds) if stop is None else stop.rest(seconds)
    if isinstance(effect, Until):
        loop = loops.held_up()
        if loop is not None and effect.holds_up is not None:
            effect.holds_up(loop)
        return _drive(looks(effect), stop)
    if effect.most > 1 and len(effect.steps) > 1:
        return _in_threads(effect, stop or _Stop(in_loop=loops.running() is not None))
    try:
        return [_outcome(step, stop) for step in effect.steps]
    finally:
        close(effect.steps)


def _outcome(step: Step[Any], stop: _Stop | None) -> Outcome:
    try:
        return Done(_drive(step, stop))
    except Exception as error:  # noqa: BLE001 - told to the generator
        return Failed(error)


def _called(call: Call, *, in_loop: bool) -> Any:
    if in_loop and gives_awaitable(call.function):
        raise _in_a_loop(call.function)
    value = call.now()
    if not inspect.isawaitable(value):
        return value
    if in_loop:
        if not inspect.iscoroutine(value):
            raise _in_a_loop(call.function)
        value.close()
        raise _in_a_loop(value)
    return asyncio.run(_awaited(call, value))


async def _awaited(call: Call, value: Any) -> Any:
    with call.place():
        return await value


def _in_a_loop(what: Any) -> CacheConfigError:
    """Name a function, or the coroutine that it gave."""
    name = getattr(what, "__qualname__", repr(what))
    return CacheConfigError(
        f"`{name}` gives a coroutine, which can't be waited for here: an event loop is running in "
        "this thread, as in a notebook or inside `async def`; use the method that is awaited, such "
        "as `await cache.aget(...)` instead of `cache.get(...)`. A decorator around an `async def` "
        "has to give an `async def` too, or what `inspect.markcoroutinefunction` makes of its own"
    )


class _Stop:
    """Tells one thread's generator, and the threads that work for it, to stop; heeded once."""

    def __init__(self, *, in_loop: bool) -> None:
        self.in_loop = in_loop
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._below: list[_Stop] = []

    def set(self) -> None:
        with self._lock:
            self._event.set()
            below = self._below
        for stop in below:
            stop.set()

    def rest(self, seconds: float) -> None:
        """Wait, or raise `CancelledError` as soon as it is set."""
        if self._event.wait(seconds):
            self.heed()
            raise asyncio.CancelledError

    def heed(self) -> None:
        """Stop nothing any more: what is done from now on puts things in order."""
        with self._lock:
            if self._event.is_set():
                self._event = threading.Event()

    def spread(self, count: int) -> list[_Stop]:
        """Give what stops the threads that begin to work for this one."""
        below = [_Stop(in_loop=self.in_loop) for _ in range(count)]
        with self._lock:
            self._below = below
            late = self._event.is_set()
        if late:  # `set` did not find them
            for stop in below:
                stop.set()
        return below


def _context_of(loop: asyncio.AbstractEventLoop | None) -> contextvars.Context:
    """Give the context of this thread to one that it waits for."""
    context = contextvars.copy_context()
    context.run(loops.wait_in, loop)
    return context


def _in_threads(effect: Parallel, stop: _Stop) -> list[Outcome]:
    stops, loop = stop.spread(len(effect.steps)), loops.held_up()
    pool = ThreadPoolExecutor(min(effect.most, len(stops)), thread_name_prefix="afml-cache")
    try:
        futures = [
            pool.submit(_context_of(loop).run, _outcome, step, own)
            for step, own in zip(effect.steps, stops, strict=True)
        ]
        wait_for(futures, return_when=FIRST_EXCEPTION)
        # Raises what is no `Exception`: one of those that have ended has it, if there is one.
        return [future.result() for future in futures if future.done()]
    except BaseException:
        stop.heed()
        raise
    finally:
        for own in stops:
            own.set()
        pool.shutdown(cancel_futures=True)
        close(effect.steps)
