"""Segments of a series written again: several as one, or without what is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afml_cache.exceptions import CacheStoreError
from afml_cache.ranges.intervals import without
from afml_cache.ranges.segments import made_of
from afml_cache.ranges.states import EVER, NEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.series import Series
    from afml_cache.ranges.states import Piece


def rewrite(series: Series, segments: Sequence[int]) -> bool:
    """Make some segments one; false where the series was changed meanwhile."""
    with series.lock:  # what is in memory is what is stored
        return _rewritten(series, segments)


def _rewritten(series: Series, segments: Sequence[int]) -> bool:
    series.sync()
    try:
        expected = series.native.sync()
    except CacheStoreError:
        return False
    mine = set(segments)
    pieces = [one for one in series.pieces(*EVER) if one.segment in mine]
    if not pieces:
        return False
    table = series.read_pieces(pieces)
    told = {**made_of(series.native, mine), "rows": table.height}
    moved = [piece._replace(segment=NEW) for piece in pieces]
    try:
        made = series.commit(moved, (table, series.positions(table)), told, expected=expected)
    except CacheStoreError:
        return False
    series.hot = None
    return made


def drop(series: Series, first: int, stop: int) -> None:
    """Forget an interval; what a segment has of it is taken out of the segment too.

    Raises
    ------
    CacheStoreError
        That can't be written.
    """
    with series.lock:
        while not _dropped(series, first, stop):
            pass  # another process has changed the series meanwhile
        series.windows.cut(first, stop)
        series.hot = series.tail = None
        series.sync()


def _dropped(series: Series, first: int, stop: int) -> bool:
    expected = series.native.sync()
    series.sync()
    met = [one for one in series.pieces(first, stop) if one.segment is not None]
    touched = {one.segment for one in met}
    rest = [
        part
        for one in series.pieces(*EVER)
        if one.segment in touched
        for part in _outside(one, first, stop)
    ]
    table = series.read_pieces(rest) if rest else series.nothing()
    told = {**made_of(series.native, touched), "rows": table.height}
    moved = [one._replace(segment=NEW) for one in rest]
    bars = table, series.positions(table)
    return series.commit(moved, bars, told, cut=[(first, stop)], expected=expected)


def _outside(piece: Piece, first: int, stop: int) -> list[Piece]:
    """Give what of a piece lies outside of an interval."""
    rest = without([(piece.first, piece.stop)], [(first, stop)])
    return [piece.within(*part) for part in rest]
