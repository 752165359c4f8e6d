"""Letting go of scratch folders, and saying what that freed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from afml_cache.scratch.context import budget_of_context
from afml_cache.scratch.folders import Hold, remove
from afml_cache.scratch.records import record
from afml_cache.sizes import as_text

if TYPE_CHECKING:
    from pathlib import Path

_log: Final = logging.getLogger("afml_cache.scratch")


def let_go(held: Hold, folder_name: str | None = None, owner: str = "") -> int | None:
    """Remove a folder, and tell what that freed; parameters and what is returned as of `remove`."""
    note_peak(held.place.root)
    freed = remove(held, folder_name, owner)
    if freed:
        record(held.place.root, held.place.name, freed)
        _log.info("scratch `%s` removed, %s freed", held.place.name, as_text(freed))
    return freed


def note_peak(root: Path) -> None:
    """Have the budget, if there is one of this root, measure what is in use."""
    budget = budget_of_context()
    if budget is not None and budget.root == root:
        budget.note()
