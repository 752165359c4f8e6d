"""Results on their way into the store: committed after so many, after so long, or at once."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.exceptions import warn
from afml_cache.sweeping.messages import Gave, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Turn
    from afml_cache.sweeping.messages import Message
    from afml_cache.sweeping.work import Call, Work

# After so many seconds what is there is committed, and what took so long at once.
_LONGEST: Final = 30.0
_SLOW: Final = 1.0
# Each result that waits holds the lock of its key, which is an open file.
_MOST: Final = 100


class _Pending(NamedTuple):
    number: int
    call: Call
    value: Any
    seconds: float
    turn: Turn


class Checkpoint:
    """Commits results of one worker.

    Parameters
    ----------
    work
        What stores them.
    interval
        After how many results.
    emit
        Told of each that is in, or that could not be stored.
    """

    def __init__(self, work: Work, interval: int, emit: Callable[[Message], None]) -> None:
        self._work = work
        self._interval = min(interval, _MOST)
        self._emit = emit
        self._pending: list[_Pending] = []
        self._since = 0.0
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None

    def tell(self, message: Message) -> None:
        """Tell something else of an item."""
        with self._lock:
            self._emit(message)

    def add(self, number: int, call: Call, value: Any, seconds: float, turn: Turn) -> None:
        """Take a result, and commit if it is time."""
        with self._lock:
            if not self._pending:
                self._since = time.monotonic()
            self._pending.append(_Pending(number, call, value, seconds, turn))
            waited = time.monotonic() - self._since
            if len(self._pending) >= self._interval or seconds > _SLOW or waited > _LONGEST:
                self.commit()
            elif self._timer is None:
                self._begin_timer()

    def commit(self) -> None:
        """Store what waits."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._pending:
                return
            is_unchanged = self._work.is_unchanged()
            if not is_unchanged:
                self._tell_changed()
            while self._pending:
                self._settle(self._pending[0], is_unchanged)
                self._pending.pop(0)

    def _settle(self, pending: _Pending, is_unchanged: bool) -> None:
        number, call, value, seconds, turn = pending
        try:
            stored = is_unchanged and self._work.fill(call, value, seconds, turn)
        finally:
            turn.__exit__()
        self._emit(Stored(number, seconds) if stored else Gave(number, seconds, value))

    def _begin_timer(self) -> None:
        context = contextvars.copy_context()
        self._timer = threading.Timer(_LONGEST, context.run, (self.commit,))
        self._timer.daemon = True
        self._timer.start()

    def _tell_changed(self) -> None:
        message = (
            f"the items of `{self._work.name}` share an argument, or a value that the code reads, "
            f"which was changed in place while they ran: {len(self._pending)} results are not "
            "stored; have the function work on a copy of what it changes"
        )
        warn("SweepWarning", message)
