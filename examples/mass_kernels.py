"""What the mass test computes many times over: one labelling, one backtest; NumPy alone.

Workers import this module and nothing else of the example, so that they start in no time.
"AFML" below is M. Lopez de Prado, "Advances in Financial Machine Learning", Wiley 2018.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LABEL = np.dtype(
    [("bar", "i4"), ("label", "i1"), ("bars_held", "i2"), ("return", "f4"), ("weight", "f4")]
)
REGIMES = ("calm", "normal", "wild")


class Configuration(NamedTuple):
    """A way to label: barriers as multiples of the volatility, and bars until time is up."""

    profit_take: float
    stop_loss: float
    horizon: int

    @property
    def file(self) -> str:
        return f"{self.profit_take:g}_{self.stop_loss:g}_{self.horizon}.npy"


class Prices(NamedTuple):
    """Bars as arrays, all of one length."""

    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volatility: np.ndarray


class Strategy(NamedTuple):
    """Trade the trend of two moving averages, where the signal is at least the threshold."""

    fast: int
    slow: int
    threshold: float


class Market(NamedTuple):
    """What strategies are tested on, all of one length."""

    close: np.ndarray
    signal: np.ndarray
    regime: np.ndarray
    bars_per_year: int


def label(
    configuration: Configuration, prices: Prices, features: np.ndarray, folder: Path
) -> dict[str, Any]:
    """Write the labels of a configuration to a folder, and give what they come to."""
    labels = write_labels(folder, configuration, prices)
    counts = np.bincount(labels["label"] + 1, minlength=3)
    return {
        "configuration": configuration._asdict(),
        "stops": int(counts[0]),
        "times_up": int(counts[1]),
        "profits": int(counts[2]),
        "scores": [correlation(column, labels) for column in features.T],
    }


def write_labels(folder: Path, configuration: Configuration, prices: Prices) -> np.ndarray:
    """Label all bars into a file that is whole as soon as it has its name."""
    labels = triple_barrier(configuration, prices)
    draft = folder / f".{configuration.file}.{os.getpid()}"
    with draft.open("wb") as file:
        np.save(file, labels)
    draft.rename(folder / configuration.file)
    return labels


def read_labels(folder: Path, configuration: Configuration, prices: Prices) -> np.ndarray:
    """Read labels, or make them again: what they came to outlives the file."""
    path = folder / configuration.file
    return np.load(path) if path.exists() else write_labels(folder, configuration, prices)


def triple_barrier(configuration: Configuration, prices: Prices) -> np.ndarray:
    """Which barrier the price touches first after each bar (AFML, ch. 3.4); a stop if both."""
    horizon, close = configuration.horizon, prices.close
    bars = np.flatnonzero(np.isfinite(prices.volatility[:-horizon]))
    after = [
        np.lib.stride_tricks.sliding_window_view(values[1:], horizon)[bars]
        for values in (prices.high, prices.low)
    ]
    start, width = close[bars], prices.volatility[bars]
    profit = first_true(after[0] >= (start * (1 + configuration.profit_take * width))[:, None])
    stop = first_true(after[1] <= (start * (1 - configuration.stop_loss * width))[:, None])
    labels = np.zeros(len(bars), LABEL)
    labels["bar"] = bars
    labels["label"] = np.where(profit < stop, 1, np.where(stop < horizon, -1, 0))
    labels["bars_held"] = held = np.minimum(np.minimum(profit, stop) + 1, horizon)
    labels["return"] = np.log(close[bars + held] / start)
    labels["weight"] = uniqueness(bars, held, len(close))
    return labels


def first_true(table: np.ndarray) -> np.ndarray:
    """Where each row is true for the first time; its length where it never is."""
    return np.where(table.any(axis=1), table.argmax(axis=1), table.shape[1])


def uniqueness(bars: np.ndarray, held: np.ndarray, length: int) -> np.ndarray:
    """How much of each label no other one shares, on average over its bars (AFML, ch. 4.2)."""
    begun = np.bincount(bars + 1, minlength=length + 1)
    ended = np.bincount(bars + held + 1, minlength=length + 1)
    concurrent = np.cumsum(begun - ended[: len(begun)])
    shares = np.cumsum(1 / np.maximum(concurrent, 1))
    return (shares[bars + held] - shares[bars]) / held


def correlation(feature: np.ndarray, labels: np.ndarray) -> float:
    """Weighted correlation of a feature at the bars of labels with these."""
    values, signs, weights = feature[labels["bar"]], labels["label"], labels["weight"]
    known = np.isfinite(values)
    if not known.any():
        return 0.0
    table = np.cov(values[known], signs[known], aweights=weights[known])
    scale = np.sqrt(table[0, 0] * table[1, 1])
    return float(table[0, 1] / scale) if scale > 0 else 0.0


def evaluate(strategy: Strategy, market: Market, spread: float) -> dict[str, Any]:
    """Backtest a strategy, half a spread paid at each turn; a row of the results."""
    trend = np.sign(average(market.close, strategy.fast) - average(market.close, strategy.slow))
    wanted = np.where(market.signal >= strategy.threshold, np.nan_to_num(trend), 0.0)
    position = np.concatenate([[0.0], wanted[:-1]])  # decided at a close, held over the next bar
    turnover = np.abs(np.diff(position, prepend=0.0))
    change = np.concatenate([[0.0], market.close[1:] / market.close[:-1] - 1])
    returns = position * change - turnover * spread / 2
    equity = np.cumsum(returns)
    risk = returns.std()
    by_regime = np.bincount(market.regime, returns, minlength=len(REGIMES))
    return {
        **strategy._asdict(),
        "sharpe_ratio": float(returns.mean() / risk * np.sqrt(market.bars_per_year))
        if risk > 0
        else 0.0,
        "total_return": float(equity[-1]),
        "max_drawdown": float((equity - np.maximum.accumulate(equity)).min()),
        "turns": int(np.count_nonzero(turnover)),
        **{f"return_{name}": float(each) for name, each in zip(REGIMES, by_regime, strict=True)},
    }


def average(values: np.ndarray, bars: int) -> np.ndarray:
    """Moving average; NaN where there are not so many bars yet."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means = np.full(len(values), np.nan)
    means[bars - 1 :] = (sums[bars:] - sums[:-bars]) / bars
    return means
