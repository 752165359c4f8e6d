"""What the ledger says of trials: deflated Sharpe ratios, overfitting, or why there is none."""

import math

import numpy as np
import pandas as pd
import pytest
from backtests import bars

from afml_cache import (
    BacktestCache,
    deflated_sharpe_ratio,
    independent_trials,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    sharpe_ratio,
)

DATA = bars(250)


@pytest.fixture
def cache():
    return BacktestCache()


def noise(cache, count, *, edge=0.0, rows=400, strategy="noise", record=True):
    """Returns of some trials that know nothing, and what is recorded of them."""
    drawn = np.random.default_rng(7)
    data = bars(rows)
    returns = pd.DataFrame(drawn.normal(0, 0.01, (rows - 1, count)), data.index[1:])
    returns[0] += edge
    for trial in range(count if record else 0):
        equity = (1 + pd.concat([pd.Series([0.0], data.index[:1]), returns[trial]])).cumprod()
        cache.cache_backtest(strategy, {"n": trial}, data, {"sharpe_ratio": 1.0}, None, equity)
    return returns


def test_figures_agree_with_those_computed_by_hand(cache):
    returns = noise(cache, 12)
    sharpes = returns.apply(sharpe_ratio)
    trials = independent_trials(returns)
    best = cache.find_best_parameters("noise", top_n=12)
    assert best["n_trials"].tolist() == [12] * 12
    np.testing.assert_allclose(best["n_independent"], float(trials), rtol=1e-5)
    for _, row in best.iterrows():
        own = returns[row["param_n"]]
        assert row["psr"] == pytest.approx(float(probabilistic_sharpe_ratio(own)), rel=1e-9)
        by_hand = deflated_sharpe_ratio(own, variance=sharpes.var(), trials=trials)
        assert row["deflated_sharpe"] == pytest.approx(float(by_hand), rel=1e-5)


def test_figures_are_of_the_latest_runs_alone(cache):
    noise(cache, 12, edge=0.02)
    longer = noise(cache, 12, rows=500)
    best = cache.find_best_parameters("noise", data=bars(500), top_n=12)
    sharpes = longer.apply(sharpe_ratio)
    row = best.iloc[0]
    by_hand = deflated_sharpe_ratio(
        longer[row["param_n"]], variance=sharpes.var(), trials=row["n_independent"]
    )
    assert row["deflated_sharpe"] == pytest.approx(float(by_hand), rel=1e-5)
    assert row["n_independent"] == pytest.approx(float(independent_trials(longer)), rel=1e-5)


def test_a_single_trial_is_measured_against_zero(cache):
    noise(cache, 1)
    row = cache.find_best_parameters("noise").iloc[0]
    assert row["deflated_sharpe"] == row["psr"]
    assert (row["n_trials"], row["n_independent"]) == (1, 1.0)


def test_looks_at_tests_without_any_trial_are_measured_against_zero(cache):
    data = bars(100)
    cache.cache_walk_forward_split("split", data[:50], data[50:], 0, 1)
    equity = data["close"][50:]
    cache.cache_backtest("looks", {}, data[50:], {"sharpe_ratio": 1.0}, None, equity)
    row = cache.find_best_parameters("looks", data=data[50:]).iloc[0]
    assert row["n_trials"] == 0
    assert row["deflated_sharpe"] == row["psr"] > 0


@pytest.mark.parametrize(
    ("equity", "said"),
    [
        (None, "gave no equity curve"),
        ([1.0, 1.1, 1.2], "fewer than 30 returns"),
        (np.ones(40), "do not vary"),
        (np.append(np.nan, np.zeros(39)), "not above"),
        (["a", "b"], "not made of numbers"),
        ([], "has no rows"),
        (np.ones((40, 2)), r"has the shape \(40, 2\)"),
        (pd.Series(np.arange(1.0, 41), DATA.index[:40][::-1]), "times are not in order"),
        (np.append(np.arange(1.0, 40), np.nan), "missing"),
        (np.array([10**400, 1], dtype=object), "not made of numbers"),
    ],
    ids=["none", "short", "flat", "zero", "text", "empty", "shape", "order", "missing", "huge"],
)
def test_without_figures_there_is_a_reason(cache, equity, said):
    cache.cache_backtest("reasons", {}, DATA, {"sharpe_ratio": 3.0}, None, equity)
    row = cache.find_best_parameters("reasons").iloc[0]
    assert math.isnan(row["deflated_sharpe"])
    assert pd.Series(row["overfit_note"]).str.contains(said).all(), row["overfit_note"]


def test_masked_values_of_an_equity_are_missing(cache):
    equity = DATA["close"].to_numpy().copy()
    equity[[0, 100]] = 1e9
    masked = np.ma.masked_greater(equity, 1e8)
    cache.cache_backtest("masked", {"n": 0}, DATA[:100], {}, None, masked[:100])
    cache.cache_backtest("masked", {"n": 1}, DATA, {}, None, masked)
    trials = cache.ledger.trials("masked")
    assert trials["sharpe"][0] == pytest.approx(sharpe_ratio(DATA["close"][1:100].pct_change()[1:]))
    assert "missing" in trials["note"][1]


def test_the_equity_column_of_a_frame_is_the_equity(cache):
    equity = pd.DataFrame({"Equity": DATA["close"], "DrawdownPct": 0.0}, DATA.index)
    cache.cache_backtest("frame", {}, DATA, {}, None, equity)
    assert cache.ledger.trials("frame")["periods"].tolist() == [249]


def test_a_clock_that_is_set_back_is_no_disorder(cache):
    index = pd.date_range("2023-10-28", periods=96, freq="30min", tz="Europe/Berlin")
    equity = pd.Series(np.linspace(1, 2, 96), index)
    run = cache.cache_backtest("clock", {}, DATA, {}, None, equity)
    assert cache.ledger.trials("clock")["periods"].tolist() == [95]
    assert [day.day for day in cache.returns(run).index] == [28, 29]


@pytest.mark.parametrize("kind", ["price", "pnl", "returns"])
def test_equity_kind_says_what_an_equity_is(cache, kind):
    returns = np.random.default_rng(1).normal(0.001, 0.01, 249)
    steps = np.append(0.0, returns)
    equity = {"price": (1 + steps).cumprod(), "pnl": steps.cumsum() * 1e6, "returns": steps}[kind]
    cache.cache_backtest("kind", {}, DATA, {}, None, equity, equity_kind=kind)
    (trial,) = cache.ledger.trials("kind").to_dict("records")
    expected = sharpe_ratio(steps if kind == "returns" else returns)
    assert trial["sharpe"] == pytest.approx(float(expected))


def test_overfitting_is_that_of_the_returns(cache):
    returns = noise(cache, 12)
    found = cache.overfitting("noise")
    assert found == pytest.approx(float(probability_of_backtest_overfitting(returns)), abs=1e-6)
    assert (found.trials, found.periods) == (12, 384)
    assert found == cache.ledger.overfitting("noise")
    assert cache.find_best_parameters("noise")["pbo"].tolist() == [float(found)] * 5


def test_overfitting_is_known_until_a_trial_changes(cache):
    noise(cache, 12)
    before = cache.find_best_parameters("noise").iloc[0]
    assert math.isnan(before["pbo"])
    assert "pbo: not computed so far, see overfitting()" in before["overfit_note"]
    found = cache.overfitting("noise")
    assert cache.find_best_parameters("noise").iloc[0]["overfit_note"] == ""
    cache.cache_backtest("noise", {"n": 12}, bars(400), {"sharpe_ratio": 0.5}, None, None)
    row = cache.find_best_parameters("noise").iloc[0]
    assert row["pbo"] == found
    assert row["overfit_note"] == "pbo: of other trials, see overfitting()"
    assert cache.overfitting("noise").trials == 12
    assert cache.find_best_parameters("noise").iloc[0]["overfit_note"] == ""


def test_a_real_edge_is_not_overfitting(cache):
    noise(cache, 12, edge=0.01)
    assert cache.overfitting("noise") == 0.0


def test_too_few_trials_have_no_overfitting(cache):
    noise(cache, 3)
    found = cache.overfitting("noise")
    assert math.isnan(found)
    assert "fewer than 10 trials" in found.reason
    assert "fewer than 10 trials" in cache.find_best_parameters("noise").iloc[0]["overfit_note"]
