"""Sweeps on executors of others: Dask, MPI, Ray, or those of `concurrent.futures`.

A task goes to each worker once: it is written beside the store, which workers share, and what says
which one it is comes with every chunk. A worker that does not find it asks for it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import os
import threading
import time
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.sweeping.events import Died, Emitted, Event, Finished, TimedOut
from afml_cache.sweeping.shipping import Parcel, pack

if TYPE_CHECKING:
    from afml_cache._native import Store
    from afml_cache.sweeping.events import Chunk
    from afml_cache.sweeping.task import Task

# Larger tasks are not sent along with every chunk.
_SMALL: Final = 64 * 1024
# Executors whose futures say whether they run.
_TELLING: Final = (
    concurrent.futures.ThreadPoolExecutor,
    concurrent.futures.ProcessPoolExecutor,
)
# So many tasks a worker keeps.
_KEPT: Final = 4


class Ticket(NamedTuple):
    """Which task a chunk belongs to: its digest, the file that holds it, or itself."""

    digest: str
    path: str
    content: bytes | None


class Missing(NamedTuple):
    """What a worker gives that does not have a task."""

    digest: str


_tasks: OrderedDict[str, Task] = OrderedDict()
_lock = threading.Lock()


def run_chunk(ticket: Ticket, chunk: Chunk, _sending: str) -> list[Any] | Missing:
    """Work through a chunk in a worker: give what is to be told of its items.

    No two sendings are alike: Dask takes calls with the same arguments for one, and would give an
    item that is tried again what came of it before.
    """
    task = _task_of(ticket)
    if task is None:
        return Missing(ticket.digest)
    told: list[Any] = []
    own = copy.copy(task)
    try:
        own(chunk, told.append, lambda _: None)
    finally:
        own.close()
    return told


def _task_of(ticket: Ticket) -> Task | None:
    with _lock:
        if ticket.digest in _tasks:
            _tasks.move_to_end(ticket.digest)
            return _tasks[ticket.digest]
        parcel = _parcel_of(ticket)
        if parcel is None:
            return None
        task: Task = parcel.open()
        _tasks[ticket.digest] = task
        while len(_tasks) > _KEPT:
            _tasks.popitem(last=False)
        return task


def _parcel_of(ticket: Ticket) -> Parcel | None:
    """Give the task of a ticket; what lies in the file counts if it has the digest."""
    content = ticket.content
    if content is None:
        try:
            content = Path(ticket.path).read_bytes()
        except OSError:
            return None
    parcel = Parcel.from_bytes(content)
    return parcel if parcel.digest == ticket.digest else None


class Remote:
    """An executor of somebody else.

    Parameters
    ----------
    executor
        Any `concurrent.futures.Executor`.
    workers
        How many chunks it is given at once.
    task
        What is done.
    store
        The store that the workers share.
    timeout
        After how many seconds an item is given up; what comes later is kept all the same.
    """

    def __init__(
        self,
        executor: concurrent.futures.Executor,
        workers: int,
        task: Task,
        store: Store,
        timeout: float | None,
    ) -> None:
        self._executor = executor
        self._workers = workers
        self._capacity = min(workers, capacity_of(executor))
        self._timeout = timeout
        self._content = pack(task).to_bytes()
        digest = Parcel.from_bytes(self._content).digest
        self._path = store.path / "v1" / "tmp" / f"task-{digest[:32]}"
        small = self._content if len(self._content) <= _SMALL else None
        self._ticket = Ticket(digest, str(self._path), small)
        if small is None:
            self._write()
        self._out: dict[concurrent.futures.Future[Any], tuple[Chunk, float]] = {}
        # Given up, and still at a worker: what is given to that one now would wait behind.
        self._late: list[concurrent.futures.Future[Any]] = []

    def _write(self) -> None:
        """Put the task where workers find it; where that fails, each of them asks for it."""
        draft = self._path.with_name(f"{self._path.name}-{os.getpid()}")
        with contextlib.suppress(OSError):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, private from the start
                file.write(self._content)
            draft.rename(self._path)

    def free(self) -> int:
        """Give how many chunks may be given; one at least, if all workers hang."""
        self._late = [future for future in self._late if not future.done()]
        return max(1, self._workers - len(self._late)) - len(self._out)

    def submit(self, chunk: Chunk) -> None:
        """Give the executor a chunk."""
        self._send(self._ticket, chunk)

    def _send(self, ticket: Ticket, chunk: Chunk) -> None:
        future = self._executor.submit(run_chunk, ticket, chunk, uuid.uuid4().hex)
        self._out[future] = (chunk, time.monotonic())

    def wait(self, seconds: float | None) -> list[Event]:
        """Wait for chunks to come back."""
        wishes = [wish for wish in (seconds, self._until_timeout()) if wish is not None]
        done, _ = concurrent.futures.wait(
            self._out,
            timeout=min(wishes, default=None),
            return_when=concurrent.futures.FIRST_COMPLETED,
        )
        if not self._out and seconds:
            threading.Event().wait(seconds)
        events: list[Event] = []
        for future in done:
            events += self._taken(future)
        return events + self._timed_out()

    def _taken(self, future: concurrent.futures.Future[Any]) -> list[Event]:
        chunk, _ = self._out.pop(future)
        try:
            told = future.result()
        except concurrent.futures.CancelledError:
            return [Died(chunk, _first(chunk), "cancelled")]
        except Exception as error:  # noqa: BLE001 - a worker that is gone, whatever says so
            return [Died(chunk, _first(chunk), f"lost ({type(error).__name__}: {error})")]
        if isinstance(told, Missing):
            self._send(self._ticket._replace(content=self._content), chunk)
            return []
        return [*map(Emitted, told), Finished(chunk)]

    def _until_timeout(self) -> float | None:
        if self._timeout is None or not self._out:
            return None
        self._note_waiting()
        first = min(begun for _, begun in self._out.values())
        return max(0.0, first + self._timeout - time.monotonic())

    def _note_waiting(self) -> None:
        """Have the time of what waits for a worker begin when it gets one, where that is known.

        Where all of them hang it may wait for ever, and its time goes on.
        """
        hanging = sum(not future.done() for future in self._late)
        if not isinstance(self._executor, _TELLING) or hanging >= self._capacity:
            return
        now = time.monotonic()
        for future, (chunk, _) in self._out.items():
            if not (future.running() or future.done()):
                self._out[future] = chunk, now

    def _timed_out(self) -> list[Event]:
        """Give up what takes too long; it is left to run, and keeps what it gives."""
        if self._timeout is None:
            return []
        self._note_waiting()
        now = time.monotonic()
        events: list[Event] = []
        for future, (chunk, begun) in list(self._out.items()):
            if now - begun >= self._timeout and not future.done():
                del self._out[future]
                # Not cancelled: Dask would forget that the worker is busy.
                self._late.append(future)
                number = _first(chunk)
                if number is not None:
                    events.append(TimedOut(chunk, number, now - begun))
        return events

    def stop(self, grace: float = 0.5) -> list[Event]:
        """Have nothing more begun, and take what comes within the grace."""
        for future in self._out:
            future.cancel()
        concurrent.futures.wait(self._out, timeout=grace)
        events: list[Event] = []
        for future in [future for future in self._out if future.done() and not future.cancelled()]:
            events += self._taken(future)
        self.close()
        return events

    def close(self) -> None:
        """Remove the task; the executor stays as it is."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def memory(self) -> int:
        """Give nothing: it is the executor's."""
        return 0


def capacity_of(executor: concurrent.futures.Executor) -> int:
    """Tell how many chunks an executor works through at once."""
    client = getattr(executor, "_client", None)
    if client is not None and hasattr(client, "ncores"):
        cores: dict[str, int] = client.ncores()
        return max(1, sum(cores.values()))
    workers = getattr(executor, "_max_workers", None)
    return workers if isinstance(workers, int) and workers > 0 else os.cpu_count() or 1


def _first(chunk: Chunk) -> int | None:
    return chunk[0][0] if len(chunk) == 1 else None
