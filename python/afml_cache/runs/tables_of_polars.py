"""Frames of polars as a walk sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import LATEST, as_datetime
from afml_cache.runs.tables import Table, refuse_column, refuse_missing
from afml_cache.timed_values import polars_times

if TYPE_CHECKING:
    from afml_cache.runs.rows import Rows

_TIMES = (pl.Datetime, pl.Date)


class PolarsTable(Table):
    """A frame, by its first column of datetimes or dates, or by the one that is named."""

    def __init__(self, where: str, frame: Any, on: str | None) -> None:
        super().__init__(where, frame)
        if not isinstance(frame, pl.DataFrame):
            message = f"{where} takes a polars DataFrame, not {type(frame).__name__}"
            if isinstance(frame, pl.LazyFrame):
                message += "; collect() it"
            raise CacheConfigError(message)
        times = polars_times(frame) if on is None else self._column(on)
        if times is not None and times.null_count():
            refuse_missing(where)
        self.is_time = times is not None and isinstance(times.dtype, _TIMES)
        self._is_date = times is not None and times.dtype == pl.Date
        self.aware = _aware(times) if times is not None else None
        if times is None:  # rows are known by their places alone
            self.values = np.arange(frame.height)
        else:
            self.values = _counted(where, times) if self.is_time else times.to_numpy()

    def _column(self, name: str) -> pl.Series:
        if name not in self.frame.columns:
            refuse_column(self.where, name)
        column: pl.Series = self.frame.get_column(name)
        return column

    def cut(self, rows: Rows) -> Any:
        """Give some rows: a view where they are neighbours, else a copy."""
        if rows.are_neighbours:
            return self.frame.slice(rows.start, rows.count)
        return self.frame[rows.positions()]

    def label(self, row: int) -> Any:
        """Give the label of a row; an instant as an aware datetime in UTC, cut to microseconds."""
        if self.is_time:
            instant = as_datetime(int(self.values[row]))
            return instant.date() if self._is_date else instant
        value = self.values[row]
        return value.item() if isinstance(value, np.generic) else value

    def ends(self, t1: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Give when each row's label ends, comparable with `values`, and where that is missing."""
        given = self._column(t1) if isinstance(t1, str) else t1
        if not isinstance(given, pl.Series):
            message = (
                f"`t1` takes a series of polars with a value for each row of {self.where}, or the "
                f"name of a column; not {type(t1).__name__}"
            )
            raise CacheConfigError(message)
        self.refuse_length(len(given))
        if isinstance(given.dtype, _TIMES) != self.is_time or not (
            self.is_time or (given.dtype.is_numeric() and self.values.dtype.kind in "iuf")
        ):
            message = (
                f"`t1` is of {given.dtype}, which can't be compared with the labels of "
                f"{self.where}: both are to be times, or both numbers"
            )
            raise CacheConfigError(message)
        if self.is_time:
            self.refuse_awareness(_aware(given))
            return _counted("`t1`", given), given.is_null().to_numpy()
        ends = given.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return ends, np.isnan(ends)


def _aware(times: pl.Series) -> bool | None:
    """Whether times have a zone; dates need none."""
    return times.dtype.time_zone is not None if isinstance(times.dtype, pl.Datetime) else None


def _counted(where: str, times: pl.Series) -> npt.NDArray[np.int64]:
    micros: npt.NDArray[np.int64] = times.dt.epoch("us").fill_null(0).to_numpy()
    if micros.size and max(abs(int(micros.min())), abs(int(micros.max()))) >= LATEST // 1000:
        message = f"{where} has times that nanoseconds in 64 bits do not hold (1677 to 2262)"
        raise CacheConfigError(message)
    counted: npt.NDArray[np.int64] = times.dt.epoch("ns").fill_null(0).to_numpy()
    return counted
