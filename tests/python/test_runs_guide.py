"""The usage guide's blocks on backtests run as they stand, and do what it says."""

import linecache
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backtesting.test import EURUSD
from bodies import RAN, counted
from sklearn.ensemble import RandomForestClassifier

import afml.cache.backtest_cache as old_place
import afml_cache
from afml_cache import BacktestCache, cached_backtest

GUIDE = Path(__file__).with_name("guide_backtests.md")
HEADING = re.compile(r"^#+ ([^\n]*)$|^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks():
    """The guide's blocks by the heading that each stands under."""
    found, heading = {}, ""
    for match in HEADING.finditer(GUIDE.read_text(encoding="utf-8")):
        if match[1]:
            heading = match[1]
        else:
            found[heading] = match[2]
    return found


BLOCKS = blocks()


def run(heading, names, tell_body=False):
    text = BLOCKS[heading]
    if tell_body:  # the one change: it says when its body runs
        text = text.replace("trades = []\n", 'trades = []\n    RAN.warning("momentum")\n')
    source = f"guide-{heading}"
    linecache.cache[source] = (len(text), None, text.splitlines(keepends=True), source)
    exec(compile(text, source, "exec"), names)  # noqa: S102 - that is the test


def strategy(name, sharpe):
    @cached_backtest(name)
    def backtest(data, params):
        equity = data["close"] * sum(params.values())
        metrics = {"sharpe_ratio": sharpe, "max_drawdown": -0.1, "win_rate": 0.5}
        return metrics, pd.DataFrame({"pnl": equity.diff()}), equity

    return backtest


@pytest.fixture
def names():
    data = EURUSD.rename(columns=str.lower)
    size = len(data) // 12

    def fold(number, offset):
        return data.iloc[(number * 2 + offset) * size : (number * 2 + offset + 1) * size]

    return {
        "__name__": "__main__",
        "pd": pd,
        "RAN": RAN,
        "mt5_data": data,
        "trades_df": pd.DataFrame({"pnl": [1.0, -0.5]}),
        "equity_series": pd.Series([1.0, 1.5, 1.0]),
        "get_train_fold": lambda number: fold(number, 0),
        "get_test_fold": lambda number: fold(number, 1),
        "run_mean_reversion_backtest": strategy("mean_reversion", 2.5),
        "run_breakout_backtest": strategy("breakout", 0.5),
        "momentum_params": {"lookback": 20, "threshold": 0.02},
        "mr_params": {"window": 50, "std_dev": 2},
        "breakout_params": {"channel": 55},
    }


def test_the_blocks_run_in_order(names, capsys):
    with counted() as bodies:
        run("Setup", names)
        run("Using the Decorator", names, tell_body=True)
        assert len(bodies) == 1
        assert names["metrics2"] == names["metrics"]
        pd.testing.assert_frame_equal(names["trades2"], names["trades"])
        pd.testing.assert_series_equal(names["equity2"], names["equity"])

        run("Manual Caching", names)
        assert "Sharpe Ratio: 1.5\nTotal Trades: 2\n" in capsys.readouterr().out
        pd.testing.assert_series_equal(names["cached"].equity_curve, names["equity_series"])

        run("Parameter Optimization with Cache", names)
        assert len(bodies) == 3  # lookback 20 was there
        best = names["best_params"]
        assert sorted(best["param_lookback"]) == [10, 20, 30]
        assert list(best["n_trials"]) == [3, 3, 3]

        run("Walk-Forward Analysis", names)
        assert len(bodies) == 8
        run("Walk-Forward Analysis", names)
        assert len(bodies) == 8

    cache = names["backtest_cache"]
    fold = cache.get_walk_forward_split("2024_walk_forward", 4, frames=True)
    assert (fold["fold"], fold["total_folds"]) == (4, 5)
    pd.testing.assert_frame_equal(fold["test_data"], names["get_test_fold"](4))
    assert len(cache.ledger.trials("momentum_strategy").query("kind == 'trial'")) == 3

    capsys.readouterr()
    run("Comparing Strategies", {**names, "run_momentum_backtest": strategy("momentum", 1.5)})
    shown = capsys.readouterr().out
    assert shown.index("mean_reversion") < shown.index("momentum") < shown.index("breakout")


def test_a_ranking_passed_as_parameters_is_its_first_row(names):
    run("Setup", names)
    run("Using the Decorator", names)
    run("Parameter Optimization with Cache", names)
    best, momentum = names["best_params"], names["run_momentum_backtest"]
    momentum(names["mt5_data"], best)
    assert momentum.last_run_id == best.index[0]
    assert names["backtest_cache"].index[...] == best.index[0]


def test_the_model_of_the_complete_example_is_part_of_the_run(names):
    heading = "Complete Example: MT5 Strategy Development"

    def execute_strategy(data, model, params):
        return pd.DataFrame({"pnl": [0.1, -0.1, 0.2]})

    names |= {
        "cached_backtest": cached_backtest,
        "execute_strategy": execute_strategy,
        "calculate_equity_curve": lambda trades: trades["pnl"].cumsum() + 1.0,
    }
    run(heading, names)
    backtest, data = names["run_backtest"], names["mt5_data"]

    def forest(trees):
        features = np.arange(40.0).reshape(20, 2)
        model = RandomForestClassifier(trees, random_state=0)
        return model.fit(features, np.arange(20) % 2)

    metrics, trades, equity = backtest(data, forest(2), {"threshold": 0.02})
    assert metrics["sharpe_ratio"] == 1.65
    assert len(trades) == len(equity) == 3
    backtest(data, forest(2), {"threshold": 0.02})
    assert backtest.cache_info().hits == 1
    backtest(data, forest(3), {"threshold": 0.02})
    assert backtest.cache_info().hits == 1


def test_names_are_the_same_objects_where_scripts_look_for_them():
    for name in old_place.__all__:
        assert getattr(old_place, name) is getattr(afml_cache, name)
    assert sorted(old_place.__all__) == [
        "BacktestCache",
        "BacktestMetadata",
        "BacktestResult",
        "cached_backtest",
        "get_backtest_cache",
    ]
    assert isinstance(old_place.get_backtest_cache(), BacktestCache)
