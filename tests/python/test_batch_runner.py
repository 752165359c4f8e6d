"""Batches: skipped while their files are done, and made anew of what is there."""

import logging

import pandas as pd
import pytest
from bodies import counted

import afml_cache
from afml_cache import (
    BatchRunner,
    CacheConfigError,
    ItemError,
    MergeError,
    SweepWarning,
    sweep,
    sweeps,
)

RAN = logging.getLogger("afml-tests.ran")


@pytest.fixture
def bodies():
    with counted() as seen:
        yield seen


def evaluate(strategy):
    RAN.warning(str(strategy))
    return {"strategy": strategy, "sharpe": strategy / 7, "name": f"s{strategy}"}


def fails_below_zero(strategy):
    RAN.warning(str(strategy))
    if strategy < 0:
        message = f"no bars for {strategy}"
        raise ValueError(message)
    return {"strategy": strategy}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "batch_results"


@pytest.fixture
def runner(folder):
    """Make a runner that computes here: bodies are counted."""

    def make(function=evaluate, strategies=range(10), batch_size=4, **options):
        options = {"output_dir": folder, "executor": "sequential", "progress": False, **options}
        return BatchRunner(function, strategies, batch_size, **options)

    return make


def test_batches_have_files_and_one_merged_file(runner, folder, bodies) -> None:
    path = runner().run()
    assert path == folder / "results_merged.parquet"
    assert sorted(file.name for file in folder.iterdir()) == [
        *(f"results_batch_{number}.parquet" for number in range(3)),
        "results_merged.parquet",
    ]
    merged = pd.read_parquet(path)
    assert merged["strategy"].tolist() == list(range(10))
    assert merged.columns.tolist() == ["strategy", "sharpe", "name"]
    assert len(bodies) == 10


def test_a_second_run_skips_all_batches(runner, bodies) -> None:
    first = runner().run().read_bytes()
    again = runner()
    results = again.run_all_batches()
    assert again.merge_results().read_bytes() == first
    assert again.cached_batches == [0, 1, 2]
    assert [(one.success, one.elapsed, one.from_cache) for one in results] == [
        (True, 0.0, True)
    ] * 3
    assert len(bodies) == 10


def test_the_merged_file_does_not_depend_on_the_size_of_batches(runner, tmp_path) -> None:
    merged = {
        runner(batch_size=size, output_dir=tmp_path / str(size)).run().read_bytes()
        for size in (1, 3, 4, 100)
    }
    assert len(merged) == 1


def test_a_list_that_is_longer_shorter_or_in_another_order_computes_what_is_new(
    runner, bodies
) -> None:
    runner().run()
    longer = runner(strategies=range(12))
    longer.run()
    assert longer.cached_batches == [0, 1]
    assert bodies.ran[10:] == ["10", "11"]
    turned = runner(strategies=range(9, -1, -1))
    assert pd.read_parquet(turned.run())["strategy"].tolist() == list(range(9, -1, -1))
    assert turned.cached_batches == []
    shorter = runner(strategies=range(4))
    shorter.run()
    assert len(bodies) == 12


def test_22_of_24_batches_are_found_skipped_and_told(runner, bodies, capsys, folder) -> None:
    runner(strategies=range(240), batch_size=10).run()
    for number in (22, 23):
        (folder / f"results_batch_{number}.parquet").unlink()
    afml_cache.clear_afml_cache(warn=False)
    again = runner(strategies=range(240), batch_size=10, progress=True)
    again.run()
    said = capsys.readouterr().out.splitlines()
    at = said.index("✅ Found 22 cached batch results!")
    assert said[at + 1] == "   Skipping batches: 1-22"
    assert said[at + 2] == "   Processing remaining: 2 batches"
    assert "Batch 1/24: 0-10  📦 CACHED" in said
    assert any(line.startswith("Batch 23/24: 220-230  ✅") for line in said)
    assert said[-5] == "✅ BATCH PROCESSING COMPLETE"
    assert said[-3:] == [
        "   Successful batches: 24/24",
        "   Cached batches: 22",
        "   Processed batches: 2",
    ]
    assert len(bodies) == 240 + 20


def test_without_a_terminal_lines_go_to_the_log(runner, caplog) -> None:
    with caplog.at_level(logging.INFO, "afml_cache.sweeps"):
        runner(progress=None).run()
        runner(progress=None).run()
    said = [record.getMessage() for record in caplog.records if record.name == "afml_cache.sweeps"]
    assert "✅ Found 3 cached batch results!" in said
    assert "Batch 1/3: 0-4  📦 CACHED" in said


def test_a_failed_item_leaves_a_hole_and_a_retry_runs_it_alone(runner, tmp_path, bodies) -> None:
    there = tmp_path / "bars"

    def needs_bars(strategy, path):
        RAN.warning(str(strategy))
        if strategy == 5:
            path.stat()
        return {"strategy": strategy}

    run = runner(needs_bars, common=(there,))
    results = run.run_all_batches()
    assert [one.success for one in results] == [True, False, True]
    with pytest.raises(MergeError, match=r"batch 2 of 3 has no file.*item 5 \(5\)") as caught:
        run.merge_results()
    assert isinstance(caught.value.__cause__, ItemError)
    assert caught.value.__cause__.position == 5
    (failure,) = sweep.status("needs_bars").failures
    assert (failure.place, failure.item, failure.kind) == (5, "5", "FileNotFoundError")
    assert len(bodies) == 10
    there.write_text("1")
    assert pd.read_parquet(runner(needs_bars, common=(there,)).run()).shape == (10, 1)
    assert bodies.ran[10:] == ["5"]


def test_a_run_that_is_to_raise_raises(runner) -> None:
    with pytest.raises(ItemError, match="no bars for -1"):
        runner(fails_below_zero, [1, -1], on_error="raise").run()


def test_force_rerun_computes_all_and_no_skip_existing_writes_all(runner, folder, bodies) -> None:
    runner().run()
    before = [path.stat().st_ino for path in sorted(folder.glob("results_batch_*"))]
    again = runner(skip_existing=False)
    again.run()
    assert again.cached_batches == []
    assert before != [path.stat().st_ino for path in sorted(folder.glob("results_batch_*"))]
    assert len(bodies) == 10
    forced = runner(force_rerun=True)
    forced.run()
    assert forced.cached_batches == []
    assert len(bodies) == 20


@pytest.mark.parametrize(("setting", "ran"), [("skip_existing", 10), ("force_rerun", 20)])
def test_flags_of_scripts_hold(runner, bodies, setting, ran) -> None:
    runner().run()
    try:
        afml_cache.configure({setting: setting == "force_rerun"})
        again = runner()
        again.run()
        assert again.cached_batches == []
    finally:
        afml_cache.configure(skip_existing=True, force_rerun=False)
    assert len(bodies) == ran


def test_changed_code_makes_all_batches_anew(module, runner) -> None:
    text = "def f(s):\n    return {'s': s, 'v': s + 1}\n"
    runner(module(text).f).run()
    changed = runner(module(text.replace("+ 1", "+ 2")).f)
    assert pd.read_parquet(changed.run())["v"].tolist() == list(range(2, 12))
    assert changed.cached_batches == []


def test_a_file_that_was_cut_or_changed_is_made_anew_of_what_is_there(
    runner, folder, bodies, caplog
) -> None:
    first = runner().run().read_bytes()
    cut, edited = (folder / f"results_batch_{number}.parquet" for number in (0, 1))
    cut.write_bytes(cut.read_bytes()[:-10])
    content = bytearray(edited.read_bytes())
    content[len(content) // 3] ^= 1
    edited.write_bytes(content)
    again = runner(progress=None)
    with caplog.at_level(logging.INFO, "afml_cache.sweeps"):
        assert again.run().read_bytes() == first
    assert again.cached_batches == [2]
    assert "Not used: results_batch_0.parquet" in caplog.text
    assert "Not used: results_batch_1.parquet" in caplog.text
    assert len(bodies) == 10


def test_a_file_that_nobody_recorded_is_not_used_and_not_lost(runner, folder) -> None:
    folder.mkdir()
    foreign = folder / "results_batch_1.parquet"
    pd.DataFrame({"strategy": [9, 9, 9, 9]}).to_parquet(foreign)
    content = foreign.read_bytes()
    with pytest.warns(SweepWarning, match="was recorded by nobody"):
        runner().run()
    assert (folder / "results_batch_1.parquet.before-1").read_bytes() == content


def test_files_of_another_tool_are_adopted_on_request(runner, folder, bodies) -> None:
    folder.mkdir()
    for number, (first, last) in enumerate([(0, 4), (4, 8)]):
        rows = [evaluate(strategy) for strategy in range(first, last)]
        pd.DataFrame(rows).to_parquet(folder / f"results_batch_{number}.parquet")
    before = len(bodies)
    run = runner(adopt_existing=True)
    assert pd.read_parquet(run.run())["strategy"].tolist() == list(range(10))
    assert run.cached_batches == [0, 1]
    assert bodies.ran[before:] == ["8", "9"]


def test_a_file_with_other_rows_is_not_adopted(runner, folder, caplog) -> None:
    folder.mkdir()
    pd.DataFrame({"strategy": [1, 2]}).to_parquet(folder / "results_batch_0.parquet")
    run = runner(adopt_existing=True, progress=None)
    with caplog.at_level(logging.INFO, "afml_cache.sweeps"), pytest.warns(SweepWarning):
        run.run()
    assert "Not adopted" in caplog.text
    assert run.cached_batches == []


def test_files_of_earlier_lists_are_listed_and_removed_on_request(runner, folder) -> None:
    runner(strategies=range(20)).run()
    run = runner(strategies=range(8))
    run.run()
    names = [path.name for path in run.files_of_other_lists()]
    assert names == [f"results_batch_{number}.parquet" for number in (2, 3, 4)]
    assert run.collect_other_files() > 0
    assert run.files_of_other_lists() == []
    assert len(list(folder.glob("results_batch_*"))) == 2


def test_one_batch_is_run_by_its_number(runner, bodies) -> None:
    run = runner()
    assert run.calculate_batches() == [(0, 4), (4, 8), (8, 10)]
    success, elapsed, output_file, from_cache = run.run_batch(1)
    assert (success, from_cache, output_file[-23:]) == (True, False, "results_batch_1.parquet")
    assert elapsed > 0
    assert bodies.ran == ["4", "5", "6", "7"]
    assert run.run_batch(1) == (True, 0.0, output_file, True)
    with pytest.raises(MergeError, match="batch 1"):
        run.merge_results()
    with pytest.raises(CacheConfigError, match="there is no batch 3; there are 3, counted from 0"):
        run.run_batch(3)


def test_a_parquet_file_of_bars_counts_by_content(runner, tmp_path, bodies) -> None:
    bars = tmp_path / "bars.parquet"

    def on_bars(strategy, parquet_file):
        RAN.warning(str(strategy))
        return {"strategy": strategy, "close": pd.read_parquet(parquet_file)["close"].iloc[0]}

    pd.DataFrame({"close": [1.5]}).to_parquet(bars)
    run = runner(on_bars, parquet_file=bars)
    assert pd.read_parquet(run.run())["close"].unique().tolist() == [1.5]
    pd.DataFrame({"close": [2.5]}).to_parquet(bars)
    path = run.run_batch_processing(batch_size=5, parquet_file=bars)
    assert pd.read_parquet(path)["close"].unique().tolist() == [2.5]
    assert len(bodies) == 20
    run.run_batch_processing(force_rerun=True)
    assert len(bodies) == 30


def test_results_of_a_sweep_are_used(runner, bodies) -> None:
    sweep(evaluate, range(10))
    runner().run()
    assert len(bodies) == 10


def test_rows_that_cannot_be_rows_are_told(runner) -> None:
    run = runner(lambda strategy: 3.5 + strategy)
    with pytest.raises(MergeError, match=r"batch 1 of 3 has no file, since .*item") as caught:
        run.run()
    assert isinstance(caught.value.__cause__, afml_cache.SchemaError)
    with pytest.raises(afml_cache.SchemaError, match="item"):
        runner(lambda strategy: 3.5 + strategy, on_error="raise").run()


def test_a_batch_whose_rows_do_not_go_together_leaves_the_others_alone(runner, capsys) -> None:
    def rows(strategy):
        return {"value": "seven" if strategy == 7 else strategy}

    run = runner(rows, progress=True)
    done = [result.success for result in run.run_all_batches()]
    assert done == [True, False, True]
    assert "Batch 2/3: 4-8  ❌ no file: the column `value` has" in capsys.readouterr().out


def test_the_whole_is_listed_as_one_sweep(runner) -> None:
    runner(desc="Backtests").run()
    runner(desc="Backtests").run()
    listed = sweeps()
    assert [(one.name, one.total, one.done, one.hits, one.state) for one in listed] == [
        ("Backtests", 10, 10, 10, "done")
    ]


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_sizes_that_cannot_be_right_are_refused(runner, size) -> None:
    with pytest.raises(CacheConfigError, match="`batch_size` must be a whole number from 1"):
        runner(batch_size=size)
