"""What a vendor was seen to have restated of a series."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.ranges.intervals import Interval

_MOST: Final = 10_000


class Restatement(NamedTuple):
    """An interval, and how many of its bars differ."""

    first: int
    stop: int
    bars: int


class Restatements:
    """The latest ones in the order in which they were seen, and how many there were in all."""

    def __init__(self) -> None:
        self._latest: deque[Restatement] = deque(maxlen=_MOST)
        self.seen = 0
        self.bars = 0

    def __iter__(self) -> Iterator[Restatement]:
        return iter(tuple(self._latest))

    def add(self, span: Interval, bars: int) -> None:
        """Have seen another one."""
        self._latest.append(Restatement(*span, bars))
        self.seen += 1
        self.bars += bars

    def since(self, seen: int) -> list[Restatement]:
        """Give those that came after some were seen, as far as they are among the latest."""
        latest = tuple(self._latest)
        return list(latest[max(len(latest) - (self.seen - seen), 0) :])
