"""What happens to chunks of items that workers were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from afml_cache.exceptions import CacheConfigError

__all__ = ["Chunk", "Died", "Emitted", "Event", "Finished", "TimedOut", "UnsentError", "unread"]


class UnsentError(CacheConfigError):
    """A chunk can't be sent to another process."""


Chunk = list[tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Emitted:
    """A worker told something."""

    message: Any


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker has worked through a chunk, and is free."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Died:
    """A worker ended within a chunk.

    Attributes
    ----------
    chunk
        As it was given to the worker.
    running : int or None
        The number of the item that it had begun last.
    reason : str
        Why, in words.
    """

    chunk: Chunk
    running: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """An item took too long.

    Attributes
    ----------
    chunk
        As it was given to the worker.
    number : int
        The number of the item.
    seconds : float
        How long it had run.
    """

    chunk: Chunk
    number: int
    seconds: float


Event = Emitted | Finished | Died | TimedOut


def unread(chunk: Chunk, reason: str) -> Died:
    """Tell of a chunk that a worker could not read: whose fault it is shows where it is alone."""
    number = chunk[0][0] if len(chunk) == 1 else None
    return Died(chunk, number, f"not able to read it ({reason})")
