"""Rows of frames, each kept once: a frame is made of stretches of rows that are there."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache._native import digest

if TYPE_CHECKING:
    from afml_cache._native import Runs

Piece = tuple[str, int, int]
"""The digest of stored rows, and where a stretch of them begins and ends."""


class _Stored(NamedTuple):
    """Rows that are there: their digest, schema, first and last label, and how many there are."""

    frame: str
    schema: str
    first: int
    last: int
    rows: int


def keep(runs: Runs, value: Any) -> Any:
    """Keep a frame, or frames by symbol; give the pieces that it is made of."""
    if isinstance(value, Mapping):
        return {str(symbol): keep(runs, frame) for symbol, frame in value.items()}
    labels = _labels(value)
    if labels is None:
        return [_put(runs, value, "", labels)]
    return _pieces(runs, value, labels, _schema(value))


def take(runs: Runs, pieces: Any) -> Any:
    """Put a frame together again; `None` where rows of it are gone."""
    if isinstance(pieces, dict):
        return {symbol: take(runs, each) for symbol, each in pieces.items()}
    frames = [_stretch(runs, *piece) for piece in pieces]
    if any(frame is None for frame in frames):
        return None
    return frames[0] if len(frames) == 1 else _joined(frames)


def _pieces(runs: Runs, frame: Any, labels: Any, schema: str) -> list[Piece]:
    """Find the longest stretch that is there, and go on with what lies before and behind it."""
    if not len(labels):
        return [_put(runs, frame, schema, labels)]
    for stored in _overlapping(runs, labels, schema):
        other = runs.frame(stored.frame)
        found = None if other is None else _shared(frame, labels, other)
        if found is None:
            continue
        (start, stop), (other_start, other_stop) = found
        piece = (stored.frame, other_start, other_stop)
        before = _pieces(runs, frame[:start], labels[:start], schema) if start else []
        behind = _pieces(runs, frame[stop:], labels[stop:], schema) if stop < len(labels) else []
        return [*before, piece, *behind]
    return [_put(runs, frame, schema, labels)]


def _overlapping(runs: Runs, labels: Any, schema: str) -> list[_Stored]:
    """Give the stored rows between the same labels, those with the most of them first."""
    first, last = int(labels[0]), int(labels[-1])
    all_of = (_Stored(frame, **json.loads(about)) for frame, about in runs.frames())
    near = [
        one for one in all_of if one.schema == schema and one.first <= last and first <= one.last
    ]
    return sorted(near, key=lambda one: max(one.first, first) - min(one.last, last))


def _shared(frame: Any, labels: Any, other: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Tell where the rows between the labels that both have are, if they are the same."""
    others = _labels(other)
    if others is None:
        return None
    first, last = max(labels[0], others[0]), min(labels[-1], others[-1])
    here = int(labels.searchsorted(first)), int(labels.searchsorted(last, "right"))
    there = int(others.searchsorted(first)), int(others.searchsorted(last, "right"))
    if here[1] - here[0] != there[1] - there[0] or here[0] == here[1]:
        return None
    same = digest(frame[here[0] : here[1]]) == digest(other[there[0] : there[1]])
    return (here, there) if same else None


def _put(runs: Runs, frame: Any, schema: str, labels: Any) -> Piece:
    content = digest(frame)
    rows = len(frame) if hasattr(frame, "__len__") else 0
    ends = (int(labels[0]), int(labels[-1])) if labels is not None and len(labels) else (0, -1)
    about = {"schema": schema, "first": ends[0], "last": ends[1], "rows": rows}
    runs.put_frame(content, frame, json.dumps(about))
    return content, 0, rows


def _stretch(runs: Runs, frame: str, start: int, stop: int) -> Any:
    whole = runs.frame(frame)
    if whole is None or not hasattr(whole, "__len__") or (start, stop) == (0, len(whole)):
        return whole
    return whole[start:stop]


def _joined(frames: list[Any]) -> Any:
    polars: Any = sys.modules.get("polars")
    if polars is not None and isinstance(frames[0], polars.DataFrame):
        return polars.concat(frames)
    import pandas as pd

    joined = pd.concat(frames)
    index: Any = frames[0].index
    # Kept where the rows are at one distance, as in the frame that they were cut from.
    if getattr(index, "freq", None) is not None and all(
        frame.index.freq == index.freq for frame in frames
    ):
        joined.index.freq = index.freq
    return joined


def _labels(frame: Any) -> Any:
    """Give what the rows are in order of, each of them once, as whole numbers."""
    pandas: Any = sys.modules.get("pandas")
    polars: Any = sys.modules.get("polars")
    labels: Any = None
    if pandas is not None and isinstance(frame, pandas.DataFrame | pandas.Series):
        index = frame.index
        if isinstance(index, pandas.DatetimeIndex) and not index.hasnans:
            labels = index.asi8
        elif not isinstance(index, pandas.MultiIndex) and index.dtype.kind == "i":
            labels = index.to_numpy()
    elif polars is not None and isinstance(frame, polars.DataFrame):
        kinds = (polars.Datetime, polars.Date)
        column = next((one for one in frame.get_columns() if isinstance(one.dtype, kinds)), None)
        if column is not None and not column.null_count():
            labels = column.to_physical().to_numpy()
    if labels is None or not len(labels):
        return labels
    return labels if bool((labels[1:] > labels[:-1]).all()) else None


def _schema(frame: Any) -> str:
    """Tell frames whose rows can be put together from others."""
    return digest(frame[:0])
