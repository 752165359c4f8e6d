"""Room on the disk for what items write: asked for before an item is given out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from afml_cache.scratch_space import DiskBudget


class Room:
    """Admits items under a budget.

    Parameters
    ----------
    budget
        What limits them.
    needs
        Bytes that an item writes to scratch; `None` for the most that one was seen to write.
    what
        What the items are, for messages.
    """

    def __init__(self, budget: DiskBudget, needs: Any, what: str) -> None:
        self._budget = budget
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
        admitted = self._budget.admit(self._needed, self._what, running=running)
        self._given += admitted
        return admitted

    def _learn(self, running: int) -> None:
        """See how much was written since the last look, by the items that have ended."""
        used, ended = self._budget.used(), self._given - running
        if ended > 0 and used > self._used:
            self._needed = max(self._needed, (used - self._used) // ended)
        self._used, self._given = used, running
