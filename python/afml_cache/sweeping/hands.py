"""Who works through the items: this process, its threads, processes of our own, or an executor."""

from __future__ import annotations

import contextlib
import copy
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from afml_cache.sweeping.events import Emitted, Event, Finished

if TYPE_CHECKING:
    from concurrent.futures import Future

    from afml_cache.sweeping.events import Chunk
    from afml_cache.sweeping.task import Task


class Hands(Protocol):
    """What an engine gives chunks of items to."""

    def free(self) -> int:
        """Give how many chunks may be given."""

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk."""

    def wait(self, seconds: float | None) -> list[Event]:
        """Wait until something happens, or the time is over."""

    def stop(self, grace: float = 0.5) -> list[Event]:
        """Stop as soon as may be, and give what was still told."""

    def close(self) -> object:
        """End: all is done."""

    def memory(self) -> int:
        """Give how many bytes of memory are in use."""


class OwnProcess:
    """The process that calls, one chunk after the other."""

    def __init__(self, task: Task, threads: int) -> None:
        from afml_cache.sweeping.threads import limited_threads

        self._task = task
        self._chunk: Chunk | None = None
        self._events: list[Event] = []
        self._around = contextlib.ExitStack()
        self._around.enter_context(limited_threads(threads))

    def free(self) -> int:
        """One, unless it has a chunk."""
        return int(self._chunk is None)

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk, which `wait` works through."""
        self._chunk = chunk

    def wait(self, seconds: float | None) -> list[Event]:
        """Work through the chunk that is there."""
        if self._chunk is None:
            threading.Event().wait(seconds)
            return []
        self._task(self._chunk, self._emit, lambda _: None)
        self._events.append(Finished(self._chunk))
        self._chunk = None
        return self._taken()

    def _emit(self, message: Any) -> None:
        self._events.append(Emitted(message))

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def stop(self, grace: float = 0.5) -> list[Event]:  # noqa: ARG002 - nothing is running
        """Commit what waits."""
        with self._around:
            self._task.close()
        return self._taken()

    def close(self) -> None:
        """Give native threads back."""
        self._task.close()
        self._around.close()

    def memory(self) -> int:
        """Give the memory of this process."""
        from afml_cache.sweeping.threads import own_memory

        return own_memory()


class _Stop(BaseException):
    """A thread is to stop before its next item."""


class Threads:
    """Threads of this process; each commits for itself."""

    def __init__(self, task: Task, workers: int) -> None:
        self._workers = workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="afml-sweep")
        self._free = [copy.copy(task) for _ in range(workers)]
        self._running: set[Future[None]] = set()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stops = threading.Event()

    def free(self) -> int:
        """Give how many threads have nothing to do."""
        return len(self._free)

    def submit(self, chunk: Chunk) -> None:
        """Give a thread a chunk."""
        task = self._free.pop()
        self._running.add(self._executor.submit(self._work, task, chunk))

    def _work(self, task: Task, chunk: Chunk) -> None:
        try:
            task(chunk, self._emit, self._begin)
        except _Stop:
            pass
        finally:
            self._free.append(task)
            self._events.put(Finished(chunk))

    def _begin(self, _number: int) -> None:
        if self._stops.is_set():
            raise _Stop

    def _emit(self, message: Any) -> None:
        self._events.put(Emitted(message))

    def wait(self, seconds: float | None) -> list[Event]:
        """Wait for what threads tell."""
        with contextlib.suppress(queue.Empty):
            events = [self._events.get(timeout=seconds)]
            while not self._events.empty():
                events.append(self._events.get())
            return self._raised(events)
        return []

    def _raised(self, events: list[Event]) -> list[Event]:
        """Raise what is no item's fault."""
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()
        return events

    def stop(self, grace: float = 0.5) -> list[Event]:  # noqa: ARG002 - threads can't be stopped
        """Stop behind the items that are running."""
        self._stops.set()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for task in self._free:
            task.close()
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(wait=True)
        for task in self._free:
            task.close()

    def memory(self) -> int:
        """Give the memory of this process."""
        from afml_cache.sweeping.threads import own_memory

        return own_memory()
