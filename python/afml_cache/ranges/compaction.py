"""Segments of a series, made into fewer and longer ones."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from afml_cache.exceptions import CacheStoreError
from afml_cache.ranges.rewriting import rewrite
from afml_cache.ranges.segments import ROWS, length_of
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.series import Series
    from afml_cache.ranges.states import Piece

# So many neighbours of one size become one of the next, so that a bar is written again once for
# each size: its segments grow eightfold each time.
_FAN: Final = 8
_SMALLEST: Final = 64
# What was replaced is left for a minute; to look for it more often only takes time.
_GRACE: Final = 60.0


class Part(NamedTuple):
    """A segment: its number, its live bars, and whether all of its bars are live."""

    segment: int
    first: int
    rows: int
    whole: bool


def parts(series: Series) -> list[Part]:
    """Give the segments of a series in order of time."""
    spans: dict[int, list[Piece]] = {}
    for piece in series.pieces(*EVER):
        if piece.segment is not None and piece.segment > 0:
            spans.setdefault(piece.segment, []).append(piece)
    found = []
    for number, _, first, stop, rows, *_, about in series.native.segments():
        live = spans.get(number, [])
        if not live:
            continue
        length = sum(piece.stop - piece.first for piece in live)
        # Between the pieces that a segment was written for there may be some without bars.
        whole = length >= stop - first or length >= length_of(about, stop - first)
        found.append(Part(number, live[0].first, rows, whole=whole))
    return sorted(found, key=lambda part: part.first)


def due(found: Sequence[Part]) -> list[int]:
    """Give the segments that are to become one, now that another came."""
    sizes = [_size(part.rows) for part in found]
    for size in sorted(set(sizes)):
        run: list[Part] = []
        for part, own in zip(found, sizes, strict=True):
            run = [*run, part] if own <= size else []
            if len(run) >= _FAN and sum(one.rows for one in run) <= ROWS:
                return [one.segment for one in run]
            run = run[-_FAN + 1 :]
    return []


def groups(found: Sequence[Part]) -> list[list[int]]:
    """Give what is to be written again so that segments are as few as can be."""
    packed: list[list[Part]] = []
    for part in found:
        if packed and sum(one.rows for one in packed[-1]) + part.rows <= ROWS:
            packed[-1].append(part)
        else:
            packed.append([part])
    return [
        [one.segment for one in group] for group in packed if len(group) > 1 or not group[0].whole
    ]


def compact_some(series: Series) -> None:
    """Make a few segments one, now and then: what that costs for each bar does not grow."""
    series.appended += 1
    if series.appended % _FAN:
        return
    while segments := due(parts(series)):
        if not rewrite(series, segments):
            return
    now = time.monotonic()
    if now - series.collected >= _GRACE:
        series.collected = now
        # Where nothing can be removed, it is the next time.
        with contextlib.suppress(CacheStoreError):
            series.native.collect()


def _size(rows: int) -> int:
    return max(0, math.ceil(math.log(max(rows, 1) / _SMALLEST, _FAN)))
