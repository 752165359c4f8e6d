"""What `runs.zip` is made of: backtests, runs that were noted by hand, a split and an old index."""

import contextlib
import datetime as dt
import functools
import itertools
import json
import math
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import stored  # noqa: F401 - sets the secret, before all else

import afml_cache

LOOKBACKS = range(1, 12)
# The worst two: what is pinned is not pruned.
PINNED, PRUNED = 5, 4
DELETED = 7
OLD = {
    "0123456789abcdef0123456789abcdef": {
        "strategy": "taken over",
        "parameters": {"window": 50},
        "data_hash": "9f8e",
        "timestamp": 1_714_000_000.25,
        "metrics": {"sharpe_ratio": 0.75},
    }
}


def walk(count):
    """Prices that go up and down by chance: the same under every Python, and exact as floats."""
    state, price = 1, 1000.0
    for _ in range(count):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        price += ((state >> 16) % 201 - 100) / 16
        yield price


@functools.cache
def bars(count=200, freq="D", symbol="GOLD"):
    import pandas as pd

    # Unit and labels are those that pandas 2 and 3 agree on.
    index = pd.date_range("2024-01-01", periods=count, freq=freq, tz="UTC", name="time")
    frame = pd.DataFrame({"close": list(walk(count))}).set_index(index.as_unit("ns"))
    frame.columns = pd.Index(["close"], dtype=object)
    frame.attrs["symbol"] = symbol
    return frame


def folds():
    """Training and test of each fold of the split."""
    return [(bars()[:120], bars()[120:160]), (bars()[:160], bars()[160:])]


def earned(closes, sides):
    """The equity of holding `sides` until the next bar."""
    equity = [1000.0]
    for (before, now), side in zip(itertools.pairwise(closes), sides, strict=False):
        equity.append(equity[-1] * (1 + side * (now / before - 1)))
    return equity


def sharpe(equity):
    """By bar; of sums that are the same under every Python."""
    returns = [now / before - 1 for before, now in itertools.pairwise(equity)]
    mean = math.fsum(returns) / len(returns)
    squares = [(each - mean) * (each - mean) for each in returns]
    return mean / math.sqrt(math.fsum(squares) / (len(returns) - 1))


def backtest(data, lookback):
    if lookback < 1:
        message = "it looks back on nothing"
        raise ValueError(message)
    closes = data["close"].tolist()
    pairs = zip(closes[lookback:], closes, strict=False)
    sides = [0.0] * lookback + [1.0 if now < before else -1.0 for now, before in pairs]
    equity = earned(closes, sides)
    metrics = {"sharpe_ratio": sharpe(equity), "bars": len(closes)}
    traded = data.assign(side=sides, equity=equity)
    return metrics, traded[["close", "side"]], traded["equity"]


def reversal(data, params):
    """Its code is in the key, with that of what it calls."""
    metrics, trades, equity = backtest(data, params["lookback"])
    return metrics, trades[params["lookback"] :: 7], equity


def scalper(data, params):
    """An answer that is too large for the log."""
    metrics, trades, equity = backtest(data, params["lookback"])
    return {"metrics": metrics, "trades": trades, "equity": equity, "positions": trades}


def decorated(store):
    """The functions under their strategies' names, of one store."""
    cache = afml_cache.BacktestCache(store=store)
    about = {"dataset": "golden", "costs": {"spread": 0.5}, "tags": {"by": "us"}, "notes": "golden"}
    of_code = afml_cache.cached_backtest("reversal", cache=cache, **about)
    of_words = afml_cache.cached_backtest("scalper", cache=cache, track_code=False, version="1")
    return {"reversal": of_code(reversal), "scalper": of_words(scalper)}


def calls():
    """Strategy and arguments of each backtest, by name."""
    made = {f"reversal {each}": ("reversal", (bars(), {"lookback": each})) for each in LOOKBACKS}
    made["test"] = "reversal", (folds()[1][1], {"lookback": PINNED})
    made["large"] = "scalper", (bars(1_800, "h"), {"lookback": 24})
    return made


class Noted(NamedTuple):
    """A run that was noted by hand; `named` are the other arguments of `cache_backtest`."""

    strategy: str
    parameters: dict[str, Any]
    data: Any
    metrics: dict[str, Any]
    named: dict[str, Any]


def kinds():
    """Parameters of many types."""
    instant = dt.datetime(2024, 5, 3, 14, 30, tzinfo=dt.timezone.utc)
    return {
        "whether": True,
        "count": 20,
        "ratio": 0.25,
        "name": "gold in \N{EURO SIGN}",
        "nothing": None,
        "pair": (1, 2.5),
        "nested": {"stops": [0.5, 1], "at": {"open": True}},
        "when": (instant.date(), instant, dt.timedelta(hours=1)),
        "tick": Decimal("0.25"),
    }


def noted():
    """The runs that were noted by hand, by name."""
    metrics, trades, equity = backtest(bars(), 2)
    by_symbol = {"GOLD": bars(), "SILVER": bars(symbol="SILVER")}
    told = {"sharpe_ratio": 1.25, "trades": 42, "note": "ok", "odd": math.nan, "none": None}
    about = {"seconds": 2.5, "notes": "mine", "tags": {"by": "me"}, "splits": 5, "purpose": "look"}
    profit = {"equity_curve": equity - 1000, "equity_kind": "pnl", "costs": {"commission": 0.001}}
    returns = {"equity_curve": equity.pct_change().fillna(0.0), "equity_kind": "returns"}
    rest = {"positions": trades[:9], "diagnostics": {"folds": [1, 2]}}
    return {
        "profits": Noted("by hand", kinds(), bars(), told, {**about, **profit}),
        "returns": Noted("by hand", {"a": 1}, bars(), metrics, {"code": "2024-05", **returns}),
        "bare": Noted("by hand", {"a": 1}, bars(), {"sharpe_ratio": math.inf}, {}),
        "rows": Noted("pairs", {"a": 1}, by_symbol, metrics, {"equity_curve": equity.tolist()}),
        "traded anew": Noted("by hand", {"a": 2}, [bars(), bars()[:50]], metrics, rest),
    }


def traded_anew():
    """The trades that a run was given later."""
    return bars()[:20]


def try_all(store):
    """Record all of it, and change what runs become."""
    cache, functions = afml_cache.BacktestCache(store=store), decorated(store)
    for number, (train, test) in enumerate(folds()):
        cache.cache_walk_forward_split("walk", train, test, number, len(folds()))
    ids = {}
    for name, (strategy, arguments) in calls().items():
        functions[strategy](*arguments)
        ids[name] = functions[strategy].last_run_id
    with contextlib.suppress(ValueError):
        functions["reversal"](bars(), {"lookback": 0})
    for name, run in noted().items():
        ids[name] = cache.cache_backtest(*run[:4], **run.named)
    cache.cache_trades(ids["traded anew"], traded_anew())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "backtest_index.json").write_text(json.dumps(OLD))
        (ids["taken over"],) = cache.import_index(folder, dataset="old")
    for each in (PINNED, PRUNED):
        cache.pin(ids[f"reversal {each}"])
    cache.unpin(ids[f"reversal {PRUNED}"])
    cache.delete(ids[f"reversal {DELETED}"])
    cache.prune(len(LOOKBACKS) - 2, strategy="reversal")
    return ids
