"""Who is to work through a sweep, as its caller says."""

from __future__ import annotations

import concurrent.futures
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping.hands import OwnProcess, Threads

if TYPE_CHECKING:
    from afml_cache._native import Store
    from afml_cache.sweeping.hands import Hands
    from afml_cache.sweeping.task import Task

__all__ = ["Crew", "crew_of"]

_KINDS: Final = ("processes", "threads", "sequential")


@dataclass(frozen=True)
class Crew:
    """Who works through a sweep.

    Attributes
    ----------
    kind : str or concurrent.futures.Executor
        "processes", "threads", "sequential", or somebody else's.
    workers : int
        How many.
    threads : int
        Native threads that each of them may use.
    timeout : float or None
        Seconds that an item may take.
    """

    kind: Any
    workers: int
    threads: int
    timeout: float | None

    @property
    def is_of_processes(self) -> bool:
        """Whether each worker is a process that does nothing else."""
        return bool(self.kind == "processes")

    def hands(self, task: Task, store: Store) -> Hands:
        """Have them begin."""
        if self.kind == "sequential":
            return OwnProcess(task, self.threads)
        if self.kind == "threads":
            return Threads(task, self.workers)
        if self.kind == "processes":
            from afml_cache.sweeping.pool import Pool
            from afml_cache.sweeping.shipping import pack

            return Pool(
                pack(task),
                workers=self.workers,
                threads_per_worker=self.threads,
                timeout=self.timeout,
            )
        from afml_cache.sweeping.remote import Remote

        return Remote(self.kind, self.workers, task, store, self.timeout)


def crew_of(workers: Any, executor: Any, threads: Any, timeout: float | None) -> Crew:
    """Check who is to work.

    Raises
    ------
    CacheConfigError
        There is no such executor, or it can't be stopped after a `timeout`.
    """
    if workers is not None:
        _whole("workers", workers, least=0)
    _whole("threads_per_worker", threads, least=1)
    if isinstance(executor, concurrent.futures.Executor):
        from afml_cache.sweeping.remote import capacity_of

        return Crew(executor, workers or capacity_of(executor), threads, timeout)
    kind = executor or ("processes" if workers else "sequential")
    if kind not in _KINDS:
        known = ", ".join(f'"{kind}"' for kind in _KINDS)
        message = (
            f"`executor` is one of {known}, or a concurrent.futures.Executor, not {executor!r}"
        )
        raise CacheConfigError(message)
    if timeout is not None and kind != "processes":
        message = (
            '`timeout` needs `executor="processes"` (or `workers`): an item that runs in '
            "this process can't be stopped from outside"
        )
        raise CacheConfigError(message)
    usual = 1 if kind == "sequential" else os.cpu_count() or 1
    return Crew(kind, workers or usual, threads, timeout)


def _whole(name: str, given: object, *, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        message = f"`{name}` must be a whole number from {least}, not {given!r}"
        raise CacheConfigError(message)
