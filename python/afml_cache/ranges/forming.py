"""Bars that are still forming: in memory alone, and for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from afml_cache.ranges.intervals import Interval, joined, without
from afml_cache.ranges.windows import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from afml_cache.ranges.series import Series


class Tail(NamedTuple):
    """The bars of a series that were still forming when they were fetched."""

    first: int
    stop: int
    until: int
    table: pl.DataFrame

    def with_more(self, other: Tail) -> Tail:
        """Give these bars with those of another part that come behind them."""
        if other.stop <= self.stop:
            return self
        tables = [one for one in (self.table, other.table) if one.height]
        table = together(tables) if tables else self.table
        return Tail(self.first, other.stop, min(self.until, other.until), table)


def forming(
    series: Series, span: Interval, begun: int, opened: int, failed: Sequence[Interval]
) -> pl.DataFrame:
    """Give the bars of an interval that were still forming, labelled from `begun` on.

    Those are left out that could not be fetched again, and those that are stored as closed, as
    far as they are closed by the clock: from `opened` on none is.
    """
    tail = series.tail
    first, stop = span
    first = first if tail is None else max(first, tail.first, begun)
    if tail is None or not tail.table.height or first >= stop:
        return series.nothing()
    known = series.pieces(first, min(stop, opened)) if first < opened else []
    closed = [(piece.first, piece.stop) for piece in known]
    at = series.positions(tail.table)
    parts = without([(first, stop)], joined([*closed, *failed]))
    rows = [tail.table[slice(*map(int, at.searchsorted(part)))] for part in parts]
    return together(rows) if rows else series.nothing()
