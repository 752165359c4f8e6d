"""Calls in one process: hits in memory, frames in and out, misses."""

from __future__ import annotations

import itertools
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.measure import Table, median
from benchmarks.peers import EVERYBODY, confirm_hits, wrapper
from benchmarks.work import SMALL, add, bars, smooth

LOOPS = {
    "joblib.Memory": 200,
    "joblib.Memory, mmap": 200,
    "cachier": 100,
    "diskcache.memoize": 2_000,
}


def hits(table: Table, folder: Path) -> None:
    """`f(1, 2)` again and again."""
    for who in EVERYBODY:

        def measured(who: str = who) -> float:
            cached = wrapper(who, folder)(add)
            seconds = median(lambda: cached(1, 2), loops=LOOPS.get(who, 20_000))
            confirm_hits(cached)
            return seconds

        table.measure("hit f(1, 2)", who, measured)
    table.time("hit f(1, 2)", "the function alone", lambda: add(1, 2), loops=20_000, floor=True)


def frames(table: Table, folder: Path) -> None:
    """A frame in, a frame out, the result known."""
    frame = bars()
    frame_hits(table, folder, "hit frame 1M x 5", frame, loops=1)
    frame_hits(table, folder, "hit frame 1000 x 5", frame.iloc[:SMALL].copy(), loops=30)


def frame_hits(table: Table, folder: Path, case: str, value: pd.DataFrame, loops: int) -> None:
    """One size of frame, each cache in an empty folder."""
    for who in EVERYBODY:

        def measured(who: str = who) -> float:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                cached = wrapper(who, Path(place))(smooth)
                seconds = median(lambda: cached(value), runs=5, loops=loops)
                confirm_hits(cached)
                return seconds

        table.measure(case, who, measured)


def misses(table: Table, folder: Path) -> None:
    """A result that is not there yet: what the cache adds to the function's own time."""
    numbers = itertools.count()
    for who in EVERYBODY:

        def measured(who: str = who) -> float:
            cached = wrapper(who, folder)(add)
            return median(lambda: cached(next(numbers), -1), runs=5, loops=100)

        table.measure("miss f(n, -1)", who, measured)
    frame_misses(table, folder, "miss frame 1M x 5, less the function")


def frame_misses(table: Table, folder: Path, case: str) -> None:
    """The same for a frame: another first cell each time."""
    frame = bars()
    counter = itertools.count(1)

    def change() -> None:
        frame.iloc[0, 0] = float(next(counter))

    alone = median(lambda: smooth(frame), runs=5, prepare=change)
    for who in EVERYBODY:

        def measured(who: str = who) -> float:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                cached = wrapper(who, Path(place))(smooth)
                return median(lambda: cached(frame), runs=5, prepare=change) - alone

        table.measure(case, who, measured)
    data, target = bytes(frame.memory_usage().sum()), folder / "plain"
    note = f"the function itself takes {alone * 1e3:.1f} ms, not counted in any row"
    write = partial(target.write_bytes, data)
    table.time(case, "plain write() of 48 MB", write, floor=True, note=note)
