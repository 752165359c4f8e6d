"""Trades, equity and positions lie beside a run as Parquet, for tools that know nothing of us."""

import builtins
import importlib
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet
import pytest
from backtests import bars, momentum_of, polars_bars

from afml_cache import BacktestCache, cached_backtest

DATA = bars(40)


@pytest.fixture
def cache():
    return BacktestCache()


def recorded(cache, **parts):
    run = cache.cache_backtest("parquet", {}, DATA, {"sharpe_ratio": 1.0}, **parts)
    return run, cache.native.folder_of(run)


def test_pandas_opens_them_with_index_and_dtypes(cache):
    trades = pd.DataFrame(
        {
            "entry": pd.date_range("2024-01-02 09:00", periods=2, tz="Europe/Berlin"),
            "held": pd.to_timedelta(["1h", "2D"]),
            "side": pd.Categorical(["long", "short"]),
            "size": pd.array([1, None], dtype="Int64"),
            "note": ["x", None],
            "won": [True, False],
        },
        index=pd.Index([7, 7], name="deal"),
    )
    equity = pd.Series(np.arange(40.0), DATA.index, name="account")
    _, folder = recorded(cache, trades=trades, equity_curve=equity, positions=DATA)
    read = pd.read_parquet(folder / "trades.parquet")
    pd.testing.assert_frame_equal(read, trades)
    read = pd.read_parquet(folder / "equity.parquet")
    pd.testing.assert_frame_equal(read, equity.to_frame(), check_freq=False)
    read = pd.read_parquet(folder / "positions.parquet")
    pd.testing.assert_frame_equal(read, DATA, check_freq=False)


def test_polars_and_pyarrow_open_them(cache):
    backtest = momentum_of()
    _, trades, equity = backtest(DATA, {"lookback": 5})
    folder = cache.native.folder_of(backtest.last_run_id)
    read = pl.read_parquet(folder / "trades.parquet")
    assert read["pnl"].to_list() == list(trades["pnl"])
    assert read["entry"].dtype.is_temporal()
    table = pyarrow.parquet.read_table(folder / "equity.parquet")
    assert table.column("time").to_pylist() == [each.to_pydatetime() for each in equity.index]


def test_frames_of_polars_are_written_by_polars(cache):
    trades = polars_bars(5)
    _, folder = recorded(cache, trades=trades, equity_curve=pl.Series("account", [1.0, 2.0]))
    assert pl.read_parquet(folder / "trades.parquet").equals(trades)
    assert pl.read_parquet(folder / "equity.parquet")["account"].to_list() == [1.0, 2.0]


def test_lists_and_arrays_are_tables_too(cache):
    trades = [{"pnl": 1.0, "side": "long"}, {"pnl": -0.5, "side": "short"}]
    _, folder = recorded(cache, trades=trades, equity_curve=[1.0, 1.5], positions=np.arange(3))
    assert pd.read_parquet(folder / "trades.parquet").to_dict("records") == trades
    assert list(pd.read_parquet(folder / "equity.parquet")["equity_curve"]) == [1.0, 1.5]
    assert list(pd.read_parquet(folder / "positions.parquet")["positions"]) == [0, 1, 2]


def test_an_empty_frame_has_a_file(cache):
    _, folder = recorded(cache, trades=pd.DataFrame(), equity_curve=pd.Series(dtype=float))
    assert len(pd.read_parquet(folder / "trades.parquet")) == 0


@pytest.mark.parametrize(
    "trades",
    [
        pd.DataFrame({"mixed": [1, "x", None]}),
        pd.DataFrame([[1, 2]], columns=["same", "same"]),
        pd.DataFrame({"complex": [1 + 2j]}),
        {"by": "hand"},
    ],
    ids=["mixed", "same names", "complex", "mapping"],
)
def test_what_parquet_can_not_hold_is_kept_all_the_same(cache, trades):
    run, folder = recorded(cache, trades=trades, positions=DATA)
    assert not (folder / "trades.parquet").exists()
    assert (folder / "positions.parquet").exists()
    told = cache.get_run_metadata(run).no_parquet
    assert list(told) == ["trades"]
    assert told["trades"].startswith("Parquet can't hold it")
    kept = cache.get_cached_trades(run)
    if isinstance(trades, dict):
        assert kept == trades
    else:
        pd.testing.assert_frame_equal(kept, trades)


def test_without_pyarrow_runs_are_kept(cache, monkeypatch):
    def missing(name, *args, **kwargs):
        if name.partition(".")[0] == "pyarrow":
            message = f"No module named {name!r}"
            raise ModuleNotFoundError(message, name="pyarrow")
        return imported(name, *args, **kwargs)

    imported = importlib.import_module
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(builtins, "__import__", _without_pyarrow(builtins.__import__))
    backtest = momentum_of()
    first = backtest(DATA, {"lookback": 5})
    again = backtest(DATA, {"lookback": 5})
    assert backtest.cache_info().hits == 1
    pd.testing.assert_frame_equal(again[1], first[1])
    told = cache.get_run_metadata(backtest.last_run_id).no_parquet
    assert told["trades"] == "pyarrow is not installed: pip install 'afml-cache[runs]'"


def _without_pyarrow(imported):
    def missing(name, *args, **kwargs):
        if name.partition(".")[0] == "pyarrow":
            message = f"No module named {name!r}"
            raise ModuleNotFoundError(message, name="pyarrow")
        return imported(name, *args, **kwargs)

    return missing


def test_hostile_files_beside_a_run_are_never_read(cache):
    backtest = momentum_of()
    _, trades, _ = backtest(DATA, {"lookback": 5})
    run = backtest.last_run_id
    for file in cache.native.folder_of(run).glob("*.parquet"):
        file.write_bytes(b"PAR1 something of somebody else's PAR1")
    again = backtest(DATA, {"lookback": 5})
    pd.testing.assert_frame_equal(again[1], trades)
    pd.testing.assert_frame_equal(cache.get_cached_trades(run), trades)
    assert backtest.cache_info().hits == 1


def test_an_export_is_written_from_what_was_kept_and_not_from_the_files(cache, tmp_path):
    backtest = momentum_of()
    _, trades, _ = backtest(DATA, {"lookback": 5})
    run = backtest.last_run_id
    (cache.native.folder_of(run) / "trades.parquet").write_bytes(b"forged")
    place = cache.export(run, tmp_path / "out")
    pd.testing.assert_frame_equal(pd.read_parquet(place / "trades.parquet"), trades)


def test_a_kept_polars_backtest_needs_no_pandas_frame(cache):
    @cached_backtest("polars")
    def backtest(data, params):
        equity = data.select("time", equity=pl.col("close"))
        return {"sharpe_ratio": 1.0}, data.head(3), equity

    data = polars_bars(60)
    backtest(data, {"a": 1})
    assert backtest(data.clone(), {"a": 1})[2].equals(data.select("time", equity="close"))
    (trial,) = cache.ledger.trials("polars").to_dict("records")
    assert trial["periods"] == 59
    assert cache.get_run_metadata(backtest.last_run_id).start_date.year == 2023
