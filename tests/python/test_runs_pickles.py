"""Cached backtests and caches go to other processes, as functions do."""

import concurrent.futures
import copy
import multiprocessing
import pickle

import cloudpickle
import joblib
import pytest
from backtests import bars, momentum_of
from bodies import RAN

from afml_cache import BacktestCache, Store, cached_backtest

DATA = bars(40)


@cached_backtest("top")
def backtest(data, params):
    return {"sharpe_ratio": float(params["a"])}


class Study:
    def __init__(self, fee):
        self.fee = fee

    @cached_backtest("study")
    def run(self, data, params):
        return {"sharpe_ratio": self.fee * len(data) + params["a"]}


def test_it_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(backtest)) is backtest
    assert copy.deepcopy(backtest) is backtest
    assert copy.copy(backtest) is backtest


def test_a_bound_one_is_pickled_with_its_instance():
    bound = pickle.loads(pickle.dumps(Study(2.0).run))
    assert bound(DATA, {"a": 1}) == Study(2.0).run(DATA, {"a": 1})
    assert Study.run.cache_info().misses == 1


def test_one_that_has_no_name_is_refused_by_pickle():
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(momentum_of())


def test_cloudpickle_takes_one_along_with_its_options_and_its_code():
    def local(data, params):
        RAN.warning("local")
        return {"sharpe_ratio": 1.0}, [1], None

    sent = cached_backtest("local", save_trades=False, version="2", tags={"by": "me"})(local)
    got = cloudpickle.loads(cloudpickle.dumps(sent))
    assert got is not sent
    assert got.run_id(DATA, {}) == sent.run_id(DATA, {})
    assert got(DATA, {}) == ({"sharpe_ratio": 1.0}, None, None)
    assert sent(DATA, {}) == ({"sharpe_ratio": 1.0}, None, None)
    assert sent.cache_info().hits == 1
    assert BacktestCache().get_run_metadata(sent.last_run_id).tags == {"by": "me"}


def test_a_cache_is_pickled_with_its_store(tmp_path):
    cache = BacktestCache(store=Store(tmp_path / "other"), keep_top=1)
    cache.cache_backtest("sent", {}, DATA, {"sharpe_ratio": 1.0})
    got = pickle.loads(pickle.dumps(cache))
    assert list(got.index) == list(cache.index)
    got.cache_backtest("sent", {"a": 2}, DATA, {"sharpe_ratio": 2.0})
    assert [each.state for each in cache.native.select()] == ["pruned", "whole"]
    default = pickle.loads(pickle.dumps(BacktestCache()))
    assert not len(default.index)


def run_in_process(a):
    return backtest(DATA, {"a": a}), backtest.cache_info().misses


def test_workers_of_a_pool_share_runs():
    run_in_process(1)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(run_in_process, 1).result(60) == ({"sharpe_ratio": 1.0}, 0)
        assert pool.submit(backtest, DATA, {"a": 2}).result(60) == {"sharpe_ratio": 2.0}
    assert run_in_process(2)[0] == {"sharpe_ratio": 2.0}
    assert backtest.cache_info().hits == 1


def test_joblib_takes_local_ones_along():
    fee = 0.5

    @cached_backtest("joblib")
    def local(data, params):
        return {"sharpe_ratio": params["a"] * fee}

    calls = [joblib.delayed(local)(DATA, {"a": a}) for a in (1, 2)]
    answers = joblib.Parallel(n_jobs=2, backend="loky")(calls)
    assert answers == [{"sharpe_ratio": 0.5}, {"sharpe_ratio": 1.0}]
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    assert local(DATA, {"a": 2}) == {"sharpe_ratio": 1.0}
    assert local.cache_info().hits == 1


def test_a_ranking_that_went_to_another_process_means_its_first_row():
    backtest(DATA, {"a": 7})
    best = BacktestCache().find_best_parameters("top")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(backtest, DATA, best).result(60) == {"sharpe_ratio": 7.0}
    assert len(BacktestCache().index) == 1
