"""Bars, functions of them, and what their periods are compared by."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from bodies import RAN

from afml_cache import time_aware_cacheable


def bars_of(index: pd.Index) -> pd.DataFrame:
    """Prices that a seed of their length tells."""
    rng = np.random.default_rng(len(index))
    close = 100 + np.cumsum(rng.integers(-3, 4, len(index))) / 4
    return pd.DataFrame({"close": close, "volume": rng.integers(1, 50, len(index))}, index)


def days(start: str, end: str, **options: Any) -> pd.DataFrame:
    """Bars of weekdays; the prices of a day are the same whatever other days there are."""
    index = pd.date_range(start, end, freq="B", **options)
    return pd.DataFrame({"close": np.sin(index.day_of_year * 7.0), "volume": index.day}, index)


def assert_same(one: Any, other: Any) -> None:
    """Equal in every bit, class, dtype, and frequency."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_freq=True)
    else:
        pd.testing.assert_series_equal(one, other, check_exact=True, check_freq=True)
    assert getattr(one.index, "freq", None) == getattr(other.index, "freq", None)
    assert one.index.dtype == other.index.dtype


def triple_barrier(bars: pd.DataFrame, horizon: int = 3, width: float = 0.5) -> pd.DataFrame:
    """Which of two prices is touched first within the next bars; rows without them are left out."""
    close = bars["close"].to_numpy()
    rows, touched = [], []
    for row in range(len(close) - horizon):
        moves = close[row + 1 : row + 1 + horizon] - close[row]
        beyond = np.flatnonzero(np.abs(moves) >= width)
        rows.append(row)
        touched.append((int(np.sign(moves[beyond[0]])), int(beyond[0])) if len(beyond) else (0, -1))
    labels = pd.DataFrame(touched, bars.index[rows], ["label", "after"], dtype="int64")
    return labels.assign(side=labels["label"] > 0)


def features(bars: pd.DataFrame) -> pd.DataFrame:
    """Features of the last three bars, and of the last six hours."""
    recent = bars["close"].rolling("6h", closed="both").max()
    return pd.DataFrame(
        {
            "move": bars["close"] - bars["close"].shift(3),
            "high": bars["close"].rolling(4).max(),
            "recent": recent.fillna(0.0),
            "trend": np.where(bars["close"] >= recent, "up", "down"),
            "before": bars["volume"].shift(1),
        }
    )


def events(bars: pd.DataFrame) -> pd.Series:
    """Bars that rise, as whole numbers."""
    moved = bars["close"].diff()
    return (moved[moved > 0] * 4).astype("int32").rename("quarters")


def future(bars: pd.DataFrame) -> pd.Series:
    """The volume of the bar in front of each, missing in the last one."""
    return bars["volume"].shift(-1)


def ahead_in_time(bars: pd.DataFrame) -> pd.Series:
    """The highest close within the six hours in front of each bar."""
    times, close = bars.index.asi8, bars["close"].to_numpy()
    step = pd.Timedelta("6h").as_unit(bars.index.unit).asm8.astype(np.int64)
    stops = np.searchsorted(times, times + step, "right")
    return pd.Series([close[row:stop].max() for row, stop in enumerate(stops)], bars.index)


BY_PERIODS: dict[str, tuple[Any, Any, Any]] = {
    "triple_barrier": (triple_barrier, 0, 3),
    "features": (features, "6h", 0.0),
    "events": (events, 1, 0),
    "future": (future, 0, 1),
    "ahead_in_time": (ahead_in_time, 0, dt.timedelta(hours=6)),
}
# `features` looks three bars back as well: in time that is far enough where bars are hours.
HOURLY = pd.date_range("2024-03-25", periods=24 * 20, freq="h", tz="Europe/Berlin")


def rises(bars: pd.DataFrame, ahead: int = 5) -> pd.Series:
    RAN.warning(f"{bars.index[0]:%m-%d} to {bars.index[-1]:%m-%d}")
    return (bars["close"].shift(-ahead) > bars["close"]).rename("rises")


def monthly(function: Any, lookback: Any = 0, lookahead: Any = 5, **options: Any) -> Any:
    options = {"by": "month", "lookback": lookback, "lookahead": lookahead, **options}
    return time_aware_cacheable(**options)(function)
