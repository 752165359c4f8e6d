"""Runs as files: damaged, lost, shared with forks and machines, left over, read by other tools."""

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from bodies import RAN, counted

import afml_cache
from afml_cache import BacktestCache, CacheReadWarning, Store, cached_backtest

BARS = pd.DataFrame(
    {"close": np.linspace(100, 120, 60)}, index=pd.date_range("2024-01-01", periods=60)
)


def curve(number: float) -> pd.Series:
    return BARS["close"] * (1 + number / 1000 * np.sin(np.arange(60)))


def record(cache: BacktestCache, number: int) -> str:
    metrics = {"sharpe_ratio": number / 4, "trades": number}
    return cache.cache_backtest("s", {"n": number}, BARS, metrics, equity_curve=curve(number))


def log(store: Store):
    return store.path / "v1/runs/log"


def lose_index(store: Store) -> None:
    for path in store.path.glob("v1/runs/runs.sqlite3*"):
        path.unlink()


def harm(store: Store, text: bytes, which: int) -> None:
    """Change a byte of the log, where this text is for the so-manieth time."""
    content = bytearray(log(store).read_bytes())
    place = -1
    for _ in range(which):
        place = content.index(text, place + 1)
    content[place] ^= 1
    log(store).write_bytes(content)


def everything(cache: BacktestCache) -> str:
    frames = [cache.runs(), cache.find_best_parameters("s", top_n=9), cache.leaderboard()]
    returns = cache.returns(list(cache.index))
    answers = [cache.get_cached_backtest("s", {"n": number}, BARS) for number in range(9)]
    shown = [str(answer and answer.metrics) for answer in answers]
    frames += [returns, cache.ledger.trials("s")]
    return "\n".join([*(frame.to_csv() for frame in frames), *shown, str(dict(cache.index))])


def test_without_its_index_a_store_answers_as_before(store) -> None:
    cache = BacktestCache(store=store)
    for number in range(9):
        record(cache, number)
    cache.delete(record(cache, 4))
    cache.prune(3, strategy="s")
    before = everything(cache)
    lose_index(store)
    assert everything(cache) == before
    assert everything(BacktestCache(Store(store.path).path)) == before


def test_a_damaged_answer_is_told_once_and_computed_again(store) -> None:
    cache = BacktestCache(store=store)

    @cached_backtest("momentum", cache=cache)
    def backtest(data, params):
        RAN.warning("momentum")
        return {"sharpe_ratio": 1.25}, None, curve(params["n"])

    with counted() as bodies:
        first = backtest(BARS, {"n": 5})
        assert backtest(BARS, {"n": 5})[0] == first[0]
        assert len(bodies) == 1
        harm(store, b"sharpe_ratio", 1)
        with pytest.warns(CacheReadWarning, match="not what was written"):
            again = backtest(BARS, {"n": 5})
        assert len(bodies) == 2
        assert again[0] == first[0]
        assert backtest(BARS, {"n": 5})[2].equals(curve(5))
        assert len(bodies) == 2
    assert len(cache.index) == 1
    assert len(cache.ledger.trials("momentum")) == 1


def test_what_is_lost_of_the_log_is_told(store) -> None:
    cache = BacktestCache(store=store)
    kept, lost = record(cache, 1), record(cache, 2)
    record(cache, 3)
    harm(store, bytes.fromhex(lost), 2)  # the first is in its answer
    assert lost in cache.index, "the index has it"
    lose_index(store)
    again = BacktestCache(store=Store(store.path))
    with pytest.warns(CacheReadWarning, match="can't be read in 1 places"):
        assert lost not in again.index
    assert kept in again.index
    assert len(again.index) == 2


def test_a_forked_child_records_beside_its_parent(tmp_path) -> None:
    script = """
import os, sys
import pandas as pd
from afml_cache import BacktestCache
cache = BacktestCache(sys.argv[1])
bars = pd.DataFrame({"close": [1.0, 2.0, 3.0]})
cache.cache_backtest("s", {"n": -1}, bars, {"sharpe_ratio": 0.0})
child = os.fork()
for number in range(40):
    cache.cache_backtest("s", {"n": number + (child == 0) * 100}, bars, {"sharpe_ratio": 1.0})
if child == 0:
    os._exit(len(cache.index) < 41)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert len(cache.index) == len(cache.ledger.trials("s")) == 81
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, tmp_path / "store"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_a_store_that_machines_share_has_runs(tmp_path) -> None:
    stores = [Store(tmp_path / "store", network=True) for _ in range(2)]
    first, second = (BacktestCache(store=store) for store in stores)
    run = record(first, 7)
    record(second, 8)
    assert second.get_run_metadata(run).parameters == {"n": 7}
    assert list(first.find_best_parameters("s")["param_n"]) == [8, 7]
    assert not list(tmp_path.glob("store/v1/runs/*-wal"))


def test_what_was_never_recorded_is_collected(store) -> None:
    cache = BacktestCache(store=store)
    run = record(cache, 1)
    folder = store.path / "v1/runs"
    stray = folder / ("0" * 32)
    stray.mkdir()
    (stray / "trades.parquet").write_bytes(b"half")
    an_hour_ago = time.time() - 3600
    for path in (stray, folder / run):
        os.utime(path, (an_hour_ago, an_hour_ago))
    assert afml_cache.gc(store).files == 1
    assert not stray.exists()
    assert (folder / run / "equity.parquet").is_file()


@pytest.mark.parametrize("zone", [None, "America/New_York"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("name", [None, "equity"])
def test_an_equity_curve_is_read_by_other_tools_as_pandas_writes_it(
    store, tmp_path, zone, dtype, name
) -> None:
    index = BARS.index.tz_localize(zone).rename("time" if name else None)
    equity = pd.Series(np.arange(60) + 100, index=index, name=name).astype(dtype)
    if dtype != "int64":
        equity.iloc[3] = np.nan
    cache = BacktestCache(store=store)
    run = cache.cache_backtest("s", {}, BARS, {"sharpe_ratio": 1.0}, equity_curve=equity)
    expected = equity.to_frame("equity_curve" if name is None else name)
    expected.to_parquet(tmp_path / "expected.parquet")
    read = pd.read_parquet(store.path / "v1/runs" / run / "equity.parquet")
    pd.testing.assert_frame_equal(read, pd.read_parquet(tmp_path / "expected.parquet"))
    assert cache.get_cached_backtest("s", {}, BARS).equity_curve.equals(equity)
