"""What the context holds: folders that are open, and the budget."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


class Budget(Protocol):
    """What the folders of a root are measured against."""

    root: Path

    def note(self) -> None:
        """Measure what is in use, for its peak, if that costs little."""

    def note_size(self, path: Path, size: int) -> None:
        """Note what a folder takes, for its peak."""

    def admitting(self, needed: int, what: str) -> AbstractContextManager[None]:
        """Wait until there is room, which nobody else is given before this ends."""


class _Applied:
    """The budget where no `with` statement has one."""

    budget: Budget | None = None


entered: ContextVar[Budget | None] = ContextVar("entered", default=None)
open_folders: ContextVar[tuple[Path, ...]] = ContextVar("open_folders", default=())


def apply(budget: Budget | None) -> None:
    """Have a budget count in all threads of this process, where no `with` statement has one."""
    _Applied.budget = budget


def budget_of_context() -> Budget | None:
    """Give the budget that counts here."""
    return entered.get() or _Applied.budget
