"""How a hit's time grows with the bytes of the result, and with the number of entries."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fresh import HOME, child
from benchmarks.measure import SUBJECT, Table, duration
from benchmarks.peers import confirm_hits
from benchmarks.work import add

SIZES = [2**power for power in range(10, 31, 2)]
ENTRIES = (1_000, 10_000, 100_000, 1_000_000)
HITS, USED = 500, 5_000
GIB = 2**30
AMONG = "hit from {tier} among {count:,}"
OPEN = "fresh process, first hit among 1,000,000"
HELD = "fresh process, array of 1 GiB out"
Points = dict[str, list[tuple[float, float]]]


def fill(size: int, number: int) -> np.ndarray:
    """An array of so many bytes."""
    return np.full(size // 8, float(number))


def sizes(table: Table, folder: Path) -> None:
    """Time hits of arrays from 1 KiB to 1 GiB: from memory, from disk, and read to the end."""
    points: Points = {"memory": [], "disk": [], "disk, every value read": [], "np.load": []}
    for size in SIZES:
        keys = range(max(3, min(50, 2**24 // size)) if size < GIB else 1)
        cached, files = wrapped(folder), [folder / f"{size}-{number}.npy" for number in keys]
        for number, file in zip(keys, files, strict=True):
            np.save(file, cached(size, number))
        again = wrapped(folder)
        again(8, 0)
        seen = [timed(partial(again, size, number)) for number in keys]
        points["disk"].append((size, statistics.median(seen)))
        seen = [timed(partial(again, size, number)) for number in keys]
        points["memory"].append((size, statistics.median(seen)))
        again = wrapped(folder)
        again(8, 0)
        seen = [timed(partial(total, again, size, number)) for number in keys]
        points["disk, every value read"].append((size, statistics.median(seen)))
        seen = [timed(partial(np.load, file)) for file in files]
        points["np.load"].append((size, statistics.median(seen)))
        for file in files:
            file.unlink()
    show(table, "bytes", points, [shown_bytes(size) for size in SIZES])
    draw(HOME / "docs" / "hit-by-size.svg", points, "bytes of the result", shown_bytes)
    one_gib(table, folder)


def one_gib(table: Table, folder: Path) -> None:
    """The first hit of a large result in a new process, whose store was opened by a small one."""
    place = folder / "gib"
    place.mkdir()
    first(SUBJECT, place)
    seen = [child("first", SUBJECT, place, module="benchmarks.sizes")[0] for _ in range(5)]
    table.add(HELD, SUBJECT, statistics.median(seen), note="before the first touch")


def first(_: str, folder: Path) -> tuple[float]:
    """Seconds of a call that returns 1 GiB."""
    cached = wrapped(folder)
    cached(8, 0)
    return (timed(partial(cached, GIB, 1)),)


def entries(table: Table, folder: Path) -> None:
    """Time hits among a thousand to a million entries."""
    from afml_cache import Store, robust_cacheable

    points: Points = {"memory": [], "disk": []}
    known = 0
    for count in ENTRIES:
        cached = robust_cacheable(store=Store(folder / "store"))(add)
        for number in range(known, count):
            cached(number, 0)
        known = count
        asked = np.random.default_rng(count).permutation(count).tolist()
        again = robust_cacheable(store=Store(folder / "store"))(add)
        for number in asked[HITS:][:USED]:  # a store in use: pages above the leaves are in memory
            again(number, 0)
        for tier in ("disk", "memory"):
            seen = [timed(partial(again, number, 0)) for number in asked[:HITS]]
            points[tier].append((count, statistics.median(seen)))
            table.add(AMONG.format(tier=tier, count=count), SUBJECT, points[tier][-1][1])
    show(table, "entries", points, [f"{count:,}" for count in ENTRIES])
    seen = [child("opened", SUBJECT, folder, module="benchmarks.sizes")[0] for _ in range(5)]
    note = "store opened, schema and statements made, code of the function described"
    table.add(OPEN, SUBJECT, statistics.median(seen), note=note)
    draw(HOME / "docs" / "hit-by-entries.svg", points, "entries", "{:,}".format)


def opened(_: str, folder: Path) -> tuple[float]:
    """Seconds until the first hit in a store that this process has not opened."""
    from afml_cache import Store, robust_cacheable

    start = time.perf_counter()
    cached = robust_cacheable(store=Store(folder / "store"), on_uncacheable="raise")(add)
    cached(0, 0)
    taken = time.perf_counter() - start
    confirm_hits(cached)
    return (taken,)


def wrapped(folder: Path) -> Callable[..., Any]:
    """`fill`, cached in a store that this process has not opened."""
    from afml_cache import Store, robust_cacheable

    return robust_cacheable(store=Store(folder / "store"))(fill)


def total(cached: Callable[..., Any], size: int, number: int) -> float:
    """The sum of a result: every value is read."""
    return float(cached(size, number).sum())


def timed(call: Callable[[], Any]) -> float:
    """Seconds until it returns; the result goes outside."""
    start = time.perf_counter()
    kept = call()
    taken = time.perf_counter() - start
    del kept
    return taken


def show(table: Table, what: str, points: Points, labels: Iterable[str]) -> None:
    """A column per line of the figure."""
    columns = ([duration(seconds) for _, seconds in line] for line in points.values())
    table.grid([what, *points], [list(row) for row in zip(labels, *columns, strict=True)])


def shown_bytes(size: float) -> str:
    """1 KiB, 64 MiB."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 2**power:
            return f"{size / 2**power:g} {unit}"
    return f"{size:g} B"


def draw(path: Path, points: Points, label: str, tick: Callable[[float], str]) -> None:
    """Both axes logarithmic; the same figures give the same file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = path.name
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, line in points.items():
        places, seconds = zip(*line, strict=True)
        axes.loglog(places, seconds, marker="o", markersize=3, label=name)
    places = [place for place, _ in next(iter(points.values()))]
    axes.set_xticks(places, [tick(place) for place in places], rotation=45, fontsize=7)
    axes.set_xticks([], minor=True)
    times = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    low, high = axes.get_ylim()
    shown = [seconds for seconds in times if low <= seconds <= high]
    axes.set_yticks(shown, [duration(seconds) for seconds in shown], fontsize=7)
    if label.startswith("bytes"):
        axes.axvline(2 * 2**20, color="grey", linewidth=0.7, linestyle=":")
        axes.annotate(" mapped from here on", (2 * 2**20, high), fontsize=7, va="top")
    axes.set_xlabel(label)
    axes.set_ylabel("time of a hit")
    axes.grid(visible=True, linewidth=0.3)
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    import json
    import sys

    work = {"first": first, "opened": opened}[sys.argv[1]]
    print(json.dumps(work(sys.argv[2], Path(sys.argv[3]))))
