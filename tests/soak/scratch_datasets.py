"""Mine patterns of 30 datasets on a disk that their labels would fill many times over.

    python tests/soak/scratch_datasets.py --datasets 30 --disk "32 MiB"

Store, artifacts and scratch share a file system that was made for it, and takes the labels of one
dataset and not of two. Each dataset is labelled into scratch, mined, and leaves its patterns. A
second process then asks for all of them again. What the tables say was measured.
"""

import argparse
import contextlib
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from afml_cache import artifact, disk_budget, scratch, scratch_holders
from afml_cache.sizes import as_bytes, as_text

UNSUPPORTED = 77
CONFIGS = range(1, 13)
SHARE = 0.55  # of the disk, that the labels of one dataset take
FEATURES = 50
LOOKS = 0.001  # seconds between two looks at the disk
LABELLED = logging.getLogger("afml-soak.labelled")


def main(datasets: int, disk: int) -> int:
    """Run this script twice on a disk of its own; give 0 if all was as it must be."""
    with tempfile.TemporaryDirectory() as folder:
        mount = f"mount -t tmpfs -o size={disk},mode=0700 none {shlex.quote(folder)}"
        if not allows(mount):
            print("no file system can be mounted here")
            return UNSUPPORTED
        once = [sys.executable, __file__, "--datasets", str(datasets), "--inside", folder]
        both = f"{mount}\n{shlex.join(once)}\n{shlex.join(once)}"
        ended = unshared(both)
    sys.stderr.write(ended.stderr)
    if ended.returncode:
        return 1
    first, second = map(json.loads, ended.stdout.splitlines())
    return told(datasets, first, second)


def allows(mount: str) -> bool:
    return shutil.which("unshare") is not None and unshared(mount).returncode == 0


def unshared(script: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-rm", "sh", "-ec", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def work_through(datasets: int, folder: Path) -> dict[str, float]:
    """Ask for the patterns of all datasets, and measure."""
    os.environ["AFML_CACHE"] = str(folder / "cache")
    rows = int(SHARE * size_of(folder) / len(CONFIGS) / 8)
    patterns = miner(folder / "results")
    labelled: list[logging.LogRecord] = []
    LABELLED.addFilter(labelled.append)  # which keeps them from being printed
    start, before = time.perf_counter(), used(folder)
    with disk_budget("1 TB") as budget, watched(folder) as most:
        for number in range(datasets):
            found = patterns(bars_of(number, rows), list(CONFIGS), name=f"{number:02}_2025")
            assert len(found["features"]) == FEATURES
    return {
        "seconds": time.perf_counter() - start,
        "labelled": len(labelled),
        "freed": patterns.freed,
        "peak": most[0],
        "peak of scratch": budget.peak,
        "disk": size_of(folder),
        "before": before,
        "end": used(folder),
        "results": taken(folder / "results"),
        "holders": len(scratch_holders()),
    }


def miner(folder: Path):
    @artifact("{name}_patterns.json", folder=folder, scratch=["labels/"])
    def discover_patterns(bars, configs, *, name):
        with scratch("labels") as labels:
            label(bars, configs, labels)
            files = sorted(labels.iterdir())
            assert len(files) == len(configs)
            scores = [float(np.nanmean(np.load(path, mmap_mode="r"))) for path in files]
        best = np.argsort(scores).tolist()
        features = [f"{name}_{turn}_{best[turn % len(best)]}" for turn in range(FEATURES)]
        return {"features": features, "importance": scores}

    return discover_patterns


def label(bars, configs, folder: Path) -> None:
    """Write a file for each configuration that has none yet."""
    for horizon in configs:
        path = folder / f"{horizon:02}.npy"
        if not path.exists():
            np.save(folder / "new.npy", bars["close"].diff(horizon).to_numpy())
            (folder / "new.npy").rename(path)
            LABELLED.warning(horizon)


def bars_of(number: int, rows: int) -> pd.DataFrame:
    steps = np.random.default_rng(number).normal(0, 1e-4, rows)
    return pd.DataFrame({"close": 1.1 + np.cumsum(steps)})


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Look at how full a disk is, all the time; the most stands in the list."""
    most, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(LOOKS):
            most[0] = max(most[0], used(folder))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def used(folder: Path) -> int:
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def size_of(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def taken(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def told(datasets: int, first: dict[str, float], second: dict[str, float]) -> int:
    """Print the tables and the summary; give 0 if all is as it must be."""
    labels, results = first["freed"] / datasets, first["results"] / datasets
    needed = first["freed"] + first["results"]
    once = f"{as_text(int(labels))} + {first['seconds'] / datasets:.2f} s"
    again = f"{as_text(second['freed'])} + {second['seconds'] / datasets:.2f} s"
    rows = (
        ("Scenario", "Before", "After", "Savings"),
        ("1 dataset, permanent", *compared(labels + results, results)),
        (f"{datasets} datasets, at most", *compared(needed, first["peak"])),
        ("Re-run of a dataset", once, again, share(labels, second["freed"])),
    )
    for row in rows:
        print("| {:<24} | {:>20} | {:>20} | {:>8} |".format(*row))
    times = needed / first["disk"]
    print(
        f"{datasets} datasets with {times:.0f} times the disk of {as_text(first['disk'])} in "
        f"{first['seconds']:.1f} s: at most {as_text(first['peak'])} used, of which "
        f"{as_text(first['peak of scratch'])} scratch, {as_text(first['end'])} at the end; "
        f"{first['labelled']} labelled, {second['labelled']} labelled again"
    )
    return int(not is_right(datasets, first, second))


def compared(before: float, after: float) -> tuple[str, str, str]:
    return as_text(int(before)), as_text(int(after)), share(before, after)


def share(before: float, after: float) -> str:
    return f"{100 * (1 - after / before):.0f}%"


def is_right(datasets: int, first: dict[str, float], second: dict[str, float]) -> bool:
    one = first["freed"] / datasets
    return (
        first["freed"] > min(10, datasets / 2) * first["disk"]
        and first["peak of scratch"] <= 1.01 * one
        and first["peak"] <= one + first["end"]
        and first["labelled"] == datasets * len(CONFIGS)
        and second["labelled"] == second["freed"] == second["peak of scratch"] == 0
        and second["peak"] <= 1.1 * second["before"]
        and first["holders"] == second["holders"] == 0
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=30)
    parser.add_argument("--disk", default="32 MiB")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        print(json.dumps(work_through(given.datasets, given.inside)))
        sys.exit(0)
    sys.exit(main(given.datasets, as_bytes("--disk", given.disk)))
