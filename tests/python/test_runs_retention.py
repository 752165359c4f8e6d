"""Which runs stay: nothing goes unless it is said so, and the ledger keeps what was tried."""

import datetime as dt
import os
import time

import pandas as pd
import pytest
from backtests import bars, momentum_of
from bodies import counted

import afml_cache
from afml_cache import BacktestCache, CacheConfigError, PrunedError, cached_backtest

DATA = bars(40)
TRADES = pd.DataFrame({"pnl": [1.0, -0.5]})


def scored(cache, *scores, strategy="scored", metric="sharpe_ratio"):
    """Record a run for each score; their ids in this order."""
    return [
        cache.cache_backtest(strategy, {"n": n}, DATA, {metric: score}, trades=TRADES)
        for n, score in enumerate(scores)
    ]


def states(cache, runs):
    return ["gone" if (run := cache.native.find(each)) is None else run.state for each in runs]


def test_nothing_is_pruned_unless_it_is_said_so():
    cache = BacktestCache()
    runs = scored(cache, *range(20))
    assert set(states(cache, runs)) == {"whole"}


def test_the_best_and_the_pinned_keep_their_trades():
    cache = BacktestCache(keep_top=2)
    first, _ = scored(cache, 1.0, 2.0)
    cache.pin(first)
    cache.cache_backtest("scored", {"n": 10}, DATA, {"sharpe_ratio": 3.0}, trades=TRADES)
    cache.cache_backtest("scored", {"n": 11}, DATA, {"sharpe_ratio": 4.0}, trades=TRADES)
    listed = cache.runs("scored")
    assert dict(zip(listed["sharpe_ratio"], listed["state"], strict=True)) == {
        1.0: "whole",
        2.0: "pruned",
        3.0: "whole",
        4.0: "whole",
    }
    cache.unpin(first)
    assert cache.prune(2) == [first]


def test_of_equals_those_stay_that_rankings_name_first():
    cache = BacktestCache()
    scored(cache, 1.0, 2.0, 2.0, 2.0)
    best = list(cache.find_best_parameters("scored", top_n=2).index)
    gone = cache.prune(2)
    assert len(gone) == 2
    assert states(cache, best) == ["whole", "whole"]


def test_looks_at_tests_do_not_take_the_places_of_the_best():
    cache = BacktestCache()
    cache.cache_walk_forward_split("split", DATA[:20], DATA[20:], 0, 1)
    look = cache.cache_backtest("scored", {}, DATA[20:], {"sharpe_ratio": 9.0}, trades=TRADES)
    runs = scored(cache, 1.0, 2.0)
    assert cache.prune(2) == [look]
    assert states(cache, runs) == ["whole", "whole"]


def test_a_pinned_run_among_the_best_takes_its_place():
    cache = BacktestCache()
    low, high, best = scored(cache, 1.0, 2.0, 3.0)
    cache.pin(best)
    assert set(cache.prune(1)) == {low, high}
    assert cache.runs()["pinned"].to_dict() == {low: False, high: False, best: True}


def test_each_strategy_has_its_own_best():
    cache = BacktestCache(keep_top=1)
    runs = [*scored(cache, 1.0, 2.0, strategy="one"), *scored(cache, 9.0, 8.0, strategy="two")]
    assert states(cache, runs) == ["pruned", "whole", "whole", "pruned"]


def test_the_metric_and_its_direction_choose():
    cache = BacktestCache(keep_top=1, keep_metric="drawdown", keep_maximize=False)
    runs = scored(cache, 0.3, 0.1, float("nan"), 0.2, metric="drawdown")
    assert states(cache, runs) == ["pruned", "whole", "pruned", "pruned"]


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "two"])
def test_keep_top_is_a_number_of_runs(wrong):
    with pytest.raises(CacheConfigError, match="`keep_top` is how many runs"):
        BacktestCache(keep_top=wrong)
    with pytest.raises(CacheConfigError, match="`keep_top` is how many runs"):
        BacktestCache().prune(wrong)


def test_a_pruned_run_keeps_its_metrics_and_returns_and_its_place_in_rankings():
    cache = BacktestCache()
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    run = backtest.last_run_id
    best, returns = cache.find_best_parameters("momentum"), cache.returns(run)
    assert cache.prune(0) == [run]
    pd.testing.assert_frame_equal(cache.find_best_parameters("momentum"), best)
    pd.testing.assert_frame_equal(cache.returns(run), returns)
    found = cache.get_cached_backtest("momentum", {"lookback": 5}, DATA)
    assert found.metrics["sharpe_ratio"] == best["sharpe_ratio"].iloc[0]
    assert cache.index[run]["parameters"] == {"lookback": 5}
    assert not backtest.is_cached(DATA, {"lookback": 5})
    assert not cache.native.folder_of(run).exists()
    for part in ("trades", "equity_curve", "positions", "diagnostics"):
        with pytest.raises(PrunedError, match=f"no {part.replace('_', ' ')} any more"):
            getattr(found, part)
    assert repr(found).startswith("PrunedResult(")


def test_a_call_restores_a_pruned_run_and_is_no_new_trial():
    cache = BacktestCache(keep_top=1)
    backtest = momentum_of(cache=cache)
    with counted() as bodies:
        for lookback in (5, 6, 7):
            backtest(DATA, {"lookback": lookback})
        (kept,) = cache.runs("momentum").query("state == 'whole'").index
        others = [run for run in cache.index if run != kept]
        lookback = cache.index[others[0]]["parameters"]["lookback"]
        trades = backtest(DATA, {"lookback": lookback})[1]
        assert len(bodies) == 4
        pd.testing.assert_frame_equal(cache.get_cached_trades(others[0]), trades)
        backtest(DATA, {"lookback": lookback})
        assert len(bodies) == 4
    assert len(cache.ledger.trials("momentum")) == 3
    assert states(cache, [kept, *others]) == ["whole", "whole", "pruned"]


def test_a_pruned_backtest_is_missing_in_frozen_mode():
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    BacktestCache().prune(0)
    with afml_cache.mode("frozen"), pytest.raises(afml_cache.CacheMissError, match="was pruned"):
        backtest(DATA, {"lookback": 5})


def test_a_deleted_run_stays_in_the_ledger():
    cache = BacktestCache()
    backtest = momentum_of()
    for lookback in (5, 6):
        backtest(DATA, {"lookback": lookback})
    run = backtest.last_run_id
    cache.delete(run)
    assert run not in cache.index
    assert len(cache.index) == 1
    assert cache.get_run_metadata(run) is None
    assert not cache.native.folder_of(run).exists()
    best = cache.find_best_parameters("momentum")
    assert run not in best.index
    assert list(best["n_trials"]) == [2]
    listed = cache.ledger.trials("momentum").set_index("run_id")
    assert listed.loc[run, "state"] == "deleted"
    assert listed.loc[run, "periods"] == 39
    backtest(DATA, {"lookback": 6})
    assert run in cache.index
    assert len(cache.ledger.trials("momentum")) == 2


def test_old_runs_are_cleared_unless_they_are_pinned(tmp_path):
    cache = BacktestCache()
    old, pinned, new = scored(cache, 1.0, 2.0, 3.0)
    cache.pin(pinned)
    begin = cache.get_run_metadata(new).timestamp
    assert cache.clear_old_runs() == 0
    assert cache.clear_old_runs(before="2020-01-01") == 0
    assert cache.clear_old_runs(days=0, strategy="another") == 0
    assert cache.clear_old_runs(before=begin, strategy="scored") == 1
    assert states(cache, [old, pinned, new]) == ["gone", "whole", "whole"]
    assert cache.clear_old_runs(days=0) == 1
    assert list(cache.index) == [pinned]
    assert len(cache.ledger.trials("scored")) == 3


def test_what_killed_processes_left_goes_with_old_runs():
    cache = BacktestCache()
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    kept = cache.native.folder_of(backtest.last_run_id)
    left = kept.with_name("f" * 32)
    left.mkdir()
    (left / "trades.parquet").write_bytes(b"of a run that was never recorded")
    week_ago = time.time() - 7 * 86_400
    for folder in (left, kept):
        os.utime(folder, (week_ago, week_ago))
    assert cache.clear_old_runs() == 0
    assert kept.exists()
    assert not left.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": -1}, "`days` is a number that is not negative"),
        ({"days": float("nan")}, "`days` is a number that is not negative"),
        ({"days": "30"}, "`days` is a number that is not negative"),
        ({"before": "yesterday"}, "`before` is a date"),
        ({"days": 1, "before": dt.date(2024, 1, 1)}, "not both"),
    ],
    ids=str,
)
def test_which_runs_are_old_is_checked(wrong, said):
    with pytest.raises(CacheConfigError, match=said):
        BacktestCache().clear_old_runs(**wrong)


def test_the_statistics_of_a_cache_have_their_shape(tmp_path):
    cache = BacktestCache(tmp_path / "stats")
    assert cache.get_cache_stats() == {
        "total_runs": 0,
        "strategies": {},
        "cache_size_mb": cache.native.size_bytes / 1e6,
        "runs_dir": str(cache.native.folder),
    }
    scored(cache, 1.0, 2.0, strategy="one")
    scored(cache, 1.0, strategy="two")
    cache.delete(next(iter(cache.index)))
    stats = cache.get_cache_stats()
    assert (stats["total_runs"], stats["strategies"]) == (2, {"one": 1, "two": 1})
    assert stats["cache_size_mb"] > 0
    assert stats["runs_dir"].startswith(str(tmp_path / "stats"))


def test_caches_on_one_folder_see_each_other_at_once(tmp_path):
    one, other = (
        BacktestCache(tmp_path / "shared"),
        BacktestCache(cache_dir=str(tmp_path / "shared")),
    )
    (run,) = scored(one, 1.0)
    assert list(other.index) == [run]
    other.pin(run)
    assert one.native.find(run).pinned
    other.delete(run)
    assert not len(one.index)
    assert repr(one) == repr(other) == f"BacktestCache('{tmp_path / 'shared'}')"


def test_a_cache_without_a_folder_follows_the_default_store(tmp_path):
    cache = BacktestCache()

    @cached_backtest("default")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    backtest(DATA, {})
    afml_cache.configure(cache_dir=tmp_path / "elsewhere")
    assert not len(cache.index)
    backtest(DATA, {})
    assert len(cache.index) == 1
    assert backtest.cache_info().misses == 2


def test_a_decorated_backtest_goes_where_its_cache_is(tmp_path):
    cache = BacktestCache(tmp_path / "own")
    backtest = momentum_of(cache=cache)
    backtest(DATA, {"lookback": 5})
    assert len(cache.index) == 1
    assert cache.index[...] == backtest.last_run_id
    assert not len(BacktestCache().index)


def test_a_cache_takes_a_folder_or_a_store(tmp_path, store):
    with pytest.raises(CacheConfigError, match="`cache_dir` or `store`, not both"):
        BacktestCache(tmp_path, store=store)
    with pytest.raises(CacheConfigError):
        BacktestCache(5)
