"""Who fetches what: no interval of a series is fetched by two at once."""

from __future__ import annotations

import contextlib
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from afml_cache.ranges import loops
from afml_cache.ranges.intervals import Interval, common, joined, without

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from afml_cache._native import Lock
    from afml_cache._native import Series as NativeSeries

PATIENCE = 1.0
"""How many seconds the loop of another thread may stand still before its tasks are given up."""
# The series that are being filled by whatever called this: their loaders must not ask for them.
_filling: ContextVar[frozenset[str]] = ContextVar("afml_cache.filling", default=frozenset())


@dataclass(eq=False)
class _Held:
    """What one request has reserved, and the event loop whose task it is."""

    intervals: list[Interval]
    loop: AbstractEventLoop | None
    has_lock: bool = False
    thread: threading.Thread = field(default_factory=threading.current_thread)
    stopped: float | None = None
    """When its loop was first seen to stand still."""

    def is_abandoned(self) -> bool:
        """Tell whether its loop is closed, or stands still with nobody about to run it again.

        Whoever asks in the thread of the loop keeps it from running; one of another thread may be
        between two calls of `run_until_complete`.
        """
        if self.loop is None or self.loop.is_running():
            self.stopped = None
            return False
        is_here = self.thread is threading.current_thread()
        if is_here or self.loop.is_closed() or not self.thread.is_alive():
            return True
        now = time.monotonic()
        self.stopped = now if self.stopped is None else self.stopped
        return now - self.stopped >= PATIENCE


class Reservations:
    """The intervals of one series that this process fetches now, and its lock among processes."""

    def __init__(self, native: NativeSeries, store: str) -> None:
        self._native = native
        self.place = store, native.digest
        self._held: dict[int, _Held] = {}
        self._count = 0
        self._lease: Lock | None = None
        # A task that is collected lets go of what it has, wherever the collector comes.
        self._lock = threading.RLock()
        _everywhere[id(self)] = self

    def reserve(self, wanted: list[Interval]) -> tuple[int, list[Interval]]:
        """Reserve what nobody here fetches, which may be nothing."""
        with self._lock:
            self.drop_abandoned()
            mine = without(wanted, self._all())
            self._count += 1
            self._held[self._count] = _Held(mine, loops.running())
            return self._count, mine

    def is_free(self, wanted: list[Interval]) -> bool | None:
        """Say so when some of what was wanted is fetched by nobody any longer."""
        with self._lock:
            self.drop_abandoned()
            return True if without(wanted, self._all()) else None

    def holds(self, number: int) -> bool:
        """Tell whether a reservation stands: that of a loop that stood still is others' to take."""
        return number in self._held

    def lock(self, number: int) -> bool | None:
        """Ask for the lock among processes, which this one holds once for all that it fetches.

        It is of no use to a reservation that does not stand any longer, which is `False`.
        """
        with self._lock:
            if number not in self._held:
                return False
            if self._lease is None:
                self._lease = self._native.lock()
            if self._lease is not None:
                self._held[number].has_lock = True
                return True
        for other in self._others():
            other.drop_abandoned()
        return None

    def release(self, number: int) -> None:
        """Let others have what was reserved, and the lock when nobody here needs it any longer."""
        with self._lock:
            self._held.pop(number, None)
            self._let_go()

    def drop_abandoned(self) -> None:
        """Let others have what tasks of loops have that do not run any more, and the lock."""
        with self._lock:
            for number, one in list(self._held.items()):
                if one.is_abandoned():
                    self.release(number)

    def held_up(
        self, wanted: list[Interval], number: int, loop: AbstractEventLoop
    ) -> list[Interval]:
        """Give what of the wanted the tasks of a loop fetch, and whatever keeps the lock from it.

        The lock may be that of another cache of this process with the same series.
        """
        with self._lock:
            own = [one for at, one in self._held.items() if at != number and one.loop is loop]
            found = [each for one in own for each in common(one.intervals, wanted)]
        for other in self._others():
            found += other.locked_by(loop)
        return joined(found)

    def locked_by(self, loop: AbstractEventLoop) -> list[Interval]:
        """Give what the tasks of a loop fetch that have the lock among processes."""
        with self._lock:
            held = [one for one in self._held.values() if one.has_lock and one.loop is loop]
            return [each for one in held for each in one.intervals]

    def _others(self) -> list[Reservations]:
        """Give those of other caches of this process with the same series."""
        found = [reference() for reference in _everywhere.valuerefs()]
        return [one for one in found if one and one is not self and one.place == self.place]

    def _let_go(self) -> None:
        if self._lease is not None and not any(one.has_lock for one in [*self._held.values()]):
            self._lease.release()
            self._lease = None

    def _all(self) -> list[Interval]:
        return joined([each for one in [*self._held.values()] for each in one.intervals])


# No lock guards it, which a forked child could find held: each step on it is one of the
# interpreter's.
_everywhere: WeakValueDictionary[int, Reservations] = WeakValueDictionary()


def is_filling(digest: str) -> bool:
    """Tell whether whoever asks is the loader of this very series."""
    return digest in _filling.get()


class Filling:
    """While a loader runs, whatever it calls knows for which series."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def __enter__(self) -> None:
        self._token = _filling.set(_filling.get() | {self._digest})

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ValueError):  # closed elsewhere, where it was never set
            _filling.reset(self._token)
