"""What a sweep is told to do with items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afml_cache.sweeping.room import Room


@dataclass(frozen=True)
class Rules:
    """What a sweep is told to do with items.

    Attributes
    ----------
    looks_up, writes : bool
        Whether what is there may be used, and anything may be noted.
    retry : tuple of str
        Which items that failed in earlier calls are tried again: "failed", "timed out".
    max_attempts : int
        How often an item is tried in this call.
    raises : bool
        Whether the first failure ends the sweep.
    workers : int
        How many are at it.
    single : bool
        Whether each item goes by itself.
    notes : bool
        Whether the journal lists the sweep by itself.
    room
        Asked before an item is given out whether there is room for it on the disk; raises where
        there will be none. `None` without a budget.
    """

    looks_up: bool
    writes: bool
    retry: tuple[str, ...]
    max_attempts: int
    raises: bool
    workers: int = 1
    single: bool = False
    notes: bool = True
    room: Room | None = None
