"""Whether a function looks further than its margins: the whole against its periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache.causal_rows import Rows
from afml_cache.causal_values import differing
from afml_cache.incremental.joining import row_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.incremental.pieces import Piece
    from afml_cache.incremental.timelines import Numbers, Timeline

__all__ = ["MarginCheck", "RowDifference", "compare"]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """The first row that is another one when it is computed by periods.

    Attributes
    ----------
    period : str
        Its period.
    label
        Its label; `None` where whole columns differ.
    column : str
        Its column.
    whole, parts
        What the function gives of the whole frame, and by periods.
    """

    period: str
    label: Any
    column: str
    whole: Any
    parts: Any

    def __str__(self) -> str:
        row = f"row {self.label} ({self.period})" if self.period else "every row"
        column = f" of {self.column}" if self.column else ""
        return f"{row}{column} is {self.whole}, and {self.parts} by periods"


@dataclass(frozen=True, slots=True)
class MarginCheck:
    """What `check` has found; true where all rows are the same.

    Attributes
    ----------
    function : str
        What was checked.
    periods : int
        How many there are.
    first : RowDifference or None
        The first row that differs.
    """

    function: str
    periods: int
    first: RowDifference | None = None

    def __bool__(self) -> bool:
        return self.first is None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.function} gives the same rows by {self.periods} periods"
        return (
            f"{self.function} looks further than its `lookback` and `lookahead`, or at more than "
            f"its rows: {self.first}"
        )


def compare(
    name: str,
    timeline: Timeline,
    pieces: list[Piece],
    results: tuple[Any, Any],
    near: tuple[float, float],
) -> MarginCheck:
    """Compare what a function gives of the whole with what it gives by periods."""
    found = min(
        _differences(timeline, results, near),
        key=lambda one: -1 if one[0] is None else one[0],
        default=None,
    )
    if found is None:
        return MarginCheck(name, len(pieces))
    row, column, whole, parts = found
    period, label = "", None
    if row is not None:
        label = timeline.label(row)
        period = next(piece.period for piece in pieces if row < piece.stop)
    return MarginCheck(name, len(pieces), RowDifference(period, label, column, whole, parts))


_Found = tuple[int | None, str, Any, Any]
"""The row of the frame, the column, and both values."""


def _differences(
    timeline: Timeline, results: tuple[Any, Any], near: tuple[float, float]
) -> Iterator[_Found]:
    """Give the first difference of each column, or what tells that there are other ones."""
    rows = Rows.of(results[0]), Rows.of(results[1])
    one, other = rows
    if one is None or other is None or type(results[0]) is not type(results[1]):
        yield None, "", type(results[0]).__qualname__, type(results[1]).__qualname__
        return
    names = [name for name, _ in one.columns], [name for name, _ in other.columns]
    if names[0] != names[1]:
        yield None, "", names[0], names[1]
        return
    labels, own = row_labels(timeline, results[0]), row_labels(timeline, results[1])
    if not np.array_equal(labels, own):
        yield _first_alone(timeline, labels, own)
        return
    places = np.searchsorted(timeline.labels, labels)
    for (name, whole), (_, parts) in zip(one.columns, other.columns, strict=True):
        if whole.dtype != parts.dtype:
            yield None, name, whole.dtype, parts.dtype
            continue
        differ = np.flatnonzero(differing(whole, parts, *near))
        if len(differ):
            row = int(differ[0])
            yield int(places[row]), name, _value(whole, row), _value(parts, row)


def _first_alone(timeline: Timeline, whole: Numbers, parts: Numbers) -> _Found:
    """Give the first row that only one of both has."""
    alone = np.setxor1d(whole, parts)
    label = alone[0] if len(alone) else whole[0]
    row = int(np.searchsorted(timeline.labels, label))
    said = ["there" if label in labels else "missing" for labels in (whole, parts)]
    return min(row, len(timeline) - 1), "", said[0], said[1]


def _value(column: Any, row: int) -> Any:
    return column.iloc[row] if hasattr(column, "iloc") else column[row]
