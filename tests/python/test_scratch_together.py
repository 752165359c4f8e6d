"""Sweeps, artifacts, scratch and a budget together: killed, interrupted, and short of room."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hostile import unshared
from scratch_children import HEAD, child

from afml_cache import (
    DiskBudgetError,
    collect_scratch,
    disk_budget,
    scratch,
    scratch_holders,
    sweep,
)

MEGABYTE = 1_000_000
SOAK = Path(__file__).parents[1] / "soak"
UNSUPPORTED = 77


def mean_unless_killed(config, killed):
    with scratch("labels") as folder:
        np.save(folder / "labels.npy", np.full(MEGABYTE // 8, float(config)))
        if config == 1 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return float(np.load(folder / "labels.npy").mean())


def test_a_worker_that_is_killed_over_its_scratch_leaves_the_others_their_room(tmp_path) -> None:
    given = {"common": (tmp_path / "killed",), "ignore": "killed", "workers": 2}
    with disk_budget(int(2.5 * MEGABYTE)) as budget:
        found = sweep(mean_unless_killed, range(6), on_error="keep going", needs=1_050_000, **given)
        assert found.pop(1).kind == "WorkerDied"
        assert found == [0.0, 2.0, 3.0, 4.0, 5.0]
        assert budget.peak <= 2.5 * MEGABYTE
        assert not any(holder.alive for holder in scratch_holders())
        again = sweep(mean_unless_killed, range(6), retry="failed", needs=1_050_000, **given)
    assert again == [float(config) for config in range(6)]
    assert scratch_holders() == []


HOLDING = """
with scratch("others") as folder:
    (folder / "labels.bin").write_bytes(bytes(8_000_000))
    say(folder)
    wait()
say("done")
wait()
"""
SWEEPING = """
from afml_cache import sweep

def label(config):
    with scratch("labels", needs="4 MB") as folder:
        (folder / "labels.bin").write_bytes(bytes(4_000_000))
        return config

workers, needs = {workers}, {needs!r}
with disk_budget("10 MB"):
    try:
        sweep(label, range(4), workers=workers, needs=needs, progress=False)
        say("done")
    except KeyboardInterrupt:
        say("interrupted")
    say(sweep.status().state)
    say([held.name for held in scratch_holders()])
wait()
"""


def wait_until_waiting(root: Path) -> None:
    """Wait until somebody has told that he waits: his file is in the root."""
    told = threading.Event()
    while not any((root / ".waiting").glob("*")):
        told.wait(0.002)


@pytest.mark.parametrize("needs", [None, "4 MB"], ids=["the item waits", "the sweep waits"])
@pytest.mark.parametrize("workers", [None, 2])
def test_a_sweep_that_waits_for_room_is_awake_for_an_interrupt(
    default_cache: Path, workers: int | None, needs: str | None
) -> None:
    with child(HOLDING) as other, child(SWEEPING.format(workers=workers, needs=needs)) as sweeping:
        other.hear()
        wait_until_waiting(default_cache / "scratch")
        os.kill(sweeping.pid, signal.SIGINT)
        assert sweeping.hear() == "interrupted"
        assert sweeping.hear() == "interrupted"
        assert sweeping.hear() == "['others']"
        other.tell()
        assert other.hear() == "done"
    assert scratch_holders() == collect_scratch() == []


KEEPING = """
from afml_cache import sweep
from afml_cache.exceptions import DiskBudgetError

def label(config, pair):
    with scratch("labels") as folder:
        (folder / f"{config}.bin").write_bytes(bytes(1_000_000))
    if config == 1 and pair not in met:
        met.append(pair)
        say("has two")
        wait()
    return config

met, pair = [], wait()
for _ in range(2):
    with disk_budget("5.5 MB") as budget:
        try:
            options = {"common": (pair,), "ignore_deps": ("met", "say", "wait")}
            sweep(label, range(4), scratch="labels", needs=1_020_000, progress=False, **options)
            say(["done", budget.peak <= 5_500_000])
        except DiskBudgetError as error:
            say(["refused", "wait for room too" in str(error)])
    if wait() == "end":
        break
"""


def test_two_sweeps_that_keep_what_the_other_needs_end_one_after_the_other() -> None:
    """Each keeps two of four megabytes, and there is room for one more."""
    with child(KEEPING) as one, child(KEEPING) as two:
        for each, pair in ((one, "EURUSD"), (two, "GBPUSD")):
            each.tell(pair)
            assert each.hear() == "has two"
        one.tell()
        two.tell()
        said = [one.hear(), two.hear()]
        assert sorted(said) == ["['done', True]", "['refused', True]"]
        refused, done = (one, two) if "refused" in said[0] else (two, one)
        done.tell("end")
        refused.tell("again")
        assert refused.hear() == "['done', True]"
        assert scratch_holders() == []


FULL = """
import numpy as np
from afml_cache import ItemError, artifact, sweep
disk = Path(os.environ["AFML_CACHE"]).parent

def label(config):
    with scratch("labels") as folder:
        path = folder / f"{config}.npy"
        if not path.exists():
            np.save(folder / "new.npy", np.full(125_000, float(config)))
            (folder / "new.npy").rename(path)
        return float(np.load(path).mean())

def run():
    given = {"retry": "failed", "on_error": "keep going", "progress": False}
    found = sweep(label, range(6), scratch="labels", **given)
    return [each.kind if isinstance(each, ItemError) else each for each in found]

@artifact("patterns.json", folder=disk, scratch="mined")
def patterns():
    with scratch("mined") as folder:
        (folder / "mined.bin").write_bytes(bytes(1_000_000))
    return {"best": 1}

ballast = disk / "ballast.bin"
ballast.write_bytes(bytes(5_400_000))
say(run())
ballast.unlink()
say([held.name for held in scratch_holders()])
say(run())
say(scratch_holders())
say([patterns(), patterns.freed > 1_000_000, scratch_holders()])
"""


def test_a_disk_that_is_full_in_an_item_costs_that_item_alone(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(HEAD + FULL)
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    printed = unshared(
        f"mount -t tmpfs -o size=9m,mode=0700 none {disk}\n"
        f"AFML_CACHE={disk}/cache {sys.executable} -W ignore {script}"
    )
    if printed is None:  # the kernel allows no mounting
        return
    assert printed.splitlines() == [
        "[0.0, 1.0, 2.0, 'OSError', 'OSError', 'OSError']",
        "['labels']",
        "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]",
        "[]",
        "[{'best': 1}, True, []]",
    ]


def test_thirty_datasets_are_mined_on_a_disk_that_the_labels_of_two_would_fill() -> None:
    command = [sys.executable, SOAK / "scratch_datasets.py", "--disk", "6 MiB"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == UNSUPPORTED:
        assert "mounted" in ended.stdout
        return
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = ended.stdout.splitlines()[-1]
    assert int(re.search(r"with (\d+) times the disk", said)[1]) >= 10
    assert said.endswith("360 labelled, 0 labelled again")


UNDER_WAY = """
from afml_cache import sweep

def label(config):
    say("runs")
    wait()
    return config

with disk_budget("10 MB"):
    sweep(label, [1], needs="6 MB", progress=False, ignore_deps=("say", "wait"))
say("done")
wait()
"""


def test_what_an_item_under_way_may_yet_write_is_given_to_nobody_else(default_cache: Path) -> None:
    budget = disk_budget("10 MB", wait=0)
    with child(UNDER_WAY) as other:
        assert other.hear() == "runs"
        assert budget.admit(3 * MEGABYTE, "labels")
        with pytest.raises(DiskBudgetError, match="nobody has freed enough"):
            budget.admit(5 * MEGABYTE, "labels")
        other.tell()
        assert other.hear() == "done"
        assert budget.admit(9 * MEGABYTE, "labels")
    with child(UNDER_WAY) as killed:
        killed.hear()
        killed.kill()
    assert budget.admit(9 * MEGABYTE, "labels")
    assert list((default_cache / "scratch" / ".promised").iterdir()) == []


def label_with_needs(config):
    with scratch("labels", needs="4 MB") as folder:
        return len(list(folder.iterdir()))


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_items_do_not_wait_for_a_folder_that_is_open_around_their_sweep(executor: str) -> None:
    with disk_budget("10 MB"), scratch("mine") as mine:
        (mine / "labels.bin").write_bytes(bytes(8 * MEGABYTE))
        (found,) = sweep(label_with_needs, [1], executor=executor, on_error="keep going")
    assert found.kind == "DiskBudgetError"
    assert "nobody else holds as much" in str(found)


def test_what_is_promised_to_an_item_is_room_for_its_own_scratch() -> None:
    for executor in ("sequential", "threads", "processes"):
        with disk_budget("5 MB", wait=0):
            given = {"executor": executor, "needs": "4 MB", "force_rerun": True}
            assert sweep(label_with_needs, [1, 2], **given) == [0, 0]
