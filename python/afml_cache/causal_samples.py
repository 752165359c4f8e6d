"""A frame that a function is checked on, and its beginnings."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache._native import digest
from afml_cache.bar_ends import seen_until
from afml_cache.causal_rows import label_of, times_of
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentError
from afml_cache.instants import span

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cut", "Sample", "is_changed"]

_USUAL: Final = 5
"""How many cuts there are where nobody chose them."""
_FEWEST: Final = 2


@dataclass(frozen=True, eq=False)
class Cut:
    """Where a sample is cut.

    Attributes
    ----------
    label
        What the last row is called that is kept, or its number.
    kept
        Of each row whether it is kept.
    until
        The time of the last row that is kept, in nanoseconds UTC; `None` of rows without times.
    closed
        Where its bar ends: periods that end later are not over.
    """

    label: Any
    kept: NDArray[np.bool_]
    until: int | None
    closed: int | None = None


class Sample:
    """A frame of pandas or polars.

    Raises
    ------
    CacheConfigError
        It is something else, or too short to be cut.
    """

    def __init__(self, frame: Any) -> None:
        if not _is_frame(frame):
            message = (
                "`check_causality` takes a DataFrame or a Series of pandas or polars, not "
                f"{type(frame).__qualname__}"
            )
            raise CacheConfigError(message)
        if len(frame) < _FEWEST:
            message = f"`check_causality` needs two rows or more, and the frame has {len(frame)}"
            raise CacheConfigError(message)
        self.frame = frame
        self.times = times_of(frame)

    def label(self, row: int) -> Any:
        """Give what a row is called."""
        return label_of(self.frame, row)

    def cuts(self, at: Any) -> list[Cut]:
        """Give the cuts that are asked for, or some over all of the sample."""
        if at is None:
            return self._usual()
        several = isinstance(at, list | tuple | np.ndarray) or hasattr(at, "to_list")
        given = list(at) if several else [at]
        if not given:
            message = "`at` names no place; leave it out for some over the whole sample"
            raise CacheConfigError(message)
        return sorted((self._cut(one) for one in given), key=lambda cut: int(cut.kept.sum()))

    def closed(self, cut: Cut) -> Cut:
        """Tell of a cut where its last bar ends."""
        return replace(cut, closed=seen_until([self.until(cut)]))

    def until(self, cut: Cut | None) -> Any:
        """Give a copy of the sample, or of the rows that are kept."""
        frame = self.frame
        if cut is not None:
            count = int(cut.kept.sum())
            if cut.kept[:count].all():
                frame = frame.iloc[:count] if hasattr(frame, "iloc") else frame[:count]
            else:
                rows = np.flatnonzero(cut.kept)
                frame = frame.iloc[rows] if hasattr(frame, "iloc") else frame[rows]
        if not hasattr(frame, "iloc"):
            return frame.clone()
        copied = frame.copy()
        if hasattr(copied.index, "remove_unused_levels"):
            copied.index = copied.index.remove_unused_levels()
        return copied

    def _usual(self) -> list[Cut]:
        order = np.arange(len(self.frame)) if self.times is None else self.times
        distinct = np.unique(order)
        places = {len(distinct) * part // (_USUAL + 1) - 1 for part in range(1, _USUAL + 1)}
        gaps = np.unique(order[_has_gap(self.frame)])
        chosen, before = [], None
        for place in sorted({max(place, 0) for place in places}):
            last = gaps[gaps <= distinct[place]][-1:]
            # What fills gaps from behind is seen where a gap is the last that is kept.
            near = last.size and (before is None or last[0] > before)
            before = distinct[place]
            chosen.append(int(last[0] if near else before))
        if self.times is None:
            return [self._at_row(place) for place in chosen]
        found = [self._until(time) for time in chosen]
        return [cut for cut in found if not cut.kept.all()] or [self._at_row(0)]

    def _cut(self, at: Any) -> Cut:
        if isinstance(at, int | np.integer) and not isinstance(at, bool):
            place = int(at) + (len(self.frame) if at < 0 else 0)
            if not 0 <= place < len(self.frame) - 1:
                raise _out_of_place(at, f"the frame has {len(self.frame)} rows")
            return self._at_row(place)
        found = span(at)
        if found is None:
            message = f"`at` takes times and numbers of rows, not {at!r}"
            raise CacheConfigError(message)
        if self.times is None:
            message = f"`at` names a time, {at!r}, and the frame has none; name rows by number"
            raise CacheConfigError(message)
        cut = self._until(found.last)
        if cut.kept.all() or not cut.kept.any():
            label = self.label(0), self.label(len(self.frame) - 1)
            raise _out_of_place(at, f"the rows are from {label[0]} to {label[1]}")
        return cut

    def _at_row(self, place: int) -> Cut:
        kept = np.arange(len(self.frame)) <= place
        until = None if self.times is None else int(self.times[kept].max())
        return Cut(self.label(place), kept, until)

    def _until(self, time: int) -> Cut:
        times: Any = self.times
        kept = times <= time
        rows = np.flatnonzero(kept)
        last = int(rows[times[rows].argmax()]) if len(rows) else 0
        return Cut(self.label(last), kept, time)


def _has_gap(frame: Any) -> NDArray[np.bool_]:
    """Tell of each row whether something is missing in it."""
    if hasattr(frame, "iloc"):
        missing = np.asarray(frame.isna(), dtype=bool).reshape(len(frame), -1)
        gaps: NDArray[np.bool_] = np.asarray(missing.any(axis=1))
        return gaps
    polars: Any = sys.modules["polars"]
    columns = frame.to_frame() if isinstance(frame, polars.Series) else frame
    told = columns.fill_nan(None).select(polars.any_horizontal(polars.all().is_null()))
    return np.asarray(told.to_series().to_numpy(), dtype=bool)


def is_changed(before: Any, after: Any) -> bool:
    """Tell whether a function has changed its copy of a frame."""
    try:
        return digest(before) != digest(after)
    except UncacheableArgumentError:
        return not before.equals(after)


def _out_of_place(at: Any, why: str) -> CacheConfigError:
    message = f"`at` names {at}, which leaves nothing to compare or nothing to cut off: {why}"
    return CacheConfigError(message)


def _is_frame(value: object) -> bool:
    for name in ("pandas", "polars"):
        library: Any = sys.modules.get(name)
        if library is not None and isinstance(value, library.DataFrame | library.Series):
            return True
    return False
