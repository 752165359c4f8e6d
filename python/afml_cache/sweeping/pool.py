"""Processes of our own: one that dies or takes too long is replaced, and the others go on."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheError
from afml_cache.sweeping.events import Died, Emitted, Finished, TimedOut, UnsentError
from afml_cache.sweeping.messages import Failed, raised
from afml_cache.sweeping.shipping import dumps
from afml_cache.sweeping.worker import NOTHING, SLOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.sweeping.events import Chunk, Event
    from afml_cache.sweeping.shipping import Parcel

__all__ = ["Pool", "WorkerStartError"]

_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
# So many workers in a row may die before they have begun anything.
_STARTS: Final = 3
# How long a worker may take to end when all is done, in seconds.
_LAST_WORDS: Final = 30.0
# For how long a measure of memory is taken as it is, in seconds.
_MEASURES: Final = 1.0
_CODE: Final = (
    "import sys; sys.path[:] = {path!r}; "
    "from afml_cache.sweeping.worker import main; main(*{descriptors!r}, parent={parent})"
)


class WorkerStartError(CacheError, RuntimeError):
    """A worker process can't begin; the message has what it said."""


class _Process:
    """One worker."""

    def __init__(self, parcel: Parcel, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        self._life_read, self._life = os.pipe()
        slot = _slot_file()
        self._slot = mmap.mmap(slot, SLOT.size)
        SLOT.pack_into(self._slot, 0, NOTHING, 0.0)
        inherited = (theirs.fileno(), self._life_read, slot, parcel.descriptor)
        path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - links as they are
        code = _CODE.format(path=path, descriptors=inherited, parent=os.getpid())
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *flags, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        os.close(self._life_read)
        os.close(slot)
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.chunk: Chunk | None = None
        self.is_ready = False
        _living.add(self)

    def running(self) -> tuple[int, float]:
        """Give the number of the item that runs, and since when."""
        found: tuple[int, float] = SLOT.unpack_from(self._slot, 0)
        return found

    def kill(self) -> None:
        """End it, and all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Let go of what belongs to it."""
        self.connection.close()
        with contextlib.suppress(OSError):
            os.close(self._life)
        _living.discard(self)

    def abandon(self) -> None:
        """Close what a forked child has of it, so that the parent's end is seen."""
        with contextlib.suppress(OSError):
            os.close(self._life)


_living: weakref.WeakSet[_Process] = weakref.WeakSet()


def _abandon_all() -> None:
    for process in list(_living):
        process.abandon()


os.register_at_fork(after_in_child=_abandon_all)


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
    """

    def __init__(
        self,
        parcel: Parcel,
        *,
        workers: int,
        threads_per_worker: int = 1,
        timeout: float | None = None,
    ) -> None:
        self._parcel = parcel
        self._most = workers
        self._timeout = timeout
        threads = dict.fromkeys(_THREADS, str(threads_per_worker))
        self._environment = {**os.environ, **threads}
        self._workers: list[_Process] = []
        self._failed_starts = 0
        self._memory = (0.0, 0)

    def free(self) -> int:
        """Give how many workers have nothing to do, those that are yet to be started with them."""
        busy = sum(worker.chunk is not None for worker in self._workers)
        return self._most - busy

    def submit(self, chunk: Chunk) -> None:
        """Give a chunk to a worker that is free.

        Raises
        ------
        UnsentError
            Something in it can't be sent.
        """
        content = _content(chunk)
        idle = [worker for worker in self._workers if worker.chunk is None]
        if idle:
            worker = idle[0]
        else:
            worker = _Process(self._parcel, self._environment)
            self._workers.append(worker)
        worker.chunk = chunk
        # One that has died meanwhile is found by `wait`.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send_bytes(content)

    def wait(self, seconds: float | None) -> list[Event]:
        """Wait until something happens, or the time is over.

        Raises
        ------
        WorkerStartError
            A worker can't begin.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            pause = self._pause(until)
            ready = wait([worker.connection for worker in self._workers], pause)
            spoken = [worker for worker in self._workers if worker.connection in ready]
            events = [event for worker in spoken for event in self._heard(worker)]
            events += self._timed_out()
            if events or (until is not None and time.monotonic() >= until):
                return events

    def _pause(self, until: float | None) -> float | None:
        wishes = [] if until is None else [until]
        if self._timeout is not None:
            begun = [worker.running() for worker in self._workers]
            wishes += [since + self._timeout for number, since in begun if number != NOTHING]
            # An item may begin, and end, while nothing is heard.
            wishes.append(time.monotonic() + self._timeout)
        return max(0.0, min(wishes) - time.monotonic()) if wishes else None

    def _heard(self, worker: _Process) -> Iterator[Event]:
        """Take what a worker says, and its end."""
        try:
            while worker.connection.poll():
                yield from self._told(worker, worker.connection.recv_bytes())
        except (EOFError, OSError):
            yield from self._ended(worker)

    def _told(self, worker: _Process, content: bytes) -> Iterator[Event]:
        what, number, message = pickle.loads(content)  # noqa: S301 - of our own worker
        if what == "emitted":
            yield Emitted(_read(number, message))
        elif what == "ready":
            worker.is_ready = True
            self._failed_starts = 0
        elif what == "failed":
            text = f"a worker process can't take the function over:\n{message}"
            raise WorkerStartError(text)
        elif worker.chunk is not None:
            chunk, worker.chunk = worker.chunk, None
            yield Finished(chunk)

    def _ended(self, worker: _Process) -> Iterator[Event]:
        self._workers.remove(worker)
        number, _ = worker.running()
        worker.process.wait()
        reason = _reason(worker.process.returncode)
        worker.kill()
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                message = f"worker processes end before they begin: {reason}"
                raise WorkerStartError(message)
        if worker.chunk is not None:
            yield Died(worker.chunk, None if number == NOTHING else number, reason)

    def _timed_out(self) -> Iterator[Event]:
        if self._timeout is None:
            return
        for worker in list(self._workers):
            number, since = worker.running()
            seconds = time.monotonic() - since
            if number == NOTHING or seconds < self._timeout:
                continue
            # What was read while it was written is other now.
            if worker.running() != (number, since) or worker.chunk is None:
                continue
            yield from self._last_words(worker)
            if worker.chunk is not None and worker in self._workers:
                self._workers.remove(worker)
                worker.kill()
                yield TimedOut(worker.chunk, number, seconds)

    def _last_words(self, worker: _Process) -> list[Event]:
        return list(self._heard(worker))

    def memory(self) -> int:
        """Give the resident bytes of all workers: within the last second, or before they ended."""
        if self._workers and time.monotonic() - self._memory[0] > _MEASURES:
            self._measure()
        return self._memory[1]

    def _measure(self) -> None:
        self._memory = (time.monotonic(), sum(map(_resident, self._workers)))

    def stop(self, grace: float = 0.5) -> list[Event]:
        """Ask all workers to stop, kill those that do not, and give what they still told."""
        try:
            for worker in self._workers:
                worker.process.terminate()
            return self._ends(grace)
        finally:
            self._kill_all()

    def close(self) -> list[Event]:
        """End all workers: there is nothing to do any more."""
        self._measure()
        try:
            for worker in self._workers:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    worker.connection.send_bytes(dumps(None))
            return self._ends(_LAST_WORDS)
        finally:
            self._kill_all()

    def _ends(self, seconds: float) -> list[Event]:
        """Hear workers out until they end, or the time is over."""
        until = time.monotonic() + seconds
        events: list[Event] = []
        while self._workers and (left := until - time.monotonic()) > 0:
            for connection in wait([worker.connection for worker in self._workers], left):
                worker = next(one for one in self._workers if one.connection is connection)
                with contextlib.suppress(WorkerStartError):
                    events += [one for one in self._heard(worker) if isinstance(one, Emitted)]
        return events

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._parcel.close()


def _content(chunk: Chunk) -> bytes:
    try:
        return dumps(chunk)
    except Exception as error:
        raise UnsentError(str(error)) from error


def _read(number: int, content: bytes) -> Any:
    """Read a message; one that can't be read here is an item's failure."""
    try:
        return pickle.loads(content)  # noqa: S301 - of our own worker
    except Exception as error:  # noqa: BLE001 - whatever its class does when it is made again
        return Failed(number, 0.0, raised(error))


def _slot_file() -> int:
    descriptor, path = tempfile.mkstemp(prefix="afml-sweep-")
    os.unlink(path)  # noqa: PTH108 - as it was given
    os.ftruncate(descriptor, SLOT.size)
    return descriptor


def _reason(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"killed by signal {-code}"


def _resident(worker: _Process) -> int:
    try:
        import psutil
    except ImportError:
        return 0
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(worker.process.pid).memory_info().rss)
    return 0
