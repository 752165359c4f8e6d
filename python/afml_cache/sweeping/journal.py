"""What the journal knows of sweeps and of items that failed."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from afml_cache._native import Journal as Notes
from afml_cache.exceptions import CacheError, warn
from afml_cache.groups import remember

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from afml_cache._native import Lock, Store

__all__ = ["Failure", "Journal", "SweepStatus"]

_SWEEP: Final = "sweep"
_FAILURE: Final = "failure"
# An item of one sweep that failed; of what is known by its key there is one note for all sweeps.
_FAILED: Final = "failed item"

State = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed in an earlier call, or in this one.

    Attributes
    ----------
    state : {"failed", "timed out"}
        How.
    kind : str
        The class of what it raised; "TimeoutError", or "WorkerDied" where its process ended.
    message : str
        What that says.
    attempts : int
        How often it was tried, in all calls.
    seconds : float
        How long the last try took.
    item : str
        The item, in a few words.
    place : int
        Where it was in the list, from 0.
    """

    state: str
    kind: str
    message: str
    attempts: int
    seconds: float
    item: str
    place: int


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """How a sweep stands.

    Attributes
    ----------
    id : str
        Of the function, what the items share, and the list.
    name : str
        What it is called: `desc`, else the function's name.
    function : str
        `module.qualname`.
    group : str or None
        The group that it belongs to.
    state : {"running", "done", "failed", "interrupted"}
        "failed" where items failed, "interrupted" where it ended before all were tried.
    total, done, hits, failed, timed_out : int
        Items; hits are those of the done ones that were there before.
    seconds : float
        How long the last call took so far.
    pid, host
        Of the process that calls, or called last.
    begun_ns, at_ns : int
        When that began, and when this was noted; nanoseconds UTC.
    failures : tuple of Failure
        The items that failed last, in the order of the list; from `sweep.status` alone.
    """

    id: str
    name: str
    function: str
    group: str | None
    state: str
    total: int
    done: int = 0
    hits: int = 0
    failed: int = 0
    timed_out: int = 0
    seconds: float = 0.0
    pid: int = 0
    host: str = ""
    begun_ns: int = 0
    at_ns: int = 0
    failures: tuple[Failure, ...] = ()

    def counted(self, counts: Mapping[str, int], state: str, seconds: float) -> SweepStatus:
        """Give the same with other counts of items: "done", "hits", "failed" and "timed_out"."""
        given: dict[str, Any] = dict(counts)
        return replace(self, state=state, seconds=seconds, **given)

    @property
    def pending(self) -> int:
        """How many items are yet to be done."""
        return self.total - self.done - self.failed - self.timed_out


class Journal:
    """The journal of a store; what it can't do is told once, and costs no result."""

    def __init__(self, store: Store) -> None:
        self._notes = Notes(store)
        self._store = store

    def note_sweep(self, note: SweepStatus) -> None:
        """Note how a sweep stands."""
        body = asdict(replace(note, pid=os.getpid(), host=socket.gethostname()))
        del body["failures"]
        owner = note.name.encode(errors="backslashreplace").decode()
        self._put(_SWEEP, [(note.id, owner, _json(body))])

    def note_group(self, status: SweepStatus) -> None:
        """Note that the function of a sweep belongs to a group."""
        if status.group is None:
            return
        try:
            remember("sweep", status.group, status.function, store=self._store)
        except CacheError as error:
            _tell(error)

    def sweeps(self) -> list[SweepStatus]:
        """Give all sweeps, the one that was called last at the end.

        Raises
        ------
        CacheStoreError
            The store can't be opened.
        """
        rows = self._notes.list(_SWEEP)
        return [replace(SweepStatus(**json.loads(body)), at_ns=at) for _, _, at, body in rows]

    def forget_sweeps(self, ids: Iterable[str]) -> None:
        """Forget sweeps, and what failed in them."""
        for one in (ids := list(ids)):
            self._notes.remove(_FAILED, [name for name, *_ in self._notes.list(_FAILED, one)])
            self._notes.remove(_FAILURE, [name for name, *_ in self._notes.list(_FAILURE, one)])
        self._notes.remove(_SWEEP, ids)

    def is_running(self, sweep: str) -> bool:
        """Whether some process is at a sweep."""
        held = self._notes.lock(sweep)
        if held is not None:
            held.release()
        return held is None

    def lock(self, sweep: str) -> Lock | None:
        """Tell others that somebody is at a sweep; `None` where another process is."""
        return self._notes.lock(sweep)

    def note_failures(self, sweep: str, failures: Sequence[tuple[str, Failure]]) -> None:
        """Note items that failed, by their keys."""
        rows = [(key, sweep, _json(asdict(failure))) for key, failure in failures]
        self._put(_FAILURE, rows)
        self._put(_FAILED, [(f"{sweep} {key}", owner, body) for key, owner, body in rows])

    def failures(self, keys: Sequence[str]) -> dict[str, Failure]:
        """Give what is known of items that failed, by their keys."""
        try:
            found = self._notes.get(_FAILURE, keys) if keys else []
        except CacheError as error:
            _tell(error)
            return {}
        return {key: Failure(**json.loads(body)) for key, _, _, body in found}

    def failures_of(self, sweep: str) -> list[Failure]:
        """Give the items of a sweep that failed last, in the order of the list."""
        places = {name.split()[1]: json.loads(body)["place"] for name, body in self._failed(sweep)}
        known = self.failures(list(places))
        failures = [replace(one, place=places[key]) for key, one in known.items()]
        return sorted(failures, key=lambda failure: failure.place)

    def _failed(self, sweep: str) -> list[tuple[str, str]]:
        return [(name, body) for name, _, _, body in self._notes.list(_FAILED, sweep)]

    def begin_list(self, sweep: str, failures: Mapping[str, Failure], *, is_part: bool) -> None:
        """Note which items of a sweep, or of a part of it, are failures before it begins."""
        try:
            gone = [name for name, _ in self._failed(sweep) if name.split()[1] not in failures]
            if gone and not is_part:
                self._notes.remove(_FAILED, gone)
        except CacheError as error:
            _tell(error)
            return
        rows = [(f"{sweep} {key}", sweep, _json(asdict(one))) for key, one in failures.items()]
        if rows:
            self._put(_FAILED, rows)

    def forget_failures(self, keys: Sequence[str]) -> None:
        """Forget that items failed: they are done now."""
        if not keys:
            return
        try:
            self._notes.remove(_FAILURE, keys)
        except CacheError as error:
            _tell(error)

    def put(self, kind: str, rows: Sequence[tuple[str, str, Any]]) -> None:
        """Note something else: rows of name, owner, and what JSON can hold."""
        self._put(kind, [(name, owner, _json(body)) for name, owner, body in rows])

    def get(self, kind: str, names: Sequence[str]) -> dict[str, Any]:
        """Give what is noted of names."""
        try:
            found = self._notes.get(kind, names)
        except CacheError as error:
            _tell(error)
            return {}
        return {name: json.loads(body) for name, _, _, body in found}

    def owned(self, kind: str, owner: str) -> dict[str, Any]:
        """Give what is noted of all that belongs to an owner."""
        return {name: json.loads(body) for name, _, _, body in self._notes.list(kind, owner)}

    def remove(self, kind: str, names: Sequence[str]) -> None:
        """Forget what is noted of names."""
        self._notes.remove(kind, names)

    def _put(self, kind: str, rows: list[tuple[str, str, str]]) -> None:
        try:
            self._notes.put(kind, rows)
        except CacheError as error:
            _tell(error)


def _json(body: Any) -> str:
    # Names of files and what errors say may hold half a character, which only an escape can tell.
    return json.dumps(body, sort_keys=True)


def _tell(error: CacheError) -> None:
    warn("SweepWarning", f"the journal of sweeps can't be used: {error}")
