"""Metrics that are a series of pandas, as engines of backtests give them."""

from __future__ import annotations

import sys
from typing import Any, Final

# Where backtesting.py keeps what is no metric.
TRADES: Final = "_trades"
EQUITY: Final = "_equity_curve"


def is_series(value: Any) -> bool:
    """Whether a value is a series of pandas whose labels are names, each once."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, pandas.Series):
        return False
    names = list(value.index)
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def metrics_of(series: Any) -> dict[str, Any]:
    """Give the metrics: all but what has a name that begins with an underscore."""
    return {name: value for name, value in series.items() if not name.startswith("_")}


def with_trades(series: Any, trades: Any) -> Any:
    """Give the same series with these trades, where it has a place for them."""
    if TRADES not in series.index:
        return series
    changed = series.copy()
    changed.__class__ = type(series)  # of backtesting.py's a copy is a plain series
    # A frame that is assigned by its label would be spread over the rows.
    changed.iat[changed.index.get_loc(TRADES)] = trades
    return changed
