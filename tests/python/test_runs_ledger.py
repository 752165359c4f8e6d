"""The ledger: what was tried, by family, and what counts as a trial."""

from collections import OrderedDict

import numpy as np
import polars as pl
import pytest
from backtests import bars, momentum_of, polars_bars
from bodies import counted

from afml_cache import (
    BacktestCache,
    CacheConfigError,
    cached_backtest,
    sharpe_ratio,
    walk_forward,
)

DATA = bars(250)
COLUMNS = ["run_id", "kind", "timestamp", "state", "periods", "sharpe", "note"]


@pytest.fixture
def cache():
    return BacktestCache()


def kinds(cache, *family):
    return cache.ledger.trials(*family)["kind"].tolist()


def families(cache):
    return [tuple(family) for family in cache.ledger.families()]


def test_a_family_is_a_strategy_a_data_set_and_a_purpose(cache):
    for name, lookback, options in [
        ("one", 5, {}),
        ("one", 6, {"dataset": "EURUSD"}),
        ("one", 7, {"dataset": "EURUSD", "purpose": "holdout"}),
        ("other", 5, {}),
    ]:
        momentum_of(name, **options)(DATA, {"lookback": lookback})
    assert families(cache) == [
        ("one", "1D", ""),
        ("one", "EURUSD", ""),
        ("one", "EURUSD", "holdout"),
        ("other", "1D", ""),
    ]
    assert cache.ledger.families("other") == [("other", "1D", "")]
    assert kinds(cache, "one", "EURUSD", "holdout") == ["trial"]
    assert kinds(cache, "one", None, "holdout") == ["trial"]
    with pytest.raises(CacheConfigError, match="'one' has several families; say which: dataset="):
        cache.ledger.trials("one")
    with pytest.raises(CacheConfigError, match="has no such family; it has dataset='1D'"):
        cache.ledger.trials("other", "EURUSD")
    with pytest.raises(CacheConfigError, match="nothing was tried of a strategy 'third'"):
        cache.ledger.overfitting("third")
    assert repr(cache.ledger).startswith("<ledger of 4 families in ")


@pytest.mark.parametrize(
    ("data", "dataset"),
    [
        (bars(40, source="mt5", symbol="EURUSD", timeframe="H1"), "mt5/EURUSD/H1"),
        (bars(40, freq="5min", symbol="EURUSD"), "EURUSD/5min"),
        (bars(40, freq="h").assign(symbol="GBPUSD"), "GBPUSD/1h"),
        (bars(40, freq="7D"), "1W"),
        ({"GBPUSD": bars(40), "EURUSD": bars(40)}, "EURUSD+GBPUSD/1D"),
        ([bars(40, symbol="A"), bars(40, symbol="B")], "A+B/1D"),
        (polars_bars(40, freq="h").with_columns(symbol=pl.lit("EURUSD")), "EURUSD/1h"),
        (np.arange(40.0), ""),
        (bars(1), ""),
    ],
    ids=["attrs", "5min", "column", "weekly", "by symbol", "list", "polars", "array", "one row"],
)
def test_a_data_set_is_named_by_source_symbol_and_timeframe(cache, data, dataset):
    cache.cache_backtest("named", {}, data, {})
    assert families(cache) == [("named", dataset, "")]


def test_any_mapping_by_symbol_is_named_by_its_symbols(cache):
    frames = OrderedDict(GBPUSD=bars(40), EURUSD=bars(40))
    cache.cache_backtest("mappings", {}, frames, {"sharpe_ratio": 1.0})
    assert families(cache) == [("mappings", "EURUSD+GBPUSD/1D", "")]


def test_a_run_is_of_the_family_that_it_was_recorded_for_first(cache):
    momentum_of(purpose="study")(DATA, {"lookback": 5})
    momentum_of(purpose="holdout")(DATA, {"lookback": 5})  # a hit
    momentum_of(purpose="holdout", dataset="other").refresh(DATA, {"lookback": 5})
    assert families(cache) == [("momentum", "1D", "study")]
    assert cache.find_best_parameters("momentum")["n_trials"].tolist() == [1]
    assert kinds(cache, "momentum", None, "study") == ["trial"]


def test_what_was_tried_stays_in_its_family_when_a_run_is_recorded_again(cache):
    for purpose, lookback in [("study", 5), ("study", 10), ("holdout", 10)]:
        cache.cache_backtest(
            "by hand", {"n": lookback}, DATA, {"sharpe_ratio": 1.0}, purpose=purpose
        )
    assert kinds(cache, "by hand", None, "study") == ["trial", "trial"]
    cache.delete(cache.index[...])
    cache.cache_backtest("by hand", {"n": 10}, DATA, {"sharpe_ratio": 2.0}, purpose="holdout")
    assert kinds(cache, "by hand", None, "study") == ["trial", "trial"]


def test_a_trial_is_code_and_parameters(cache):
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    backtest(DATA, {"lookback": np.int64(5)})
    backtest(DATA, {"lookback": 6})
    backtest.refresh(DATA, {"lookback": 6})
    momentum_of(version="2")(DATA, {"lookback": 6})
    assert kinds(cache, "momentum") == ["trial"] * 3
    best = cache.find_best_parameters("momentum")
    assert best["n_trials"].tolist() == [3, 3, 3]


def test_longer_and_restated_history_is_the_same_trial_and_the_latest_counts(cache):
    backtest = momentum_of()
    restated = DATA.copy()
    restated.iloc[100, 0] *= 1.01
    for data in (DATA[:200], DATA, restated):
        backtest(data, {"lookback": 5})
    (trial,) = cache.ledger.trials("momentum").to_dict("records")
    assert trial["run_id"] == backtest.last_run_id
    assert trial["periods"] == 249
    backtest(DATA[:200], {"lookback": 5})  # a hit changes nothing
    assert cache.ledger.trials("momentum")["run_id"].tolist() == [trial["run_id"]]
    assert len(cache.index) == 3


def test_trials_are_listed_with_their_columns(cache):
    backtest = momentum_of()
    metrics, _, equity = backtest(DATA, {"lookback": 5})
    listed = cache.ledger.trials("momentum")
    assert listed.columns.tolist() == COLUMNS
    (trial,) = listed.to_dict("records")
    returns = equity.pct_change().dropna()
    assert trial["sharpe"] == pytest.approx(float(sharpe_ratio(returns)))
    assert (trial["state"], trial["periods"], trial["note"]) == ("whole", 249, "")
    assert trial["timestamp"].utcoffset().total_seconds() == 0
    assert metrics["sharpe_ratio"] != trial["sharpe"]  # never the user's own


def test_folds_of_a_kept_split_are_listed_and_not_counted(cache):
    backtest = momentum_of()
    train, test = DATA[:150], DATA[150:]
    cache.cache_walk_forward_split("split", train, test, 0, 1)
    backtest(train, {"lookback": 5})
    backtest(test.copy(), {"lookback": 5})
    assert kinds(cache, "momentum") == ["trial", "test"]
    assert cache.find_best_parameters("momentum")["n_trials"].tolist() == [1]
    assert cache.runs("momentum")["kind"].tolist() == ["trial", "test"]


def test_folds_of_a_walk_are_listed_and_not_counted(cache):
    backtest = momentum_of()
    for fold in cache.walk_forward(DATA, train=100, test=50, split_id="walk"):
        backtest(fold.train, {"lookback": 5})
        backtest(fold.test, {"lookback": 5})
    assert kinds(cache, "momentum") == ["trial", "test", "test", "test"]
    fold = cache.get_walk_forward_split("walk", 2)
    assert (fold["fold"], fold["total_folds"], fold["version"]) == (2, 3, 1)


def test_folds_of_a_plain_walk_are_listed_and_not_counted(cache):
    backtest = momentum_of()
    by_symbol = {"A": DATA, "B": bars(250, seed=1)}
    for fold in walk_forward(DATA, train=100, test=50):
        backtest(fold.test, {"lookback": 5})

    @cached_backtest("symbols")
    def symbols(data, params):
        return {"sharpe_ratio": float(len(data))}

    for fold in walk_forward(by_symbol, train=100, test=50):
        symbols(fold.test, {})
    assert kinds(cache, "momentum") == kinds(cache, "symbols") == ["test"] * 3


def test_data_that_trains_too_is_no_test(cache):
    backtest = momentum_of()
    cache.cache_walk_forward_split("rolling", DATA[:50], DATA[50:100], 0, 2)
    cache.cache_walk_forward_split("rolling", DATA[50:100], DATA[100:150], 1, 2)
    backtest(DATA[50:100], {"lookback": 5})
    assert kinds(cache, "momentum") == ["trial"]


@pytest.mark.parametrize("embargo", [0, 10])
def test_a_test_that_a_later_fold_trains_on_is_no_test(cache, embargo):
    backtest, data = momentum_of(), bars(250, seed=2 + embargo)
    for fold in walk_forward(data, train=50 + embargo, test=50, embargo=embargo, step=50 + embargo):
        for lookback in (5, 6):
            backtest(fold.train, {"lookback": 5 * fold.number + lookback})
        backtest(fold.test, {"lookback": 5 * fold.number + 5})
    assert cache.find_best_parameters("momentum")["n_trials"].tolist()[0] == 2 * (fold.number + 1)


def test_training_on_an_earlier_test_of_several_symbols_is_a_trial(cache):
    @cached_backtest("symbols")
    def symbols(data, params):
        return {"sharpe_ratio": float(len(data))}

    by_symbol = {"A": bars(250, seed=3), "B": bars(250, seed=4)}
    for fold in cache.walk_forward(by_symbol, train=50, test=50):
        symbols(fold.train, {"n": fold.number})
        symbols(fold.test, {"n": -1})
    assert kinds(cache, "symbols") == ["trial"] * 4 + ["test"] * 4


def test_hits_leave_the_ledger_alone(cache):
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    before = cache.native.families()
    with counted() as bodies:
        for _ in range(5):
            backtest(DATA, {"lookback": 5})
        assert len(bodies) == 0
    assert cache.native.families() == before
