"""One thread that does what is to be told to a tracking server, so that no call waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("afml_cache")

# What can wait is left alone until nothing more has come for so long, and at most for so long:
# the thread would take turns with the calls that bring it.
_LINGER: Final = 0.1
_LONGEST_LINGER: Final = 1.0
# A thread with nothing to do ends: a process with threads is not one to fork.
_IDLE: Final = 1.0
_ROOM: Final = 10_000
_ROOM_IN_BYTES: Final = 1 << 30


class Job:
    """Something to do, once.

    Attributes
    ----------
    size : int
        Bytes that it holds meanwhile.
    value
        What came of it.
    error : Exception or None
        What stood against it.
    """

    def __init__(
        self, work: Callable[[Any], Any], *, is_question: bool = False, size: int = 0
    ) -> None:
        self.work = work
        self.size = size
        self.is_question = is_question
        self.value: Any = None
        self.error: Exception | None = None
        self._done = threading.Event()
        self._then: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def wait(self, seconds: float) -> bool:
        """Wait until it is over; says whether it is."""
        return self._done.wait(seconds)

    @property
    def is_over(self) -> bool:
        """Whether it was done, or given up."""
        return self._done.is_set()

    def then(self, callback: Callable[[], None]) -> None:
        """Call a function when it is over, in whatever thread."""
        with self._lock:
            if not self.is_over:
                self._then = callback
                return
        callback()

    def end(self) -> None:
        """Let go of those who wait."""
        with self._lock:
            self._done.set()
            callback = self._then
        if callback is not None:
            callback()


class Worker:
    """A daemon thread with two queues: what somebody waits for, and what can wait.

    Parameters
    ----------
    perform : callable
        Does a job; raises nothing.
    """

    def __init__(self, perform: Callable[[Job], None]) -> None:
        self._perform = perform
        self._changed = threading.Condition()
        self._soon: deque[Job] = deque()
        self._later: deque[Job] = deque()
        self._first_later = self._last_later = 0.0
        self._hurried = 0
        self._size = 0
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None

    def put(self, job: Job, *, can_wait: bool = False) -> bool:
        """Queue a job; says whether there was room."""
        with self._changed:
            queue = self._later if can_wait else self._soon
            if len(queue) >= _ROOM or (self._size and self._size + job.size > _ROOM_IN_BYTES):
                return False
            self._size += job.size
            if can_wait:
                self._last_later = time.monotonic()
                if not queue:
                    self._first_later = self._last_later
            queue.append(job)
            if self._thread is None:
                self._start()
            elif not can_wait or len(queue) == 1:
                self._changed.notify_all()
        return True

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="afml-cache-mlflow", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is shutting down: nobody starts threads any more
            self._thread = None

    @property
    def pending(self) -> int:
        """How many jobs are not over."""
        with self._changed:
            return self._pending()

    @property
    def urgent(self) -> int:
        """How many jobs are not over that cannot wait, or are being done."""
        return len(self._soon) + (self._busy_since is not None)

    def _pending(self) -> int:
        return len(self._soon) + len(self._later) + (self._busy_since is not None)

    def seconds_busy(self) -> float:
        """How long it has been at its job."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def flush(self, seconds: float) -> bool:
        """Have everything done now, and wait for it; says whether it is."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._pending() == 0, seconds)
            finally:
                self._hurried -= 1

    def drop(self, error: Exception) -> int:
        """Give up what is queued, for a reason; says how much that was."""
        with self._changed:
            jobs = [*self._soon, *self._later]
            self._soon.clear()
            self._later.clear()
            self._size -= sum(job.size for job in jobs)
            self._changed.notify_all()
        for job in jobs:
            job.error = error
            job.end()
        return sum(not job.is_question for job in jobs)

    def abandon(self) -> None:
        """Leave the thread to the job that it is stuck in; another one begins with the next."""
        with self._changed:
            self._thread = None
            self._busy_since = None
            self._changed.notify_all()

    def _run(self) -> None:
        mine = threading.current_thread()
        while True:
            with self._changed:
                job = self._next(mine)
                if job is None:
                    return
                self._busy_since = time.monotonic()
            try:
                self._perform(job)
            except Exception:  # noqa: BLE001 - the thread goes on with the next one
                _log.exception("a run was not logged")
            finally:
                job.end()
                with self._changed:
                    self._size -= job.size
                    if self._thread is mine:
                        self._busy_since = None
                    self._changed.notify_all()

    def _next(self, mine: threading.Thread) -> Job | None:
        """Wait for a job; `None` when this thread is to end."""
        idle_since = time.monotonic()
        while self._thread is mine:
            if self._soon:
                return self._soon.popleft()
            now = time.monotonic()
            if self._later:
                due = min(self._last_later + _LINGER, self._first_later + _LONGEST_LINGER)
                if self._hurried or now >= due:
                    return self._later.popleft()
                self._changed.wait(due - now)
            elif now - idle_since > _IDLE:
                self._thread = None
                return None
            else:
                self._changed.wait(_IDLE)
        return None
