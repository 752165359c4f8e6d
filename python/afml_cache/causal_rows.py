"""Results of a function as rows: which of them are the same row, and which differ."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache.timed_values import polars_times, time_column, time_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Instants = NDArray[np.int64]

__all__ = ["Rows", "label_of", "parts_of", "times_of"]


@dataclass(eq=False)
class Rows:
    """A value with rows.

    Attributes
    ----------
    value
        A frame or series of pandas or polars, or an array of NumPy.
    count
        How many rows it has.
    columns
        Their names, each with its values.
    times
        Of each row its time, in nanoseconds UTC; `None` where they have none.
    are_periods
        Whether the times are ends of periods.
    """

    value: Any
    count: int
    columns: list[tuple[str, Any]]
    times: Instants | None = None
    are_periods: bool = False

    @classmethod
    def of(cls, value: object) -> Rows | None:
        """Read a value; `None` for one without rows."""
        pandas: Any = sys.modules.get("pandas")
        polars: Any = sys.modules.get("polars")
        if pandas is not None and isinstance(value, pandas.DataFrame):
            columns = [(str(name), value.iloc[:, at]) for at, name in enumerate(value.columns)]
        elif pandas is not None and isinstance(value, pandas.Series):
            columns = [("" if value.name is None else str(value.name), value)]
        elif pandas is not None and isinstance(
            value, pandas.Index | pandas.api.extensions.ExtensionArray
        ):
            columns = [("", pandas.Series(value))]
        elif polars is not None and isinstance(value, polars.DataFrame):
            columns = [(one.name, one) for one in value.get_columns()]
        elif polars is not None and isinstance(value, polars.Series):
            columns = [(value.name, value)]
        elif isinstance(value, np.ndarray) and value.ndim:
            columns = list(_columns_of_array(value))
        else:
            return None
        are_periods = hasattr(time_index(value), "end_time")
        return cls(value, len(value), columns, times_of(value), are_periods)

    def label(self, row: int) -> Any:
        """Give what a row is called."""
        return label_of(self.value, row)

    @property
    def has_times(self) -> bool:
        """Whether each row has a time, as where there are none."""
        return self.times is not None or self.count == 0

    def by_name(self) -> dict[tuple[str, int], Any]:
        """Give the columns by name; equal names count on."""
        counts: dict[str, int] = {}
        found = {}
        for name, column in self.columns:
            counts[name] = counts.get(name, -1) + 1
            found[name, counts[name]] = column
        return found

    def rows_by_time(self, until: int) -> dict[tuple[int, int], int]:
        """Give the numbers of rows by their times, up to one; equal times count on."""
        counts: dict[int, int] = {}
        found = {}
        times = [] if self.times is None else self.times.tolist()
        for row, time in enumerate(times):
            if time <= until:
                counts[time] = counts.get(time, -1) + 1
                found[time, counts[time]] = row
        return found


def label_of(value: Any, row: int) -> Any:
    """Give what a row is called: by its index or its time, else by its number."""
    index = getattr(value, "index", None)
    if index is not None and hasattr(index, "nlevels"):
        return index[row]
    times = polars_times(value)
    return row if times is None else times[row]


def parts_of(result: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Take a result apart that is a tuple or a dictionary; give the path to each part."""
    if isinstance(result, dict):
        for key, part in result.items():
            yield from parts_of(part, f"{path}[{key!r}]")
    elif isinstance(result, tuple):
        for place, part in enumerate(result):
            yield from parts_of(part, f"{path}[{place}]")
    elif isinstance(result, list):
        yield path, _as_array(result)
    else:
        yield path, result


def _as_array(items: list[Any]) -> Any:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def times_of(value: Any) -> Instants | None:
    """Give the time of each row in nanoseconds UTC, that of a period is its end; else `None`."""
    index = time_index(value)
    if index is None:
        index = time_column(value)
    if index is not None:
        index = index.end_time if hasattr(index, "end_time") else index
        counted: Instants = np.asarray(index.as_unit("ns").asi8)
        return counted
    times = polars_times(value)
    if times is None:
        return None
    lowest = np.iinfo(np.int64).min
    return np.array(times.dt.epoch("ns").fill_null(int(lowest)).to_list(), dtype=np.int64)


def _columns_of_array(array: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    if array.dtype.names is not None:
        yield from ((name, array[name]) for name in array.dtype.names)
    elif array.ndim == 1:
        yield "", array
    else:
        flat = array.reshape(len(array), -1)
        yield from ((f"[{place}]", flat[:, place]) for place in range(flat.shape[1]))
