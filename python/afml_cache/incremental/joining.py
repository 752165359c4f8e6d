"""The rows of all periods as one result: as the function would give it of the whole frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from afml_cache.exceptions import SchemaError
from afml_cache.incremental.timelines import time_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache.incremental.pieces import Piece
    from afml_cache.incremental.timelines import Numbers, Timeline

__all__ = ["Part", "holds_exactly", "joined", "refuse", "refuse_differing", "row_labels"]


class Part:
    """What a function gave for one period, cut to the rows of its own.

    Attributes
    ----------
    piece
        The period.
    value
        Its own rows.
    rows
        The rows of the frame that these are.
    drops_freq
        Whether the function gave an index without the `freq` that these rows have.
    """

    def __init__(self, timeline: Timeline, piece: Piece, result: Any, found: Numbers) -> None:
        bounds = np.searchsorted(found, [piece.start, piece.stop])
        start, stop = int(bounds[0]), int(bounds[1])
        self.piece = piece
        self.rows = found[start:stop]
        self.drops_freq = False
        if hasattr(result, "iloc"):
            self.value = result if stop - start == len(found) else result.iloc[start:stop]
            kept = getattr(timeline.frame.index, "freq", None)
            if kept is not None and result.index.freq is None:
                self.drops_freq = timeline.frame.index.take(found).freq is not None
        else:
            self.value = result.slice(start, stop - start)


def joined(name: str, timeline: Timeline, results: Iterable[tuple[Piece, Any]]) -> Any:
    """Put what a function gave for each period together.

    Raises
    ------
    SchemaError
        A result holds no rows of the frame, or holds one twice; or results have different columns
        or dtypes, and nothing tells which the whole would have.
    """
    is_pandas = hasattr(timeline.frame, "iloc")
    if is_pandas:
        from afml_cache.incremental.joining_pandas import join, labels_of
    else:
        from afml_cache.incremental.joining_polars import join, labels_of
    parts = []
    for piece, result in results:
        labels = labels_of(name, timeline, piece, result)
        parts.append(Part(timeline, piece, result, _found(name, timeline, piece, labels)))
    # What has no rows of its own says nothing of dtypes.
    return join(name, timeline, [part for part in parts if len(part.rows)] or parts[:1])


def row_labels(timeline: Timeline, result: Any) -> Numbers:
    """Give what the labels of a whole result count as."""
    if hasattr(result, "iloc"):
        labels: Numbers = result.index.asi8
        return labels
    times = result.get_column(time_name(timeline.frame))
    counted: Numbers = times.to_physical().to_numpy().astype(np.int64)
    return counted


def _found(name: str, timeline: Timeline, piece: Piece, labels: Numbers) -> Numbers:
    """Give the rows of the frame that labels are of."""
    seen = timeline.labels[piece.first : piece.end]
    if len(labels) == len(seen) and np.array_equal(labels, seen):
        return np.arange(piece.first, piece.end)
    at = np.searchsorted(seen, labels)
    strange = np.flatnonzero(seen[np.minimum(at, len(seen) - 1)] != labels)
    if len(strange):
        refuse(
            name,
            piece,
            f"whose row {strange[0]} is labelled with no time of the rows that it was given",
            "by periods, rows are labelled with times of the input",
        )
    back = np.flatnonzero(np.diff(at) <= 0)
    if len(back):
        row = int(back[0]) + 1
        label = timeline.label(piece.first + int(at[row]))
        said = "repeats" if at[row] == at[row - 1] else "comes behind a later one"
        refuse(name, piece, f"whose row {row} ({label}) {said}", "give each row once, in order")
    return at + piece.first


def refuse(name: str, piece: Piece, what: str, remedy: str) -> NoReturn:
    """Raise for a result that is not what periods are put together of."""
    message = f"`{name}` gives for {piece.period} a result {what}; {remedy}"
    raise SchemaError(message)


def refuse_differing(
    name: str, what: str, one: tuple[Piece, Any], other: tuple[Piece, Any]
) -> NoReturn:
    """Raise for results of two periods that differ in their form."""
    message = (
        f"`{name}` gives {what} as {one[1]} for {one[0].period} and as {other[1]} for "
        f"{other[0].period}, and nothing tells which the whole frame would have; have the function "
        "give one, as with astype() or reindex(), whatever its rows are"
    )
    raise SchemaError(message)


def holds_exactly(numbers: Any, dtype: Any) -> bool:
    """Whether floats of a dtype hold whole numbers, each as it is."""
    most = 2 ** (np.finfo(dtype).nmant + 1)
    counted = np.asarray(numbers)
    return not len(counted) or (int(counted.min()) >= -most and int(counted.max()) <= most)
