"""The code of a backtest is part of its run, with all that it reaches."""

import functools

import numpy as np
import pandas as pd
import pytest
from backtests import bars, nothing

from afml_cache import CacheConfigError, _packages, cached_backtest

DATA = bars(40)
SOURCE = """
from afml_cache import cached_backtest, robust_cacheable
from costs import commission

PIP = 0.0001
CONFIG = {"stop": 2.0}

def in_pips(moves):
    return moves / PIP

def maker(scale):
    def scaled(value):
        return value * scale
    return scaled

scaled = maker(3)

@cached_backtest("strategy")
def backtest(data, params, *, risk=0.5):
    moves = in_pips(data["close"].diff()).mean() * scaled(risk) - commission(CONFIG["stop"])
    return {"sharpe_ratio": float(moves)}

@robust_cacheable
def study(data):
    metrics = backtest(data, {"lookback": 20})
    return metrics["sharpe_ratio"]
"""
COSTS = """
def commission(stop):
    return 0.1 * stop
"""


@pytest.fixture
def load(module):
    def load(*edits, costs=COSTS, name="strategy"):
        text = SOURCE
        for before, after in edits:
            assert before in text
            text = text.replace(before, after)
        module(costs, "costs")
        return module(text, name)

    return load


def run_of(loaded):
    return loaded.backtest.run_id(DATA, {"lookback": 20})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("moves / PIP", "moves * PIP"),
        ("PIP = 0.0001", "PIP = 0.01"),
        ('"stop": 2.0', '"stop": 3.0'),
        ("maker(3)", "maker(4)"),
        ("value * scale", "value + scale"),
        (".mean()", ".sum()"),
        ("risk=0.5", "risk=0.6"),
    ],
    ids=["helper", "constant", "settings", "closure", "inner", "body", "default"],
)
def test_a_change_of_the_code_is_another_run_and_going_back_is_the_first(load, before, after):
    first = run_of(load())
    assert run_of(load((before, after))) != first
    assert run_of(load()) == first


def test_a_changed_helper_of_another_module_is_another_run(load):
    first = run_of(load())
    assert run_of(load(costs=COSTS.replace("0.1", "0.2"))) != first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    moves = in_pips", "    # of the close alone\n\n    moves = in_pips"),
        ("PIP = 0.0001", "\n\nPIP = 0.0001  # of most pairs"),
        ('@cached_backtest("strategy")', '@cached_backtest("strategy", notes="first try")'),
    ],
    ids=["comment", "moved", "notes"],
)
def test_what_changes_no_result_is_the_same_run(load, before, after):
    assert run_of(load((before, after))) == run_of(load())


def test_a_setting_changed_in_place_is_another_run(load):
    loaded = load()
    first = run_of(loaded)
    loaded.CONFIG["stop"] = 9.0
    assert run_of(loaded) != first
    loaded.CONFIG["stop"] = 2.0
    assert run_of(loaded) == first


def test_a_helper_replaced_while_it_runs_is_another_run(load, monkeypatch):
    loaded = load()
    first = run_of(loaded)
    monkeypatch.setattr(loaded, "in_pips", lambda moves: moves)
    assert run_of(loaded) != first


def test_code_moved_to_another_module_is_another_run_unless_it_does_not_count(load):
    assert run_of(load(name="elsewhere")) != run_of(load())
    loose = ('("strategy")', '("strategy", track_code=False)')
    assert run_of(load(loose, name="elsewhere")) == run_of(load(loose))


def test_a_cached_function_that_calls_a_backtest_counts_its_code(load):
    loaded = load()
    assert loaded.study(DATA) == loaded.backtest(DATA, {"lookback": 20})["sharpe_ratio"]
    assert loaded.study.is_cached(DATA)
    assert not load(("moves / PIP", "moves * PIP")).study.is_cached(DATA)
    assert load().study.is_cached(DATA)


def test_a_version_is_another_run():
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    runs = {
        cached_backtest("versions", version=version)(backtest).run_id(DATA, {})
        for version in ("", "1", "2")
    }
    assert len(runs) == 3


def test_another_version_of_a_tracked_engine_is_another_run(module):
    def backtest(data, params):
        return {"sharpe_ratio": float(data["close"].mean())}

    def run_of(version, **options):
        module(f"__version__ = {version!r}", "engine")
        _packages.version.cache_clear()  # as in another process
        return cached_backtest("engine", **options)(backtest).run_id(DATA, {})

    tracked = {"track_packages": "engine"}
    first = run_of("1.0", **tracked)
    assert run_of("1.1", **tracked) != first
    assert run_of("1.0", **tracked) == first
    assert run_of("1.0") == run_of("1.1")


def test_dependencies_count_and_ignored_ones_do_not(load):
    def fee(stop):
        return stop

    def backtest(data, params):
        return {"sharpe_ratio": float(np.sqrt(fee(4.0)))}

    def run_of(**options):
        return cached_backtest("deps", **options)(backtest).run_id(DATA, {})

    first, ignoring = run_of(), run_of(ignore_deps="fee")

    def fee(stop):  # noqa: F811 - an edit
        return 2 * stop

    assert run_of() != first
    assert run_of(ignore_deps="fee") == ignoring
    assert run_of(deps=[pd.Timestamp("2024-01-01")]) != run_of()
    assert run_of(track_code=False) != run_of()


class Strategy:
    def __init__(self, lookback):
        self.lookback = lookback

    @cached_backtest("method")
    def run(self, data, params):
        return {"sharpe_ratio": float(self.lookback), "rows": len(data), **params}

    @classmethod
    @cached_backtest("class method")
    def of_class(cls, data, params):
        return {"sharpe_ratio": float(len(data)), **params}

    @cached_backtest("static method")
    @staticmethod
    def static(data, params):
        return {"sharpe_ratio": float(len(data)), **params}


def test_a_method_counts_its_instance():
    assert Strategy(20).run(DATA, {})["sharpe_ratio"] == 20.0
    assert Strategy(30).run(DATA, {})["sharpe_ratio"] == 30.0
    bound = Strategy(20).run
    assert bound.is_cached(DATA, {})
    assert bound.run_id(DATA, {}) == Strategy.run.run_id(Strategy(20), DATA, {})
    assert bound.refresh(DATA, {})["sharpe_ratio"] == 20.0
    assert bound.last_run_id == bound.run_id(DATA, {})
    assert (bound.cache_info().misses, bound.__name__) == (3, "run")


def test_class_methods_and_static_methods_are_kept_too():
    for method in (Strategy.of_class, Strategy(1).of_class, Strategy.static, Strategy(1).static):
        metrics = method(DATA, {})
        assert method(DATA, {}) == metrics
    assert Strategy.of_class.cache_info().misses == Strategy.static.cache_info().misses == 1


def test_a_partial_counts_what_it_was_given():
    def backtest(data, params, fee):
        return {"sharpe_ratio": fee}

    cheap, dear = (
        cached_backtest("partial")(functools.partial(backtest, fee=fee)) for fee in (1.0, 2.0)
    )
    assert cheap(DATA, {}) == {"sharpe_ratio": 1.0}
    assert dear(DATA, {}) == {"sharpe_ratio": 2.0}
    assert cheap(DATA.copy(), {}) == {"sharpe_ratio": 1.0}
    assert cheap.cache_info().hits == 1


@pytest.mark.parametrize("wrong", [Strategy, lambda data: (yield data), 5])
def test_what_returns_no_backtest_is_refused(wrong):
    with pytest.raises(TypeError, match="cached_backtest can't decorate"):
        cached_backtest("wrong")(wrong)


def test_a_cached_function_is_not_cached_again(load):
    loaded = load()
    for cached in (loaded.backtest, loaded.study):
        with pytest.raises(TypeError, match="is cached already"):
            cached_backtest("again")(cached)


@pytest.mark.parametrize("name", ["", None, nothing])
def test_a_strategy_has_a_name(name):
    with pytest.raises(CacheConfigError, match="takes the strategy's name"):
        cached_backtest(name)


def test_two_backtests_in_one_process_and_another_have_one_id(load, run_python, tmp_path):
    loaded = load()
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path / "modules")!r}, {str(__file__).rpartition("/")[0]!r}]
from backtests import bars, nothing
import strategy
print(strategy.backtest.run_id(bars(40), {{"lookback": 20}}))
"""
    ids = {run_python(code, hashseed=seed).strip() for seed in (1, 2)}
    assert ids == {run_of(loaded)}
