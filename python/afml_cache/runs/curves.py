"""Equity curves: their values, and the sessions and times of these."""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

from afml_cache.exceptions import CacheConfigError

KINDS: Final = ("price", "pnl", "returns")
_DAY: Final = 86_400 * 10**9


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
    equity : Series, DataFrame of one column, array or sequence of float, or None
        Without an index of times, it has those of the data if it has as many rows.

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
    except (TypeError, ValueError) as error:
        return None, 0, f"the equity curve is not made of numbers ({error})"
    if values.ndim != 1 or not len(values):
        return None, 0, f"the equity curve has the shape {values.shape}, and should be one column"
    times = _times(equity, np)
    if times is None:
        of_data = _times(data, np)
        times = of_data if of_data is not None and len(of_data) == len(values) else None
    if times is None:
        return Curve(values.tobytes(), None, kind), 0, ""
    if (np.diff(times) < 0).any():
        return None, 0, "the equity curve's times are not in order"
    sessions = np.floor_divide(times, _DAY).astype("<i8")
    return Curve(values.tobytes(), sessions.tobytes(), kind), step_of(times, np), ""


def step_of(times: Any, np: Any) -> int:
    """Give the median step of times in nanoseconds, 0 for a single one."""
    steps = np.diff(times)
    return int(np.median(steps)) if len(steps) else 0


def _values(equity: Any, np: Any) -> Any:
    to_numpy = getattr(equity, "to_numpy", None)
    values = np.asarray(equity) if to_numpy is None else to_numpy()
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004 - a frame of one column
        values = values[:, 0]
    elif values.ndim == 2 and type(equity).__module__.startswith("polars"):  # noqa: PLR2004
        numbers = [one for one in equity.get_columns() if one.dtype.is_numeric()]
        values = numbers[0].to_numpy() if len(numbers) == 1 else values
    if values.dtype.kind not in "fiub" and values.dtype.kind != "O":
        message = f"it is of dtype {values.dtype}"
        raise TypeError(message)
    return values


def _times(value: Any, np: Any) -> Any:
    """Give the times of rows as they are written there, in nanoseconds since 1970-01-01."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        index = value.index
        if isinstance(index, pandas.PeriodIndex):
            index = index.to_timestamp()
        if not isinstance(index, pandas.DatetimeIndex) or index.hasnans:
            return None
        local = index.tz_localize(None) if index.tz is not None else index
        return local.as_unit("ns").asi8
    polars: Any = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.DataFrame):
        kinds = (polars.Datetime, polars.Date)
        column = next((one for one in value.get_columns() if isinstance(one.dtype, kinds)), None)
        if column is None or column.null_count():
            return None
        if isinstance(column.dtype, polars.Datetime) and column.dtype.time_zone:
            column = column.dt.replace_time_zone(None)
        return column.cast(polars.Datetime("ns")).to_physical().to_numpy().astype(np.int64)
    return None


def returns_frame(kept: dict[str, tuple[int, list[int], list[float]]], *, by_day: bool) -> Any:
    """Put returns by session into a frame: bins of sessions are named by their first one."""
    import numpy as np
    import pandas as pd

    columns = {}
    for name, (width, bins, returns) in kept.items():
        sessions: Any = np.asarray(bins, dtype="int64") * width
        if by_day:
            sessions = pd.DatetimeIndex(sessions.astype("datetime64[D]").astype("datetime64[ns]"))
        columns[name] = pd.Series(returns, index=sessions, dtype="float32")
    return pd.DataFrame(columns)
