"""What takes a worker into the consumers of its parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache.scratch_space.context import Budget


@dataclass(frozen=True, slots=True)
class Seat:
    """A consumer as a worker knows it."""

    nonce: str
    key: str
    names: frozenset[str]
    what: str


@dataclass(frozen=True, slots=True)
class Token:
    """What takes a worker into the consumers of its parent; small, and made to be pickled.

    Attributes
    ----------
    root : pathlib.Path
        Where the parent makes scratch folders.
    seats : tuple
        The consumers, the innermost last.
    budget
        The budget of the parent, if there is one.
    open : tuple of pathlib.Path
        The folders that the parent has open, which go no sooner than the worker ends.
    """

    root: Path
    seats: tuple[Seat, ...]
    budget: Budget | None
    open: tuple[Path, ...]
