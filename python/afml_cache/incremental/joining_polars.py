"""Frames of polars, one of each period, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from afml_cache.incremental.joining import Part, holds_exactly, refuse, refuse_differing, row_labels
from afml_cache.incremental.timelines import time_name

if TYPE_CHECKING:
    from afml_cache.incremental.pieces import Piece
    from afml_cache.incremental.timelines import Numbers, Timeline

__all__ = ["join", "labels_of"]


def labels_of(name: str, timeline: Timeline, piece: Piece, result: Any) -> Numbers:
    """Give what the times of a result count as."""
    time = time_name(timeline.frame)
    if not isinstance(result, pl.DataFrame) or time not in result.columns:
        what = f"of type {type(result).__qualname__}, which has no column {time!r}"
        refuse(name, piece, what, "give a polars DataFrame with the times of the input")
    times, wanted = result.get_column(time), timeline.frame.schema[time]
    if times.dtype != wanted or times.null_count():
        what = f"whose column {time!r} is of {times.dtype} with {times.null_count()} gaps, and not "
        what += f"of {wanted}, as in its input"
        refuse(name, piece, what, "label the rows as the input does")
    return row_labels(timeline, result)


def join(name: str, timeline: Timeline, parts: list[Part]) -> Any:  # noqa: ARG001 - as that of pandas
    """Put results together, each with the rows of its own."""
    first = parts[0]
    for part in parts[1:]:
        if part.value.columns != first.value.columns:
            differing = (first.piece, first.value.columns), (part.piece, part.value.columns)
            refuse_differing(name, "its columns", *differing)
    frames = [part.value for part in parts]
    for column, dtype in first.value.schema.items():
        if any(frame.schema[column] != dtype for frame in frames):
            together = _together(name, column, parts)
            frames = [frame.with_columns(frame[column].cast(together)) for frame in frames]
    return pl.concat(frames)


def _together(name: str, column: str, parts: list[Part]) -> Any:
    """Give the dtype that all rows of a column together would have."""
    series = [(part.piece, part.value[column]) for part in parts]
    told = [(piece, one) for piece, one in series if one.dtype != pl.Null]
    if all(one.dtype == told[0][1].dtype for _, one in told):
        return told[0][1].dtype
    floats = {one.dtype for _, one in told if one.dtype.is_float()}
    whole = {one.dtype for _, one in told if one.dtype.is_integer()}
    kinds = {one.dtype for _, one in told}
    if len(floats) == len(whole) == 1 and kinds == floats | whole:
        (dtype,) = floats
        as_numpy = np.float32 if dtype == pl.Float32 else np.float64
        if all(one.dtype == dtype or holds_exactly(one.drop_nulls(), as_numpy) for _, one in told):
            return dtype
    (piece, one), (other_piece, other) = (
        told[0],
        next(each for each in told if each[1].dtype != told[0][1].dtype),
    )
    return refuse_differing(
        name, f"column {column!r}", (piece, one.dtype), (other_piece, other.dtype)
    )
