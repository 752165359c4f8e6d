"""Hits in a new process, and what importing costs."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.measure import SUBJECT, Table, median
from benchmarks.peers import IN_MEMORY, ON_DISK, PACKAGES, wrapper
from benchmarks.work import ROWS, add, bars

KEYS = 200
RUNS = 5
HOME = Path(__file__).parents[1]
FIRST, NEXT = "fresh process, first hit f(1, 2)", f"fresh process, next {KEYS} hits"
LOAD, READ = "fresh process, frame 1M x 5 out", "fresh process, frame out and read"


def fresh(table: Table, folder: Path) -> None:
    """Time the disk tier of everybody who has one."""
    for cases, fill in (((FIRST, NEXT), fill_calls), ((LOAD, READ), fill_frame)):
        for who in ON_DISK:
            try:
                fill(who, folder)
                seen = [child(fill.__name__, who, folder) for _ in range(RUNS)]
            except Exception as error:  # noqa: BLE001 - whoever fails keeps its rows
                for case in cases:
                    table.add(case, who, None, note=str(error)[:90])
                continue
            for case, figures in zip(cases, zip(*seen, strict=True), strict=True):
                table.add(case, who, statistics.median(figures))
        for case, who in itertools.product(cases, IN_MEMORY):
            table.add(case, who, None, note="keeps nothing on disk")
    parquet(table, folder)


def fill_calls(who: str, folder: Path) -> tuple[float, float]:
    """Seconds of `f(1, 2)`, and of each of the calls after it."""
    cached = wrapper(who, folder)(add)
    start = time.perf_counter()
    cached(1, 2)
    first = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(KEYS):
        cached(number, number)
    return first, (time.perf_counter() - start) / KEYS


def fill_frame(who: str, folder: Path) -> tuple[float, float]:
    """Seconds until the frame is there, and until each of its values has been read."""
    cached = wrapper(who, folder)(bars)
    start = time.perf_counter()
    frame = cached(ROWS)
    there = time.perf_counter() - start
    frame.to_numpy().sum()
    frame.index.asi8.sum()
    return there, time.perf_counter() - start


def child(
    work: str, who: str, folder: Path, module: str = "benchmarks.fresh", *given: str
) -> list[float]:
    """The same work in a new process, where each call is a hit."""
    command = [sys.executable, "-m", module, work, who, str(folder), *given]
    shown = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise RuntimeError(shown.stderr.strip().splitlines()[-1])
    figures: list[float] = json.loads(shown.stdout.splitlines()[-1])
    return figures


def parquet(table: Table, folder: Path) -> None:
    """The usual way without a cache."""
    target = folder / "bars.parquet"
    bars().to_parquet(target)
    code = (
        "import json, time, pandas, pyarrow.parquet; start = time.perf_counter();"
        f"frame = pandas.read_parquet({str(target)!r}); there = time.perf_counter() - start;"
        "frame.to_numpy().sum(); print(json.dumps([there, time.perf_counter() - start]))"
    )
    command = [sys.executable, "-c", code]
    seen = [json.loads(subprocess.check_output(command)) for _ in range(RUNS)]
    for case, figures in zip((LOAD, READ), zip(*seen, strict=True), strict=True):
        table.add(case, "pandas.read_parquet", statistics.median(figures), note="names no call")


def imports(table: Table) -> None:
    """Wall time of an interpreter that imports a package, less one that imports nothing."""
    bare = wall("pass")
    for package in (SUBJECT, *PACKAGES, "numpy", "pandas"):
        seconds = partial(beyond, bare, package)
        table.measure("import", package, seconds, floor=package in {"numpy", "pandas"})


def beyond(bare: float, package: str) -> float:
    """Seconds that importing `package` adds to an interpreter's `bare` time."""
    return wall(f"import {package}") - bare


def wall(code: str) -> float:
    """Seconds of an interpreter from start to end."""
    command = [sys.executable, "-c", code]
    return median(lambda: subprocess.run(command, check=True, capture_output=True), runs=11)


if __name__ == "__main__":
    work = {"fill_calls": fill_calls, "fill_frame": fill_frame}[sys.argv[1]]
    print(json.dumps(work(sys.argv[2], Path(sys.argv[3]))))
