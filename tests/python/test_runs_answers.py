"""A hit returns what the backtest returned: its type, its length, its dtypes, its own copy."""

import asyncio
import collections
import functools
import threading
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest
from backtesting import Backtest, Strategy
from backtesting.test import GOOG
from backtests import bars, momentum_of, polars_bars

from afml_cache import BacktestCache, BacktestResult, CacheMissError, cached_backtest, mode

DATA = bars(40)
METRICS = {"sharpe_ratio": 1.5, "trades": 3}
TRADES = pd.DataFrame({"pnl": [1.0, -0.5]}, index=pd.Index([7, 7], name="deal"))
EQUITY = pd.Series(np.arange(1.0, 41.0), DATA.index.tz_localize("Europe/Berlin"), name="account")


class Answer(NamedTuple):
    metrics: dict
    trades: object
    equity: object


def hit_of(answer, **options):
    """The first answer of a backtest that returns this, and that of a hit."""

    @cached_backtest("answers", **options)
    def backtest(data, params):
        return answer

    first, again = backtest(DATA, {}), backtest(DATA.copy(), {})
    assert backtest.cache_info()[:1] == (1,)
    return first, again


def assert_same(one, other):
    assert type(one) is type(other)
    for kind, check in CHECKS.items():
        if isinstance(one, kind):
            check(one, other)
            return
    assert one == other


def assert_same_items(one, other):
    assert list(one) == list(other)
    for name in one:
        assert_same(one[name], other[name])


def assert_same_parts(one, other):
    assert len(one) == len(other)
    for each, its in zip(one, other, strict=True):
        assert_same(each, its)


CHECKS = {
    pd.DataFrame: functools.partial(pd.testing.assert_frame_equal, check_freq=True),
    pd.Series: functools.partial(pd.testing.assert_series_equal, check_freq=True),
    pl.DataFrame: polars.testing.assert_frame_equal,
    pl.Series: polars.testing.assert_series_equal,
    np.ndarray: np.testing.assert_array_equal,
    dict: assert_same_items,
    (tuple, list): assert_same_parts,
    BacktestResult: lambda one, other: assert_same(vars(one), vars(other)),
}


@pytest.mark.parametrize(
    "answer",
    [
        METRICS,
        (METRICS,),
        [METRICS, TRADES],
        (METRICS, TRADES, EQUITY),
        (METRICS, None, None),
        (METRICS, [], []),
        (METRICS, pd.DataFrame(), pd.Series(dtype=float)),
        (METRICS, TRADES, EQUITY, DATA, {"drawdowns": np.arange(3.0), "why": ("x", 1)}),
        (METRICS, TRADES, EQUITY, None, "one", "two"),
        {"metrics": METRICS, "trades": TRADES, "equity": EQUITY, "extra": {"a": 1}},
        collections.OrderedDict(METRICS),
        Answer(METRICS, TRADES, EQUITY),
        BacktestResult(None, METRICS, TRADES, EQUITY, DATA, {"note": "fine"}),
        (METRICS, polars_bars(5), pl.Series("account", [1.0, 1.5])),
        (METRICS, TRADES, np.arange(40.0)),
        (METRICS, [{"pnl": 1.0, "side": "long"}], [1.0, 1.1]),
        ({"sharpe_ratio": np.float64(1.5), "n": np.int32(3)}, TRADES, EQUITY),
    ],
    ids=[
        *("metrics", "1-tuple", "list", "3-tuple", "nones", "empty lists", "empty frames"),
        *("5-tuple", "6-tuple", "dict", "ordered", "named", "result", "polars", "array"),
        *("plain lists", "numpy metrics"),
    ],
)
def test_types_and_arity_come_back(answer):
    first, again = hit_of(answer)
    assert first is answer
    assert_same(again, answer)


def test_parts_are_found_by_name_however_they_were_returned():
    cache = BacktestCache()
    shapes = {
        "tuple": (METRICS, TRADES, EQUITY, DATA, "why"),
        "dict": {
            "metrics": METRICS,
            "trades": TRADES,
            "equity": EQUITY,
            "positions": DATA,
            "diagnostics": "why",
        },
        "result": BacktestResult(None, METRICS, TRADES, EQUITY, DATA, "why"),
    }
    for name, answer in shapes.items():

        @cached_backtest(name)
        def backtest(data, params, answer=answer):
            return answer

        backtest(DATA, {})
        found = cache.get_cached_backtest(name, {}, DATA)
        assert found.metrics == METRICS
        assert_same(found.trades, TRADES)
        assert_same(found.equity_curve, EQUITY)
        assert_same(found.positions, DATA)
        assert found.diagnostics == "why"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((METRICS, TRADES, EQUITY), (METRICS, None, EQUITY)),
        (Answer(METRICS, TRADES, EQUITY), Answer(METRICS, None, EQUITY)),
        ([METRICS, TRADES], [METRICS, None]),
        ({"metrics": METRICS, "trades": TRADES}, {"metrics": METRICS, "trades": None}),
        (
            collections.OrderedDict(metrics=METRICS, trades=TRADES),
            collections.OrderedDict(metrics=METRICS, trades=None),
        ),
        (BacktestResult(None, METRICS, TRADES), BacktestResult(None, METRICS, None)),
        (METRICS, METRICS),
        ((METRICS,), (METRICS,)),
    ],
    ids=["tuple", "named", "list", "dict", "ordered", "result", "metrics", "1-tuple"],
)
def test_without_trades_the_first_answer_has_none_either(answer, expected):
    for given in hit_of(answer, save_trades=False):
        assert_same(given, expected)
    assert BacktestCache().get_cached_backtest("answers", {}, DATA).trades is None


def test_trades_that_were_left_out_are_computed_for_whoever_asks_for_them():
    without, wanted = momentum_of(save_trades=False), momentum_of()
    parameters = {"lookback": 5}
    assert without(DATA, parameters)[1] is None
    assert without.is_cached(DATA, parameters)
    assert not wanted.is_cached(DATA, parameters)
    with mode("frozen"), pytest.raises(CacheMissError):
        wanted(DATA, parameters)
    first = wanted(DATA, parameters)
    assert len(first[1]) == 3
    assert_same(wanted(DATA, parameters), first)
    assert (wanted.cache_info().misses, wanted.cache_info().hits) == (1, 1)
    assert BacktestCache().find_best_parameters("momentum")["n_trials"].to_list() == [1]
    assert_same(without(DATA, parameters), (first[0], None, first[2]))
    assert without.cache_info().hits == 1
    assert len(BacktestCache().get_cached_trades(wanted.last_run_id)) == 3


def test_trades_that_were_left_out_may_be_given_by_hand():
    without, wanted = momentum_of(save_trades=False), momentum_of()
    without(DATA, {"lookback": 5})
    BacktestCache().cache_trades(without.last_run_id, TRADES)
    assert_same(wanted(DATA, {"lookback": 5})[1], TRADES)
    assert wanted.cache_info().hits == 1


def test_a_backtest_without_trades_is_not_computed_again_for_them():
    def backtest(data, params):
        return METRICS, None, EQUITY

    cached_backtest("tradeless", save_trades=False)(backtest)(DATA, {})
    again = cached_backtest("tradeless")(backtest)
    assert again(DATA, {})[1] is None
    assert again.cache_info().hits == 1


class Stats(pd.Series):
    """What an engine gives: metrics, and behind them frames and its own objects."""


PLAIN = {"Start": DATA.index[0], "sharpe_ratio": 1.5, "trades": 3}
CURVE = pd.DataFrame({"Equity": EQUITY, "DrawdownPct": 0.0})
FULL = {**PLAIN, "_equity_curve": CURVE, "_trades": TRADES, "_strategy": object}


@pytest.mark.parametrize("stats", [PLAIN, FULL], ids=len)
@pytest.mark.parametrize("alone", [True, False])
def test_a_series_by_names_is_the_metrics(stats, alone):
    stats = Stats(stats, dtype=object)
    _, again = hit_of(stats if alone else (stats, None, EQUITY))
    again = again if alone else again[0]
    assert type(again) is Stats
    assert list(again.index) == list(stats.index)
    kept = BacktestCache().get_cached_backtest("answers", {}, DATA)
    assert kept.metrics == PLAIN
    best = BacktestCache().find_best_parameters("answers")
    assert best["sharpe_ratio"].tolist() == [1.5]


def test_a_series_with_frames_has_trades_and_equity():
    _, again = hit_of(Stats(FULL, dtype=object))
    pd.testing.assert_frame_equal(again["_trades"], TRADES)
    cache = BacktestCache()
    kept = cache.get_cached_backtest("answers", {}, DATA)
    pd.testing.assert_frame_equal(kept.trades, TRADES)
    pd.testing.assert_frame_equal(kept.equity_curve, CURVE)
    assert len(cache.returns(cache.index)) > 0


def test_a_series_is_without_trades_where_they_are_left_out():
    first, again = hit_of(Stats(FULL, dtype=object), save_trades=False)
    assert first["_trades"] is again["_trades"] is None
    assert type(first) is type(again) is Stats
    assert BacktestCache().get_cached_backtest("answers", {}, DATA).trades is None
    first, again = hit_of((Stats(FULL, dtype=object), TRADES, EQUITY), save_trades=False)
    assert first[0]["_trades"] is again[0]["_trades"] is first[1] is again[1] is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of backtesting.py with pandas 3.1
def test_what_backtesting_gives_comes_back():
    class Twenty(Strategy):
        size = 10

        def init(self):
            pass

        def next(self):
            if len(self.data) % 20 == 0:
                self.position.close()
                self.buy(size=self.size)

    @cached_backtest("twenty")
    def backtest(data, params):
        return Backtest(data, Twenty, finalize_trades=True).run(**params)

    google = GOOG.iloc[:100]
    first, again = backtest(google, {"size": 2}), backtest(google.copy(), {"size": 2})
    assert backtest.cache_info().hits == 1
    assert type(again) is type(first)
    assert again["# Trades"] == first["# Trades"] > 1
    pd.testing.assert_frame_equal(again["_trades"], first["_trades"])
    assert BacktestCache().ledger.trials("twenty")["periods"].tolist() == [99]


def test_a_series_by_numbers_is_no_metrics():
    @cached_backtest("answers")
    def backtest(data, params):
        return EQUITY

    with pytest.warns(UserWarning, match="this one returned a Series"):
        backtest(DATA, {})


def test_a_change_of_an_answer_does_not_reach_the_cache():
    backtest = momentum_of()
    for _ in range(3):
        metrics, trades, equity = backtest(DATA, {"lookback": 5})
        assert metrics["sharpe_ratio"] != 99
        assert (trades["pnl"] != 99).all()
        assert (equity != 99).all()
        metrics["sharpe_ratio"] = 99
        trades.loc[:, "pnl"] = 99
        equity.iloc[:] = 99
    found = BacktestCache().get_cached_backtest("momentum", {"lookback": 5}, DATA)
    found.parameters = found.metadata.parameters
    found.parameters["lookback"] = 99
    assert BacktestCache().index[backtest.last_run_id]["parameters"] == {"lookback": 5}


def test_a_backtest_that_changes_its_data_is_not_recorded(recwarn):
    @cached_backtest("changing")
    def backtest(data, params):
        data["close"] = 0.0
        return {"sharpe_ratio": 1.0}

    assert backtest(DATA.copy(), {}) == {"sharpe_ratio": 1.0}
    assert not len(BacktestCache().index)
    assert "changed its own arguments" in str(recwarn.pop().message)


def test_a_backtest_that_changes_its_parameters_is_not_recorded(recwarn):
    @cached_backtest("popping")
    def backtest(data, params):
        return {"sharpe_ratio": params.pop("sharpe")}

    assert backtest(DATA, {"sharpe": 1.0}) == {"sharpe_ratio": 1.0}
    assert not len(BacktestCache().index)
    assert len(recwarn) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: 3.0, "returned a float"),
        (lambda: (TRADES, METRICS), r"returned a tuple of \(DataFrame, dict\)"),
        (lambda: None, "returned a NoneType"),
        (lambda: BacktestResult(None, None), "returned a BacktestResult"),
        (lambda: (METRICS, (each for each in "ab")), "can't be stored"),
        (lambda: {"sharpe_ratio": threading.Lock()}, "can't be stored"),
    ],
    ids=["number", "other order", "nothing", "no metrics", "generator", "lock"],
)
def test_what_can_not_be_recorded_costs_a_warning_only(answer, said):
    @cached_backtest("refused")
    def backtest(data, params):
        return answer()

    with pytest.warns(UserWarning, match=f"a run of 'refused' was not recorded: .*{said}"):
        first = backtest(DATA, {})
    assert type(backtest(DATA, {})) is type(first)  # told once
    assert backtest.cache_info().errors == 2
    assert not len(BacktestCache().index)


def test_an_argument_that_can_not_be_keyed_costs_a_warning_only():
    @cached_backtest("uncacheable")
    def backtest(data, params):
        return {"sharpe_ratio": float(next(params["draws"]))}

    message = r"'uncacheable' runs without the cache: `params\['draws'\]`"
    with pytest.warns(UserWarning, match=message):
        assert backtest(DATA, {"draws": iter([1.0])}) == {"sharpe_ratio": 1.0}
    assert backtest(DATA, {"draws": iter([2.0])}) == {"sharpe_ratio": 2.0}
    assert backtest.cache_info().bypasses == 2


def test_an_answer_whose_class_is_gone_is_computed_again(module, recwarn):
    source = """
from typing import NamedTuple
from afml_cache import cached_backtest

class Result(NamedTuple):
    metrics: dict
    note: str

@cached_backtest("classes", track_code=False)
def backtest(data, params):
    return Result({"sharpe_ratio": 1.0}, "ok")
"""
    module(source, "results").backtest(DATA, {})
    renamed = module(source.replace("Result", "Outcome"), "results")
    assert type(renamed.backtest(DATA, {})).__name__ == "Outcome"
    assert type(renamed.backtest(DATA, {})).__name__ == "Outcome"
    assert renamed.backtest.cache_info().misses == 1
    assert "can't be read" in str(recwarn.pop().message)


def test_trades_that_are_cached_later_are_part_of_the_answer():
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    cache = BacktestCache()
    place = cache.cache_trades(backtest.last_run_id, TRADES)
    assert_same(pd.read_parquet(place), TRADES)
    assert_same(cache.get_cached_trades(backtest.last_run_id), TRADES)
    assert_same(backtest(DATA, {"lookback": 5})[1], TRADES)
    cache.cache_trades(backtest.last_run_id, None)
    assert backtest(DATA, {"lookback": 5})[1] is None
    assert len(cache.ledger.trials("momentum")) == 1


def test_what_a_call_left_is_what_the_index_says_was_last(recwarn):
    @cached_backtest("last")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    cache = BacktestCache()
    backtest(DATA, {"a": 1})
    assert cache.index[...] == backtest.last_run_id == backtest.run_id(DATA, {"a": 1})
    backtest(DATA, {"a": iter([1])})
    assert backtest.last_run_id is None
    with pytest.raises(KeyError, match="its last backtest was not kept"):
        cache.index[...]
    assert len(recwarn) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_call_that_is_stopped_leaves_no_run_to_be_the_last(stop):
    @cached_backtest("stopped")
    def backtest(data, params):
        if params["stop"]:
            raise stop
        return {"sharpe_ratio": 1.0}

    cache = BacktestCache()
    backtest(DATA, {"stop": False})
    with pytest.raises(stop):
        backtest(DATA, {"stop": True})
    assert backtest.last_run_id is None
    with pytest.raises(KeyError, match="its last backtest was not kept"):
        cache.index[...]
    backtest(DATA, {"stop": False})
    with mode("frozen"), pytest.raises(CacheMissError):
        backtest(DATA, {"stop": True})
    assert backtest.last_run_id is None


def test_a_task_that_is_cancelled_leaves_no_run_to_be_the_last():
    @cached_backtest("cancelled")
    async def backtest(data, params):
        await asyncio.sleep(params["seconds"])
        return {"sharpe_ratio": 1.0}

    async def calls():
        await backtest(DATA, {"seconds": 0})
        assert backtest.last_run_id is not None
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(backtest(DATA, {"seconds": 60}), 0.01)

    asyncio.run(calls())
    assert backtest.last_run_id is None
