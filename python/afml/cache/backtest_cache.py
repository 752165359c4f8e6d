"""Backtests, where scripts look for them."""

from afml_cache import (
    BacktestCache,
    BacktestMetadata,
    BacktestResult,
    cached_backtest,
    get_backtest_cache,
)

__all__ = [
    "BacktestCache",
    "BacktestMetadata",
    "BacktestResult",
    "cached_backtest",
    "get_backtest_cache",
]
