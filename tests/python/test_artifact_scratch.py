"""Labels for patterns: scratch that is there while patterns are made, and gone when they are."""

import json
import logging
import subprocess
import sys

import pytest
from artifacts_made import BARS, LATER, RAN, listening, names

from afml_cache import ArtifactError, CacheWriteWarning, ScratchError
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.lazies import lazy
from afml_cache.scratch_space import scratch, scratch_holders

CONFIGS = [{"target": 10}, {"target": 20}]


@pytest.fixture
def ran():
    with listening() as said:
        yield said


def labelled(df, configs):
    """Label into the scratch folder, a file for each configuration that is not there yet."""
    with scratch("labels") as folder:
        for config in configs:
            path = folder / f"{config['target']}.txt"
            if not path.exists():
                RAN.warning(f"label {config['target']}")
                path.write_text(json.dumps([config["target"] * x for x in df["close"]] * 1000))
        return {path.stem: json.loads(path.read_text())[0] for path in sorted(folder.glob("*.txt"))}


def miner(folder, **options):
    @artifact("{prefix}patterns.json", scratch=["labels/"], folder=folder, **options)
    def discover_patterns(df, configs, *, pair, prefix):
        labels = labelled(df, configs)
        return {"best": max(labels), "labels": labels}

    return discover_patterns


def test_labels_are_freed_when_the_patterns_are_there(tmp_path, ran, caplog):
    patterns = miner(tmp_path)
    with caplog.at_level(logging.INFO, "afml_cache"):
        found = patterns(BARS, CONFIGS, pair="EURUSD", prefix="EURUSD_2025_")
    assert found["best"] == "20"
    assert scratch_holders() == []
    assert patterns.freed > 2 * 1000
    assert "bytes of scratch freed" in caplog.text
    assert ran == ["label 10", "label 20"]


def test_a_second_run_labels_nothing_and_makes_no_scratch(tmp_path, ran, default_cache):
    given = BARS, CONFIGS
    miner(tmp_path)(*given, pair="EURUSD", prefix="EURUSD_2025_")
    before = sorted(default_cache.rglob("scratch/**"))
    ran.clear()
    again = miner(tmp_path)
    again(*given, pair="EURUSD", prefix="EURUSD_2025_")
    assert ran == []
    assert again.freed == 0
    assert sorted(default_cache.rglob("scratch/**")) == before


def test_another_year_of_the_same_pair_labels_nothing_where_the_user_says_so(tmp_path, ran):
    patterns = miner(tmp_path, identified_by=("pair", "configs"))
    first = patterns(BARS, CONFIGS, pair="EURUSD", prefix="EURUSD_")
    ran.clear()
    assert patterns(LATER, CONFIGS, pair="EURUSD", prefix="EURUSD_") == first
    assert ran == []
    patterns(LATER, CONFIGS, pair="GBPUSD", prefix="GBPUSD_")
    assert len(ran) == 2


def test_scratch_of_a_body_that_failed_is_found_by_the_same_call(tmp_path, ran):
    switch = tmp_path / "fails"
    switch.touch()

    @artifact("patterns.json", scratch="labels", folder=tmp_path)
    def patterns(df):
        labels = labelled(df, CONFIGS)
        if switch.exists():
            raise RuntimeError
        return labels

    with pytest.raises(RuntimeError):
        patterns(BARS)
    assert [holder.name for holder in scratch_holders()] == ["labels"]
    switch.unlink()
    ran.clear()
    patterns(BARS)
    assert ran == []
    assert scratch_holders() == []


def test_scratch_of_another_call_is_not_mistaken_for_its_own(tmp_path, ran):
    @artifact("patterns.json", scratch="labels", folder=tmp_path)
    def patterns(df):
        labels = labelled(df, CONFIGS)
        return labels if df is not BARS else float("nan")

    with pytest.raises(ArtifactError):
        patterns(BARS)
    assert len(scratch_holders()) == 1
    assert patterns(LATER)["10"] == 10 * LATER["close"][0]


def test_scratch_is_kept_where_the_result_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file in the way")
    with pytest.warns(CacheWriteWarning, match="was not written"):
        miner(tmp_path / "out")(BARS, CONFIGS, pair="EURUSD", prefix="")
    assert len(scratch_holders()) == 1


def test_scratch_that_a_lazy_argument_opens_goes_too(tmp_path, ran):
    @artifact("patterns.json", scratch="labels", folder=tmp_path)
    def patterns(labels):
        return labels

    for _ in range(2):
        assert patterns(lazy(labelled, BARS, CONFIGS)).keys() == {"10", "20"}
    assert scratch_holders() == []
    assert len(ran) == 2


KILLED = """
import os, signal
from afml_cache.artifacts.decorator import artifact
from afml_cache.scratch_space import scratch

@artifact("patterns.json", scratch="labels")
def patterns(x):
    with scratch("labels") as folder:
        found = (folder / "labels.bin").exists()
        (folder / "labels.bin").write_bytes(bytes(10_000))
        if os.path.exists("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
    return found

print(patterns(1), patterns.freed)
"""


def test_a_killed_run_goes_on_with_the_labels_that_are_there(tmp_path):
    (tmp_path / "kills").touch()
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert ended.returncode < 0
    assert names(tmp_path) == ["kills"]
    (tmp_path / "kills").unlink()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found, freed = ended.stdout.split()
    assert found == "True"
    assert int(freed) >= 10_000


def test_a_name_that_leads_out_of_scratch_is_told_at_decoration():
    with pytest.raises(ScratchError):
        artifact("x.json", scratch="../labels")
