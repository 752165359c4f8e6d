"""Room on the disk for what items write: asked for before an item is given out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from afml_cache.scratch_space import current_budget
from afml_cache.scratch_space.context import open_folders
from afml_cache.scratch_space.promises import Promise
from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.scratch_space import DiskBudget


@contextlib.contextmanager
def admission(needs: Any, what: str) -> Iterator[Room | None]:
    """Give what admits items, if there is a budget.

    What is promised to them is theirs: the tasks that are made within are not bound by it.

    Parameters
    ----------
    needs
        Bytes that an item writes to scratch; `None` for the most that one was seen to write.
    what
        What the items are, for messages.
    """
    budget = current_budget()
    if budget is None:
        yield None
        return
    promise = Promise(budget.root)
    before = open_folders.set((*open_folders.get(), promise.path))
    try:
        yield Room(budget, promise, needs, what)
    finally:
        open_folders.reset(before)
        promise.close()


class Room:
    """Admits items under a budget.

    Parameters
    ----------
    budget
        What limits them.
    promise
        What others leave free for those that are under way.
    needs, what
        As of `admission`.
    """

    def __init__(self, budget: DiskBudget, promise: Promise, needs: Any, what: str) -> None:
        self._budget = budget
        self._promise = promise
        self._is_told = needs is not None
        self._needed = as_bytes("needs", needs) if self._is_told else 0
        self._what = what
        self._used = budget.used()
        self._given = 0

    def admits(self, running: int) -> bool:
        """Whether one more item may be given out; false where running ones are to end first.

        Raises
        ------
        DiskBudgetError
            There is no room for it, and nobody frees any.
        """
        if not self._is_told:
            self._learn(running)
        self._promise.set(running * self._needed)
        admitted = self._budget.promise(self._needed, self._what, self._promise, running=running)
        self._given += admitted
        return admitted

    def saw(self, size: int) -> None:
        """Note the most scratch that a worker has seen in use, in bytes."""
        self._budget.saw(size)

    def _learn(self, running: int) -> None:
        """See how much was written since the last look, by the items that have ended."""
        used, ended = self._budget.used(), self._given - running
        if ended > 0 and used > self._used:
            self._needed = max(self._needed, (used - self._used) // ended)
        self._used, self._given = used, running
