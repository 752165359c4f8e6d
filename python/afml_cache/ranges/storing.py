"""Segments of one series: written, read, and held in memory where they can't be written."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheCorruptError
from afml_cache.ranges.forms import restore
from afml_cache.ranges.places import within
from afml_cache.ranges.provisional import in_form
from afml_cache.ranges.segments import ROWS, about, packed, unpacked
from afml_cache.ranges.states import NEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from afml_cache._native import Series as NativeSeries
    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.states import Piece


class Segments:
    """The segments of one series."""

    def __init__(self, native: NativeSeries, cache: str, key: str, name: str) -> None:
        self._native = native
        self._cache = cache
        self._key = key
        self._name = name
        self._held: dict[int, pl.DataFrame] = {}
        self._reads: dict[int, int] = {}

    @property
    def has_held(self) -> bool:
        """Whether there are bars in memory alone."""
        return bool(self._held)

    def cool(self) -> None:
        """Forget which of them were read."""
        self._reads.clear()

    def read(
        self, segment: int, first: int, stop: int, form: Form | None, axis: Axis
    ) -> pl.DataFrame:
        """Read of a segment what an interval needs, which may be all of it.

        Raises
        ------
        CacheCorruptError, SchemaError
            It is damaged, or of another series.
        CacheStoreError
            It can't be read now.
        """
        if segment in self._held:
            return self._held[segment]
        content = self._native.read(segment)
        self._reads[segment] = self._reads.get(segment, 0) + 1
        if self._reads[segment] > 1:
            return _whole(content, form)
        told = about(content)
        if told is None or (told.get("cache"), told.get("key")) != (self._cache, self._key):
            message = f"a segment in the folder of {self._name} is none of its own"
            raise CacheCorruptError(message)
        if form is None or form.time is None or "imported" in form.details:
            return _whole(content, form)
        inside = within(axis, form.time, form.schema[form.time], first, stop)
        return restore(form, unpacked(content, inside))

    def write(
        self,
        pieces: Sequence[Piece],
        bars: tuple[pl.DataFrame, np.ndarray[Any, Any]],
        told: dict[str, Any],
        form: tuple[str, bool] | None,
        *,
        cut: Sequence[Interval] = (),
        expected: int | None = None,
    ) -> list[int] | None:
        """Store pieces, and the bars of those that are new, which come with where they stand.

        `None` where the series was changed since `expected`.

        Raises
        ------
        CacheStoreError
            That can't be written.
        """
        table, at = bars
        whose = {"cache": self._cache, "key": self._key, **told}
        if form is not None:
            text, vouched = form
            whose |= {"form": text, "seal": self._native.seal(text) if vouched else None}
        new = [piece for piece in pieces if piece.segment == NEW]
        files, rows = [], []
        for place, (first, stop) in enumerate(_parts(new, at)):
            begin, end = map(int, at.searchsorted((first, stop)))
            mine = [
                piece.within(first, stop)._replace(segment=NEW - place)
                for piece in new
                if piece.first < stop and first < piece.stop
            ]
            rows += mine
            length = sum(piece.stop - piece.first for piece in mine)
            about_it = {**whose, "length": length, "pieces": [list(piece) for piece in mine]}
            content = packed(table[begin:end], about_it)
            shown = json.dumps({**told, "length": length})
            files.append((content, first, stop, end - begin, shown))
        rows += [piece for piece in pieces if piece.segment != NEW]
        stored = self._native.form()
        if form is not None and stored is not None and stored[0] == form[0]:
            form = None
        return self._native.commit(
            rows, files=files, cut=list(cut), form=form, expected=expected, adopts=True
        )

    def hold(self, pieces: Sequence[Piece], table: pl.DataFrame) -> None:
        """Have pieces, and the bars of those that are new, in this process alone."""
        number = -(2**40) - len(self._held)
        self._held[number] = table
        for piece in pieces:
            segment = number if piece.segment == NEW else piece.segment
            self._native.hold(piece._replace(segment=segment))


def _whole(content: bytes, form: Form | None) -> pl.DataFrame:
    table = unpacked(content)
    return table if form is None else in_form(form, table)


def _parts(new: Sequence[Piece], at: np.ndarray[Any, Any]) -> list[Interval]:
    """Cut what is to be written into segments that are not too long."""
    if not new:
        return []
    first, stop = min(piece.first for piece in new), max(piece.stop for piece in new)
    cuts = [int(at[place]) for place in range(ROWS, len(at), ROWS)]
    # Ticks of one instant stay together.
    bounds = sorted({first, *cuts, stop})
    return list(itertools.pairwise(bounds))
