"""Processes of our own: one that dies or takes too long is replaced, and the others go on."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheError
from afml_cache.sweeping.events import Died, Emitted, Finished, TimedOut, unread
from afml_cache.sweeping.messages import Failed, raised
from afml_cache.sweeping.process import Process
from afml_cache.sweeping.shipping import dumps, sendable
from afml_cache.sweeping.threads import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from afml_cache.sweeping.events import Chunk, Event
    from afml_cache.sweeping.shipping import Parcel

__all__ = ["Pool", "WorkerStartError"]

# So many workers in a row may end before they have begun anything.
_STARTS: Final = 3
# How long a worker may take to end when all is done, in seconds.
_LAST_WORDS: Final = 30.0
# For how long a measure of memory is taken as it is, in seconds.
_MEASURES: Final = 1.0
# How often the end of a worker is looked for that can't be waited for, in seconds.
_LOOK: Final = 0.05
# Longer than that the kernel does not wait at once, in seconds.
_LONGEST: Final = 86_400.0


class WorkerStartError(CacheError, RuntimeError):
    """A worker process can't begin; the message has what it said."""


class Pool:
    """Worker processes, started as there is something to do.

    Parameters
    ----------
    parcel : Parcel
        The task: called with a chunk, `emit` and `begin`; its `close` is called at the end.
    workers : int
        How many at most.
    threads_per_worker : int
        Native threads that each of them may use.
    timeout : float, optional
        Seconds that an item may take.
    environment : mapping, optional
        Variables that are other than here.
    """

    def __init__(
        self,
        parcel: Parcel,
        *,
        workers: int,
        threads_per_worker: int = 1,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._parcel = parcel
        self._most = workers
        self._timeout = timeout
        threads = dict.fromkeys(VARIABLES, str(threads_per_worker))
        self._environment = {**os.environ, **threads, **(environment or {})}
        self._workers: list[Process] = []
        self._failed_starts = 0
        self._memory = (0.0, 0)
        _living.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()

    def free(self) -> int:
        """Give how many workers have nothing to do, those that are yet to be started with them."""
        busy = sum(worker.chunk is not None for worker in self._workers)
        return self._most - busy

    def submit(self, chunk: Chunk) -> None:
        """Give a chunk to a worker that is free.

        Raises
        ------
        UnsentError
            An item can't be sent.
        """
        content = sendable(chunk)
        worker = next((worker for worker in self._workers if worker.chunk is None), None)
        if worker is None:
            worker = Process(self._parcel, self._environment)
            self._workers.append(worker)
        worker.chunk = chunk
        worker.channel.put(content)

    def wait(self, seconds: float | None) -> list[Event]:
        """Wait until something happens, or the time is over.

        Raises
        ------
        WorkerStartError
            A worker can't begin.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._sleep(self._pause(until))
            events = [event for worker in list(self._workers) for event in self._heard(worker)]
            events += self._timed_out()
            if events or (until is not None and time.monotonic() >= until):
                return events

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until a worker speaks, ends, or has room for what waits to be sent."""
        poll = select.poll()
        for worker in self._workers:
            for descriptor in worker.descriptors:
                poll.register(descriptor, select.POLLIN)
            if worker.channel.is_sending and not worker.channel.is_over:
                poll.modify(worker.channel.fileno(), select.POLLIN | select.POLLOUT)
        # Rounded up: what is due would else be looked at over and over.
        poll.poll(None if seconds is None else int(min(seconds, _LONGEST) * 1000) + 1)

    def _pause(self, until: float | None) -> float | None:
        now = time.monotonic()
        wishes = [] if until is None else [until]
        if self._timeout is not None:
            begun = [running for worker in self._workers if (running := worker.running())]
            wishes += [running.since / 1e9 + self._timeout for running in begun]
            # An item may begin, and end, while nothing is heard.
            wishes.append(now + self._timeout)
        if any(worker.channel.is_over or not worker.is_certain for worker in self._workers):
            wishes.append(now + _LOOK)
        return max(0.0, min(wishes) - now) if wishes else None

    def _heard(self, worker: Process) -> Iterator[Event]:
        """Take what a worker says, and its end."""
        has_ended = worker.has_ended()
        worker.channel.flush()
        while messages := worker.channel.take():
            for content in messages:
                yield from self._told(worker, content)
            if not has_ended:
                return
        if has_ended:
            yield from self._ended(worker)

    def _told(self, worker: Process, content: bytes) -> Iterator[Event]:
        what, number, message = pickle.loads(content)  # noqa: S301 - of our own worker
        if what == "failed":
            text = f"a worker process can't take the function over:\n{message}"
            raise WorkerStartError(text)
        if what == "ready":
            return
        worker.has_worked = True
        if what == "emitted":
            yield Emitted(_read(number, message))
        elif worker.chunk is not None:
            chunk, worker.chunk = worker.chunk, None
            yield unread(chunk, message) if what == "unread" else Finished(chunk)

    def _ended(self, worker: Process) -> Iterator[Event]:
        running = worker.running()
        worker.kill()
        self._workers.remove(worker)
        worker.close()
        self._failed_starts = 0 if running or worker.has_worked else self._failed_starts + 1
        if self._failed_starts >= _STARTS:
            message = f"worker processes end before they begin: {worker.reason()}"
            raise WorkerStartError(message)
        if worker.chunk is not None:
            yield Died(worker.chunk, running.number if running else None, worker.reason())

    def _timed_out(self) -> list[Event]:
        if self._timeout is None:
            return []
        events: list[Event] = []
        for worker in list(self._workers):
            running = worker.running()
            if running is None or worker.chunk is None:
                continue
            seconds = (time.monotonic_ns() - running.since) / 1e9
            if seconds >= self._timeout:
                events += self._cut_off(worker, running.number, seconds)
        return events

    def _cut_off(self, worker: Process, number: int, seconds: float) -> list[Event]:
        """Kill a worker, and take what it told before: it may have been done just now."""
        chunk = worker.chunk
        worker.kill()
        heard = self._heard(worker)
        events: list[Event] = [event for event in heard if not isinstance(event, Died)]
        if chunk is not None and not any(isinstance(event, Finished) for event in events):
            events.append(TimedOut(chunk, number, seconds))
        return events

    def memory(self) -> int:
        """Give the resident bytes of all workers: within the last second, or before they ended."""
        if self._workers and time.monotonic() - self._memory[0] > _MEASURES:
            self._measure()
        return self._memory[1]

    def _measure(self) -> None:
        self._memory = (time.monotonic(), sum(worker.memory() for worker in self._workers))

    def stop(self, grace: float = 0.5) -> list[Event]:
        """Ask all workers to stop, kill those that do not, and give what they still told."""
        try:
            for worker in self._workers:
                worker.signal(signal.SIGTERM)
            return self._ends(grace)
        finally:
            self._kill_all()

    def close(self) -> list[Event]:
        """End all workers: there is nothing to do any more."""
        try:
            self._measure()
            for worker in self._workers:
                worker.channel.put(dumps(None))
            return self._ends(_LAST_WORDS)
        finally:
            self._kill_all()

    def _ends(self, seconds: float) -> list[Event]:
        """Hear workers out until they end, or the time is over."""
        until = time.monotonic() + seconds
        events: list[Event] = []
        while self._workers and (left := until - time.monotonic()) > 0:
            pause = self._pause(None)
            self._sleep(left if pause is None else min(left, pause))
            for worker in list(self._workers):
                with contextlib.suppress(WorkerStartError):
                    events += [one for one in self._heard(worker) if isinstance(one, Emitted)]
        return events

    def _kill_all(self) -> None:
        """Leave no worker behind, however often Ctrl-C is pressed meanwhile."""
        interrupt: KeyboardInterrupt | None = None
        while self._workers:
            try:
                for worker in self._workers:
                    worker.signal(signal.SIGKILL)
                while self._workers:
                    self._workers[-1].kill()
                    self._workers.pop().close()
            except KeyboardInterrupt as error:
                interrupt = error
        self._parcel.close()
        if interrupt is not None:
            raise interrupt

    def abandon(self) -> None:
        """Let go of workers in a forked process: they are its parent's."""
        for worker in self._workers:
            worker.abandon()
        self._workers.clear()


_living: weakref.WeakSet[Pool] = weakref.WeakSet()


def _abandon_all() -> None:
    for pool in list(_living):
        pool.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _read(number: int, content: bytes) -> Any:
    """Read a message; one that can't be read here is an item's failure."""
    try:
        return pickle.loads(content)  # noqa: S301 - of our own worker
    except Exception as error:  # noqa: BLE001 - whatever its class does when it is made again
        return Failed(number, 0.0, raised(error))
