"""Frames and series of pandas as a walk sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.tables import Table, refuse_column, refuse_missing

if TYPE_CHECKING:
    from afml_cache.runs.rows import Rows


def is_pandas(frame: Any) -> bool:
    """Whether it is a frame or a series of pandas."""
    return isinstance(frame, pd.DataFrame | pd.Series)


class PandasTable(Table):
    """A frame or a series, by its index or one of its columns."""

    def __init__(self, where: str, frame: Any, on: str | None) -> None:
        super().__init__(where, frame)
        self._index = _times_of(frame.index if on is None else self._column(on))
        if self._index.hasnans:
            refuse_missing(where)
        instants = _instants(self._index)
        self.is_time = instants is not None
        self.aware = None if instants is None else instants.tz is not None
        self.values = self._index.to_numpy() if instants is None else _counted(where, instants)

    def _column(self, on: str) -> Any:
        if not isinstance(self.frame, pd.DataFrame) or on not in self.frame.columns:
            refuse_column(self.where, on)
        return pd.Index(self.frame[on])

    def cut(self, rows: Rows) -> Any:
        """Give some rows: a view where they are neighbours, else a copy."""
        neighbours = slice(rows.start, rows.stop) if rows.are_neighbours else None
        return self.frame.iloc[rows.positions() if neighbours is None else neighbours]

    def label(self, row: int) -> Any:
        """Give the label of a row; aware and in UTC where it is an instant."""
        if self.is_time and not isinstance(self._index, pd.PeriodIndex):
            return pd.Timestamp(int(self.values[row]), tz="UTC")
        label = self._index[row]
        return label.item() if isinstance(label, np.generic) else label

    def check(self) -> None:
        """Refuse a frame without rows, or out of order, or with labels that have none."""
        try:
            super().check()
        except TypeError as error:
            message = (
                f"{self.where} has labels of several types, which have no order; give it an index "
                "of one type, as pandas.to_datetime makes of times"
            )
            raise CacheConfigError(message) from error

    def ends(self, t1: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Give when each row's label ends, comparable with `values`, and where that is missing."""
        given = self._column(t1) if isinstance(t1, str) else self._checked(t1)
        missing = np.asarray(given.isna())
        if self.is_time:
            instants = _instants(given)
            if instants is None:
                message = (
                    f"`t1` is of {given.dtype}, and the labels of {self.where} are times: its "
                    "values are to be times too, as pandas.to_datetime makes them"
                )
                raise CacheConfigError(message)
            self.refuse_awareness(instants.tz is not None)
            return _counted("`t1`", instants), missing
        if not np.issubdtype(self.values.dtype, np.number) or given.dtype.kind not in "iuf":
            message = (
                f"`t1` takes labels of {self.where} that are times or numbers, and ends of the "
                f"same kind; not {self._index.dtype} and {given.dtype}"
            )
            raise CacheConfigError(message)
        return given.to_numpy(), missing

    def _checked(self, t1: Any) -> Any:
        if not isinstance(t1, pd.Series):
            message = (
                f"`t1` takes a series of pandas with the index of {self.where}, or the name of a "
                f"column; not {type(t1).__name__}"
            )
            raise CacheConfigError(message)
        self.refuse_length(len(t1))
        ours = self.frame.index
        if not (t1.index is ours or t1.index.equals(ours) or _same_instants(t1.index, ours)):
            message = (
                f"`t1` has other labels than {self.where}; bring it to them with "
                "t1.reindex(data.index)"
            )
            raise CacheConfigError(message)
        return pd.Index(t1)


def _times_of(index: Any) -> Any:
    """Give the level of times of an index with several levels."""
    if not isinstance(index, pd.MultiIndex):
        return index
    levels = (index.get_level_values(level) for level in range(index.nlevels))
    return next((level for level in levels if _instants(level) is not None), index)


def _instants(index: Any) -> Any:
    """Give an index as instants, if it is one of times."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    # timestamps of pyarrow are no DatetimeIndex by themselves
    return pd.DatetimeIndex(index) if index.dtype.kind == "M" else None


def _counted(where: str, instants: Any) -> npt.NDArray[np.int64]:
    try:
        counted: npt.NDArray[np.int64] = instants.as_unit("ns").asi8
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        message = f"{where} has times that nanoseconds in 64 bits do not hold (1677 to 2262)"
        raise CacheConfigError(message) from error
    return counted


def _same_instants(one: Any, other: Any) -> bool:
    """Whether two indexes are of the same instants, told in whatever zone or unit."""
    first, second = _instants(one), _instants(other)
    if first is None or second is None or (first.tz is None) != (second.tz is None):
        return False
    return bool(np.array_equal(_counted("`t1`", first), _counted("`data`", second)))
