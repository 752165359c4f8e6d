"""Looking a backtest up: by name, parameters and data, with its code or without."""

import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from backtests import bars, nothing

from afml_cache import (
    BacktestCache,
    CacheConfigError,
    PrunedError,
    RunNotFoundError,
    UncacheableArgumentError,
    cached_backtest,
)

DATA = bars(40)


@pytest.fixture
def cache():
    return BacktestCache()


def sharpe(found):
    return None if found is None else found.metrics["sharpe_ratio"]


def test_a_run_recorded_without_code_is_found_without_code(cache):
    run = cache.cache_backtest("by_hand", {"a": np.int64(1)}, DATA, {"sharpe_ratio": 1.5})
    found = cache.get_cached_backtest("by_hand", {"a": 1}, DATA.copy())
    assert sharpe(found) == 1.5
    assert found.metadata.run_id == run == cache.index[...]
    assert cache.get_cached_backtest("by_hand", {"a": 2}, DATA) is None
    assert cache.get_cached_backtest("by_hand", {"a": 1}, DATA[:-1]) is None
    assert cache.get_cached_backtest("another", {"a": 1}, DATA) is None


def test_a_run_recorded_with_words_is_found_with_the_same_words(cache):
    cache.cache_backtest("words", {}, DATA, {"sharpe_ratio": 1.0}, code="2024-05, first try")
    cache.cache_backtest("words", {}, DATA, {"sharpe_ratio": 2.0}, code="2024-06")
    assert sharpe(cache.get_cached_backtest("words", {}, DATA, code="2024-06")) == 2.0
    assert cache.get_cached_backtest("words", {}, DATA, code="2024-07") is None


def test_without_code_the_function_of_that_name_is_meant(cache):
    @cached_backtest("registered", version="2")
    def backtest(data, params, fee=0.1):
        return {"sharpe_ratio": fee}

    backtest(DATA, {"a": 1})
    assert sharpe(cache.get_cached_backtest("registered", {"a": 1}, DATA)) == 0.1
    backtest(DATA, {"a": 2}, fee=0.2)
    assert cache.get_cached_backtest("registered", {"a": 2}, DATA) is None


def test_parameters_that_are_keywords_of_their_own_are_found(cache):
    @cached_backtest("keywords")
    def keywords(data, **params):
        return {"sharpe_ratio": float(params["a"])}

    @cached_backtest("some_keywords")
    def some_keywords(data, a, b=2, **options):
        return {"sharpe_ratio": float(a)}

    keywords(DATA, a=1, b=2)
    some_keywords(DATA, 3, c=4)
    assert sharpe(cache.get_cached_backtest("keywords", {"b": 2, "a": 1}, DATA)) == 1.0
    assert sharpe(cache.get_cached_backtest("keywords", {"a": 1, "b": 2}, DATA, code=keywords)) == 1
    assert cache.get_cached_backtest("keywords", {"a": 1}, DATA) is None
    assert sharpe(cache.get_cached_backtest("some_keywords", {"a": 3, "c": 4}, DATA)) == 3.0
    assert cache.get_cached_backtest("some_keywords", {"a": 3, "d": 4}, DATA) is None


def test_a_function_is_meant_decorated_wrapped_or_plain(cache):
    def plain(data, params):
        return {"sharpe_ratio": 1.0}

    backtest = cached_backtest("function", version="2")(plain)
    backtest(DATA, {})
    for code in (backtest, backtest.__wrapped__, plain):
        assert sharpe(cache.get_cached_backtest("function", {}, DATA, code=code)) == 1.0
    assert cache.get_cached_backtest("function", {}, DATA, code=nothing) is None
    assert cache.get_cached_backtest("another", {}, DATA, code=backtest) is None


def test_a_run_recorded_with_a_function_is_a_hit_of_it(cache):
    def plain(data, params):
        raise AssertionError

    run = cache.cache_backtest("recorded", {"a": 1}, DATA, {"sharpe_ratio": 3.0}, code=plain)
    backtest = cached_backtest("recorded")(plain)
    assert backtest(DATA, {"a": 1}) == ({"sharpe_ratio": 3.0}, None, None)
    assert backtest.last_run_id == run


def test_another_name_for_the_same_function_is_another_run(cache):
    @cached_backtest("one")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    backtest(DATA, {})
    run = cache.cache_backtest("other", {}, DATA, {"sharpe_ratio": 2.0}, code=backtest)
    assert run != backtest.last_run_id
    assert backtest(DATA, {}) == {"sharpe_ratio": 1.0}
    assert {cache.index[run]["strategy"] for run in cache.index} == {"one", "other"}


def test_two_functions_of_one_name_are_two_runs_and_the_last_is_meant(cache):
    def versions():
        @cached_backtest("twice")
        def first(data, params):
            return {"sharpe_ratio": 1.0}

        @cached_backtest("twice")
        def second(data, params):
            return {"sharpe_ratio": 2.0}

        return first, second

    first, second = versions()
    first(DATA, {})
    assert second(DATA, {}) == {"sharpe_ratio": 2.0}
    assert first(DATA, {}) == {"sharpe_ratio": 1.0}
    assert len(cache.index) == 2
    assert sharpe(cache.get_cached_backtest("twice", {}, DATA)) == 2.0
    assert sharpe(cache.get_cached_backtest("twice", {}, DATA, code=first)) == 1.0


def test_runs_of_unknown_code_are_told_once(cache, recwarn):
    cache.cache_backtest("unknown", {"a": 1}, DATA, {"sharpe_ratio": 1.0}, code="v1")
    for _ in range(2):
        assert cache.get_cached_backtest("unknown", {"a": 1}, DATA) is None
    assert cache.get_cached_backtest("unknown", {"a": 2}, DATA) is None
    (told,) = recwarn
    assert told.category.__name__ == "RankingWarning"
    assert "pass code=" in str(told.message)
    assert told.filename == __file__


def test_a_function_that_needs_more_is_told_to_need_more(cache):
    def backtest(data, model, params):
        return {"sharpe_ratio": 1.0}

    with pytest.raises(CacheConfigError, match=r"do not fill the arguments .* data, model, params"):
        cache.get_cached_backtest("more", {}, DATA, code=backtest)
    cached_backtest("more")(backtest)
    assert cache.get_cached_backtest("more", {}, DATA) is None


def test_arguments_that_are_the_parameters_are_found_by_them(cache):
    @cached_backtest("keywords")
    def backtest(prices, lookback, stop=0.1):
        return {"sharpe_ratio": float(lookback)}

    backtest(DATA, 20)
    assert sharpe(cache.get_cached_backtest("keywords", {"lookback": 20}, DATA)) == 20.0
    assert cache.get_cached_backtest("keywords", {"lookback": 30}, DATA) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"parameters": None}, "`parameters` is a mapping"),
        ({"parameters": [1]}, "`parameters` is a mapping"),
        ({"code": 5}, "`code` is the backtest's function"),
    ],
    ids=str,
)
def test_what_can_not_be_looked_up_is_refused(cache, wrong, said):
    arguments = {"strategy_name": "wrong", "parameters": {}, "data": DATA, **wrong}
    with pytest.raises(CacheConfigError, match=said):
        cache.get_cached_backtest(**arguments)
    with pytest.raises(CacheConfigError, match=said):
        cache.cache_backtest(**arguments, metrics={})


def test_metrics_that_are_no_mapping_are_refused(cache):
    with pytest.raises(CacheConfigError, match="`metrics` is a mapping of names to numbers"):
        cache.cache_backtest("wrong", {}, DATA, [1.0])
    with pytest.raises(CacheConfigError, match=r'"price" .* "pnl" .* "returns"'):
        cache.cache_backtest("wrong", {}, DATA, {}, equity_kind="levels")


def test_parameters_that_can_not_be_keyed_are_refused_by_hand(cache):
    with pytest.raises(UncacheableArgumentError):
        cache.cache_backtest("wrong", {"source": iter([1])}, DATA, {})


def test_a_run_id_that_does_not_exist(cache):
    nobody = "0" * 32
    assert cache.get_run_metadata(nobody) is None
    assert cache.get_cached_trades(nobody) is None
    assert nobody not in cache.index
    for run in (nobody, "x", 5, None):
        with pytest.raises(RunNotFoundError, match="there is no run"):
            cache.index[run]
    for ask in (cache.pin, cache.unpin, cache.delete):
        with pytest.raises(KeyError):
            ask(nobody)
    with pytest.raises(RunNotFoundError):
        cache.cache_trades(nobody, None)
    with pytest.raises(RunNotFoundError, match="this thread recorded or hit no run"):
        BacktestCache().index[...]


def test_metadata_says_what_is_known_of_a_run(cache):
    run = cache.cache_backtest(
        "told",
        {"lookback": 20},
        DATA,
        {"sharpe_ratio": 1.0, "note": "ok"},
        seconds=2.5,
        notes="first",
        tags={"by": "me"},
        costs={"commission": 0.001, "slippage": np.float64(0.5)},
        splits=5,
    )
    told = cache.get_run_metadata(run)
    assert told.strategy_name == told["strategy_name"] == "told"
    assert (told.start_date, told.end_date) == tuple(
        each.to_pydatetime().replace(tzinfo=told.timestamp.tzinfo) for each in DATA.index[[0, -1]]
    )
    assert told.timestamp.utcoffset().total_seconds() == 0
    assert told.performance_summary == {"sharpe_ratio": 1.0}
    assert (told.seconds, told.notes, told.tags, told.splits) == (2.5, "first", {"by": "me"}, 5)
    assert told.costs == {"commission": 0.001, "slippage": 0.5}
    assert told.host
    assert dict(told)["run_id"] == run
    assert cache.index[run] == {
        "strategy": "told",
        "parameters": {"lookback": 20},
        "data_hash": told.data_hash,
        "timestamp": told.timestamp,
        "metrics": {"sharpe_ratio": 1.0, "note": "ok"},
    }


def test_a_run_knows_the_commit_of_its_code():
    @cached_backtest("committed")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    backtest(DATA, {})
    told = BacktestCache().get_run_metadata(backtest.last_run_id)
    assert told.git_commit == (commit or None)
    assert told.git_dirty in ({True, False} if commit else {None})


def test_a_run_found_again_keeps_the_date_of_its_first_computation(cache):
    @cached_backtest("dated")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    backtest(DATA, {})
    first = cache.get_run_metadata(backtest.last_run_id).timestamp
    backtest(DATA, {})
    backtest.refresh(DATA, {})
    assert cache.get_run_metadata(backtest.last_run_id).timestamp == first


def test_a_pruned_run_is_found_with_its_metrics(cache):
    cache.cache_backtest("pruned", {"a": 1}, DATA, {"sharpe_ratio": 1.0}, trades=DATA)
    (run,) = cache.prune(0)
    found = cache.get_cached_backtest("pruned", {"a": 1}, DATA)
    assert (found.metrics, found.metadata.run_id) == ({"sharpe_ratio": 1.0}, run)
    for read in (lambda: found.trades, lambda: cache.get_cached_trades(run)):
        with pytest.raises(PrunedError, match="call the backtest again to restore it"):
            read()
    with pytest.raises(LookupError):
        cache.cache_trades(run, DATA)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"strategy_name": None}, "`strategy_name` is the strategy's name, a text"),
        ({"strategy_name": ""}, "`strategy_name` is the strategy's name, a text"),
        ({"dataset": 3}, "`dataset` is a text"),
        ({"purpose": None}, "`purpose` is a text"),
        ({"tags": ["live"]}, "`tags` is a mapping"),
        ({"seconds": "long"}, "`seconds` is how long the backtest took"),
    ],
)
def test_an_argument_that_can_not_be_right_is_named(changed, reason):
    usual = {"strategy_name": "named", "parameters": {}, "data": bars(5), "metrics": {"a": 1.0}}
    with pytest.raises(CacheConfigError, match=reason):
        BacktestCache().cache_backtest(**{**usual, **changed})


@pytest.mark.parametrize(
    ("name", "place"), [("parameters", r"`parameters\['lock'\]`"), ("data", "`data`")]
)
def test_what_can_not_be_keyed_is_named_as_the_user_calls_it(name, place):
    usual = {"strategy_name": "named", "parameters": {}, "data": bars(5), "metrics": {}}
    with pytest.raises(UncacheableArgumentError, match=f"^{place}"):
        BacktestCache().cache_backtest(**{**usual, name: {"lock": threading.Lock(), "a": 1}})


def test_questions_that_can_not_be_right_are_told():
    cache = BacktestCache()
    for name, metric in ((None, "sharpe_ratio"), ("named", None)):
        with pytest.raises(CacheConfigError, match="name"):
            cache.find_best_parameters(name, metric)
    assert cache.clear_old_runs(float("inf")) == 0
