"""Calls in one process: hits in memory, frames in and out, misses."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import SUBJECT, Table, median
from benchmarks.peers import EVERYBODY, afml_cache, confirm_hits, wrapper
from benchmarks.work import SMALL, add, bars, smooth

PLAIN = "plain write() of a new file"
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
    small = frame.iloc[:SMALL].copy()
    frame_hits(table, folder, "hit frame 1M x 5", frame, loops=1)
    frame_hits(table, folder, "hit frame 1000 x 5", small, loops=30)
    for case, value, loops in (("1M x 5", frame, 1), ("1000 x 5", small, 30)):
        disk_hits(table, folder, f"disk hit frame {case}", value, loops)
    beyond_digests(table, folder, frame)


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


def disk_hits(table: Table, folder: Path, case: str, value: pd.DataFrame, loops: int) -> None:
    """The same without the memory tier, beside those that have none."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cached = afml_cache(Path(place), memory=False)(smooth)
        table.time(case, SUBJECT, lambda: cached(value), runs=21, loops=loops)
        confirm_hits(cached)
    for who in ("joblib.Memory", "joblib.Memory, mmap", "diskcache.memoize"):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cached = wrapper(who, Path(place))(smooth)
            table.time(case, who, partial(cached, value), runs=5, loops=loops)


def beyond_digests(table: Table, folder: Path, value: pd.DataFrame) -> None:
    """What a hit takes beyond the digest of the frame: one after the other, many times."""
    from afml_cache import digest

    for tier, memory in (("memory", True), ("disk", False)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cached = afml_cache(Path(place), memory=memory)(smooth)
            cached(value)
            seen = [(timed(digest, value), timed(cached, value)) for _ in range(101)]
            digests, hits = (statistics.median(times) for times in zip(*seen, strict=True))
            note = f"medians of 101: digest {digests * 1e3:.3f} ms, hit {hits * 1e3:.3f} ms"
            case = f"hit frame 1M x 5 from {tier}, beyond its digest"
            table.add(case, SUBJECT, hits - digests, note=note)


def timed(call: Callable[[pd.DataFrame], Any], value: pd.DataFrame) -> float:
    """Seconds until it returns; the result goes outside."""
    start = time.perf_counter()
    kept = call(value)
    taken = time.perf_counter() - start
    del kept
    return taken


def misses(table: Table, folder: Path) -> None:
    """A result that is not there yet: what the cache adds to the function's own time."""
    numbers = itertools.count()
    for who in EVERYBODY:

        def measured(who: str = who) -> float:
            cached = wrapper(who, folder)(add)
            return median(lambda: cached(next(numbers), -1), runs=5, loops=100)

        table.measure("miss f(n, -1)", who, measured)
    frame_misses(table, folder, "miss frame 1M x 5, less the function")
    frame_stores(table, folder)


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


def frame_stores(table: Table, folder: Path) -> None:
    """A frame into the store and its bytes into a file, in turn; each is removed again."""
    frame = bars()
    data = frame.index.asi8.tobytes() + frame.to_numpy().tobytes()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cached = afml_cache(Path(place))(smooth)
        disk = import_module("diskcache").Cache(Path(place) / "diskcache")
        dump, file = import_module("joblib").dump, Path(place) / "file"
        ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            SUBJECT: (partial(cached.put, frame, 0), cached.cache_clear),
            "joblib.dump": (partial(dump, frame, file), file.unlink),
            "diskcache.Cache.set": (partial(disk.set, 0, frame), disk.clear),
            PLAIN: (partial(file.write_bytes, data), file.unlink),
        }
        seen: dict[str, list[float]] = {who: [] for who in ways}
        if not cached.put(frame, 0):
            message = "nothing was stored"
            raise RuntimeError(message)
        for _ in range(11):
            for who, (write, forget) in ways.items():
                start = time.perf_counter()
                write()
                seen[who].append(time.perf_counter() - start)
                forget()
    for who, seconds in seen.items():
        floor = who == PLAIN
        table.add("store frame 1M x 5", who, statistics.median(seconds), floor=floor)
