"""Batches that are run again: after data or failures changed, in other folders, over files."""

import os
import pathlib

import numpy as np
import pandas as pd
import pytest

import afml_cache
from afml_cache import (
    BatchRunner,
    CacheConfigError,
    SchemaError,
    SweepWarning,
    robust_cacheable,
)

BARS = np.zeros(1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "batch_results"


@pytest.fixture
def runner(folder):
    """Make a runner over ten items, in batches of four."""

    def make(function, strategies=range(10), batch_size=4, **options):
        options = {"output_dir": folder, "executor": "sequential", "progress": False, **options}
        return BatchRunner(function, strategies, batch_size, **options)

    return make


def on_file(strategy, parquet_file):
    return {"strategy": strategy, "close": float(pathlib.Path(parquet_file).read_text())}


def on_global(strategy):
    return {"strategy": strategy, "close": float(BARS[0])}


def on_common(strategy, bars):
    return {"strategy": strategy, "close": float(bars[0])}


def needs(strategy, path):
    if strategy == 9:
        path.stat()
    return {"strategy": strategy}


def closes(path):
    return pd.read_parquet(path)["close"].unique().tolist()


@pytest.mark.parametrize("parts", [False, True])
def test_a_file_that_changed_since_is_read_again(runner, tmp_path, parts) -> None:
    bars = tmp_path / "bars.txt"
    bars.write_text("1.5")
    run = runner(on_file, parquet_file=bars)
    assert closes(run.run()) == [1.5]
    bars.write_text("2.5")
    if parts:
        assert [run.run_batch(number).from_cache for number in range(3)] == [False] * 3
        assert closes(run.merge_results()) == [2.5]
    else:
        assert closes(run.run()) == [2.5]
    assert run.cached_batches == []


@pytest.mark.parametrize("by", ["global", "common"])
def test_data_in_memory_that_changed_since_counts(runner, monkeypatch, by) -> None:
    bars = np.ones(1)
    monkeypatch.setitem(globals(), "BARS", bars)
    options = {"function": on_global} if by == "global" else {"function": on_common}
    run = runner(**options, common=() if by == "global" else (bars,))
    bars[0] = 2.0
    assert closes(run.run()) == [2.0]
    bars[0] = 1.0
    again = runner(**options, common=() if by == "global" else (bars,))
    assert closes(again.run()) == [1.0]
    assert again.cached_batches == []


def test_what_changes_while_a_batch_runs_leaves_no_batch_that_is_done(runner, monkeypatch) -> None:
    bars = np.ones(1)
    monkeypatch.setitem(globals(), "BARS", bars)

    def change(progress):
        bars[0] = 2.0

    runner(on_global, strategies=[1, 2], progress_callback=change).run()
    bars[0] = 1.0
    again = runner(on_global, strategies=[1, 2])
    assert closes(again.run()) == [1.0]
    assert again.cached_batches == []


def test_a_failure_is_forgotten_once_another_size_is_run(runner, tmp_path) -> None:
    there = tmp_path / "bars"
    run = runner(needs, common=(there,))
    assert not run.run_all_batches()[2].success
    there.write_text("1")
    assert pd.read_parquet(run.run_batch_processing(batch_size=10)).shape == (10, 1)


def test_a_failure_is_forgotten_once_another_runner_has_mended_it(runner, tmp_path) -> None:
    there = tmp_path / "bars"
    run = runner(needs, common=(there,))
    run.run_all_batches()
    there.write_text("1")
    runner(needs, common=(there,)).run_all_batches()
    assert pd.read_parquet(run.merge_results()).shape == (10, 1)


def test_a_wish_to_compute_all_again_can_be_taken_back(runner) -> None:
    run = runner(needs, [1, 2], common=(1,), force_rerun=True)
    run.run()
    run.run_batch_processing(force_rerun=False)
    assert run.cached_batches == [0]


def test_a_file_and_a_mapping_go_together(runner, tmp_path) -> None:
    def on_bars(strategy, bars, factor):
        return {"close": strategy * factor * float(pathlib.Path(bars).read_text())}

    bars = tmp_path / "bars.txt"
    bars.write_text("1.5")
    run = runner(on_bars, [1], parquet_file=bars, common={"factor": 2.0})
    assert closes(run.run()) == [3.0]
    bars.write_text("2.0")
    assert closes(run.run()) == [4.0]


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (lambda strategy: {"s": strategy}, {}, "takes nothing behind the item"),
        (lambda *args: {"s": args}, {}, "takes nothing behind the item"),
        (lambda s, **options: {"s": s, **options}, {}, "takes nothing behind the item"),
        (max, {}, "takes nothing behind the item"),
        (lambda a, b, path: {"a": a, "b": b, "p": path}, {"unpack": True}, "where `parquet_file`"),
        (robust_cacheable(on_file), {}, 'decorate it with `files="parquet_file"`'),
    ],
    ids=range(6),
)
def test_a_file_without_a_place_is_refused(runner, tmp_path, function, options, words) -> None:
    with pytest.raises(CacheConfigError, match=words):
        runner(function, [(1, 2)], parquet_file=tmp_path / "bars", **options)


def test_a_cached_function_that_counts_its_file_takes_one(runner, tmp_path) -> None:
    cached = robust_cacheable(files="parquet_file")(on_file)
    bars = tmp_path / "bars.txt"
    for close in (1.5, 2.5):
        bars.write_text(str(close))
        assert closes(runner(cached, parquet_file=bars).run()) == [close]


def test_folders_have_records_of_their_own(runner, tmp_path, folder) -> None:
    folder.mkdir()
    foreign = folder / "results_batch_0.parquet"
    pd.DataFrame({"strategy": range(4), "note": "mine"}).to_parquet(foreign)
    content = foreign.read_bytes()
    runner(needs, common=(1,), adopt_existing=True, strategies=range(8)).run()
    runner(needs, common=(1,), strategies=range(8), output_dir=tmp_path / "other").run()
    again = runner(needs, common=(1,), strategies=range(8))
    again.run()
    assert again.cached_batches == [0, 1]
    assert foreign.read_bytes() == content


def test_a_folder_that_was_moved_is_still_done(runner, tmp_path, folder) -> None:
    runner(on_global).run()
    folder.rename(tmp_path / "moved")
    again = runner(on_global, output_dir=tmp_path / "moved")
    again.run()
    assert again.cached_batches == [0, 1, 2]


def test_files_of_another_tool_are_not_lost_where_the_list_was_run_elsewhere(
    runner, tmp_path, folder
) -> None:
    runner(on_global, output_dir=tmp_path / "other").run()
    folder.mkdir()
    pd.DataFrame({"strategy": range(4)}).to_parquet(folder / "results_batch_0.parquet")
    (folder / "results_batch_1.parquet").write_text("no rows, and somebody's all the same")
    with pytest.warns(SweepWarning, match="was recorded by nobody"):
        runner(on_global).run()
    assert len(pd.read_parquet(folder / "results_batch_0.parquet.before-1")) == 4
    assert (folder / "results_batch_1.parquet.before-1").read_text().startswith("no rows")


def test_a_file_of_another_tool_stays_where_no_other_can_be_written(runner, folder) -> None:
    folder.mkdir()
    foreign = folder / "results_batch_0.parquet"
    pd.DataFrame({"strategy": range(4)}).to_parquet(foreign)
    with pytest.raises(SchemaError):
        runner(lambda strategy: strategy + 1, on_error="raise").run()
    assert [path.name for path in folder.iterdir()] == [foreign.name]


def test_files_of_another_tool_have_the_columns_of_those_that_are_done(runner, folder) -> None:
    run = runner(on_global, adopt_existing=True)
    run.run_batch(0)
    for number, rows, column in [(1, 4, "open"), (2, 2, "close")]:
        path = folder / f"results_batch_{number}.parquet"
        pd.DataFrame({"strategy": range(rows), column: 1}).to_parquet(path)
    with pytest.warns(SweepWarning, match="results_batch_1.parquet` was recorded by nobody"):
        run.run()
    assert run.cached_batches == [0, 2]


def test_a_file_of_ours_that_is_not_recorded_any_more_is_written_again(
    runner, tmp_path, folder
) -> None:
    runner(on_global).run()
    there = sorted(path.name for path in folder.iterdir())
    afml_cache.configure(cache_dir=tmp_path / "another store")
    again = runner(on_global)
    again.run()
    assert again.cached_batches == []
    assert sorted(path.name for path in folder.iterdir()) == there


def test_adopted_files_of_an_earlier_list_are_collected_and_others_are_left(runner, folder) -> None:
    folder.mkdir()
    for number in (1, 2):
        path = folder / f"results_batch_{number}.parquet"
        pd.DataFrame({"strategy": range(4), "close": float(number)}).to_parquet(path)
    runner(on_global, range(8), adopt_existing=True).run()
    short = runner(on_global, range(4))
    short.run()
    assert short.collect_other_files() > 0
    assert [path.name for path in short.files_of_other_lists()] == ["results_batch_2.parquet"]


def test_a_folder_may_have_a_name_that_is_no_text(runner, tmp_path) -> None:
    for cached in ([], [0, 1, 2]):
        run = runner(on_global, output_dir=tmp_path / os.fsdecode(b"\xff \n"))
        run.run()
        assert run.cached_batches == cached


def test_whole_numbers_may_be_those_of_numpy(runner) -> None:
    run = runner(on_global, batch_size=np.int64(4))
    assert run.run_batch(np.int64(1))[3] is False
    assert run.cached_batches == []
    assert run.run_batch(1)[3] is True
    with pytest.raises(CacheConfigError, match=r"there is no batch 1\.0"):
        run.run_batch(1.0)


def test_a_folder_is_that_of_the_start(runner, tmp_path, monkeypatch) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = runner(on_global, output_dir="batch_results")
    run.run_all_batches()
    monkeypatch.chdir(tmp_path / "there")
    assert run.merge_results() == tmp_path / "here" / "batch_results" / "results_merged.parquet"
    assert [*(tmp_path / "there").iterdir()] == []
