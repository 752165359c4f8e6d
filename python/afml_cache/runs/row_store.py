"""Rows of frames, each kept once: a frame is made of stretches of rows that are there."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache._native import digest
from afml_cache.exceptions import CacheCorruptError
from afml_cache.runs.canonical import data_digest
from afml_cache.timed_values import polars_times

if TYPE_CHECKING:
    from afml_cache._native import Runs

Piece = tuple[str, int, int]
"""The digest of stored rows, and where a stretch of them begins and ends; -1 for all of them."""


class _Stored(NamedTuple):
    """Rows that are there: their digest, schema, first and last label, and how many there are."""

    frame: str
    schema: str
    first: int
    last: int
    rows: int


def keep(runs: Runs, value: Any) -> Any:
    """Keep a frame, or frames by symbol; give the pieces that it is made of."""
    if type(value) is dict and all(type(symbol) is str for symbol in value):
        return {symbol: keep(runs, frame) for symbol, frame in value.items()}
    labels = _labels(value)
    if labels is None or not len(labels):
        return [_put(runs, value)]
    pieces = _pieces(runs, value, labels, _schema(value))
    # What is put together may differ from what was cut: in the distance of its labels, say.
    is_whole = len(pieces) == 1 and pieces[0][2] < 0
    if is_whole or data_digest(take(runs, pieces)) == data_digest(value):
        return pieces
    return [_put(runs, value)]


def take(runs: Runs, pieces: Any) -> Any:
    """Put a frame together again; `None` where rows of it are gone."""
    if isinstance(pieces, dict):
        frames = {symbol: take(runs, each) for symbol, each in pieces.items()}
        return None if any(frame is None for frame in frames.values()) else frames
    stretches = [_stretch(runs, *piece) for piece in pieces]
    if any(frame is None for frame in stretches):
        return None
    return stretches[0] if len(stretches) == 1 else _joined(stretches)


def _pieces(runs: Runs, frame: Any, labels: Any, schema: str) -> list[Piece]:
    """Find the longest stretch that is there, and go on with what lies before and behind it."""
    for stored in _overlapping(runs, labels, schema):
        other = _read(runs, stored.frame)
        found = None if other is None else _shared(frame, labels, other)
        if found is None:
            continue
        (start, stop), (other_start, other_stop) = found
        pieces = [(stored.frame, other_start, other_stop)]
        if start:
            pieces = [*_pieces(runs, _cut(frame, 0, start), labels[:start], schema), *pieces]
        if stop < len(labels):
            rest = _cut(frame, stop, len(labels))
            pieces = [*pieces, *_pieces(runs, rest, labels[stop:], schema)]
        return pieces
    return [_put(runs, frame, schema, labels)]


def _overlapping(runs: Runs, labels: Any, schema: str) -> list[_Stored]:
    """Give the stored rows between the same labels, those with the most of them first."""
    first, last = int(labels[0]), int(labels[-1])
    all_of = (_Stored(frame, **json.loads(about)) for frame, about in runs.frames())
    near = [
        one
        for one in all_of
        if one.rows and one.schema == schema and one.first <= last and first <= one.last
    ]
    return sorted(near, key=lambda one: max(one.first, first) - min(one.last, last))


def _shared(frame: Any, labels: Any, other: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Tell where the rows between the labels that both have are, if they are the same."""
    others = _labels(other)
    if others is None or not len(others):
        return None
    first, last = max(labels[0], others[0]), min(labels[-1], others[-1])
    here = int(labels.searchsorted(first)), int(labels.searchsorted(last, "right"))
    there = int(others.searchsorted(first)), int(others.searchsorted(last, "right"))
    if here[1] - here[0] != there[1] - there[0] or here[0] == here[1]:
        return None
    return (here, there) if digest(_cut(frame, *here)) == digest(_cut(other, *there)) else None


def _put(runs: Runs, value: Any, schema: str = "", labels: Any = None) -> Piece:
    content = digest(value)
    ends = (0, -1) if labels is None else (int(labels[0]), int(labels[-1]))
    rows = 0 if labels is None else len(labels)
    about = {"schema": schema, "first": ends[0], "last": ends[1], "rows": rows}
    runs.put_frame(content, value, json.dumps(about))
    return content, 0, -1


def _stretch(runs: Runs, content: str, start: int, stop: int) -> Any:
    whole = _read(runs, content)
    return whole if whole is None or stop < 0 else _cut(whole, start, stop)


def _read(runs: Runs, content: str) -> Any:
    """Give stored rows; `None` for those that are gone, or not what was written."""
    try:
        return runs.frame(content)
    except CacheCorruptError:
        return None


def _cut(frame: Any, start: int, stop: int) -> Any:
    """Give the rows from one position to another."""
    return frame.iloc[start:stop] if hasattr(frame, "iloc") else frame[start:stop]


def _joined(frames: list[Any]) -> Any:
    polars: Any = sys.modules.get("polars")
    if polars is not None and isinstance(frames[0], polars.DataFrame):
        return polars.concat(frames)
    import pandas as pd

    joined = pd.concat(frames)
    joined.attrs = frames[0].attrs
    index: Any = frames[0].index
    if getattr(index, "freq", None) is not None:
        # Joined rows may be further apart; then the frame had none either.
        with contextlib.suppress(ValueError):
            joined.index.freq = index.freq
    return joined


def _labels(frame: Any) -> Any:
    """Give what the rows are in order of, each of them once, as whole numbers; `None` for none."""
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
        column = polars_times(frame)
        if column is not None and not column.null_count():
            labels = column.to_physical().to_numpy()
    if labels is None:
        return None
    return labels if bool((labels[1:] > labels[:-1]).all()) else None


def _schema(frame: Any) -> str:
    """Tell frames whose rows can be put together from others."""
    empty = _cut(frame, 0, 0)
    pandas: Any = sys.modules.get("pandas")
    index = getattr(empty, "index", None)
    if pandas is None or not isinstance(index, pandas.RangeIndex):
        return digest(empty)
    return digest(("range", index.step, index.name, empty.reset_index(drop=True)))
