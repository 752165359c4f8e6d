"""Results on their way into the store: committed after so many, after so long, or at once."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import warn
from afml_cache.sweeping.copies import UncopiedError, copied
from afml_cache.sweeping.messages import Failed, Gave, Stored, raised

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache.sweeping.messages import Message
    from afml_cache.sweeping.work import Result, Work

# After so many seconds what is there is committed, and what took so long at once.
_LONGEST: Final = 30.0
_SLOW: Final = 1.0
# What waits while nothing more comes is committed after so many seconds: the item that runs may ask
# for it. Where one did, as those of a recursion do, so many that follow are committed at once.
_QUIET: Final = 0.1
_SINGLY: Final = 100
# Each result that waits holds the lock of its key, which is an open file.
_MOST: Final = 100


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
        self._pending: list[tuple[int, Result]] = []
        self._since = 0.0
        self._last = 0.0
        self._singly = 0
        self._context = contextvars.copy_context()
        self._lock = threading.RLock()
        self._watch: threading.Thread | None = None
        self._latest: threading.Thread | None = None
        self._closed = threading.Event()

    def tell(self, message: Message) -> None:
        """Tell something else of an item."""
        with self._lock:
            self._tell(message)

    def _tell(self, message: Message) -> None:
        try:
            self._emit(message)
        except Exception as error:
            if not isinstance(message, Gave):
                raise
            text = (
                f"its result, a {type(message.value).__name__}, can't be stored, and can't be sent "
                f"from one process to another ({error}); return plain values, arrays or frames"
            )
            self._emit(Failed(message.number, message.seconds, raised(TypeError(text))))

    def add(self, number: int, result: Result) -> None:
        """Take a result, and commit if it is time."""
        with self._lock:
            self._last = time.monotonic()
            if not self._pending:
                self._since = self._last
                self._context = contextvars.copy_context()
            self._pending.append((number, result))
            if self._is_due(result.seconds) or not self._keep(number, result):
                self.commit()
            elif self._watch is None:
                self._begin_watch()

    def _is_due(self, seconds: float) -> bool:
        self._singly -= self._singly > 0
        is_full = len(self._pending) >= self._interval or self._singly > 0
        return is_full or seconds > _SLOW or self._last - self._since > _LONGEST

    def _keep(self, number: int, result: Result) -> bool:
        """Have the last result wait as it is now; false where there is no copy of it."""
        try:
            self._pending[-1] = number, result._replace(value=copied(result.value))
        except UncopiedError:
            return False
        return True

    def commit(self) -> None:
        """Store what waits."""
        with self._lock:
            if not self._pending:
                return
            told = list(zip(self._pending, self._stored(), strict=True))
            for _, result in self._pending:
                result.turn.__exit__()
            self._pending.clear()
            stored = {number: result.seconds for (number, result), is_stored in told if is_stored}
            if stored:
                self._tell(Stored(stored))
            for (number, result), is_stored in told:
                if not is_stored:
                    self._tell(Gave(number, result.seconds, result.value))

    def _stored(self) -> list[bool]:
        """Store what waits, unless it may have been made of what was changed meanwhile."""
        if self._work.is_unchanged():
            return self._work.fill([result for _, result in self._pending])
        self._tell_changed()
        return [False] * len(self._pending)

    def close(self) -> None:
        """Store what waits: there is nothing more to come."""
        self._closed.set()
        self.commit()
        if self._latest is not None:  # an interpreter that ends before it does would abort
            self._latest.join()

    def _begin_watch(self) -> None:
        self._watch = self._latest = threading.Thread(target=self._watch_over, daemon=True)
        self._watch.start()

    def _watch_over(self) -> None:
        """Commit what has waited for so long; end where nothing waits.

        What begins to wait later is due later: nobody needs to wake this thread.
        """
        left = min(_LONGEST, _QUIET)
        while not self._closed.wait(left):
            with self._lock:
                due = min(self._since + _LONGEST, self._last + _QUIET)
                left = due - time.monotonic() if self._pending else 0.0
                if left <= 0:
                    self._watch = None
                    self._singly = _SINGLY if self._pending else self._singly
                    self._context.run(self.commit)
                    return

    def _tell_changed(self) -> None:
        message = (
            f"the items of `{self._work.name}` share an argument, or a value that the code reads, "
            f"which was changed in place while they ran: {len(self._pending)} results are not "
            "stored; have the function work on a copy of what it changes"
        )
        warn("SweepWarning", message)
