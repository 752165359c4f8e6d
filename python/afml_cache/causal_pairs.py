"""Rows of two results that are the same row, and the first of them that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from afml_cache.causal_values import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from afml_cache.causal_rows import Rows
    from afml_cache.causal_samples import Cut

__all__ = ["MISSING", "Pairs", "first_changes", "pairs_of"]


class _Missing:
    """Stands for a value of a row or column that is not there."""

    def __repr__(self) -> str:
        return "<missing>"


MISSING: Final = _Missing()
_NONE: Final = -1


class Pairs(NamedTuple):
    """Numbers of rows in the whole result and in the other one, -1 where one lacks a row."""

    full: NDArray[np.intp]
    part: NDArray[np.intp]


def pairs_of(full: Rows, part: Rows | None, cut: Cut, *, is_of_each_row: bool) -> Pairs:
    """Pair the rows up to a cut: by their place among the rows that were given, or by time."""
    if not is_of_each_row:
        return _by_time(full, part, cut)
    rows = np.flatnonzero(cut.kept)
    count = 0 if part is None else part.count
    if count != len(rows) and full.times is not None and part is not None and part.has_times:
        return _by_time(full, part, cut)
    others = np.full(len(rows), _NONE)
    others[:count] = np.arange(min(count, len(rows)))
    return Pairs(rows, others)


def _by_time(full: Rows, part: Rows | None, cut: Cut) -> Pairs:
    until = (cut.closed or 0) - 1 if full.are_periods else cut.until or 0
    ours = full.rows_by_time(until)
    theirs = {} if part is None else part.rows_by_time(until)
    keys = sorted({*ours, *theirs})
    return Pairs(
        np.array([ours.get(key, _NONE) for key in keys], dtype=np.intp),
        np.array([theirs.get(key, _NONE) for key in keys], dtype=np.intp),
    )


def first_changes(
    full: Rows, part: Rows | None, pairs: Pairs, rtol: float, atol: float
) -> Iterator[tuple[str, int, Any, tuple[Any, Any]]]:
    """Give the first row that changes in each column: column, number, label and both values."""
    ours, theirs = full.by_name(), {} if part is None else part.by_name()
    for name in {**ours, **theirs}:
        mine, other = ours.get(name), theirs.get(name)
        place = _first(mine, other, pairs, rtol, atol)
        if place is not None:
            row, beside = int(pairs.full[place]), int(pairs.part[place])
            values = _value(mine, row), _value(other, beside)
            number = beside if row == _NONE else row
            label = part.label(number) if row == _NONE and part is not None else full.label(number)
            yield name[0], number, label, values


def _first(mine: Any, other: Any, pairs: Pairs, rtol: float, atol: float) -> int | None:
    """Give the number of the first pair that differs in a column."""
    if not len(pairs.full):
        return None
    if mine is None or other is None:
        return 0
    both = np.flatnonzero((pairs.full != _NONE) & (pairs.part != _NONE))
    changed = np.ones(len(pairs.full), dtype=bool)
    rows = _taken(mine, pairs.full[both]), _taken(other, pairs.part[both])
    changed[both] = differing(*rows, rtol, atol)
    return int(changed.argmax()) if changed.any() else None


def _taken(column: Any, rows: NDArray[np.intp]) -> Any:
    return column.iloc[rows] if hasattr(column, "iloc") else column[rows]


def _value(column: Any, row: int) -> Any:
    if column is None or row == _NONE:
        return MISSING
    return column.iloc[row] if hasattr(column, "iloc") else column[row]
