"""What a backtest returns: metrics, trades, equity, positions and diagnostics, in any shape."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs import series
from afml_cache.runs.result import BacktestResult
from afml_cache.runs.series import EQUITY, TRADES

SLOTS = ("metrics", "trades", "equity_curve", "positions", "diagnostics")
# In what is kept of a run: its trades were left out, and whoever wants them computes it again.
LEFT_OUT = "trades_left_out"
_NAMES = {"equity": "equity_curve"}


class Parts(NamedTuple):
    """The parts of an answer."""

    metrics: Mapping[Any, Any]
    trades: Any = None
    equity_curve: Any = None
    positions: Any = None
    diagnostics: Any = None


def taken_apart(answer: Any) -> Parts:
    """Tell the parts of what a backtest returned.

    A tuple or list is metrics, trades, equity, positions and diagnostics, in this order, as far as
    it goes. A mapping is the metrics, unless its item "metrics" is one: then its items are parts,
    by these names. A series of pandas by names is the metrics too, and that of backtesting.py has
    trades and equity.

    Raises
    ------
    CacheConfigError
        There are no metrics in it.
    """
    if isinstance(answer, BacktestResult) and isinstance(answer.metrics, Mapping):
        return Parts(**{name: getattr(answer, name) for name in SLOTS})
    if series.is_series(answer):
        return Parts(series.metrics_of(answer), answer.get(TRADES), answer.get(EQUITY))
    if isinstance(answer, Mapping):
        if not isinstance(answer.get("metrics"), Mapping):
            return Parts(answer)
        named = {_NAMES.get(name, name): part for name, part in answer.items()}
        return Parts(answer["metrics"], *(named.get(name) for name in SLOTS[1:]))
    if isinstance(answer, tuple | list) and answer:
        first, *others = answer[: len(SLOTS) - 1]
        first = series.metrics_of(first) if series.is_series(first) else first
        if isinstance(first, Mapping):
            return Parts(first, *others, *_rest(answer))
    message = (
        "a backtest returns its metrics, a mapping of names to numbers, alone or first: "
        f"(metrics, trades, equity); this one returned {_shown(answer)}"
    )
    raise CacheConfigError(message)


def _rest(answer: tuple[Any, ...] | list[Any]) -> tuple[Any, ...]:
    """Give what stands behind the positions, as one."""
    rest = answer[len(SLOTS) - 1 :]
    if not rest:
        return ()
    return (rest[0] if len(rest) == 1 else list(rest),)


def _shown(answer: Any) -> str:
    if isinstance(answer, tuple | list):
        inside = ", ".join(type(part).__name__ for part in answer)
        return f"a {type(answer).__name__} of ({inside})"
    return f"a {type(answer).__name__}"


def has_trades(answer: Any) -> bool:
    """Whether what a backtest returned has trades."""
    try:
        return taken_apart(answer).trades is not None
    except CacheConfigError:
        return False


def without_trades(answer: Any) -> Any:
    """Give an answer of the same type and length that has no trades."""
    return with_trades(answer, None)


def with_trades(answer: Any, trades: Any) -> Any:
    """Give an answer of the same type and length with these trades, where it has a place."""
    if isinstance(answer, BacktestResult):
        return dataclasses.replace(answer, trades=trades)
    if series.is_series(answer):
        return series.with_trades(answer, trades)
    if isinstance(answer, Mapping):
        return _with_named_trades(answer, trades)
    if not isinstance(answer, tuple | list) or len(answer) <= SLOTS.index("trades"):
        return answer
    first = series.with_trades(answer[0], trades) if series.is_series(answer[0]) else answer[0]
    parts = [first, trades, *answer[2:]]
    if type(answer) in {tuple, list}:
        return type(answer)(parts)
    make = getattr(type(answer), "_make", None)
    return tuple(parts) if make is None else make(parts)


def _with_named_trades(answer: Mapping[Any, Any], trades: Any) -> Any:
    if not isinstance(answer.get("metrics"), Mapping) or "trades" not in answer:
        return answer
    if not isinstance(answer, MutableMapping):
        return {**answer, "trades": trades}
    changed = copy.copy(answer)
    changed["trades"] = trades
    return changed
