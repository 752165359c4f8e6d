"""Beside ArcticDB, which needs a pandas before 3: in an environment of its own, in one process.

`make bench` makes the environment; what it lacks, the rows say.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.machine import installed
from benchmarks.market import (
    MONTH,
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
from benchmarks.measure import SUBJECT, Table, reason

HOME = Path(__file__).parents[1]
PYTHON = HOME / "build" / "bench-pandas2" / "bin" / "python"
ARCTIC, SCAN, READ = "ArcticDB, LMDB", "polars scan_parquet", "pandas.read_parquet"
STORED, APPENDED = "ten years of minutes stored, pandas 2.3", "a day of minutes added, pandas 2.3"
WARM = "30 days of minutes, warm, {}, pandas 2.3"
FRESH = "fresh process, 30 days of minutes, pandas, pandas 2.3"
CASES = (STORED, APPENDED, WARM.format("pandas"), WARM.format("polars"), FRESH)
SYMBOL, BEGIN, RUNS = "AAPL", "begin", 7
DAY = dt.timedelta(days=1)
Figure = tuple[str, str, float | None, str]  # case, who, seconds, note


def pandas2(table: Table, folder: Path, python: Path = PYTHON, rows: int = ROWS) -> None:
    """Run the other interpreter, and add what it says."""
    try:
        figures = ran(python, "everything", folder, rows)
        table.say(ran(python, "versions", folder, rows))
        figures += first_reads(python, folder, rows)
    except (OSError, RuntimeError) as error:
        note = reason(error)
        figures = [(case, who, None, note) for case in CASES for who in (SUBJECT, ARCTIC)]
    for case, who, seconds, note in figures:
        table.add(case, who, seconds, note=note)


def ran(python: Path, work: str, folder: Path, rows: int, order: str = "") -> Any:
    """What a process of that interpreter measured."""
    if not python.exists():
        message = "no environment with pandas 2 and ArcticDB: `make bench` makes one"
        raise FileNotFoundError(message)
    command = [str(python), "-m", "benchmarks.pandas2", work, str(folder), str(rows), order]
    shown = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise RuntimeError((shown.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return json.loads(shown.stdout.splitlines()[-1])


def first_reads(python: Path, folder: Path, rows: int) -> list[Figure]:
    """The first month that a process asks for: everybody is the first in its turn."""
    names = (SUBJECT, ARCTIC, READ)
    seen: dict[str, list[float]] = {}
    for number in range(RUNS * len(names)):
        who = names[number % len(names)]
        figures = ran(python, "first", folder, rows, who)
        seen.setdefault(who, []).extend(seconds for *_, seconds, _ in figures)
    note = "store opened in it"
    return [(FRESH, who, statistics.median(seen[who]), note) for who in names]


def versions(*_: object) -> str:
    """What that interpreter has."""
    names = ("afml-cache", "arcticdb", "pandas", "numpy", "polars", "pyarrow")
    numbers = ", ".join(f"{name} {installed(name)}" for name in names)
    return f"Python {platform.python_version()}, {numbers}"


def everything(folder: Path, rows: int, _: str) -> list[Figure]:
    """All that is measured in one process."""
    made = bars(rows)
    write_peers(made, folder)
    rows, last = Rows(made), sessions(made)[-2 * RUNS :]
    known = rows(made["time"][0], last[0])
    figures = stored(folder, known)
    cached, library = cache(folder / "ours", loader_of(made, "pandas")), arctic(folder)
    asked = months(known)
    (folder / BEGIN).write_text(asked[len(asked) // 2][0].isoformat(), encoding="utf-8")
    figures += warm(folder, cached, library, asked)
    days = [(day, rows(day, day + DAY)) for day in last]
    return figures + appended(cached, library, days)


def arctic(folder: Path) -> Any:
    """The library of ArcticDB."""
    place = folder / "arctic"
    place.mkdir(exist_ok=True)
    store = import_module("arcticdb").Arctic(f"lmdb://{place}")
    return store.get_library("minutes", create_if_missing=True)


def stored(folder: Path, known: pl.DataFrame) -> list[Figure]:
    """All rows, once."""
    frame = in_pandas(known)
    cached, library = cache(folder / "ours", lambda *_: frame), arctic(folder)
    cached.plan(SYMBOL, *ends(known))  # the calendar is made once, whatever is stored
    seen = []
    for who, store in (
        (SUBJECT, lambda: cached.prefetch(SYMBOL, *ends(known))),
        (ARCTIC, lambda: library.write(SYMBOL, frame)),
    ):
        start = time.perf_counter()
        store()
        seen.append((STORED, who, time.perf_counter() - start, f"{len(frame):,} rows, once"))
    return seen


def warm(folder: Path, cached: Any, library: Any, asked: list[Any]) -> list[Figure]:
    """One month after the other, by everybody in turn."""
    frames: dict[str, Callable[..., Any]] = {
        SUBJECT: lambda *bounds: cached.get(SYMBOL, *bounds),
        ARCTIC: lambda *bounds: library.read(SYMBOL, date_range=bounds).data,
        READ: lambda *bounds: filtered(folder, *bounds),
    }
    tables: dict[str, Callable[..., Any]] = {
        SUBJECT: lambda *bounds: cached.get(SYMBOL, *bounds, output="polars"),
        ARCTIC: lambda *bounds: (
            library.read(SYMBOL, date_range=bounds, output_format="polars").data
        ),
        SCAN: lambda *bounds: scanned(folder, *bounds),
    }
    cached.get(SYMBOL, asked[0][0], asked[-1][1])
    return [
        (WARM.format(kind), who, statistics.median(seconds), "")
        for kind, readers in (("pandas", frames), ("polars", tables))
        for who, seconds in in_turn(readers, asked).items()
    ]


def in_turn(readers: dict[str, Callable[..., Any]], asked: list[Any]) -> dict[str, list[float]]:
    """Seconds of each request, twice; the second time counts."""
    seen: dict[str, list[float]] = {}
    for who, read in readers.items():
        some = asked if who in (SUBJECT, ARCTIC) else asked[:: max(len(asked) // RUNS, 1)]
        for bounds in [*some, *some]:
            start = time.perf_counter()
            kept = read(*bounds)
            seen.setdefault(who, []).append(time.perf_counter() - start)
            del kept
        seen[who] = seen[who][len(some) :]
    return seen


def appended(cached: Any, library: Any, days: list[Any]) -> list[Figure]:
    """One day after the other; both have it on the medium when they return."""
    ways: dict[str, Callable[..., Any]] = {
        SUBJECT: lambda day, _: cached.get(SYMBOL, day, day + DAY),
        ARCTIC: lambda _, frame: library.append(SYMBOL, frame, prune_previous_versions=True),
    }
    seen: dict[str, list[float]] = {who: [] for who in ways}
    for day, table in days:
        frame = in_pandas(table)
        for who, add in ways.items():
            start = time.perf_counter()
            add(day, frame)
            seen[who].append(time.perf_counter() - start)
    notes = {SUBJECT: "fetched, kept and given", ARCTIC: "append"}
    return [(APPENDED, who, statistics.median(seen[who]), notes[who]) for who in ways]


def first(folder: Path, _: int, who: str) -> list[Figure]:
    """One reader that is the first in this process; what it imports is there."""
    imported("arcticdb")
    begin = dt.datetime.fromisoformat((folder / BEGIN).read_text(encoding="utf-8"))
    readers: dict[str, Callable[..., Any]] = {
        SUBJECT: lambda *bounds: cache(folder / "ours", nothing).get(SYMBOL, *bounds),
        ARCTIC: lambda *bounds: arctic(folder).read(SYMBOL, date_range=bounds).data,
        READ: lambda *bounds: filtered(folder, *bounds),
    }
    start = time.perf_counter()
    readers[who](begin, begin + MONTH)
    return [(FRESH, who, time.perf_counter() - start, "")]


if __name__ == "__main__":
    wanted, place, count, order = sys.argv[1:]
    work = {"everything": everything, "first": first, "versions": versions}[wanted]
    print(json.dumps(work(Path(place), int(count), order)))
