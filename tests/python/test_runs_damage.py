"""Whatever happens to a store, the answer comes, nothing forged is served, and it is told once."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from backtests import bars, momentum_of
from hostile import LIMIT, POWERLESS

import afml_cache
from afml_cache import BacktestCache, Store, cached_backtest

DATA = bars(6000)  # an answer of its own file
SHORT = bars(60)  # one within the index
PARAMS = {"lookback": 5}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")


@pytest.fixture
def backtest():
    return momentum_of()


@pytest.fixture
def cache():
    return BacktestCache()


def flip(path, share):
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    path.write_bytes(content)


def assert_right(backtest, data=DATA):
    with afml_cache.mode("off"):
        expected = backtest(data, PARAMS)
    metrics, trades, equity = backtest(data, PARAMS)
    assert metrics == expected[0]
    pd.testing.assert_frame_equal(trades, expected[1])
    pd.testing.assert_series_equal(equity, expected[2])


@pytest.mark.parametrize("share", np.linspace(0, 0.999, 8))
def test_a_flipped_byte_of_an_answer_is_never_served(backtest, cache, share, recwarn):
    backtest(DATA, PARAMS)
    flip(cache.native.folder_of(backtest.last_run_id) / "answer", share)
    assert_right(backtest)
    assert_right(backtest)
    info = backtest.cache_info()
    assert (info.hits, info.misses) in {(1, 2), (2, 1)}  # a byte that pads is no part of it
    assert len(recwarn) == info.misses - 1
    assert len(cache.ledger.trials("momentum")) == 1


@pytest.mark.parametrize("content", [None, b"", b"AFMLPAY1", b"x" * 5000], ids=repr)
def test_an_answer_that_is_gone_or_cut_is_computed_again(backtest, cache, content, recwarn):
    backtest(DATA, PARAMS)
    file = cache.native.folder_of(backtest.last_run_id) / "answer"
    file.unlink() if content is None else file.write_bytes(content)
    assert_right(backtest)
    assert backtest.cache_info().misses == 2
    assert len(recwarn) == 1
    assert_right(backtest)
    assert backtest.cache_info().misses == 2


def test_the_answer_of_another_run_is_not_served_for_this_one(backtest, cache, recwarn):
    backtest(DATA, PARAMS)
    one = cache.native.folder_of(backtest.last_run_id)
    backtest(DATA, {"lookback": 50})
    other = cache.native.folder_of(backtest.last_run_id)
    (one / "answer").write_bytes((other / "answer").read_bytes())
    assert_right(backtest)
    assert len(recwarn) == 1


@pytest.mark.parametrize("data", [DATA, SHORT], ids=["file", "log"])
@pytest.mark.parametrize("content", [None, b"", b"x" * 9000], ids=["gone", "empty", "garbage"])
def test_an_index_that_is_lost_is_made_again(backtest, cache, data, content, recwarn):
    backtest(data, PARAMS)
    run = backtest.last_run_id
    best = cache.find_best_parameters("momentum")
    for file in cache.native.folder.glob("runs.sqlite3*"):
        file.unlink()
    if content is not None:
        (cache.native.folder / "runs.sqlite3").write_bytes(content)
    assert_right(backtest, data)
    assert list(cache.index) == [run]
    pd.testing.assert_frame_equal(cache.find_best_parameters("momentum"), best)
    assert not recwarn.list


@pytest.mark.parametrize("share", np.linspace(0, 0.999, 8))
def test_a_flipped_byte_of_the_log_costs_no_answer(backtest, cache, share, recwarn):
    backtest(SHORT, PARAMS)
    backtest(SHORT, {"lookback": 6})
    flip(cache.native.folder / "log", share)
    for file in cache.native.folder.glob("runs.sqlite3*"):
        file.unlink()
    for _ in range(2):
        assert_right(backtest, SHORT)
        backtest(SHORT, {"lookback": 6})
    assert len(cache.index) == 2
    assert list(cache.find_best_parameters("momentum")["n_trials"]) == [2, 2]
    assert len(recwarn) <= 1


@pytest.mark.parametrize("kind", ["a file", "others may write", "newer"])
def test_a_store_that_can_not_be_used_costs_one_warning(tmp_path, kind, recwarn):
    backtest = momentum_of(f"no store, {kind}")
    folder = tmp_path / "unusable"
    if kind == "a file":
        folder.write_text("")
    else:
        (folder / "v9").mkdir(parents=True) if kind == "newer" else folder.mkdir()
        folder.chmod(0o777 if kind == "others may write" else 0o700)
    afml_cache.configure(cache_dir=folder)
    for _ in range(2):
        assert_right(backtest)
    (told,) = recwarn
    assert str(folder) in str(told.message)
    with pytest.raises(afml_cache.CacheStoreError):
        BacktestCache().runs()


def test_where_warnings_are_errors_nothing_is_raised(backtest, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    afml_cache.configure(cache_dir=tmp_path / "file")
    assert_right(momentum_of("strict"))
    assert [record.name for record in caplog.records].count("afml_cache") == 1


SCRIPT = """
import json, sys, warnings
sys.path.insert(0, {folder!r})
from backtests import bars, momentum_of
from afml_cache import BacktestCache, mode
told = []
warnings.simplefilter("always")
warnings.showwarning = lambda said, kind, *_: told.append([kind.__name__, str(said)])
backtest, data = momentum_of(), bars(6000)
{before}
answers = []
for lookback in (5, 6, 5, 6):
    with mode("off"):
        expected = backtest(data, {{"lookback": lookback}})
    metrics, trades, equity = backtest(data, {{"lookback": lookback}})
    answers.append(metrics == expected[0] and equity.equals(expected[2]))
info = backtest.cache_info()
print(json.dumps([answers, info.hits, info.misses, told]))
"""


def said_of(run_python, before=""):
    folder = __file__.rpartition("/")[0]
    shown = run_python(SCRIPT.format(folder=folder, before=before))
    return json.loads(shown.splitlines()[-1])


def frozen(root):
    for path in [*root.rglob("*"), root]:
        path.chmod(0o500 if path.is_dir() else 0o400)


def thawed(root):
    root.chmod(0o700)
    for path in root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


@linux
def test_a_store_without_write_permission_is_read(backtest, default_cache, run_python):
    backtest(DATA, PARAMS)
    frozen(default_cache)
    answers, hits, misses, told = said_of(run_python, f"{POWERLESS}\nlose_power()")
    thawed(default_cache)
    assert (answers, hits, misses) == ([True] * 4, 2, 2)
    assert [category for category, _ in told] == ["CacheWriteWarning"], told
    assert str(default_cache) in told[0][1]


@linux
@pytest.mark.parametrize("size", [0, 20_000])
def test_files_that_may_not_grow_cost_no_answer(backtest, default_cache, run_python, size):
    backtest(DATA, PARAMS)
    answers, hits, misses, told = said_of(run_python, LIMIT.format(size=size))
    assert (answers, hits, misses) == ([True] * 4, 2, 2)
    assert [category for category, _ in told] == ["CacheWriteWarning"], told
    assert list(default_cache.glob("v1/tmp/run*")) == []
    runs = BacktestCache()
    assert len(runs.index) == 1
    assert len(runs.ledger.trials("momentum")) == 1


class Odd:
    """Needs a pickle."""

    def __reduce__(self):
        return Odd, ()


def test_without_pickles_none_is_written_or_read(tmp_path, recwarn):
    def body(data, params):
        return {"sharpe_ratio": 1.0}, Odd()

    trusting = Store(tmp_path / "store")
    careful = Store(tmp_path / "store", allow_pickle=False)
    writes = cached_backtest("pickles", cache=BacktestCache(store=trusting))(body)
    reads = cached_backtest("pickles", cache=BacktestCache(store=careful))(body)
    reads(SHORT, {})
    assert len(BacktestCache(store=trusting).index) == 0
    writes(SHORT, {})
    writes(SHORT, {})
    assert writes.cache_info().hits == 1
    reads(SHORT, {})
    assert reads.cache_info().hits == 0
    assert ["`allow_pickle` is false" in str(each.message) for each in recwarn] == [True, True]
    found = BacktestCache(store=careful).get_run_metadata(writes.last_run_id)
    assert found.performance_summary == {"sharpe_ratio": 1.0}


def test_rows_of_a_split_that_are_damaged_are_not_given(cache, recwarn):
    cache.cache_walk_forward_split("split", DATA[:1000], DATA[1000:], 0, 1)
    for file in (cache.native.folder / "frames").iterdir():
        flip(file, 0.5)
    fold = cache.get_walk_forward_split("split", 0, frames=True)
    assert fold["train_data"] is None
    assert fold["total_folds"] == 1
    assert {each.category.__name__ for each in recwarn} == {"CacheReadWarning"}
