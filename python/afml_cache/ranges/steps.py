"""What the generators of the range cache yield, and what they get back."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from afml_cache import _native

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from contextlib import AbstractContextManager

T = TypeVar("T")

# How long `Until` first lets what it looks at alone, and how long at most, in seconds.
_FIRST: Final = 0.001
_LAST: Final = 0.02
# How long it looks before it asks whether the wait closes a circle, which costs more.
_CIRCLE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function; its result is the effect's, and an exception is thrown in.

    Attributes
    ----------
    function, args, kwargs
        What is called. What it gives is awaited where it is awaitable.
    inline
        `arun` calls it in the loop's own thread: it is quick, or belongs there. Coroutine
        functions always are called so; others in a thread, with the context of the task.
    abandonable
        A cancelled task leaves it alone in its thread, and its result is lost. Else the task waits
        for its end, so that no lock is given back while a write is still going on.
    apart
        It is called outside of the simulation and of the computations around: what it gives is kept
        for all.
    """

    function: Callable[..., Any]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    inline: bool = False
    abandonable: bool = False
    apart: bool = False

    def now(self) -> Any:
        """Call the function here."""
        with self.place():
            return self.function(*self.args, **self.kwargs)

    def place(self) -> AbstractContextManager[None]:
        """Give where the function is called, and what it gives is awaited."""
        is_apart = self.apart and _native.is_watching()
        return _native.Apart() if is_apart else contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Look, with growing pauses from 1 to 20 ms, until there is something other than `None`.

    Attributes
    ----------
    look
        Called again and again, in the loop's own thread by `arun`; it does not block.
    closes
        Asked every tenth of a second whether the wait closes a circle, and so would never end; the
        result then is `None`.
    holds_up
        Told by `run`, before it waits, of the event loop that can't go on meanwhile, if there is
        one; raises where the wait is for a task of that loop.
    """

    look: Callable[[], Any]
    closes: Callable[[], bool] | None = None
    holds_up: Callable[[AbstractEventLoop], None] | None = None


@dataclass(frozen=True, slots=True)
class Parallel:
    """Do several generators, at most `most` at once.

    The result is a list of `Done` and `Failed`, one for each step and in their order. Where `most`
    is one, they are done one after the other in order, by `run` in the thread that calls it.
    """

    steps: Sequence[Step[Any]]
    most: int


@dataclass(frozen=True, slots=True)
class Done:
    """A step of `Parallel` that has ended, and what it gave."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A step of `Parallel` that raised an exception."""

    exception: BaseException


Effect: TypeAlias = Call | Pause | Until | Parallel
Outcome: TypeAlias = Done | Failed
Step: TypeAlias = Generator[Effect, Any, T]


def resume(generator: Step[Any], reply: Outcome) -> Effect:
    """Give a generator what it waited for, and get what it waits for next."""
    effect: Any
    if isinstance(reply, Failed):
        effect = generator.throw(reply.exception)
    else:
        effect = generator.send(reply.value)
    if isinstance(effect, Effect):
        return effect
    message = f"a step of the range cache yielded {effect!r}, which is no effect"
    raise TypeError(message)


def is_over(generator: Step[Any]) -> bool:
    """Whether a generator has returned or raised: what is raised then is its own."""
    return getattr(generator, "gi_frame", None) is None


def returned(error: BaseException) -> Any:
    """Give what a generator returned; raise what it raised."""
    if isinstance(error, StopIteration):
        return error.value
    raise error


def close(steps: Sequence[Step[Any]]) -> None:
    """Close those that have not been begun."""
    for step in steps:
        step.close()


def looks(until: Until) -> Step[Any]:
    """Do an `Until` by pauses."""
    pause, since = _FIRST, 0.0
    while True:
        found = until.look()
        if found is not None:
            return found
        if until.closes is not None and since >= _CIRCLE:
            since = 0.0
            if until.closes():
                return None
        yield Pause(pause)
        since += pause
        pause = min(2 * pause, _LAST)


def bounded(seconds: float) -> float:
    """Give a length that can be waited for."""
    return min(max(seconds, 0), threading.TIMEOUT_MAX)


def gives_awaitable(function: Callable[..., Any]) -> bool:
    """Whether a call of it gives a coroutine: through `partial`, a method or `__call__` as well."""
    while isinstance(function, functools.partial):
        function = function.func
    called = getattr(type(function), "__call__", None)  # noqa: B004 - it is looked at
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
