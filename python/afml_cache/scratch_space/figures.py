"""Figures of a budget: what was measured, and why there is no room, in words."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from afml_cache.exceptions import DiskBudgetError
from afml_cache.sizes import as_text

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache.scratch_space.holders import Found

_SHOWN: Final = 5


class Guard:
    """What threads take turns by; a forked child has a lock of its own."""

    lock = threading.Lock()


def _in_child() -> None:
    Guard.lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)


class Look(NamedTuple):
    """What was measured."""

    at: float
    took: float
    claimed: int
    pending: int
    sizes: dict[Path, int]


class Limits(NamedTuple):
    """What there may be, and what there is, in bytes."""

    max_bytes: int
    min_free: int
    free: int


def sum_of(found: list[Found]) -> int:
    """Give the bytes that folders take."""
    return sum(each.size for each in found)


def claims_of(found: list[Found]) -> int:
    """Give the bytes that folders take, or are about to."""
    return sum(each.claim for each in found)


def pending_of(found: list[Found]) -> int:
    """Give the bytes that they are about to take and do not take yet."""
    return claims_of(found) - sum_of(found)


def refusal(
    wanted: int, room: int, what: str, why: str, found: list[Found], limits: Limits
) -> DiskBudgetError:
    """Say why there is no room."""
    held = [(str(each.path), each.claim) for each in found[:_SHOWN]]
    shown = ", ".join(f"`{path}` {as_text(size)}" for path, size in held) or "none"
    message = (
        f"{what} needs {as_text(wanted)}, there is room for {as_text(room)}, and {why}: scratch "
        f"takes or was promised {as_text(claims_of(found))} of {as_text(limits.max_bytes)}, and "
        f"the disk has {as_text(limits.free)} free, of which {as_text(limits.min_free)} must stay "
        f"so; the largest holders: {shown}; raise the budget, free some, or run fewer at a time"
    )
    return DiskBudgetError(message, needed=wanted, free=room, holders=held)
