"""The rows of a frame in time: their labels, their instants, and the days that they are of."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from afml_cache.exceptions import CacheConfigError
from afml_cache.timed_values import DAY, labels_in, offset_at, polars_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from afml_cache.bar_ends import Bars

    Numbers = NDArray[np.int64]

__all__ = ["Timeline", "has_rows_in_time", "is_frame", "time_name"]

_UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# The release of pandas from which parts of frames are copied when they are written to.
_COPIES_ON_WRITE: Final = 3


@dataclass(frozen=True, eq=False)
class Timeline:
    """The rows of a frame in time, each later than the one before.

    Attributes
    ----------
    frame
        A frame or a series of pandas, or a frame of polars.
    labels
        What the label of each row counts as.
    instants
        When each row is: counts of `unit` nanoseconds since 1970-01-01 UTC.
    days
        The day of each row where its zone is, counted from 1970-01-01.
    """

    frame: Any
    labels: Numbers
    instants: Numbers
    unit: int
    days: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, start: int, stop: int) -> Any:
        """Give some rows; what is done to them in place does nothing to the others."""
        if hasattr(self.frame, "iloc"):
            rows = self.frame.iloc[start:stop]
            return rows if _copies_on_write() else rows.copy()
        return self.frame.slice(start, stop - start)

    def label(self, row: int) -> Any:
        """Give what a row is called."""
        if hasattr(self.frame, "iloc"):
            return self.frame.index[row]
        return self.frame.get_column(time_name(self.frame))[row]

    def instant(self, row: int) -> int:
        """Give when a row is, in nanoseconds UTC."""
        return int(self.instants[row]) * self.unit

    def reached(self, bars: Bars) -> tuple[int, int]:
        """Give the instant before which no further row can be, in ns UTC, and the day it is of."""
        labels = next(labels_in(self.frame))
        # Behind the last label at least: where bars end at their labels, the next one is later.
        instant = max(bars.end_of(labels), self.instant(-1) + 1)
        return instant, (instant + offset_at(instant, labels.zone)) // DAY


def _copies_on_write() -> bool:
    """Whether a part of a frame of pandas is no view of it that can be written to."""
    release: str = sys.modules["pandas"].__version__
    return int(release.partition(".")[0]) >= _COPIES_ON_WRITE


def is_frame(value: object) -> bool:
    """Whether it is a frame or series of pandas, or a frame of polars."""
    pandas: Any = sys.modules.get("pandas")
    polars: Any = sys.modules.get("polars")
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        return True
    return polars is not None and isinstance(value, polars.DataFrame)


def has_rows_in_time(value: Any) -> bool:
    """Whether a frame has an index of instants or periods; of polars, a column of times."""
    if hasattr(value, "iloc"):
        pandas: Any = sys.modules["pandas"]
        return isinstance(value.index, pandas.DatetimeIndex | pandas.PeriodIndex)
    return polars_times(value) is not None


def time_name(frame: Any) -> str:
    """Give the name of the column of times of a frame of polars."""
    name: str = polars_times(frame).name
    return name


def read(where: str, frame: Any) -> Timeline:
    """Read the times of a frame that has some.

    Raises
    ------
    CacheConfigError
        A row has none, or is not later than the one before.
    """
    timeline = _of_pandas(where, frame) if hasattr(frame, "iloc") else _of_polars(where, frame)
    steps = np.flatnonzero(timeline.labels[1:] <= timeline.labels[:-1])
    if len(steps):
        _refuse_order(where, timeline, int(steps[0]) + 1)
    return timeline


def _of_pandas(where: str, frame: Any) -> Timeline:
    index = frame.index
    if index.hasnans:
        _refuse_missing(where, int(np.flatnonzero(index.isna())[0]))
    times = index if hasattr(index, "unit") else index.to_timestamp(how="start")
    unit = _UNITS[times.unit]
    walls = times if times.tz is None else times.tz_localize(None)
    return Timeline(frame, index.asi8, times.asi8, unit, walls.asi8 // (DAY // unit))


def _of_polars(where: str, frame: Any) -> Timeline:
    times = polars_times(frame)
    if times.null_count():
        _refuse_missing(where, int(times.is_null().arg_max()))
    labels = times.to_physical().to_numpy().astype(np.int64)
    unit_name = getattr(times.dtype, "time_unit", None)
    if unit_name is None:  # dates
        return Timeline(frame, labels, labels, DAY, labels)
    unit = _UNITS[unit_name]
    walls = times.dt.replace_time_zone(None).to_physical().to_numpy()
    return Timeline(frame, labels, labels, unit, walls // (DAY // unit))


def _refuse_missing(where: str, row: int) -> NoReturn:
    message = f"{where} has no time in row {row}; drop such rows before the call"
    raise CacheConfigError(message)


def _refuse_order(where: str, timeline: Timeline, row: int) -> NoReturn:
    label, before = _shown(timeline.label(row)), _shown(timeline.label(row - 1))
    said, remedy = f"row {row} ({label}) comes behind {before}", "sort it by time"
    if timeline.labels[row] == timeline.labels[row - 1]:
        said, remedy = f"row {row} ({label}) has the label of the row before", "drop one of them"
    message = f"{where} is not in order of time: {said}; {remedy} before the call"
    raise CacheConfigError(message)


def _shown(label: Any) -> str:
    return label.isoformat() if isinstance(label, dt.date) else str(label)
