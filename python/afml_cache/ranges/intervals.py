"""Sets of half-open intervals of positions, as lists of pairs in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afml_cache._native import joined, without

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Interval", "common", "joined", "span_of", "without"]

Interval = tuple[int, int]


def common(these: Sequence[Interval], those: Sequence[Interval]) -> list[Interval]:
    """Give what is in both."""
    return without(these, without(these, those))


def span_of(intervals: Sequence[Interval]) -> int:
    """Add up their lengths."""
    return sum(stop - first for first, stop in intervals)
