"""How many items a worker is given at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import deque

    from afml_cache.sweeping.items import Item

# A chunk is to take so many seconds, and so many times as long as what it costs around its items.
_SECONDS: Final = 0.05
_TIMES: Final = 4.0
_MOST: Final = 256
# How much the last measures count.
_WEIGHT: Final = 0.3


class Chunks:
    """Cuts what is left into chunks: many quick items, or one that takes long.

    Parameters
    ----------
    pending
        What is to be done.
    workers
        How many are at it: near the end chunks get smaller, so that all of them end together.
    single
        Whether each item goes by itself.
    """

    def __init__(self, pending: deque[Item], workers: int, *, single: bool = False) -> None:
        self.pending = pending
        self._workers = workers
        self._single = single
        self._item_seconds: float | None = None
        self._around_seconds = 0.0

    def next(self) -> list[Item]:
        """Give the items of the next chunk."""
        chosen = [self.pending.popleft()]
        for _ in range(min(self._size(), len(self.pending) + 1) - 1):
            if chosen[0].alone or self.pending[0].alone:
                break
            chosen.append(self.pending.popleft())
        return chosen

    def _size(self) -> int:
        if self._single or self._item_seconds is None:
            return 1
        wished = max(_SECONDS, _TIMES * self._around_seconds)
        fitting = int(wished / max(self._item_seconds, 1e-6))
        share = len(self.pending) // (2 * self._workers)
        return max(1, min(fitting, share, _MOST))

    def took(self, items: int, in_items: float, in_all: float) -> None:
        """Learn from a chunk how long its items took, and all of it."""
        if not items:
            return
        mean, around = in_items / items, max(0.0, in_all - in_items)
        if self._item_seconds is None:
            self._item_seconds, self._around_seconds = mean, around
            return
        self._item_seconds += _WEIGHT * (mean - self._item_seconds)
        self._around_seconds += _WEIGHT * (around - self._around_seconds)
