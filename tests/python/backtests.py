"""Data and backtests that the tests of runs share."""

import numpy as np
import pandas as pd
import polars as pl
from bodies import RAN

from afml_cache import cached_backtest


def bars(rows=250, *, seed=0, start="2023-01-02", freq="D", **attrs):
    """Bars of pandas: a close that wanders, and the volume."""
    drawn = np.random.default_rng(seed)
    index = pd.date_range(start, periods=rows, freq=freq, name="time")
    close = 100 * np.exp(drawn.normal(0, 0.01, rows).cumsum())
    frame = pd.DataFrame({"close": close, "volume": drawn.integers(1, 99, rows)}, index=index)
    frame.attrs.update(attrs)
    return frame


def polars_bars(rows=250, **options):
    return pl.from_pandas(bars(rows, **options).reset_index())


def nothing(data, params):
    """A backtest that has nothing to say."""
    return {}


def momentum_of(name="momentum", **options):
    """A cached backtest of its own: metrics, trades and equity, and its body is counted."""

    @cached_backtest(name, **options)
    def momentum(data, params):
        RAN.warning("momentum")
        close = data["close"]
        side = np.sign(close.diff(int(params["lookback"]))).shift(1).fillna(0.0)
        returns = side * close.pct_change().fillna(0.0)
        equity = (1.0 + returns).cumprod()
        trades = pd.DataFrame({"entry": data.index[:3], "pnl": [1.0, -0.5, 0.25]})
        metrics = {
            "sharpe_ratio": float(returns.mean() / returns.std()),
            "total_return": float(equity.iloc[-1] - 1.0),
        }
        return metrics, trades, equity

    return momentum
