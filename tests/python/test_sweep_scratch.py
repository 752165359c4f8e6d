"""Sweeps whose items write to scratch, sweeps of artifacts, and groups of both."""

import contextvars
import json
import logging
import threading

import numpy as np
import pandas as pd
import pytest
from bodies import counted

import afml_cache
from afml_cache import (
    CacheConfigError,
    DiskBudgetError,
    ItemError,
    artifact,
    clear_group,
    clear_label_cache,
    disk_budget,
    scratch,
    scratch_holders,
    sweep,
)

RAN = logging.getLogger("afml-tests.ran")
MEGABYTE = 1_000_000


@pytest.fixture
def bodies():
    with counted() as seen:
        yield seen


def label(config):
    """Write a megabyte of labels, and give where they are."""
    with scratch("labels") as folder:
        path = folder / f"{config}.npy"
        np.save(path, np.full(MEGABYTE // 8, float(config)))
        return path.name


def label_unless_three(config, may_be_three):
    if config == 3 and not may_be_three.exists():
        message = "no three"
        raise ValueError(message)
    return label(config)


def mean_of_labels(config):
    with scratch("labels", of=config) as folder:
        np.save(folder / "labels.npy", np.full(MEGABYTE // 8, float(config)))
        return float(np.load(folder / "labels.npy").mean())


@pytest.mark.parametrize("workers", [None, 2])
def test_scratch_of_a_sweep_goes_when_all_is_done(workers) -> None:
    assert sweep(label, range(4), scratch="labels/", workers=workers)[3] == "3.npy"
    assert scratch_holders() == []


@pytest.mark.parametrize("workers", [None, 2])
def test_scratch_of_a_sweep_is_kept_for_the_next_call_where_an_item_failed(
    workers, tmp_path
) -> None:
    there = tmp_path / "three"

    def run():
        return sweep(
            label_unless_three,
            range(5),
            common=(there,),
            scratch="labels",
            workers=workers,
            on_error="keep going",
        )

    assert isinstance(run()[3], ItemError)
    (holder,) = scratch_holders()
    assert holder.bytes >= 4 * MEGABYTE
    assert not holder.alive
    there.touch()
    assert run() == [f"{config}.npy" for config in range(5)]
    assert scratch_holders() == []


def test_a_second_call_makes_no_scratch(bodies) -> None:
    def labelled(config):
        RAN.warning(str(config))
        return label(config)

    for _ in range(2):
        sweep(labelled, range(3), scratch="labels")
    assert len(bodies) == 3


@pytest.mark.parametrize("workers", [None, 2])
def test_items_are_handed_out_as_there_is_room(workers) -> None:
    with disk_budget(3 * MEGABYTE) as budget:
        found = sweep(mean_of_labels, range(12), workers=workers, needs=MEGABYTE)
    assert found == [float(config) for config in range(12)]
    assert MEGABYTE <= budget.peak <= 3 * MEGABYTE


def test_a_sweep_that_alone_fills_the_budget_fails_early_with_the_figures() -> None:
    with (
        disk_budget(int(3.5 * MEGABYTE)),
        pytest.raises(DiskBudgetError, match="an item of `label`") as caught,
    ):
        sweep(label, range(10), scratch="labels")
    assert caught.value.needed >= MEGABYTE
    (holder,) = scratch_holders()
    assert holder.bytes < 4.5 * MEGABYTE
    assert sweep.status().state == "interrupted"
    assert sweep.status().done >= 3


def test_a_sweep_waits_for_scratch_that_another_holder_frees(default_cache) -> None:
    held, waiting = threading.Event(), default_cache / "scratch" / ".waiting"

    def other():
        with scratch("others", needs=2 * MEGABYTE) as folder:
            np.save(folder / "x.npy", np.zeros(2 * MEGABYTE // 8))
            held.set()
            while not (waiting.exists() and any(waiting.iterdir())):
                pass

    with disk_budget(int(2.5 * MEGABYTE)) as budget:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(other,))
        thread.start()
        held.wait()
        assert sweep(mean_of_labels, [1, 2], needs=MEGABYTE) == [1.0, 2.0]
        thread.join()
    assert budget.peak <= 2.5 * MEGABYTE


@pytest.fixture
def bars():
    return pd.DataFrame({"close": np.arange(100.0)})


def test_a_sweep_of_an_artifact_leaves_a_file_of_each_item(tmp_path, bars, bodies) -> None:
    @artifact("universes/universe_{interval}m_{lookback}lb.parquet", folder=tmp_path)
    def universe(interval, lookback, bars):
        RAN.warning("universe")
        return bars.iloc[::interval].rolling(lookback).mean()

    items = [(1, 5), (5, 5), (5, 10)]
    for _ in range(2):
        saved = sweep(universe, items, unpack=True, common=(bars,))
    assert [one.path.name for one in saved] == [
        f"universe_{interval}m_{lookback}lb.parquet" for interval, lookback in items
    ]
    assert saved[1].metadata.rows == 20
    pd.testing.assert_frame_equal(saved[2].load(), bars.iloc[::5].rolling(10).mean())
    assert len(bodies) == 3
    assert sweep.status().hits == 3
    saved[0].path.unlink()
    sweep(universe, items, unpack=True, common=(bars,))
    assert len(bodies) == 4


def test_a_sweep_of_an_artifact_runs_in_processes(tmp_path, bars) -> None:
    saved = sweep(totals, [1, 2], common=(tmp_path, bars), workers=2)
    found = [json.loads(one.path.read_text()) for one in saved]
    assert found == [{"total": 4950.0}, {"total": 9900.0}]


@artifact("{folder}/total_{factor}.json")
def totals(factor, folder, bars):
    return {"total": float(bars["close"].sum()) * factor}


def test_a_group_is_cleared_with_all_that_it_has(tmp_path, bars, bodies) -> None:
    @artifact("{name}.json", folder=tmp_path, group="labeling")
    def summary(name, bars):
        RAN.warning("summary")
        return {"mean": float(bars["close"].mean())}

    def labels(config):
        RAN.warning("labels")
        return config

    def run():
        summary("eurusd", bars)
        sweep(labels, range(3), group="labeling")
        sweep(labels, range(3), group="regimes", version="2")

    run(), run()
    assert len(bodies) == 1 + 3 + 3
    cleared = clear_label_cache()
    assert (cleared.entries, cleared.artifacts) == (6, 1)
    assert not (tmp_path / "eurusd.json").exists()
    run()
    assert len(bodies) == 14
    assert clear_group("nobody").entries == 0
    with pytest.raises(CacheConfigError, match="`group` is a name"):
        clear_group("")


def test_universes_are_made_anew_and_labels_kept_where_existing_ones_are_not_skipped(
    tmp_path, bars, bodies
) -> None:
    @artifact("universe_{interval}m.parquet", folder=tmp_path, group="universes")
    def universe(interval, bars):
        RAN.warning("universe")
        return bars.iloc[::interval]

    def labels(config):
        RAN.warning("labels")
        return config

    def run():
        sweep(universe, [1, 5], common=(bars,), group="universes")
        sweep(labels, range(3), group="labeling")

    run()
    for setting in ("skip_existing", "skip_existing_universes"):
        try:
            afml_cache.configure({setting: False})
            run()
        finally:
            afml_cache.configure({setting: True})
    assert (bodies.ran.count("universe"), bodies.ran.count("labels")) == (6, 3)
    try:
        afml_cache.configure(force_rerun=True)
        run()
    finally:
        afml_cache.configure(force_rerun=False)
    assert (bodies.ran.count("universe"), bodies.ran.count("labels")) == (8, 6)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_sweep_that_is_forced_makes_each_file_of_an_artifact_anew(tmp_path, workers) -> None:
    def run(**options):
        return sweep(counted_universe, ["EURUSD", "GBPUSD"], common=(tmp_path,), **options)

    first = run(workers=workers)
    assert [saved.path.stat().st_mtime_ns for saved in run(workers=workers)] == [
        saved.path.stat().st_mtime_ns for saved in first
    ]
    run(workers=workers, force_rerun=True)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        *("EURUSD 0", "EURUSD 1", "GBPUSD 0", "GBPUSD 1")
    ]


@artifact("{folder}/{pair}.json", ignore="folder")
def counted_universe(pair, folder):
    made = folder / "made"
    made.mkdir(exist_ok=True)
    (made / f"{pair} {len(list(made.glob(f'{pair}*')))}").touch()
    return pair


def test_a_sweep_that_is_forced_reduces_results_that_are_computed_anew(bodies) -> None:
    def labels(config):
        RAN.warning("labels")
        return config

    def run(**options):
        return sweep(labels, [1, 2], consume=str, **options)

    sweep(labels, [1, 2])
    assert run() == ["1", "2"]
    assert len(bodies) == 2
    assert run(force_rerun=True) == ["1", "2"]
    assert len(bodies) == 4


def label_once(config, year, may_be_mined):
    """Label unless that was done, and mine, which may fail."""
    with scratch("labels", of=config) as folder:
        path = folder / "labels.txt"
        found = path.read_text() if path.exists() else ""
        path.write_text(year)
        if not may_be_mined.exists():
            raise ValueError(config)
        return found, path.read_text()


@pytest.mark.parametrize("workers", [None, 2])
def test_what_an_item_left_is_found_by_that_item_and_never_by_one_of_other_data(
    workers, tmp_path
) -> None:
    switch = tmp_path / "switch"

    def run(year, items=(1, 2)):
        given = {"common": (year, switch), "ignore": "may_be_mined", "workers": workers}
        return sweep(label_once, items, on_error="keep going", **given)

    assert all(isinstance(found, ItemError) for found in run("2024"))
    switch.touch()
    assert run("2025") == [("", "2025")] * 2
    assert run("2024", (2, 3)) == [("2024", "2024"), ("", "2024")]
    assert [found.path.parent.name for found in scratch_holders()] == ["labels"]


def test_items_at_the_same_time_have_folders_of_their_own() -> None:
    together = threading.Barrier(2, timeout=60)

    def path_of(config):
        with scratch("labels") as folder:
            together.wait()
            return str(folder)

    assert len(set(sweep(path_of, range(4), executor="threads", workers=2))) == 4
    assert scratch_holders() == []


def test_folders_of_items_that_failed_are_no_burden_for_those_that_follow() -> None:
    with disk_budget(3 * MEGABYTE) as budget:
        found = sweep(fill_and_fail, range(8), on_error="keep going", needs=MEGABYTE)
    assert [str(error.__cause__) for error in found] == [str(config) for config in range(8)]
    assert budget.peak <= 3 * MEGABYTE


def fill_and_fail(config):
    with scratch("labels") as folder:
        np.save(folder / "labels.npy", np.zeros(MEGABYTE // 8))
        raise ValueError(config)


def test_a_sweep_that_has_no_key_finds_nothing_that_another_left() -> None:
    def run(year):
        alone = threading.Barrier(1)

        def labels(config):
            alone.wait()
            with scratch("labels") as folder:
                found = list(folder.iterdir())
                (folder / f"{year}_{config}.txt").touch()
                raise ValueError([path.name for path in found])

        return sweep(labels, [1], scratch="labels", on_error="keep going")

    assert [str(run(year)[0].__cause__) for year in (2024, 2025)] == ["[]", "[]"]


@pytest.mark.parametrize("workers", [None, 2])
def test_what_items_write_for_an_artifact_is_there_for_each_that_is_made(workers, tmp_path) -> None:
    @artifact("best_{count}.json", scratch="labels", folder=tmp_path)
    def patterns(count):
        assert sweep(label, range(3), workers=workers) == ["0.npy", "1.npy", "2.npy"]
        with scratch("labels") as folder:
            return sorted(path.name for path in folder.iterdir())[:count]

    assert patterns(2) == ["0.npy", "1.npy"]
    assert patterns(3) == ["0.npy", "1.npy", "2.npy"]
    assert scratch_holders() == []
