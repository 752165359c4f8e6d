"""Which rows a fold may train on: purging, embargo, and the check that nothing touches the test.

Purging and embargo are those of M. López de Prado, Advances in Financial Machine Learning (Wiley,
2018), sections 7.4.1 and 7.4.2; walk-forward backtests are in its chapter 12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from afml_cache.exceptions import LeakageError
from afml_cache.runs.rows import rows_between

if TYPE_CHECKING:
    from afml_cache.runs.blocks import Blocks, Positions
    from afml_cache.runs.lengths import Length
    from afml_cache.runs.rows import Rows
    from afml_cache.runs.tables import Table


class Tests(NamedTuple):
    """The label of the first and of the last row of each fold's test, over all tables."""

    first: npt.NDArray[Any]
    last: npt.NDArray[Any]


class Training:
    """The rows of one table that each fold trains on.

    Attributes
    ----------
    purged
        How many rows of each fold's training window are dropped since their labels reach into the
        test.
    embargoed
        How many of the others are, since they follow an earlier test.
    kept
        How many are left.
    """

    def __init__(
        self,
        table: Table,
        blocks: Blocks,
        tests: Tests,
        *,
        purge: Length,
        embargo: Length,
        t1: Any,
    ) -> None:
        self._table = table
        self._first = tests.first
        self._starts = blocks.train_starts
        self._stops = _before(table, blocks, tests, purge)
        self._held = _held_back(table, blocks, tests, embargo)
        # A label ends at its own row, or later.
        self._ends: npt.NDArray[Any] = table.values if t1 is None else self._read(t1)
        # Before the row where the latest end so far reaches the test, no label does.
        peaks = self._ends if t1 is None else np.maximum.accumulate(self._ends)
        self._reach = np.clip(np.searchsorted(peaks, self._first), self._starts, self._stops)
        self._drops = t1 is not None and not purge.amount
        self.purged = blocks.train_stops - self._stops
        self.embargoed = _between(self._held, self._starts, self._stops)
        for fold in np.flatnonzero(self._reach < self._stops):
            self._settle(int(fold))
        self.kept = blocks.train_stops - blocks.train_starts - self.purged - self.embargoed

    def rows(self, fold: int) -> Rows:
        """Give the rows that a fold trains on."""
        start, stop, reach = (int(each[fold]) for each in (self._starts, self._stops, self._reach))
        without = self._held_in(start, stop)
        if self._drops:
            late = reach + np.flatnonzero(self._late(fold))
            without = np.union1d(without, late) if len(without) else late
        return rows_between(start, stop, without)

    def _held_in(self, start: int, stop: int) -> Positions:
        first, end = np.searchsorted(self._held, (start, stop))
        return self._held[first:end]

    def _read(self, t1: Any) -> npt.NDArray[Any]:
        """Give the ends of the labels, all of which a fold may train on must have one."""
        ends, missing = self._table.ends(t1)
        self._table.check_ends(ends, missing)
        for fold in np.flatnonzero(_between(np.flatnonzero(missing), self._starts, self._stops)):
            row = int(missing[self._starts[fold] :].argmax() + self._starts[fold])
            message = (
                f"`t1` has no end for the label of {self._table.label(row)} (row {row} of "
                f"{self._table.where}), on which fold {fold} would train: nothing tells whether it "
                "reaches into the test; drop rows whose labels have no end, or say when they end"
            )
            raise LeakageError(message)
        return np.where(missing, self._table.values, ends)

    def _late(self, fold: int) -> npt.NDArray[np.bool_]:
        """Tell which labels reach the test, of the rows from the first that does."""
        late: npt.NDArray[np.bool_] = (
            self._ends[self._reach[fold] : self._stops[fold]] >= self._first[fold]
        )
        return late

    def _settle(self, fold: int) -> None:
        """Count what is dropped for its label, or refuse what is left in."""
        late = self._reach[fold] + np.flatnonzero(self._late(fold))
        held = np.isin(late, self._held_in(self._reach[fold], self._stops[fold]))
        if self._drops:
            self.purged[fold] += len(late)
            self.embargoed[fold] -= held.sum()
        elif not held.all():
            self._refuse(fold, int(late[~held][0]))

    def _refuse(self, fold: int, row: int) -> None:
        label = self._table.label(row)
        said = f"fold {fold} would train on what it tests: row {row} of {self._table.where}"
        if self._ends is self._table.values:
            message = (
                f"{said} has the label at which the test begins, {label}; give lengths of time, "
                "which no two rows of one label are parted by, or a gap"
            )
        else:
            message = (
                f"{said}, {label}, has a label that `t1` has end after `purge`, in the test; leave "
                "`purge` out, so that `t1` alone says what is dropped, or make it longer"
            )
        raise LeakageError(message)


def _before(table: Table, blocks: Blocks, tests: Tests, purge: Length) -> Positions:
    """Give where each training ends once rows are dropped whose horizon reaches the test."""
    stops = blocks.train_stops
    if purge.amount and not purge.is_time:
        stops = np.minimum(stops, blocks.test_starts - purge.capped(len(table.values)))
    elif purge.amount:
        most = max(int(tests.first[-1]) - int(table.values[0]) + 1, 0)
        reached = np.searchsorted(table.values, tests.first - purge.capped(most))
        stops = np.minimum(stops, reached)
    return np.maximum(stops, blocks.train_starts)


def _held_back(table: Table, blocks: Blocks, tests: Tests, embargo: Length) -> Positions:
    """Give the rows that follow a test within the embargo.

    Whatever a fold trains on lies before its own test, and so before every later one: the tests
    that a row follows are all earlier than any fold that could train on it.
    """
    count = len(table.values)
    if not embargo.amount:
        return np.zeros(0, np.int64)
    if embargo.is_time:
        most = max(int(table.values[-1]) - int(tests.last[0]) + 1, 0)
        last = tests.last + embargo.capped(most)
        stops = np.searchsorted(table.values, last, "right")
    else:
        stops = np.minimum(blocks.test_stops + embargo.capped(count), count)
    depth = np.zeros(count + 1, np.int64)
    np.add.at(depth, blocks.test_stops, 1)
    np.add.at(depth, np.maximum(stops, blocks.test_stops), -1)
    return np.flatnonzero(np.cumsum(depth)[:-1])


def _between(places: Positions, starts: Positions, stops: Positions) -> Positions:
    """Count the places from each start to its stop."""
    counts: Positions = np.searchsorted(places, stops) - np.searchsorted(places, starts)
    return counts
