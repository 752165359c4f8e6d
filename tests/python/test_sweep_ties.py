"""Sweeps in an artifact, whose items write files that are there while the artifact is made."""

import functools
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import afml_cache
from afml_cache import artifact, clear_group, robust_cacheable, scratch, scratch_holders, sweep

ITEMS = range(6)


def label(config, folder=None):
    """Write labels into the folder, or into scratch that is opened here, and give their name."""
    if folder is not None:
        return written(config, folder)
    with scratch("labels") as opened:
        return written(config, opened)


def written(config, folder):
    path = Path(folder, f"{config}.npy")
    np.save(path, np.full(3, config))
    return path.name


def label_here(config):
    return label(config)


def label_there(config, bars, folder):
    assert len(bars) == 3
    return label(config, folder)


def label_of_item(item):
    return label(item["config"], item["where"][0])


class Labeller:
    def __init__(self, folder):
        self.folder = folder

    def label(self, config):
        return label(config, self.folder)


def labels_in(way, folder, **options):
    """Label all items, in one of the ways that a function can come to its folder."""
    if way == "opens":
        return sweep(label_here, ITEMS, desc="Labeling", **options)
    if way == "closure":
        return sweep(lambda config: label(config, folder), ITEMS, desc="Labeling", **options)
    if way == "helper":
        return sweep(functools.partial(label, folder=folder), ITEMS, desc="Labeling", **options)
    if way == "method":
        return sweep(Labeller(folder).label, ITEMS, desc="Labeling", **options)
    if way == "item":
        items = [{"config": config, "where": [folder]} for config in ITEMS]
        return sweep(label_of_item, items, desc="Labeling", **options)
    common = {"bars": [1, 2, 3], "folder": str(folder) if way == "text" else folder}
    return sweep(label_there, ITEMS, common=common, desc="Labeling", **options)


def computed():
    status = sweep.status("Labeling")
    return status.done - status.hits


def patterns_of(tmp_path, way, **options):
    """Give an artifact whose body fails after the labels, unless there is a file `go`."""

    @artifact("patterns.json", scratch="labels", folder=tmp_path)
    def patterns():
        with scratch("labels") as folder:
            names = labels_in(way, folder, **options)
            if not (tmp_path / "go").exists():
                message = "not yet"
                raise ValueError(message)
            return [float(np.load(folder / name).sum()) for name in names]

    return patterns


WAYS = ["opens", "path", "text", "closure", "helper", "method", "item"]
MADE = [3.0 * config for config in ITEMS]


@pytest.mark.parametrize(
    ("workers", "way"), [*((None, way) for way in WAYS), (2, "opens"), (2, "closure")]
)
def test_what_was_written_before_the_artifact_failed_is_not_written_again(
    way, workers, tmp_path
) -> None:
    patterns = patterns_of(tmp_path, way, workers=workers)
    with pytest.raises(ValueError, match="not yet"):
        patterns()
    assert computed() == len(ITEMS)
    (tmp_path / "go").touch()
    assert patterns() == MADE
    assert computed() == 0
    assert scratch_holders() == []


@pytest.mark.parametrize("way", WAYS)
def test_what_went_with_the_folder_is_written_again(way, tmp_path) -> None:
    (tmp_path / "go").touch()
    patterns = patterns_of(tmp_path, way)
    assert patterns() == MADE
    (tmp_path / "patterns.json").unlink()
    assert patterns() == MADE
    assert computed() == len(ITEMS)


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_was_collected_meanwhile_has_what_was_in_it_written_again(
    way, tmp_path
) -> None:
    patterns = patterns_of(tmp_path, way)
    with pytest.raises(ValueError, match="not yet"):
        patterns()
    assert len(afml_cache.collect_scratch()) == 1
    (tmp_path / "go").touch()
    assert patterns() == MADE
    assert computed() == len(ITEMS)


def test_a_folder_that_does_not_count_ties_nothing(tmp_path) -> None:
    (tmp_path / "go").touch()

    @artifact("count.json", scratch="labels", folder=tmp_path)
    def count():
        with scratch("labels") as folder:
            return len(labels_in("path", folder, ignore="folder"))

    assert count() == len(ITEMS)
    (tmp_path / "count.json").unlink()
    assert count() == len(ITEMS)
    assert computed() == 0


def test_a_folder_without_an_artifact_ties_too() -> None:
    found = []
    for _ in range(2):
        with scratch("labels") as folder:
            names = labels_in("path", folder)
            found.append([float(np.load(folder / name).sum()) for name in names])
    assert found == [MADE, MADE]


def test_each_item_may_have_a_folder_of_its_own(tmp_path) -> None:
    def in_its_own(config):
        with scratch("labels", of=config) as folder:
            (folder / "labels.txt").write_text(str(config))
        return config

    @artifact("count.json", scratch="labels", folder=tmp_path)
    def count(fails):
        sweep(in_its_own, ITEMS, desc="Labeling")
        if not (tmp_path / "go").exists():
            raise ValueError(fails)
        return len(list(scratch_holders()))

    with pytest.raises(ValueError, match="all"):
        count("all")
    (tmp_path / "go").touch()
    assert count("all") == len(ITEMS)
    assert computed() == 0


def test_what_another_artifact_has_written_is_not_taken(tmp_path) -> None:
    @artifact("patterns_{pair}.json", scratch="labels", folder=tmp_path)
    def patterns(pair):
        sweep(label_here, ITEMS, desc="Labeling")
        if pair == "EURUSD":
            raise ValueError(pair)
        with scratch("labels") as folder:
            return sorted(path.name for path in folder.iterdir())

    with pytest.raises(ValueError, match="EURUSD"):
        patterns("EURUSD")
    assert patterns("GBPUSD") == [f"{config}.npy" for config in ITEMS]
    assert computed() == len(ITEMS)
    with pytest.raises(ValueError, match="EURUSD"):
        patterns("EURUSD")
    assert computed() == 0


def test_frames_come_as_they_are_and_a_group_is_cleared_of_them(tmp_path) -> None:
    def frame(config):
        with scratch("labels") as folder:
            (folder / f"{config}.txt").touch()
        return pd.DataFrame({"label": np.arange(config + 1.0)})

    @artifact("rows.json", scratch="labels", folder=tmp_path)
    def rows():
        found = sweep(frame, ITEMS, desc="Labeling", group="labeling")
        for config, each in zip(ITEMS, found, strict=True):
            pd.testing.assert_frame_equal(each, pd.DataFrame({"label": np.arange(config + 1.0)}))
        if not (tmp_path / "go").exists():
            raise ValueError(config)
        return sum(map(len, found))

    for _ in range(2):
        with pytest.raises(ValueError, match="5"):
            rows()
    assert computed() == 0
    assert clear_group("labeling").entries == len(ITEMS)
    (tmp_path / "go").touch()
    assert rows() == 21
    assert computed() == len(ITEMS)


def test_a_cached_function_is_labelled_for_the_artifact_and_by_itself(tmp_path) -> None:
    cached = robust_cacheable(label_here)

    @artifact("count.json", scratch="labels", folder=tmp_path)
    def count():
        sweep(cached, ITEMS, desc="Labeling")
        with scratch("labels") as folder:
            return len(list(folder.iterdir()))

    assert count() == len(ITEMS)
    assert not cached.is_cached(1)
    assert cached(1) == "1.npy"
    assert cached.is_cached(1)


SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from afml_cache import artifact, configure, scratch, sweep

    configure(cache_dir=sys.argv[1])

    def label(config, folder, killed_at):
        (folder / f"{config}.txt").write_text(str(config))
        if config == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return config

    @artifact("patterns.json", scratch="labels", folder=sys.argv[2], ignore="killed_at")
    def patterns(killed_at):
        with scratch("labels") as folder:
            common = (folder, killed_at)
            sweep(label, range(40), common=common, ignore="killed_at", progress=False)
            status = sweep.status("label")
            print(status.done - status.hits, status.hits)
            return len(list(folder.iterdir()))

    print(patterns(int(sys.argv[3])))
    """
)


def test_an_artifact_that_was_killed_goes_on_with_what_its_items_have_written(tmp_path) -> None:
    script = tmp_path / "patterns.py"
    script.write_text(SCRIPT)

    def run(killed_at):
        command = [sys.executable, str(script), str(tmp_path / "store"), str(tmp_path), killed_at]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert run("25").returncode == -9
    # One that takes over a second, as on a busy machine, is committed at once.
    computed, hits, files = map(int, run("-1").stdout.split())
    assert (computed + hits, files) == (40, 40)
    assert computed <= 20
