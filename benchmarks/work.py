"""The data and the functions that everybody is measured on."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 1_000_000
SMALL = 1_000


def bars(rows: int = ROWS) -> pd.DataFrame:
    """Minute bars: five float64 columns and a time zone (48 MB for a million rows)."""
    generator = np.random.default_rng(0)
    index = pd.date_range("2018-01-01", periods=rows, freq="min", tz="UTC")
    values = generator.normal(size=(rows, 5)).cumsum(0)
    return pd.DataFrame(values, index=index, columns=["open", "high", "low", "close", "volume"])


def symbols(rows: int = ROWS) -> np.ndarray:
    """Instrument names, drawn from four."""
    names = np.array(["AAPL", "MSFT", "EURUSD", "GBPUSD"], dtype=object)
    return np.random.default_rng(1).choice(names, rows)


def add(x: int, y: int) -> int:
    """Return the sum: as little work as a function can do."""
    return x + y


def smooth(frame: pd.DataFrame) -> pd.DataFrame:
    """Return moving averages: a frame in, a frame of the same size out."""
    return frame.rolling(5).mean()
