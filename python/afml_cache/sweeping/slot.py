"""What a worker is at, in memory that its parent reads: no message, and no wait, for each item."""

from __future__ import annotations

import mmap
import time
from typing import Final, NamedTuple

__all__ = ["NOTHING", "SIZE", "Running", "Slot"]

NOTHING: Final = -1
_WORD: Final = 8
SIZE: Final = 3 * _WORD


class Running(NamedTuple):
    """An item that runs.

    Attributes
    ----------
    number : int
        Its number; `NOTHING` where none runs.
    since : int
        When it was begun, in nanoseconds of a clock that all processes share.
    """

    number: int
    since: int


class Slot:
    """The number of the item that runs, since when, and a word that is right for both only.

    A reader, or a worker's death, may come between two words: the third one tells.

    Parameters
    ----------
    descriptor : int
        Of a file of `SIZE` bytes.
    """

    def __init__(self, descriptor: int) -> None:
        # Words of this machine, each of which is written at once.
        self._words = memoryview(mmap.mmap(descriptor, SIZE)).cast("q")

    def note(self, number: int) -> None:
        """Note what runs from now on."""
        words, now = self._words, time.monotonic_ns()
        words[0] = number
        words[1] = now
        words[2] = number ^ now

    def read(self) -> Running | None:
        """Give what runs; `None` while that is being written."""
        number, since, check = self._words
        return Running(number, since) if check == number ^ since else None
