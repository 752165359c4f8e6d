"""Event loops: which of them runs in a thread, and which can't go on while a thread waits."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

__all__ = ["held_up", "running", "wait_in"]

# The loop in whose thread somebody waits for the threads that have this context.
_waited_in: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "afml_cache.waited_in", default=None
)


def running() -> asyncio.AbstractEventLoop | None:
    """Give the loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def held_up() -> asyncio.AbstractEventLoop | None:
    """Give the loop that can't go on while this thread waits: its own, or that of who waits."""
    return running() or _waited_in.get()


def wait_in(loop: asyncio.AbstractEventLoop | None) -> None:
    """Say in the context of a thread in which loop's thread somebody waits for it."""
    _waited_in.set(loop)
