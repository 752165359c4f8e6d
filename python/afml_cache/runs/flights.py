"""One caller computes a run and the others wait: threads, tasks and processes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
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
    """Which runs this process computes, for which of them a computation waits, and which are lost.

    A run is lost whose answer could not be kept: whoever waits for it finds nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a turn may be forgotten, and leave, at any time
        self._busy: dict[str, weakref.ref[Turn]] = {}
        self._waits: dict[str, str] = {}
        self._lost: set[str] = set()

    def enter(self, run: str, turn: Turn, held: tuple[str, ...]) -> bool:
        """Say whether a run is nobody else's; otherwise whoever holds others waits for it."""
        with self._lock:
            holder = self._holder(run)
            if holder is not None and holder.is_left_behind:
                holder.release()
            elif holder is not None:
                self._waits.update(dict.fromkeys(held[-1:], run))
                return False
            self._busy[run] = weakref.ref(turn)
            for one in held[-1:]:
                self._waits.pop(one, None)
            return True

    def _holder(self, run: str) -> Turn | None:
        turn = self._busy.get(run)
        return None if turn is None else turn()

    def leave(self, run: str, turn: Turn) -> None:
        with self._lock:
            if self._holder(run) in {None, turn}:
                self._busy.pop(run, None)
                self._waits.pop(run, None)

    def note(self, run: str, *, kept: bool) -> None:
        with self._lock:
            (self._lost.discard if kept else self._lost.add)(run)

    def is_lost(self, run: str) -> bool:
        with self._lock:
            return run in self._lost

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


def note(run: str, *, kept: bool) -> None:
    """Note whether the answer of a run could be kept; nobody waits for what can't."""
    _board.note(run, kept=kept)


class Turn:
    """The turn to compute a run, until it is released or forgotten.

    Parameters
    ----------
    run : str
        Which run.
    thread : int, optional
        The thread that computes it, if that does nothing else meanwhile.
    """

    _board: _Board | None = None
    _lease: Lock | None = None

    def __init__(self, run: str, thread: int | None = None) -> None:
        self._run = run
        self._thread = thread
        self._board = _board

    @property
    def is_left_behind(self) -> bool:
        """Whether this thread asks for the run anew: Ctrl-C came, and a traceback holds this."""
        return self._thread == threading.get_ident()

    def take(self, runs: Runs, held: tuple[str, ...]) -> bool:
        """Say whether this one is next, among threads and tasks and among processes."""
        if not _board.enter(self._run, self, held):
            return False
        self._lease = runs.lock(self._run)
        if self._lease is None:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let others compute it."""
        if self._board is _board:  # of this process, and not of the one that it was forked from
            _board.leave(self._run, self)
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()

    def __enter__(self) -> None:
        self._token = _computing.set((*_computing.get(), self._run))

    def __exit__(self, *_raised: object) -> None:
        _computing.reset(self._token)
        self.release()

    def __del__(self) -> None:
        self.release()


class Waiting:
    """A call that waits for its turn, or for what another one has computed meanwhile."""

    def __init__(
        self, runs: Runs, run: str, find: Callable[[], Any], thread: int | None = None
    ) -> None:
        self._runs = runs
        self._run = run
        self._find = find
        self._thread = thread
        self._held = _computing.get()
        self._pause = _FIRST

    def look(self) -> Any:
        """Give what is found, or a turn; `None` where another one still computes."""
        turn = Turn(self._run, self._thread)
        if _board.is_lost(self._run) or _board.closes_a_circle(self._run, self._held):
            return turn
        try:
            if not turn.take(self._runs, self._held):
                return None
            found = self._find()
        except BaseException:  # its traceback would hold the turn
            turn.release()
            raise
        return turn if found is None else found

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
