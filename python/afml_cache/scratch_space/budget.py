"""`disk_budget`: how much scratch there may be, and who waits for whom when there is too much."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

from afml_cache.instants import length_of
from afml_cache.scratch_space import context
from afml_cache.scratch_space.figures import (
    Guard,
    Limits,
    Look,
    claims_of,
    pending_of,
    refusal,
    sum_of,
)
from afml_cache.scratch_space.folders import make_root, opened_root, told
from afml_cache.scratch_space.holders import Found, collect, find
from afml_cache.scratch_space.locks import ADMISSION_LOCK, locked
from afml_cache.scratch_space.places import root_of
from afml_cache.scratch_space.promises import Promise, promised, without_own
from afml_cache.scratch_space.waiting import Queue, others_of, own
from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from afml_cache.exceptions import DiskBudgetError

__all__ = ["DiskBudget", "current_budget", "disk_budget"]

# Measuring may take a tenth of the time.
_SHARE: Final = 10
# Seconds between two looks.
_SHORTEST: Final = 0.02
_LONGEST: Final = 0.5


class DiskBudget:
    """How many bytes scratch may take under a root; see `disk_budget`.

    Attributes
    ----------
    root : pathlib.Path
        Under which root.
    peak : int
        The most bytes that were in use when this process or a worker of its sweeps measured:
        whenever it asked for room, and whenever it closed a scratch folder.
    """

    def __init__(self, max_bytes: int, min_free: int, root: Path, wait: float | None) -> None:
        self.root = root
        self.peak = 0
        self._max_bytes, self._min_free, self._wait = max_bytes, min_free, wait
        self._tokens: list[Token[Any]] = []
        self._last: Look | None = None
        self._promised = 0

    def __reduce__(self) -> Any:
        return DiskBudget, (self._max_bytes, self._min_free, self.root, self._wait)

    def __enter__(self) -> Self:
        self._tokens.append(context.entered.set(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        context.entered.reset(self._tokens.pop())

    def apply(self) -> DiskBudget:
        """Have it count in all threads of this process, where no `with` statement has another."""
        context.apply(self)
        return self

    def used(self) -> int:
        """Measure the bytes that all scratch folders under the root take."""
        return sum_of(self._find())

    def free(self) -> int:
        """Give the bytes that the file system of the root has for this user."""
        place = self.root
        while not os.path.lexists(place):
            place = place.parent
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize

    def room(self) -> int:
        """Give the bytes that may still be written; negative where there are too many."""
        return self._room_of(self._find())

    def note(self) -> None:
        """Measure what is in use for `peak`, unless that was done a moment ago."""
        if not self._is_known():
            self.used()

    def note_size(self, path: Path, size: int) -> None:
        """Note what a folder takes, which is about to go, for `peak`."""
        with Guard.lock:
            sizes = self._last.sizes if self._last else {}
            sizes[path] = size
            self.peak = max(self.peak, sum(sizes.values()))
            sizes[path] = 0

    def saw(self, size: int) -> None:
        """Note for `peak` what another process has measured."""
        with Guard.lock:
            self.peak = max(self.peak, size)

    def admit(self, needed: int, what: str, *, running: int = 0) -> bool:
        """Wait until there is room for what is to be written.

        Where there is none, scratch of owners that are dead is removed first, save that of the
        consumers around. Then scratch that others hold, in this process or in another, is waited
        for, awake for Ctrl-C.

        Parameters
        ----------
        needed : int
            Bytes that are going to be written.
        what : str
            What they are, for the message.
        running : int, default 0
            How many of the caller's own are under way, each of which may yet write as much. Their
            end may free some, so nobody else is waited for.

        Returns
        -------
        bool
            Whether there is room; false only with `running`: ask again when one of them has ended.

        Raises
        ------
        DiskBudgetError
            There is no room, and nobody else holds as much as is missing, or all who hold any wait
            for room themselves, or they took longer than `wait`.
        """
        wanted = as_bytes("needed", needed) * (running + 1)
        if self._surely_fits(wanted, needed) or self._fits(wanted, self._find(), needed):
            return True
        found = self._collected()
        if self._fits(wanted, found, needed):
            return True
        if running:
            return False
        self._wait_for(wanted, what)
        return True

    @contextlib.contextmanager
    def admitting(self, needed: int, what: str) -> Iterator[None]:
        """Wait until there is room, which nobody else is given before the `with` statement ends.

        A folder that is made in it claims the room from then on.

        Raises
        ------
        DiskBudgetError
            As of `admit`.
        """
        while True:
            self.admit(needed, what)
            with self._alone():
                if self._fits(needed, self._find(), needed):
                    yield
                    return

    def promise(self, needed: int, what: str, promise: Promise, *, running: int) -> bool:
        """Admit one more, and have others leave free what all that are under way may yet write.

        Parameters, what is returned and what is raised are as of `admit`.
        """
        wanted = needed * (running + 1)
        while self.admit(needed, what, running=running):
            if not needed:
                return True
            with self._alone():
                if self._fits(wanted, self._find(), needed):
                    promise.set(wanted)
                    return True
        return False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Have nobody else be admitted before the `with` statement ends."""
        make_root(self.root)
        with opened_root(self.root) as root, told(self.root), locked(root, ADMISSION_LOCK):
            yield

    def _wait_for(self, wanted: int, what: str) -> None:
        began, pause = time.monotonic(), _SHORTEST
        queue = Queue(self.root, own())
        try:
            while True:
                found = self._collected()
                if self._fits(wanted, found, wanted):
                    return
                waited = time.monotonic() - began
                others = others_of(found)
                if not others or wanted > self._room_of(found) + claims_of(others):
                    raise self._refusal(wanted, what, found, "nobody else holds as much")
                if not queue.is_worth_it(others):
                    raise self._refusal(wanted, what, found, "all who hold any wait for room too")
                if self._wait is not None and waited >= self._wait:
                    reason = f"nobody has freed enough in {self._wait:g} s"
                    raise self._refusal(wanted, what, found, reason)
                left = pause if self._wait is None else self._wait - waited
                time.sleep(min(pause, left))
                pause = min(2 * pause, max(_LONGEST, _SHARE * self._cost()))
        finally:
            queue.close()

    def _find(self) -> list[Found]:
        began = time.monotonic()
        found = [*find(self.root), *promised(self.root)]
        now = time.monotonic()
        with Guard.lock:
            sizes = {each.path: each.size for each in found}
            self._last = Look(now, now - began, claims_of(found), pending_of(found), sizes)
            self._promised = 0
            self.peak = max(self.peak, sum_of(found))
        return without_own(found, context.open_folders.get())

    def _collected(self) -> list[Found]:
        """Remove what dead owners have left, save what a consumer around will find again."""
        mine = own()
        collect(self.root, lambda found: not mine.has(found))
        return self._find()

    def _room_of(self, found: list[Found]) -> int:
        return self._room(claims_of(found), pending_of(found))

    def _room(self, claimed: int, pending: int) -> int:
        return min(self._max_bytes - claimed, self.free() - self._min_free - pending)

    def _fits(self, wanted: int, found: list[Found], promised: int) -> bool:
        fits = wanted <= self._room_of(found)
        with Guard.lock:
            self._promised += promised if fits else 0
        return fits

    def _surely_fits(self, wanted: int, promised: int) -> bool:
        """Whether there is room by the last measurement, with all that was admitted since."""
        if not self._is_known():
            return False
        with Guard.lock:
            last, earlier = self._last, self._promised
            if last is None:
                return False
            room = self._room(last.claimed + earlier, last.pending + earlier)
            fits = wanted <= room
            self._promised += promised if fits else 0
        return fits

    def _is_known(self) -> bool:
        last = self._last
        return last is not None and time.monotonic() - last.at < _SHARE * last.took

    def _cost(self) -> float:
        return self._last.took if self._last else 0.0

    def _refusal(self, wanted: int, what: str, found: list[Found], why: str) -> DiskBudgetError:
        room = max(0, self._room_of(found))
        limits = Limits(self._max_bytes, self._min_free, self.free())
        return refusal(wanted, room, what, why, found, limits)


def disk_budget(
    max_bytes: int | str,
    *,
    min_free: int | str | None = None,
    root: str | os.PathLike[str] | None = None,
    wait: Any = None,
) -> DiskBudget:
    """Limit what scratch folders take on the disk.

    Inside of the `with` statement a sweep hands out no item that would break the limit, and
    `scratch` makes no folder. They wait for scratch that others hold and will free, or fail at once
    with the figures. The innermost budget counts.

    Parameters
    ----------
    max_bytes : int or str
        What all scratch under the root may take together, such as "18 GB".
    min_free : int or str, optional
        What must stay free on the disk besides; by default nothing.
    root : str or os.PathLike, optional
        Under which folder; by default where scratch folders are made (`scratch_dir`). Scratch under
        another root is not limited.
    wait : timedelta, float or str, optional
        How long others are waited for; by default for as long as they live.

    Returns
    -------
    DiskBudget
        A context manager; `apply()` has it count for the whole process instead.

    Raises
    ------
    CacheConfigError
        A limit is no size, or `wait` no length of time.

    Examples
    --------
    >>> from afml_cache import disk_budget, scratch
    >>> with disk_budget("100 MB") as budget, scratch("labels", needs="1 MB") as folder:
    ...     written = (folder / "labels.csv").write_text("1,0,1")
    >>> budget.peak > 0, budget.used()
    (True, 0)
    """
    longest = None if wait is None else length_of("wait", wait) / 1e9
    spared = 0 if min_free is None else as_bytes("min_free", min_free)
    return DiskBudget(as_bytes("max_bytes", max_bytes), spared, root_of(root), longest)


def current_budget() -> DiskBudget | None:
    """Give the budget that counts here: of the innermost `with` statement, else the applied one."""
    found = context.budget_of_context()
    return found if isinstance(found, DiskBudget) else None
