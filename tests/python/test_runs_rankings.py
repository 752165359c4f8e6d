"""Rankings: which runs are the best, and what a ranking is when it is passed on."""

import math

import numpy as np
import pandas as pd
import pytest
from backtests import bars, momentum_of

from afml_cache import (
    BacktestCache,
    CacheConfigError,
    RankingWarning,
    cached_backtest,
    walk_forward,
)

DATA = bars(40)
FIGURES = ["n_trials", "n_independent", "psr", "deflated_sharpe", "pbo", "overfit_note"]
FIXED = ["strategy", "timestamp", "start_date", "end_date"]


@pytest.fixture
def cache():
    return BacktestCache()


def record(cache, metrics, data=DATA, strategy="ranked", **parameters):
    return cache.cache_backtest(strategy, parameters, data, metrics)


def scored(cache, *scores):
    return [record(cache, {"sharpe_ratio": score}, n=n) for n, score in enumerate(scores)]


def test_the_best_come_first(cache):
    runs = scored(cache, 0.5, 2.0, -1.0, 1.0)
    best = cache.find_best_parameters("ranked")
    assert list(best.index) == [runs[1], runs[3], runs[0], runs[2]]
    assert list(best["param_n"]) == [1, 3, 0, 2]
    worst = cache.find_best_parameters("ranked", maximize=False, top_n=np.int64(2))
    assert list(worst["sharpe_ratio"]) == [-1.0, 0.5]


def test_of_equals_the_one_that_was_recorded_first_is_first(cache):
    runs = scored(cache, 1.0, 1.0, 1.0)
    for maximize in (True, False):
        best = cache.find_best_parameters("ranked", maximize=maximize, top_n=2)
        assert list(best.index) == runs[:2]


def test_columns_are_in_their_order_and_typed(cache):
    record(cache, {"sharpe_ratio": 1.0, "trades": 3, "note": "ok"}, lookback=20, stop=0.5)
    best = cache.find_best_parameters("ranked")
    metrics = ["sharpe_ratio", "trades", "note"]
    assert list(best.columns) == [*FIXED, "param_lookback", "param_stop", *metrics, *FIGURES]
    assert best.index.name == "run_id"
    for name in FIXED[1:]:
        assert best[name].dtype == "datetime64[ns, UTC]"
    assert best["param_lookback"].dtype == best["n_trials"].dtype == "int64"
    assert best["sharpe_ratio"].dtype == best["pbo"].dtype == "float64"
    assert best["start_date"].iloc[0] == DATA.index[0].tz_localize("UTC")


@pytest.mark.parametrize("strategy", ["nothing", "ranked"])
def test_an_empty_ranking_has_its_columns_and_says_why(cache, strategy):
    record(cache, {"total_return": 1.0})
    with pytest.warns(RankingWarning, match=f"no runs of '{strategy}' that have `sharpe`"):
        best = cache.find_best_parameters(strategy, "sharpe")
    assert list(best.columns) == [*FIXED, "sharpe", *FIGURES]
    assert len(best) == 0
    assert best["timestamp"].dtype == "datetime64[ns, UTC]"
    assert best["sharpe"].dtype == "float64"
    assert best["n_trials"].dtype == "int64"


WRONG = [math.nan, math.inf, -math.inf, None, "good", [1.0], 10**400, 1 + 1j, np.array([1.0])]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: str(value)[:20])
def test_metrics_that_are_no_finite_number_are_kept_and_not_ranked(cache, value):
    run = record(cache, {"sharpe_ratio": value}, n=1)
    right = record(cache, {"sharpe_ratio": 0.1}, n=2)
    with pytest.warns(RankingWarning, match=r"1 runs of 'ranked' are not ranked: .*NaN, infinite"):
        best = cache.find_best_parameters("ranked")
    assert list(best.index) == [right]
    kept = cache.get_cached_backtest("ranked", {"n": 1}, DATA).metrics["sharpe_ratio"]
    assert kept is value or kept == value or kept != kept  # noqa: PLR0124 - NaN
    assert run in cache.compare_runs([run]).index


@pytest.mark.parametrize(
    ("value", "ranked"),
    [(3, 3), (True, 1), (np.float32(0.5), 0.5), (np.int8(4), 4), (np.array(2.5), 2.5)],
    ids=str,
)
def test_numbers_of_any_kind_are_ranked(cache, value, ranked):
    record(cache, {"sharpe_ratio": value})
    assert list(cache.find_best_parameters("ranked")["sharpe_ratio"]) == [ranked]


def test_runs_without_the_metric_are_not_ranked(cache):
    record(cache, {"total_return": 1.0}, n=1)
    run = record(cache, {"sharpe_ratio": 1.0}, n=2)
    assert list(cache.find_best_parameters("ranked").index) == [run]


def test_different_data_is_told_and_data_chooses(cache):
    one, other = bars(40, seed=1), bars(40, seed=2)
    low = record(cache, {"sharpe_ratio": 1.0}, one)
    high = record(cache, {"sharpe_ratio": 2.0}, other)
    with pytest.warns(RankingWarning, match="saw different data"):
        assert list(cache.find_best_parameters("ranked").index) == [high, low]
    assert list(cache.find_best_parameters("ranked", data=one.copy()).index) == [low]
    with pytest.warns(RankingWarning, match="no runs of 'ranked' on this data"):
        assert len(cache.find_best_parameters("ranked", data=bars(41))) == 0


def test_what_is_not_asked_for_is_not_told(cache, recwarn):
    one, other = bars(40, seed=1), bars(40, seed=2)
    run = record(cache, {"sharpe_ratio": 1.0}, one)
    record(cache, {"sharpe_ratio": math.nan}, other)
    record(cache, {"total_return": 1.0}, other, n=1)
    cache.delete(record(cache, {"sharpe_ratio": 2.0}, other, n=2))
    assert list(cache.find_best_parameters("ranked", data=one).index) == [run]
    assert not recwarn.list
    assert list(cache.find_best_parameters("ranked").index) == [run]
    (told,) = recwarn
    assert "1 runs of 'ranked' are not ranked" in str(told.message)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None, "5"])
def test_top_n_is_a_number_of_runs(cache, wrong):
    with pytest.raises(CacheConfigError, match="`top_n` is how many runs to give"):
        cache.find_best_parameters("ranked", top_n=wrong)


def test_looks_at_tests_are_ranked_on_their_own_data_alone(cache):
    backtest = momentum_of()
    fold = walk_forward(bars(120), train=60, test=30)[0]
    backtest(fold.train, {"lookback": 5})
    trial = backtest.last_run_id
    test = fold.test
    backtest(test, {"lookback": 5})
    assert list(cache.find_best_parameters("momentum").index) == [trial]
    assert list(cache.find_best_parameters("momentum", data=test).index) == [backtest.last_run_id]


def test_whole_numbers_that_floats_cannot_hold_are_shown_exactly(cache):
    most = 2**53 + 1
    record(cache, {"sharpe_ratio": most}, seed=most)
    record(cache, {"sharpe_ratio": 0.5}, other=1)
    record(cache, {"total": 1}, seed=-(2**80))
    listed = cache.runs("ranked")
    assert listed["param_seed"].iloc[[0, 2]].tolist() == [most, -(2**80)]
    assert listed["sharpe_ratio"].iloc[:2].tolist() == [most, 0.5]
    assert listed["param_other"].dtype == "float64"
    listed = cache.runs("ranked", output="polars")
    assert listed["param_seed"].to_list() == [str(most), None, str(-(2**80))]
    assert listed["sharpe_ratio"].to_list() == [str(most), "0.5", None]
    assert listed["param_other"].to_list() == [None, 1, None]


def test_one_metric_may_be_compared_by_its_name_alone(cache):
    run = record(cache, {"sharpe_ratio": 1.0, "drawdown": 0.2})
    assert list(cache.compare_runs(run, "drawdown").columns) == [*FIXED, "drawdown"]


def test_the_leaderboard_has_the_best_of_each_strategy(cache):
    record(cache, {"sharpe_ratio": 1.0}, strategy="one")
    second = record(cache, {"sharpe_ratio": 3.0}, strategy="one", a=1)
    first = record(cache, {"sharpe_ratio": 2.0}, strategy="two")
    record(cache, {"total_return": 2.0}, strategy="three")
    board = cache.leaderboard()
    assert list(board["strategy"]) == ["one", "two"]
    assert list(board.index) == [second, first]
    assert list(board["n_trials"]) == [2, 1]
    assert list(cache.leaderboard(maximize=False)["sharpe_ratio"]) == [1.0, 2.0]
    assert len(cache.leaderboard("nothing")) == 0


def test_metrics_named_like_columns_do_not_stand_in_their_place(cache):
    run = record(cache, {"strategy": 5, "timestamp": 1.0, "run_id": 7, "sharpe_ratio": 1.0})
    best = cache.find_best_parameters("ranked")
    assert list(best["strategy"]) == ["ranked"]
    assert list(best.index) == [run]
    found = cache.get_cached_backtest("ranked", {}, DATA)
    assert found.metrics["strategy"] == 5


@pytest.fixture
def typed(cache):
    """A backtest with parameters of several types, and its ranking."""

    @cached_backtest("typed")
    def backtest(data, params):
        return {"sharpe_ratio": float(params["n"])}

    grid = [{"n": n, "windows": (n, 5), "on": n > 1, "name": "x"} for n in np.arange(3)]
    for parameters in grid:
        backtest(DATA, parameters)
    return backtest, cache.find_best_parameters("typed")


def test_a_ranking_as_parameters_is_its_first_row_typed(cache, typed):
    backtest, best = typed
    for chosen, row in [
        (best, 0),
        (best.head(1), 0),
        (best.iloc[[1]], 1),
        (best.sort_values("sharpe_ratio"), 2),
        (best.iloc[2], 2),
        (cache.compare_runs(list(best.index[1:])), 1),
        (best[["strategy", "param_n"]].tail(1), 2),
        (cache.runs("typed").sort_values("sharpe_ratio", ascending=False), 0),
    ]:
        backtest(DATA, chosen)
        assert backtest.last_run_id == best.index[row]
    assert backtest.cache_info().misses == 3
    assert cache.get_cached_backtest("typed", best, DATA).metadata.run_id == best.index[0]
    parameters = cache.index[best.index[0]]["parameters"]
    assert parameters == {"n": 2, "windows": (2, 5), "on": True, "name": "x"}
    assert type(parameters["n"]) is int


def test_a_ranking_whose_runs_are_gone_means_what_it_shows(cache, typed):
    backtest, best = typed
    best = best.drop(columns="param_windows")
    best.attrs.clear()
    for run in list(cache.index):
        cache.delete(run)
    backtest(DATA, best)
    assert cache.index[...] == backtest.run_id(DATA, {"n": 2, "on": True, "name": "x"})


def test_an_empty_ranking_as_parameters_is_refused(cache, typed, recwarn):
    backtest, best = typed
    with pytest.raises(CacheConfigError, match="given as parameters has no rows"):
        backtest(DATA, best.head(0))
    with pytest.raises(CacheConfigError, match="given as parameters has no rows"):
        cache.cache_backtest("typed", cache.find_best_parameters("nothing"), DATA, {})
    assert len(recwarn) == 1


def test_a_frame_that_is_no_ranking_is_data(cache):
    @cached_backtest("frames")
    def backtest(prices, params):
        return {"sharpe_ratio": float(len(prices))}

    listed = pd.DataFrame({"strategy": ["x"], "param_n": [1]})
    assert backtest(listed, {"n": 1}) == {"sharpe_ratio": 1.0}


def test_some_runs_are_ranked_by_their_ids(cache):
    runs = scored(cache, 0.5, 2.0, -1.0, 1.0, 1.0)
    best = cache.find_best_parameters("ranked", run_ids=[runs[4], runs[3], runs[0], runs[3]])
    assert list(best.index) == [runs[3], runs[4], runs[0]]
    assert best["n_trials"].tolist() == [5, 5, 5]
    worst = cache.find_best_parameters(
        "ranked", maximize=False, top_n=1, run_ids=iter(runs), data=DATA
    )
    assert list(worst.index) == [runs[2]]
    assert list(cache.find_best_parameters("ranked", run_ids=runs[0]).index) == [runs[0]]


def test_a_ranking_by_ids_warns_as_any_other(cache):
    low = record(cache, {"sharpe_ratio": 1.0}, bars(40, seed=1))
    high = record(cache, {"sharpe_ratio": 2.0}, bars(40, seed=2))
    broken = record(cache, {"sharpe_ratio": math.nan}, n=1)
    other = record(cache, {"sharpe_ratio": 3.0}, strategy="other")
    deleted = record(cache, {"sharpe_ratio": 4.0}, n=2)
    cache.delete(deleted)
    asked = [low, high, broken, other, deleted, "0" * 32]
    with pytest.warns(RankingWarning) as told:
        best = cache.find_best_parameters("ranked", run_ids=asked)
    assert list(best.index) == [high, low]
    missing, unranked, differ = (str(each.message) for each in told)
    assert missing.startswith("3 of 6 runs are not of 'ranked' in")
    assert missing.endswith(f"{other}, {deleted}, {'0' * 32}")
    assert "1 runs of 'ranked' are not ranked" in unranked
    assert "saw different data" in differ
    with pytest.warns(RankingWarning, match="there are no runs of 'ranked' that have"):
        assert len(cache.find_best_parameters("ranked", run_ids=[])) == 0


def test_runs_of_other_code_than_the_last_are_told_and_ids_choose(cache, recwarn):
    old = cache.cache_backtest("ranked", {}, DATA, {"sharpe_ratio": 2.0}, code="1")
    assert list(cache.find_best_parameters("ranked").index) == [old]
    assert not recwarn.list
    new = cache.cache_backtest("ranked", {}, DATA, {"sharpe_ratio": 1.0}, code="2")
    for most in (1, 2):
        with pytest.warns(
            RankingWarning, match=r"not all of the code that was run last; .*run_ids"
        ):
            best = cache.find_best_parameters("ranked", data=DATA, top_n=most)
        assert list(best.index) == [old, new][:most]
    recwarn.clear()
    assert list(cache.find_best_parameters("ranked", run_ids=[new]).index) == [new]
    cache.delete(old)
    assert list(cache.find_best_parameters("ranked").index) == [new]
    assert not recwarn.list
