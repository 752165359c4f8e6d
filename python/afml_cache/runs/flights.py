"""One caller computes a run and the others wait: threads, tasks and processes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Lock, Runs

# How long another's computation is first left alone, and how long at most, in seconds.
_FIRST: Final = 0.0005
_LAST: Final = 0.02

_computing: ContextVar[tuple[str, ...]] = ContextVar("afml_cache.runs", default=())


class _Board:
    """Which runs this process computes, and for which of them a computation waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._waits: dict[str, str] = {}

    def enter(self, run: str, held: tuple[str, ...]) -> bool:
        """Say whether a run is nobody else's; otherwise whoever holds others waits for it."""
        with self._lock:
            if run in self._busy:
                self._waits.update(dict.fromkeys(held[-1:], run))
                return False
            self._busy.add(run)
            for one in held[-1:]:
                self._waits.pop(one, None)
            return True

    def leave(self, run: str) -> None:
        with self._lock:
            self._busy.discard(run)

    def closes_a_circle(self, run: str, held: tuple[str, ...]) -> bool:
        """Whether a run waits, by way of others, for what is held."""
        with self._lock:
            seen = set[str]()
            while run not in held:
                if run in seen or run not in self._waits:
                    return False
                seen.add(run)
                run = self._waits[run]
            return True


_board = _Board()


def _forked() -> None:
    global _board  # noqa: PLW0603 - its lock may be held for ever
    _board = _Board()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Turn:
    """The turn to compute a run; whoever has it releases it."""

    def __init__(self, run: str, lease: Lock | None = None) -> None:
        self._run = run
        self._lease = lease
        self._board = _board

    def release(self) -> None:
        """Let others compute it."""
        if self._lease is not None:
            self._board.leave(self._run)
            self._lease.release()

    def __enter__(self) -> None:
        self._token = _computing.set((*_computing.get(), self._run))

    def __exit__(self, *_raised: object) -> None:
        _computing.reset(self._token)
        self.release()


class Waiting:
    """A call that waits for its turn, or for what another one has computed meanwhile."""

    def __init__(self, runs: Runs, run: str, find: Callable[[], Any]) -> None:
        self._runs = runs
        self._run = run
        self._find = find
        self._held = _computing.get()
        self._pause = _FIRST

    def look(self) -> Any:
        """Give what is found, or a turn; `None` where another one still computes."""
        run = self._run
        if _board.closes_a_circle(run, self._held):
            return Turn(run)
        if not _board.enter(run, self._held):
            return None
        lease = self._runs.lock(run)
        if lease is None:
            _board.leave(run)
            return None
        turn = Turn(run, lease)
        try:
            found = self._find()
        except BaseException:
            turn.release()
            raise
        if found is None:
            return turn
        turn.release()
        return found

    def next_pause(self) -> float:
        """Give how long to wait before the next look, in seconds."""
        pause, self._pause = self._pause, min(2 * self._pause, _LAST)
        return pause


def awaited(waiting: Waiting) -> Any:
    """Wait in this thread for what is found, or for a `Turn`."""
    while (found := waiting.look()) is None:
        time.sleep(waiting.next_pause())
    return found


async def aawaited(waiting: Waiting) -> Any:
    """Wait in this task for what is found, or for a `Turn`."""
    while (found := waiting.look()) is None:  # noqa: ASYNC110 - of other processes too
        await asyncio.sleep(waiting.next_pause())
    return found
