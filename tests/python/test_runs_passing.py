"""Runs that are written for other tools, and taken over from the index of `afml.cache`."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from backtests import bars, momentum_of

from afml_cache import BacktestCache, CacheConfigError, RunNotFoundError

DATA = bars(40)
# As `afml.cache` wrote it: ids are MD5, times are seconds, metrics are those that it knew.
OLD = {
    "5d41402abc4b2a76b9719d911017c592": {
        "strategy": "momentum",
        "parameters": {"lookback": 20, "threshold": 0.02},
        "data_hash": "7d793037a0760186574b0282f2f435e7",
        "timestamp": 1700000000.25,
        "metrics": {"total_return": 0.45, "sharpe_ratio": 1.8, "max_drawdown": -0.12},
    },
    "9e107d9d372bb6826bd81d3542a419d6": {
        "strategy": "momentum",
        "parameters": {"lookback": 10, "threshold": 0.01},
        "data_hash": "7d793037a0760186574b0282f2f435e7",
        "timestamp": 1700000100.0,
        "metrics": {"total_return": 0.1, "sharpe_ratio": float("nan")},
    },
    "e4d909c290d0fb1ca068ffaddf22cbd0": {
        "strategy": "mean_reversion",
        "parameters": {"window": 50},
        "data_hash": "empty",
        "timestamp": 1700000200.0,
        "metrics": {},
    },
}


@pytest.fixture
def cache():
    return BacktestCache()


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "backtests"
    folder.mkdir()
    (folder / "backtest_index.json").write_text(json.dumps(OLD, indent=2))
    return folder


def test_an_old_index_is_taken_over(cache, old, recwarn):
    runs = cache.import_index(old / "backtest_index.json")
    assert runs == list(OLD) == list(cache.index)
    told = cache.index[runs[0]]
    assert told["strategy"] == "momentum"
    assert told["parameters"] == {"lookback": 20, "threshold": 0.02}
    assert told["metrics"] == {"total_return": 0.45, "sharpe_ratio": 1.8, "max_drawdown": -0.12}
    expected = dt.datetime.fromtimestamp(1700000000.25, tz=dt.timezone.utc)
    assert told["timestamp"] == expected
    assert cache.get_run_metadata(runs[0]).notes == "imported from backtest_index.json"
    best = cache.find_best_parameters("momentum")
    assert list(best.index) == runs[:1]
    assert list(best["n_trials"]) == [2]
    assert len(recwarn) == 1  # of the metric that is NaN


def test_it_is_taken_over_once(cache, old):
    runs = cache.import_index(old)
    assert cache.import_index(old) == runs
    assert len(cache.index) == 3
    assert len(cache.ledger.trials("momentum")) == 2


def test_its_runs_are_trials_of_the_family_that_is_named(cache, old):
    cache.import_index(old, dataset="EURUSD/1h", purpose="study")
    assert ("momentum", "EURUSD/1h", "study") in cache.ledger.families()
    cache.cache_backtest(
        *("momentum", {"lookback": 30}, DATA, {"sharpe_ratio": 1.0}),
        dataset="EURUSD/1h",
        purpose="study",
    )
    assert len(cache.ledger.trials("momentum")) == 3


def test_no_run_of_its_own_is_replaced(cache, old):
    run = cache.cache_backtest("mine", {}, DATA, {"sharpe_ratio": 9.0})
    first = next(iter(OLD.values()))
    (old / "backtest_index.json").write_text(json.dumps({run: first, "an older id": first}))
    taken, odd = cache.import_index(old)
    assert len({run, taken, odd}) == 3
    assert cache.index[run]["strategy"] == "mine"
    assert cache.get_run_metadata(odd).tags == {"imported": "an older id"}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "5", "{", '{"a": 5}', '{"a": {"metrics": {}}}', '{"a": {"strategy": 1}}'],
)
def test_what_is_no_such_index_is_refused(cache, tmp_path, text):
    file = tmp_path / "some.json"
    file.write_text(text)
    with pytest.raises(CacheConfigError, match=r"`.*some\.json` is no backtest_index\.json"):
        cache.import_index(file)
    assert not len(cache.index)


def test_a_missing_index_is_an_error_of_the_file(cache, tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.import_index(tmp_path)


def test_odd_fields_of_an_old_index_are_passed_over(cache, old):
    odd = {"x": {"strategy": "odd", "parameters": [1], "metrics": "none", "timestamp": "soon"}}
    (old / "backtest_index.json").write_text(json.dumps(odd))
    (run,) = cache.import_index(old)
    told = cache.index[run]
    assert (told["parameters"], told["metrics"]) == ({}, {})
    assert told["timestamp"].year == 1970


def test_an_export_is_read_by_other_tools(cache, tmp_path):
    backtest = momentum_of(tags={"by": "me"}, costs={"commission": 0.001})
    metrics, trades, equity = backtest(DATA, {"lookback": np.int64(5)})
    place = cache.export(backtest.last_run_id, tmp_path / "out")
    assert place == tmp_path / "out" / backtest.last_run_id
    pd.testing.assert_frame_equal(pd.read_parquet(place / "trades.parquet"), trades)
    read = pd.read_parquet(place / "equity.parquet")
    np.testing.assert_array_equal(read.iloc[:, 0], equity)
    told = json.loads((place / "run.json").read_text())
    assert told["strategy_name"] == "momentum"
    assert told["parameters"] == {"lookback": 5}
    assert told["metrics"] == metrics
    assert told["start_date"] == "2023-01-02T00:00:00+00:00"
    assert (told["tags"], told["costs"]) == ({"by": "me"}, {"commission": 0.001})
    assert told["no_parquet"] == {}
    with pytest.raises(FileExistsError):
        cache.export(backtest.last_run_id, tmp_path / "out")
    with pytest.raises(RunNotFoundError):
        cache.export("0" * 32, tmp_path)


def test_an_export_is_json_whatever_was_recorded(cache, tmp_path):
    metrics = {"sharpe_ratio": float("nan"), "best": float("inf"), "why": "x"}
    parameters = {"frame": DATA, ("a", 1): {2: float("nan")}}
    run = cache.cache_backtest("odd", parameters, DATA, metrics, trades={"no": "table"})

    def refused(constant):
        raise ValueError(constant)

    text = (cache.export(run, tmp_path) / "run.json").read_text()
    told = json.loads(text, parse_constant=refused)
    assert told["metrics"] == {"sharpe_ratio": None, "best": None, "why": "x"}
    assert told["parameters"] == {"frame": "DataFrame of shape (40, 2)", "('a', 1)": {"2": None}}
    assert list(told["no_parquet"]) == ["trades"]


def test_a_pruned_run_is_exported_without_tables(cache, tmp_path):
    backtest = momentum_of()
    backtest(DATA, {"lookback": 5})
    cache.prune(0)
    place = cache.export(backtest.last_run_id, tmp_path)
    assert [file.name for file in place.iterdir()] == ["run.json"]
    assert json.loads((place / "run.json").read_text())["state"] == "pruned"
