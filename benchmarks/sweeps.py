"""Sweeps: what they cost an item, how fast they skip what is there, and what workers take."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.fresh import child
from benchmarks.measure import SUBJECT, Table
from benchmarks.sweep_ways import CHUNK, PARALLEL, WORKERS
from benchmarks.work import bars

COUNT = 10_000
BATCHES, SIZE = 24, 200
ROWS, SHARERS = 2_000_000, 4  # five columns of float64: 80 MB
RUNS = 3
HERE, PROCESSES = "sweep, an item", f"sweep, an item, {WORKERS} processes"
THREADS, EXECUTOR = f"sweep, an item, {WORKERS} threads", "sweep, an item, ProcessPoolExecutor"
ONE_BY_ONE, IN_CHUNKS = "bare executor, one by one", f"bare executor, chunks of {CHUNK}"
SKIP, SKIP_FRESH = f"skip {COUNT:,} items", f"skip {COUNT:,} items, fresh process"
SKIP_BATCHES = f"skip {BATCHES} batches of {SIZE}, fresh process"
SHARE = f"frame of 80 MB, {WORKERS} workers, first result"
JSON, PARQUET = "artifact, small JSON", "artifact, Parquet 1M x 5"

# Each way: the case of its row, the name in it, how often it is timed, and whether what is there
# is skipped too.
FILLS: dict[str, tuple[str, str, int, bool]] = {
    "here": (HERE, SUBJECT, RUNS, True),
    "joblib.Memory": (HERE, "joblib.Memory in a loop", 1, True),
    "diskcache.memoize": (HERE, "diskcache.memoize in a loop", RUNS, True),
    "processes": (PROCESSES, SUBJECT, RUNS, False),
    PARALLEL: (PROCESSES, PARALLEL, 1, True),
    "bare, one by one": (PROCESSES, ONE_BY_ONE, RUNS, False),
    "bare, in chunks": (PROCESSES, IN_CHUNKS, RUNS, False),
    "threads": (THREADS, SUBJECT, RUNS, False),
    "executor": (EXECUTOR, SUBJECT, RUNS, False),
}


def sweeps(table: Table, folder: Path) -> None:
    """Everything of sweeps and artifacts."""
    table.say(
        f"{COUNT:,} calls of a function that doubles a number. Processes are started and ended "
        "within the time that is measured, each time in a new process and an empty folder. A "
        f"sweep gives a worker up to {CHUNK} quick items at once: so it is the executor with "
        "chunks of as many that its own cost is what it takes beyond. What is skipped has its "
        "results read."
    )
    for way in FILLS:
        filled(table, folder, way)
    batches(table, folder)
    frames(table, folder)
    artifacts(table, folder)


def filled(
    table: Table, folder: Path, way: str, count: int = COUNT, runs: int | None = None
) -> None:
    """Fill empty folders, and skip what is in the last of them."""
    case, who, most, keeps = FILLS[way]
    cases = [case, SKIP_FRESH, SKIP] if keeps else [case]
    places = [folder / f"{way}-{run}".replace(" ", "-") for run in range(runs or most)]
    try:
        seen = [timed("calls", way, place, count, 1)[0] / count for place in places]
        skips = [timed("calls", way, places[-1], count, 2) for _ in places if keeps]
    except (OSError, RuntimeError) as error:
        for each in cases:
            table.add(each, who, None, note=str(error)[:90])
        return
    floor = who in {ONE_BY_ONE, IN_CHUNKS}
    note = "one run" if len(places) == 1 else ""
    table.add(case, who, statistics.median(seen), note=note, floor=floor)
    for case, figures in zip(cases[1:], zip(*skips, strict=True), strict=False):
        table.add(case, who, statistics.median(figures), note=note)
    for place in places:
        shutil.rmtree(place, ignore_errors=True)


def timed(work: str, who: str, place: Path, first: int, second: int) -> list[float]:
    """Figures of a new process."""
    place.mkdir(mode=0o700, exist_ok=True)
    return child(work, who, place, "benchmarks.sweep_ways", str(first), str(second))


def batches(
    table: Table, folder: Path, count: int = BATCHES, size: int = SIZE, runs: int = RUNS
) -> None:
    """Batches whose files are all there."""
    place = folder / "batches"
    timed("batches", SUBJECT, place, count, size)
    seen = [timed("batches", SUBJECT, place, count, size) for _ in range(runs)]
    skipped, merged = (statistics.median(figures) for figures in zip(*seen, strict=True))
    table.add(SKIP_BATCHES, SUBJECT, skipped, note=f"to merge them anew: {merged * 1e3:.0f} ms")


def frames(table: Table, folder: Path, rows: int = ROWS, runs: int = RUNS) -> None:
    """A frame that all items share, sent to workers that read all of it."""
    for who in (SUBJECT, PARALLEL):
        seen = []
        for run in range(runs):
            place = folder / f"frame-{run}-{who.split('.')[0]}"
            seen.append(timed("shared", who, place, rows, SHARERS))
            shutil.rmtree(place, ignore_errors=True)
        first, workers, resident, own = (statistics.median(one) for one in zip(*seen, strict=True))
        note = f"{workers:.0f} workers: RSS {resident / 1e6:.0f} MB, not shared {own / 1e6:.0f} MB"
        table.add(SHARE, who, first, note=note)


def artifacts(table: Table, folder: Path) -> None:
    """Files that are there, and match what made them; beside files that are just read."""
    from afml_cache import Store, artifact

    def kept(name: str, value: Any) -> Callable[[], Any]:
        @artifact(name, folder=folder, store=Store(folder / "artifacts"))
        def made() -> Any:
            return value

        made()
        if not made.is_current():
            message = f"`{name}` is not current"
            raise RuntimeError(message)
        return made

    small = {"features": ["range", "trend"], "thresholds": [0.5, 1.0, 1.5], "bars": 120}
    ours, path = kept("patterns.json", small), folder / "patterns.json"
    table.time(JSON, SUBJECT, ours, runs=21, loops=20)
    table.time(JSON, "json.load", partial(read_json, path), runs=21, loops=20, floor=True)
    ours, path = kept("universe.parquet", bars()), folder / "universe.parquet"
    table.time(PARQUET, SUBJECT, ours)
    table.time(PARQUET, "pandas.read_parquet", partial(pd.read_parquet, path), floor=True)


def read_json(path: Path) -> Any:
    """What a file holds."""
    with path.open(encoding="utf-8") as file:
        return json.load(file)
