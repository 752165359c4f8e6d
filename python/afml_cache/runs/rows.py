"""The rows of a side of a fold: from one to another, but for some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from afml_cache.runs.blocks import Positions


@dataclass(frozen=True, eq=False)
class Rows:
    """Positions of rows.

    Attributes
    ----------
    start, stop
        From where to where, the stop not included.
    without
        Those in between that are left out, in order.
    """

    start: int
    stop: int
    without: Positions

    @property
    def count(self) -> int:
        """How many they are."""
        return self.stop - self.start - len(self.without)

    @property
    def are_neighbours(self) -> bool:
        """Whether nothing in between is left out."""
        return not len(self.without)

    def positions(self) -> npt.NDArray[np.int64]:
        """Give them one by one."""
        every = np.arange(self.start, self.stop, dtype=np.int64)
        return np.delete(every, self.without - self.start)


def rows_between(start: int, stop: int, without: Positions) -> Rows:
    """Give the rows from one to another but for some, which are in order and each there once."""
    if len(without) == stop - start:
        return Rows(start, start, without[:0])
    places = np.arange(len(without))
    start += int((without == start + places).sum())
    stop -= int((without == stop - 1 - places[::-1]).sum())
    return Rows(start, stop, without[(without > start) & (without < stop)])
