"""Bars by time range: 30 days out of ten years of minutes, beside the usual ways to read them."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from benchmarks.fresh import HOME
from benchmarks.market import (
    MONTH,
    ROUND_THE_CLOCK,
    ROWS,
    Rows,
    bars,
    cache,
    ends,
    filtered,
    imported,
    in_pandas,
    loader_of,
    months,
    nothing,
    scanned,
    sessions,
    write_peers,
)
from benchmarks.measure import SUBJECT, Table

SCAN, READ = "polars scan_parquet", "pandas.read_parquet"
JUST_THESE = "read_parquet of these rows"
WARM = "30 days of minutes, {}"
FRESH = "fresh process, 30 days of minutes, {}"
BOUNDS: dict[str, Callable[[dt.datetime], Any]] = {
    "Timestamp": pd.Timestamp,
    "text": lambda when: when.strftime("%Y-%m-%d"),
}
RUNS = 7


def ranges(table: Table, folder: Path, rows: int = ROWS, clock_rows: int = ROUND_THE_CLOCK) -> None:
    """Bars of an exchange, and of a market that never closes."""
    made = bars(rows)
    years = (
        f"{made.height:,} minutes of XNYS, of a seeded random walk, with five columns of float64"
    )
    table.say(f"{years}; asked for by `datetime` where nothing else is said.")
    write_peers(made, folder)
    for kind in ("polars", "pandas"):
        filled(folder / kind, made, kind)
        warm(table, folder, made, kind)
        fresh(table, folder, made, kind)
    small(table, folder, made)
    round_the_clock(table, folder / "clock", bars(clock_rows, "24/7"))


def filled(folder: Path, made: pl.DataFrame, kind: str, **options: Any) -> Any:
    """A cache that has all bars."""
    cached = cache(folder, loader_of(made, kind), **options)
    cached.prefetch("AAPL", *ends(made))
    return cached


def warm(table: Table, folder: Path, made: pl.DataFrame, kind: str) -> None:
    """One month after the other, in a process that has asked for all of them before."""
    case = WARM.format(kind)
    asked = months(made)
    cached = cache(folder / kind, nothing)
    get = partial(cached.get, "AAPL")
    get(*ends(made))
    each(table, case, SUBJECT, get, asked)
    for name, written in BOUNDS.items():
        bounds = [(written(first), written(stop)) for first, stop in asked]
        each(table, f"{case}, bounds as {name}", SUBJECT, get, bounds)
    some = asked[:: len(asked) // RUNS]
    if kind == "polars":
        each(table, case, SCAN, partial(scanned, folder), some)
        each(table, case, "rows of a frame in memory", Rows(made), asked, floor=True)
    else:
        each(table, case, READ, partial(filtered, folder), some)
        frame = in_pandas(made)
        each(
            table,
            case,
            "frame.loc of a frame in memory",
            partial(located, frame),
            asked,
            floor=True,
        )


def located(frame: pd.DataFrame, first: Any, stop: Any) -> pd.DataFrame:
    """The rows of an interval, and one more if it begins at its end."""
    return frame.loc[first:stop]


def each(
    table: Table, case: str, who: str, get: Callable[..., Any], asked: list[Any], **kept: Any
) -> None:
    """Add the median over requests of which no two are the same."""
    table.measure(case, who, lambda: statistics.median(timed(get, asked)), **kept)


def timed(get: Callable[..., Any], asked: list[Any]) -> list[float]:
    """Seconds of each request, after one round that is not timed; answers go outside."""
    seen = []
    for keep in (False, True):
        for bounds in asked:
            start = time.perf_counter()
            answer = get(*bounds)
            taken = time.perf_counter() - start
            if not len(answer):
                message = f"no bars from {bounds[0]} to {bounds[1]}"
                raise LookupError(message)
            del answer
            if keep:
                seen.append(taken)
    return seen


def fresh(table: Table, folder: Path, made: pl.DataFrame, kind: str, filled_how: str = "") -> None:
    """The first month that a process asks for: everybody is the first in its turn."""
    first, stop = months(made, 3)[1]
    Rows(made)(first, stop).write_parquet(folder / "month.parquet")
    names = FIRST_READS[kind]
    orders = [names[number:] + names[:number] for number in range(len(names))]
    seen: dict[tuple[str, str], list[float]] = {}
    for order in orders * RUNS:
        told = json.dumps([kind, order, first.isoformat()])
        for place, (who, taken) in enumerate(zip(order, child(folder, told), strict=True)):
            which = FRESH.format(kind) + filled_how + (", after others" if place else "")
            seen.setdefault((which, who), []).append(taken)
    for (case, who), figures in sorted(seen.items(), key=lambda one: (one[0][0], one[0][1])):
        floor = who == JUST_THESE
        note = "store and cache opened in it" if who == SUBJECT else ""
        table.add(case, who, statistics.median(figures), floor=floor, note=note)


def child(folder: Path, told: str) -> list[float]:
    """The first reads of a new process."""
    command = [sys.executable, "-m", "benchmarks.bars", str(folder), told]
    shown = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise RuntimeError(shown.stderr.strip().splitlines()[-1])
    figures: list[float] = json.loads(shown.stdout.splitlines()[-1])
    return figures


def first_of_process(folder: Path, kind: str, first: Any, stop: Any) -> Any:
    """A store, a cache and its first answer."""
    return cache(folder / kind, nothing).get("AAPL", first, stop)


def month_alone(folder: Path, first: Any, stop: Any) -> pl.DataFrame:
    """A file that has these rows and no others."""
    return pl.read_parquet(folder / "month.parquet")


FIRST_READS = {"polars": [SUBJECT, SCAN, JUST_THESE], "pandas": [SUBJECT, READ]}


def readers(folder: Path, kind: str) -> dict[str, Callable[..., Any]]:
    """Everybody who reads in a new process."""
    return {
        SUBJECT: lambda *bounds: cache(folder / kind, nothing).get("AAPL", *bounds),
        SCAN: partial(scanned, folder),
        READ: partial(filtered, folder),
        JUST_THESE: lambda *_: pl.read_parquet(folder / "month.parquet"),
    }


def read_first(folder: Path, kind: str, order: list[str], begin: str) -> list[float]:
    """Seconds of each reader, in that order; whatever they import is there."""
    imported()
    first = dt.datetime.fromisoformat(begin)
    seen = []
    for who in order:
        read = readers(folder, kind)[who]
        start = time.perf_counter()
        kept = read(first, first + MONTH)
        seen.append(time.perf_counter() - start)
        del kept
    return seen


def small(table: Table, folder: Path, made: pl.DataFrame) -> None:
    """A day, a bar that is missing, and questions that fetch nothing."""
    cached = cache(folder / "polars", nothing)
    cached.get("AAPL", *ends(made))
    days = sessions(made)
    asked = [(day, day + dt.timedelta(days=1)) for day in days[: -1 : max(len(days) // 101, 1)]]
    each(table, "one day of minutes", SUBJECT, partial(cached.get, "AAPL"), asked)
    each(table, "one day of minutes", SCAN, partial(scanned, folder), asked[:RUNS])
    misses(table, folder, made)
    first, stop = months(made, 3)[1]
    table.time("plan of 30 warm days", SUBJECT, lambda: cached.plan("AAPL", first, stop), loops=20)
    half = cache(folder / "half", loader_of(made))
    half.prefetch("AAPL", first, first + (stop - first) / 2)
    table.time("plan of 30 days, half there", SUBJECT, lambda: half.plan("AAPL", first, stop))
    table.time("coverage of ten years", SUBJECT, lambda: cached.coverage("AAPL"), loops=20)


def misses(table: Table, folder: Path, made: pl.DataFrame) -> None:
    """One bar after the other, each fetched and on the medium before it is given."""
    case = "miss of one bar"
    cached = cache(folder / "misses", loader_of(made))
    times = iter(made["time"][:5_000].to_list())
    minute = dt.timedelta(minutes=1)

    def miss() -> Any:
        when = next(times)
        return cached.get("AAPL", when, when + minute)

    table.time(case, SUBJECT, miss, loops=16, runs=7, note="compaction included")
    numbers = itertools.count()
    one = made[:1]

    def plain() -> None:
        path = folder / f"one-{next(numbers)}.parquet"
        one.write_parquet(path)
        for place in (path, folder):
            with_sync(place)

    table.time(case, "write_parquet and two fsyncs", plain, loops=16, runs=7, floor=True)


def with_sync(path: Path) -> None:
    """Have a file or folder on the medium."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def round_the_clock(table: Table, folder: Path, made: pl.DataFrame) -> None:
    """The same of a market that never closes: five times as many rows."""
    case = f"30 days of {len(made):,} minutes, round the clock, "
    asked = months(made)
    for kind in ("polars", "pandas"):
        place = folder / kind
        cached = cache(place, loader_of(made, kind), "24/7")
        start = time.perf_counter()
        cached.prefetch("BTCUSD", *ends(made))
        taken = time.perf_counter() - start
        get = partial(cached.get, "BTCUSD")
        get(*ends(made))
        each(table, case + kind, SUBJECT, get, asked, note=f"fetched and stored in {taken:.1f} s")
        if kind == "polars":
            made.write_parquet(folder / "bars.parquet")
            each(table, case + kind, SCAN, partial(scanned, folder), asked[:RUNS])


if __name__ == "__main__":
    wanted, which, begin = json.loads(sys.argv[2])
    print(json.dumps(read_first(Path(sys.argv[1]), wanted, which, begin)))
