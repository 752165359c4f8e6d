"""Rows cut out of one table, or of one a symbol, when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.runs.tables import Table

if TYPE_CHECKING:
    from afml_cache.runs.rows import Rows


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a table; a pickle takes along these alone.

    Attributes
    ----------
    source
        The table, or what was cut out of it.
    rows
        Their positions in the table.
    """

    source: Any
    rows: Rows

    def frame(self) -> Any:
        """Give them as what they were cut out of."""
        return self.source.cut(self.rows) if isinstance(self.source, Table) else self.source

    def __reduce__(self) -> Any:
        return Part, (self.frame(), self.rows)


@dataclass(frozen=True, eq=False)
class Cut:
    """The rows of one side of a fold.

    Attributes
    ----------
    parts
        By symbol.
    symbols
        Whether the caller has symbols, or one frame.
    """

    parts: dict[Any, Part]
    symbols: bool

    def frames(self) -> Any:
        """Give the frame, or the frames by symbol."""
        return self._each(Part.frame)

    def rows(self) -> Any:
        """Give the positions, or those by symbol."""
        return self._each(lambda part: part.rows.positions())

    def count(self) -> int:
        """Give how many rows there are, over all symbols."""
        return sum(part.rows.count for part in self.parts.values())

    def shape(self, frames: Any) -> tuple[int, ...]:
        """Give rows and columns of what `frames` gave; of several frames, the rows of all."""
        shape: tuple[int, ...] = (self.count(),) if self.symbols else frames.shape
        return shape

    def _each(self, give: Any) -> Any:
        given = {symbol: give(part) for symbol, part in self.parts.items()}
        return given if self.symbols else next(iter(given.values()))
