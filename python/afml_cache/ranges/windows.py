"""Bars in memory: of each series, tables for intervals of which every bar is there."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from afml_cache.ranges.forms import hold, unite, write
from afml_cache.ranges.intervals import Interval, joined, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.forms import Form, Held

# A table that is this many times longer than the one behind it is left alone: so every bar is
# copied a few times only, however many come one by one.
_RATIO: Final = 2
# Tables that are read together so often become one.
_PATIENCE: Final = 2
# So many times what is asked for is made ready with it.
_MUCH: Final = 2


@dataclass(eq=False)
class Window:
    """Every bar of an interval, and where each stands on the axis."""

    first: int
    stop: int
    table: pl.DataFrame
    at: np.ndarray[Any, Any]
    held: dict[Any, Held] = field(default_factory=dict)

    def rows(self, first: int, stop: int) -> tuple[int, int]:
        """Give the number of the first bar of an interval, and of the one behind its last."""
        begin, end = self.at.searchsorted((first, stop))
        return int(begin), int(end)

    def part(self, first: int, stop: int) -> Window:
        """Give the part of it in an interval."""
        first, stop = max(first, self.first), min(stop, self.stop)
        begin, end = self.rows(first, stop)
        return Window(first, stop, self.table[begin:end], self.at[begin:end])

    def held_as(self, form: Form, output: Any) -> Held:
        """Give what its slices are cut from, in the form that the caller wants."""
        held = self.held.get(output)
        if held is None:
            held = self.held.setdefault(output, hold(form, self.table, output))
        return held

    def given(self, form: Form, output: Any, begin: int, end: int) -> Any:
        """Give some of its rows, once, in the form that the caller wants.

        A long window of which few are asked for isn't made ready as a whole for that: each day
        that is fetched may make another window of all that there is.
        """
        if output in self.held or len(self.at) <= _MUCH * (end - begin):
            return self.held_as(form, output).slice(begin, end)
        return write(form, self.table[begin:end], output)


class Windows:
    """The windows of one series: in order, and none over another."""

    def __init__(self) -> None:
        self._windows: list[Window] = []
        self._together = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        with self._lock:
            return sum(2 * int(window.table.estimated_size()) for window in self._windows)

    def clear(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._windows = []

    def reform(self) -> None:
        """Let go of the values that were made of tables."""
        with self._lock:
            for window in self._windows:
                window.held = {}

    def put(self, first: int, stop: int, table: pl.DataFrame, at: np.ndarray[Any, Any]) -> None:
        """Take every bar of an interval, and where each stands, whatever was there."""
        fresh = Window(first, stop, table, at)
        with self._lock:
            self._cut(first, stop)
            self._windows.append(fresh)
            self._windows.sort(key=_first)
            self._together = 0
            self._settle(self._windows.index(fresh))

    def cut(self, first: int, stop: int) -> None:
        """Let go of an interval."""
        with self._lock:
            self._cut(first, stop)

    def missing(self, first: int, stop: int) -> list[Interval]:
        """Tell what of an interval is in no window."""
        with self._lock:
            there = [(window.first, window.stop) for window in self._windows]
        return without([(first, stop)], there)

    def whole(self, first: int, stop: int) -> Window | None:
        """Give the window that has all of an interval, if one does."""
        with self._lock:
            for window in self._windows:
                if window.first <= first and stop <= window.stop:
                    return window
        return None

    def table(self, first: int, stop: int) -> pl.DataFrame | None:
        """Give the bars of an interval that lies in several windows; `None` without any."""
        with self._lock:
            met = [one for one in self._windows if one.first < stop and first < one.stop]
            parts = [window.part(first, stop).table for window in met]
            self._together += len(met) > 1
            if self._together >= _PATIENCE:
                self._join_all(met)
        return together(parts) if parts else None

    def _cut(self, first: int, stop: int) -> None:
        left: list[Window] = []
        for window in self._windows:
            if window.stop <= first or stop <= window.first:
                left.append(window)
                continue
            rest = without([(window.first, window.stop)], [(first, stop)])
            left.extend(window.part(*part) for part in rest)
        self._windows = left

    def _settle(self, place: int) -> None:
        """Join a new window with its neighbours, as long as they are about as short."""
        while place > 0 and self._are_near(place - 1) and self._is_short(place - 1, place):
            place -= 1
            self._join(place)
        while place + 1 < len(self._windows) and self._are_near(place):
            if not self._is_short(place + 1, place):
                break
            self._join(place)

    def _are_near(self, place: int) -> bool:
        return self._windows[place].stop == self._windows[place + 1].first

    def _is_short(self, place: int, beside: int) -> bool:
        length, other = len(self._windows[place].at), len(self._windows[beside].at)
        return length <= _RATIO * max(other, 1)

    def _join(self, place: int) -> None:
        pair = self._windows[place : place + 2]
        self._windows[place : place + 2] = [self._joined(pair)]

    def _join_all(self, met: list[Window]) -> None:
        spans = joined([(window.first, window.stop) for window in met])
        for first, stop in spans:
            these = [one for one in self._windows if first <= one.first and one.stop <= stop]
            if len(these) > 1:
                place = self._windows.index(these[0])
                self._windows[place : place + len(these)] = [self._joined(these)]
        self._together = 0

    def _joined(self, windows: Sequence[Window]) -> Window:
        table = together([window.table for window in windows])
        at = np.concatenate([window.at for window in windows])
        return Window(windows[0].first, windows[-1].stop, table, at)


def together(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put tables of one series behind each other."""
    filled = [table for table in tables if table.height] or list(tables[:1])
    if len(filled) == 1:
        return filled[0]
    if all(table.schema == filled[0].schema for table in filled):
        return pl.concat(filled, rechunk=True)
    return unite(filled)[0]


def _first(window: Window) -> int:
    return window.first
