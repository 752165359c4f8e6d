"""When the rows of a value are: the times of frames, series, indexes and tables."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.instants import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DAY",
    "NAMES",
    "Labels",
    "is_table",
    "labels_in",
    "offset_at",
    "polars_times",
    "time_column",
    "time_index",
]

DAY: Final = 86_400 * 10**9
NAMES: Final = frozenset({"time", "timestamp", "date", "datetime", "ts", "t", "open_time"})
"""Names of columns of times, in small letters."""

_SECOND: Final = 10**9
_UNITS: Final = {"s": _SECOND, "ms": 10**6, "us": 10**3, "ns": 1, "D": DAY}
_NAT: Final = -(2**63)
# The step is that of so many of the latest labels, out of so many of the latest rows.
_LABELS: Final = 256
_ROWS: Final = 65_536
# So many of the latest labels tell whether all are midnights.
_LOOKED_AT: Final = 32
# Lists, tuples and dictionaries inside each other.
_DEEPEST: Final = 16


class Labels(NamedTuple):
    """The labels of rows.

    Attributes
    ----------
    last
        The latest one, in nanoseconds UTC.
    until
        Where the latest period ends, of labels that are periods.
    step
        The median distance of the latest labels, each counted once; `None` of a single one.
    frequency
        What pandas calls the distance of the labels, if they have one.
    zone
        The zone of the labels; `None` for UTC.
    are_dates
        Whether they are midnights there.
    """

    last: int
    until: int | None = None
    step: int | None = None
    frequency: str | None = None
    zone: dt.tzinfo | None = None
    are_dates: bool = False


def labels_in(value: object, depth: int = 0) -> Iterator[Labels]:
    """Give the labels of a value, or of all values in lists, tuples and dictionaries."""
    if type(value) in {list, tuple, dict}:
        if depth < _DEEPEST:
            parts: Any = value.values() if isinstance(value, dict) else value
            for part in parts:
                yield from labels_in(part, depth + 1)
    elif is_table(value):
        found = _of_pandas(value) or _of_polars(value) or _of_arrow(value)
        if found is not None:
            yield found


def is_table(value: object) -> bool:
    """Tell whether a value is one of pandas, polars or pyarrow."""
    module = type(value).__module__
    if module == "builtins":
        return False
    if module.partition(".")[0] in {"pandas", "polars", "pyarrow"}:
        return True
    bases = (base.__module__ for base in type(value).__mro__)
    return any(base.startswith(("pandas.core", "polars.")) for base in bases)


def time_index(value: Any) -> Any:
    """Give the index of instants or periods that a value of pandas is, or has."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None:
        return None
    index = value.index if isinstance(value, pandas.DataFrame | pandas.Series) else value
    if isinstance(index, pandas.MultiIndex):
        levels = (index.get_level_values(level) for level in range(index.nlevels))
        return next((level for level in levels if time_index(level) is not None), None)
    times = (pandas.DatetimeIndex, pandas.PeriodIndex)
    return index if isinstance(index, times) and len(index) else None


def polars_times(value: Any) -> Any:
    """Give the first column of instants or dates of a value of polars."""
    polars: Any = sys.modules.get("polars")
    if polars is None or not isinstance(value, polars.DataFrame | polars.Series):
        return None
    columns = value.get_columns() if isinstance(value, polars.DataFrame) else [value]
    kinds = (polars.Datetime, polars.Date)
    return next((column for column in columns if isinstance(column.dtype, kinds)), None)


def offset_at(instant: int, zone: dt.tzinfo | None) -> int:
    """Give how far a zone is ahead of UTC at an instant, in nanoseconds."""
    if zone is None:
        return 0
    try:
        offset = dt.datetime.fromtimestamp(instant // _SECOND, zone).utcoffset()
    except (OverflowError, ValueError, OSError):  # a year that datetimes have not
        return 0
    return round(offset.total_seconds()) * _SECOND if offset else 0


def _of_pandas(value: Any) -> Labels | None:
    index = time_index(value)
    if index is None:
        index = time_column(value)
    if index is None:
        return None
    if not hasattr(index, "tz"):
        return _of_periods(index)
    found = _told(_latest_of_pandas(index), _UNITS[index.unit], index.tz)
    if found is None or index.freq is None:
        return found
    try:
        step = abs(index.freq.nanos)
    except ValueError:  # months are not all as long
        step = found.step
    return found._replace(step=step, frequency=index.freqstr)


def time_column(frame: Any) -> Any:
    """Give the column of a frame without an index of times that is named as times are."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame) or not len(frame):
        return None
    for place, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        is_named = isinstance(name, str) and name.lower() in NAMES
        if is_named and getattr(dtype, "kind", "") == "M":
            return pandas.DatetimeIndex(frame.iloc[:, place])
    return None


def _of_periods(index: Any) -> Labels | None:
    last = index.max()
    if last != last:  # noqa: PLR0124 - `NaT`
        return None
    try:
        return Labels(last.start_time.value, until=(last + 1).start_time.value)
    except (OverflowError, ValueError):  # beyond what nanoseconds hold
        return Labels(LATEST, until=LATEST)


def _latest_of_pandas(index: Any) -> list[int]:
    counted = index.asi8
    if index.is_monotonic_increasing:
        return _latest(counted[-_ROWS:])
    if index.is_monotonic_decreasing:
        return _latest(counted[:_ROWS][::-1])
    return _latest(sys.modules["numpy"].sort(counted))


def _latest(counted: Any) -> list[int]:
    """Give the latest labels of an array of NumPy that is sorted, each once."""
    later = counted[1:][counted[1:] != counted[:-1]][-_LABELS:].tolist()
    first = counted[:1].tolist() if len(later) < _LABELS else []
    return [label for label in (*first, *later) if label != _NAT]


def _of_polars(value: object) -> Labels | None:
    times = polars_times(value)
    if times is None:
        return None
    rows = times.tail(_ROWS) if times.is_sorted() else times
    labels = rows.drop_nulls().unique().sort().tail(_LABELS + 1).to_physical().to_list()
    unit = getattr(times.dtype, "time_unit", None)
    zone = getattr(times.dtype, "time_zone", None)
    return _told(labels, _UNITS[unit or "D"], _zone_named(zone), are_dates=unit is None)


def _of_arrow(value: Any) -> Labels | None:
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is None:
        return None
    tables = (arrow.Table, arrow.RecordBatch)
    columns = value.columns if isinstance(value, tables) else [value]
    column = next((one for one in columns if _is_of_times(arrow, one)), None)
    if column is None:
        return None
    days = arrow.types.is_date(column.type)
    # Dates of pyarrow count days or milliseconds; both are days as 32 bits.
    times = column.cast(arrow.date32()).cast(arrow.int32()) if days else column.cast(arrow.int64())
    labels = _latest_of_arrow(times.drop_null())
    if days:
        return _told(labels, DAY, None, are_dates=True)
    return _told(labels, _UNITS[column.type.unit], _zone_named(column.type.tz))


def _latest_of_arrow(times: Any) -> list[int]:
    try:
        import numpy as np
    except ModuleNotFoundError:  # which pyarrow can do without
        return sorted(set(times.to_pylist()))[-_LABELS - 1 :]
    counted = times.to_numpy()
    is_sorted = (counted[1:] >= counted[:-1]).all()
    return _latest(counted[-_ROWS:] if is_sorted else np.sort(counted))


def _is_of_times(arrow: Any, column: Any) -> bool:
    kind = getattr(column, "type", None)
    if not isinstance(column, arrow.Array | arrow.ChunkedArray):
        return False
    return bool(arrow.types.is_timestamp(kind) or arrow.types.is_date(kind))


def _zone_named(name: str | None) -> dt.tzinfo | None:
    import zoneinfo

    if name is None or name == "UTC":
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo  # such as "+02:00"


def _told(
    labels: list[int],
    unit: int,
    zone: dt.tzinfo | None,
    *,
    are_dates: bool = False,
) -> Labels | None:
    """Tell of labels that are sorted, each once, in units of so many nanoseconds."""
    if not labels:
        return None
    steps = sorted(later - label for label, later in itertools.pairwise(labels))
    step = steps[(len(steps) - 1) // 2] * unit if steps else None
    counted = [label * unit for label in labels[-_LOOKED_AT:]]
    midnights = are_dates or all((one + offset_at(one, zone)) % DAY == 0 for one in counted)
    return Labels(min(counted[-1], LATEST), None, step, None, zone, midnights)
