"""Equity curves: their values, and the sessions and times of these."""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.timed_values import DAY, polars_times

Returns = tuple[int, list[int], list[float], str]
"""Sessions to a bin, bins, the return of each, and what the equity was, as the core keeps them."""

KINDS: Final = ("price", "pnl", "returns")
_EQUITY: Final = "equity"


class Curve(NamedTuple):
    """An equity curve.

    Attributes
    ----------
    values : bytes
        Of float64, row by row.
    sessions : bytes or None
        The day of each row as it is written there, in days since 1970-01-01, of int64.
    kind : str
        "price", "pnl" or "returns".
    """

    values: bytes
    sessions: bytes | None
    kind: str


class Times(NamedTuple):
    """When rows are.

    Attributes
    ----------
    instants : ndarray of int64
        Nanoseconds since 1970-01-01 UTC.
    days : ndarray of int64
        Days since 1970-01-01 as the rows' own zone writes them; they never fall.
    """

    instants: Any
    days: Any


def checked_kind(kind: Any) -> str:
    """Check what an equity curve is said to be.

    Raises
    ------
    CacheConfigError
        It is none of "price", "pnl" and "returns".
    """
    if kind in KINDS:
        return str(kind)
    message = (
        f'`equity_kind` is "price" (levels, as of an account), "pnl" (cumulative profit in '
        f'currency) or "returns" (by period), not {kind!r}'
    )
    raise CacheConfigError(message)


def curve_of(equity: Any, data: Any, kind: str) -> tuple[Curve | None, int, str]:
    """Read an equity curve.

    Parameters
    ----------
    equity : Series, DataFrame, array or sequence of float, or None
        Of a frame, the column "equity", or the only one. Without an index of times, it has those of
        the data if it has as many rows.

    Returns
    -------
    tuple of (Curve or None, int, str)
        The curve; the median step of its rows in nanoseconds, 0 without times; and why there is
        none.
    """
    if equity is None:
        return None, 0, "the backtest gave no equity curve"
    import numpy as np

    try:
        values = np.ascontiguousarray(_values(equity, np), dtype="<f8")
    except (TypeError, ValueError, OverflowError) as error:
        return None, 0, f"the equity curve is not made of numbers ({error})"
    if values.ndim != 1 or not values.size:
        told = f"the shape {values.shape}, and should be one column" if values.size else "no rows"
        return None, 0, f"the equity curve has {told}"
    times = times_of(equity)
    if times is None:
        of_data = times_of(data)
        times = of_data if of_data is not None and len(of_data.days) == len(values) else None
    if times is None:
        return Curve(values.tobytes(), None, kind), 0, ""
    if (times.instants[1:] < times.instants[:-1]).any():
        return None, 0, "the equity curve's times are not in order"
    sessions = np.maximum.accumulate(times.days).astype("<i8")
    return Curve(values.tobytes(), sessions.tobytes(), kind), step_of(times), ""


def step_of(times: Times) -> int:
    """Give the median step of times in nanoseconds, and at least 1; 0 for a single one."""
    import numpy as np

    steps = times.instants[1:] - times.instants[:-1]
    if not len(steps):
        return 0
    first = steps[0]
    # A median takes ten times as long, and times are mostly even.
    return max(1, int(first if (steps == first).all() else np.median(steps)))


def _values(equity: Any, np: Any) -> Any:
    column = _column(equity)
    if isinstance(column, np.ma.MaskedArray):
        column = column.astype("<f8").filled(np.nan)
    to_numpy = getattr(column, "to_numpy", None)
    values = np.asarray(column) if to_numpy is None else to_numpy()
    if values.dtype.kind not in "fiubO":
        message = f"it is of dtype {values.dtype}"
        raise TypeError(message)
    return values


def _column(equity: Any) -> Any:
    """Give the column of a frame that is the equity; anything else as it is."""
    columns = getattr(equity, "columns", None)
    if columns is None:
        return equity
    names = [name for name in columns if str(name).lower() == _EQUITY]
    if len(columns) > 1 and not names and type(equity).__module__.startswith("polars"):
        names = [name for name in columns if equity[name].dtype.is_numeric()]
    names = names or list(columns)
    return equity[names[0]] if len(names) == 1 else equity


def times_of(value: Any) -> Times | None:
    """Tell when the rows of a frame or series are; `None` where nothing says so."""
    pandas: Any = sys.modules.get("pandas")
    polars: Any = sys.modules.get("polars")
    try:
        if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
            return _of_index(value.index, pandas)
        if polars is not None and isinstance(value, polars.DataFrame):
            return _of_polars(value, polars)
    except (ValueError, OverflowError):  # before 1677 or after 2262
        return None
    return None


def _of_index(index: Any, pandas: Any) -> Times | None:
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pandas.DatetimeIndex) or index.hasnans:
        return None
    index = index.as_unit("ns")
    local = index if index.tz is None else index.tz_localize(None)
    return Times(index.asi8, local.asi8 // DAY)


def _of_polars(frame: Any, polars: Any) -> Times | None:
    column = polars_times(frame)
    if column is None or column.null_count():
        return None
    local = column
    if isinstance(column.dtype, polars.Datetime) and column.dtype.time_zone:
        local = column.dt.replace_time_zone(None)
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    instants, days = (_nanoseconds(one, polars) for one in (column, local))
    return Times(instants, days // DAY)


def _nanoseconds(column: Any, polars: Any) -> Any:
    return column.cast(polars.Datetime("ns")).to_physical().to_numpy()


def returns_frame(kept: dict[str, tuple[bool, Returns]]) -> Any:
    """Put returns by session into a frame: bins of sessions are named by their first one.

    Parameters
    ----------
    kept : dict
        By run id, whether its sessions are days, and its returns.

    Raises
    ------
    CacheConfigError
        The sessions of some are days, and those of others rows.
    """
    import numpy as np
    import pandas as pd

    if len({of_days for of_days, _ in kept.values()}) > 1:
        rows = [run for run, (of_days, _) in kept.items() if not of_days]
        message = (
            f"the equity of {', '.join(rows)} had no times and that of the others did, so they "
            "have no sessions in common; ask for them apart"
        )
        raise CacheConfigError(message)
    columns = {}
    for run, (of_days, (width, bins, returns, _)) in kept.items():
        sessions: Any = np.asarray(bins, dtype="int64") * width
        if of_days:
            sessions = pd.DatetimeIndex(sessions.astype("datetime64[D]")).as_unit("ns")
        columns[run] = pd.Series(returns, index=sessions, dtype="float32")
    return pd.DataFrame(columns)
