"""The driver for asyncio: what a generator waits for is awaited in the running event loop."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

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

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


async def arun(generator: Step[T], *, inline: bool = False) -> T:
    """Do a generator's effects in the running event loop, and give what it returns.

    Whatever comes while it waits, such as a cancellation, is thrown in there, so that it can put
    things in order; the steps of a `Parallel` are cancelled and awaited first.

    Parameters
    ----------
    generator
        What is done. It is closed in any case.
    inline
        Call plain functions in this thread too, which blocks the loop.
    """
    return await _drive(generator, set(), inline=inline)


async def _drive(generator: Step[T], cancelled: set[object], *, inline: bool) -> T:
    """Drive it; its task is put among those cancelled once it puts things in order."""
    reply: Outcome = Done(None)
    try:
        while True:
            try:
                while True:
                    reply = Done(await _await(resume(generator, reply), inline=inline))
            except BaseException as error:  # noqa: BLE001 - thrown in
                if is_over(generator):
                    value: T = returned(error)
                    return value
                if isinstance(error, asyncio.CancelledError):
                    cancelled.add(asyncio.current_task())
                reply = Failed(error)
    finally:
        generator.close()
        del reply  # an exception in it would hold this frame, and the frame it


async def _await(effect: Effect, *, inline: bool) -> Any:
    if isinstance(effect, Pause):
        return await asyncio.sleep(bounded(effect.seconds))
    if isinstance(effect, Until):
        return await arun(looks(effect))
    if isinstance(effect, Parallel):
        return await _Together(effect, inline=inline).outcomes()
    if inline or effect.inline or gives_awaitable(effect.function):
        value = effect.now()
    else:
        value = await _in_a_thread(effect)
    if asyncio.isfuture(value):  # another may wait for it too: it is not cancelled with this task
        return await asyncio.shield(value)
    if not inspect.isawaitable(value):
        return value
    with effect.place():
        return await value


async def _in_a_thread(call: Call) -> Any:
    def attempt() -> Outcome:
        try:
            return Done(call.now())
        except BaseException as error:  # noqa: BLE001 - a future takes no StopIteration
            return Failed(error)

    context = contextvars.copy_context()
    # No task, which a loop that ends would cancel while the thread still runs.
    future = asyncio.get_running_loop().run_in_executor(None, context.run, attempt)
    if not call.abandonable:
        await _settled([future])
    outcome = await future
    if isinstance(outcome, Failed):
        raise outcome.exception
    return outcome.value


async def _settled(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until all have ended, whatever comes; a cancellation is raised then."""
    cancelled = None
    while waiting := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class _Together:
    """The tasks that do the steps of a `Parallel`."""

    def __init__(self, effect: Parallel, *, inline: bool) -> None:
        self._steps = effect.steps
        self._places = asyncio.Semaphore(max(effect.most, 1))
        self._inline = inline
        self._tasks: list[asyncio.Task[Outcome]] = []
        self._cancelled: set[object] = set()
        self._broken: list[BaseException] = []

    async def outcomes(self) -> list[Outcome]:
        self._tasks = [asyncio.ensure_future(self._finish(step)) for step in self._steps]
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except GeneratorExit:  # nothing can be awaited any more
            raise
        except BaseException:
            self._cancel()
            await _settled(self._tasks)
            raise
        finally:
            close(self._steps)
        if self._broken:
            raise self._broken[0]
        return [task.result() for task in self._tasks]

    async def _finish(self, step: Step[Any]) -> Outcome:
        try:
            async with self._places:
                return Done(await _drive(step, self._cancelled, inline=self._inline))
        except Exception as error:  # noqa: BLE001 - told to the generator
            return Failed(error)
        except GeneratorExit:  # it is collected, and its loop may be closed
            raise
        except BaseException as error:  # noqa: BLE001 - raised when all have ended
            self._broken.append(error)
            self._cancel()
            return Failed(error)

    def _cancel(self) -> None:
        for task in self._tasks:
            # Not twice, as where the loop ends: that would stop what it does to end in order.
            if task not in self._cancelled:
                task.cancel()
