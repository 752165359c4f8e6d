"""Ten years of minutes day by day: what each day costs, and whether that grows."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.bars import fresh
from benchmarks.fresh import HOME
from benchmarks.market import MONTH, Rows, bars, cache, loader_of, sessions, write_peers
from benchmarks.measure import SUBJECT, Table, duration

YEAR, RUN = 252, 21
SAMPLED = 126
FIRST, LAST = "replay, a day of the first year", "replay, a day of the last year"
YOUNG = "replay, a day of the last year, of a cache with that year alone"
MEAN = "mean, compaction included"
REWRITTEN = "one file, read, appended to and written"
DAY = dt.timedelta(days=1)


class Replayed(NamedTuple):
    """What one day cost: seconds, calls of the loader, and bytes written.

    `young` are the seconds that the same day took a cache that began with its year: a machine that
    is faster in one minute than in another shows in both.
    """

    seconds: float
    young: float
    calls: int
    in_segments: int
    in_all: int


class Rewritten(NamedTuple):
    """What one day costs a file that is written anew each day; `day` counts from 0."""

    day: int
    seconds: float
    size: int


class Folder:
    """The files that have come into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    def grown(self) -> int:
        """Bytes of the segments that were not there before."""
        found = self._folder.glob("*/series/*/*.parquet")
        fresh = [path for path in found if path.name not in self._seen]
        self._seen.update(path.name for path in fresh)
        return sum(path.stat().st_size for path in fresh)


def replay(table: Table, folder: Path) -> None:
    """Each day asks for the 30 days before it and for itself, as a strategy does."""
    made = bars()
    days = sessions(made)[RUN:]
    seen = list(replayed(made, days, folder / "polars"))
    peer = list(rewritten(made, days[::SAMPLED], folder / "bars.parquet"))
    calls, written = sum(day.calls for day in seen), sum(day.in_segments for day in seen)
    live = cache(folder / "polars", loader_of(made)).coverage("AAPL").nbytes
    table.say(
        f"{len(days):,} days of {made.height:,} minutes of XNYS, one after the other, each asking "
        f"for [day - 30 days, day + 1 day): {calls:,} calls of the loader, "
        f"{sum(day.seconds for day in seen):.0f} s. Each day was asked for once more, of a cache "
        "that began with its year, so that what the machine does in one minute and not in another "
        f"shows in both. Segments written: {mib(written)} MiB, "
        f"compaction included, of which {mib(live)} MiB are left. Written by the process in all, "
        f"as Linux counts it: {mib(sum(day.in_all for day in seen))} MiB."
    )
    table.say(
        "Beside it a file of Parquet that is read, appended to and written again each day, by "
        "polars and without a sync. That grows with the square of the days, so it was run on each "
        f"{SAMPLED}th day only, with a file of that day's length; {told(peer, SAMPLED)}."
    )
    table.grid(*years(seen, peer))
    report(table, seen, peer)
    write_peers(made, folder)
    fresh(table, folder, made, "polars", ", filled day by day")
    draw(HOME / "docs" / "replay-by-day.svg", seen, peer)


def replayed(made: pl.DataFrame, days: list[dt.datetime], folder: Path) -> Iterable[Replayed]:
    """The days, one after the other, in one process."""
    cached = young = begun(made, days, folder)
    watched = Folder(folder / "store")
    for number, day in enumerate(days):
        if number % YEAR == 0:
            young = begun(made, days[number:], folder / f"young-{number}")
            young.prefetch("AAPL", day - MONTH, day)
        calls, written = cached.stats()["api_calls"], written_so_far()
        taken = asked(cached, day)
        calls, written = cached.stats()["api_calls"] - calls, written_so_far() - written
        yield Replayed(taken, asked(young, day), calls, watched.grown(), written)


def begun(made: pl.DataFrame, days: list[dt.datetime], folder: Path) -> Any:
    """A cache that is empty, and has its calendar: whatever asks first would make that."""
    cached = cache(folder, loader_of(made))
    cached.plan("AAPL", days[0] - MONTH, days[-1] + DAY)
    return cached


def asked(cached: Any, day: dt.datetime) -> float:
    """How many seconds it takes to have the bars of a day and of those before it."""
    start = time.perf_counter()
    answer = cached.get("AAPL", day - MONTH, day + DAY)
    taken = time.perf_counter() - start
    if answer["time"][-1] < day:
        message = f"the bars of {day:%Y-%m-%d} are missing"
        raise LookupError(message)
    return taken


def rewritten(made: pl.DataFrame, days: list[dt.datetime], path: Path) -> Iterable[Rewritten]:
    """Some of the days of a cache that somebody writes in ten lines."""
    rows, begin = Rows(made), made["time"][0]
    position = {day: number for number, day in enumerate(sessions(made)[RUN:])}
    for day in days:
        seen = []
        for _ in range(3):
            rows(begin, day).write_parquet(path)
            start = time.perf_counter()
            table = pl.concat([pl.read_parquet(path), rows(day, day + DAY)])
            table.write_parquet(path)
            Rows(table)(day - MONTH, day + DAY)
            seen.append(time.perf_counter() - start)
        yield Rewritten(position[day], statistics.median(seen), path.stat().st_size)


def written_so_far() -> int:
    """Bytes that this process has had written, as far as the system counts them."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        return 0
    lines = dict(line.split(": ") for line in counts.read_text(encoding="utf-8").splitlines())
    return int(lines["write_bytes"])


def mib(size: float) -> str:
    """Bytes in MiB, rounded."""
    return f"{size / 2**20:,.0f}" if size >= 2**20 else f"{size / 2**20:.1g}"


def told(peer: list[Rewritten], sampled: int) -> str:
    """What all days would cost, taking each that was run for those up to the next."""
    seconds = sampled * sum(one.seconds for one in peer)
    return f"all would take about {seconds:,.0f} s and write {mib(sampled * sizes(peer))} MiB"


def sizes(peer: list[Rewritten]) -> int:
    """Bytes written on the days that were run."""
    return sum(one.size for one in peer)


def report(table: Table, seen: list[Replayed], peer: list[Rewritten]) -> None:
    """The first year beside the last."""
    last = seen[(len(seen) - 1) // YEAR * YEAR :]
    table.add(FIRST, SUBJECT, statistics.fmean(day.seconds for day in seen[:YEAR]), note=MEAN)
    table.add(LAST, SUBJECT, statistics.fmean(day.seconds for day in last), note=MEAN)
    table.add(YOUNG, SUBJECT, statistics.fmean(day.young for day in last), note=MEAN)
    table.add(FIRST, REWRITTEN, peer[0].seconds, note="its first day")
    table.add(LAST, REWRITTEN, peer[-1].seconds, note=f"its day {peer[-1].day:,}")


def years(seen: list[Replayed], peer: list[Rewritten]) -> tuple[list[str], list[list[str]]]:
    """A line for each year of sessions."""
    heads = [
        "year", "calls", "segments written, MiB", "written in all, MiB",
        "a day, mean", "a day, median", "slowest day",
        "a day, mean, of a cache with that year alone", REWRITTEN,
    ]  # fmt: skip
    lines = []
    for number, begin in enumerate(range(0, len(seen), YEAR)):
        part = seen[begin : begin + YEAR]
        taken = [day.seconds for day in part]
        young = statistics.fmean(day.young for day in part)
        beside = [one.seconds for one in peer if begin <= one.day < begin + YEAR]
        lines.append(
            [
                str(number + 1),
                f"{sum(day.calls for day in part):,}",
                mib(sum(day.in_segments for day in part)),
                mib(sum(day.in_all for day in part)),
                *map(duration, (statistics.fmean(taken), statistics.median(taken), max(taken))),
                duration(young),
                duration(statistics.median(beside)) if beside else "-",
            ]
        )
    return heads, lines


def draw(path: Path, seen: list[Replayed], peer: list[Rewritten]) -> None:
    """The same figures give the same file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = path.name
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    begins = range(0, len(seen) - RUN + 1, RUN)
    runs = [seen[begin : begin + RUN] for begin in begins]
    places = [(begin + RUN / 2) / YEAR for begin in begins]
    label = f"{SUBJECT}, median of {RUN} days"
    taken = [statistics.median(day.seconds for day in run) for run in runs]
    axes.semilogy(places, taken, linewidth=1, label=label)
    slowest = [max(day.seconds for day in run) for run in runs]
    axes.semilogy(places, slowest, linewidth=0.5, label="the slowest of them")
    young = [statistics.median(day.young for day in run) for run in runs]
    label = f"{SUBJECT} with that year alone, median of {RUN} days"
    axes.semilogy(places, young, linewidth=0.7, linestyle="--", label=label)
    places = [one.day / YEAR for one in peer]
    taken = [one.seconds for one in peer]
    axes.semilogy(places, taken, marker="o", markersize=3, linewidth=0.7, label=REWRITTEN)
    low, high = axes.get_ylim()
    times = [step * 10.0**power for power in range(-4, 2) for step in (1, 2, 5)]
    shown = [seconds for seconds in times if low <= seconds <= high]
    axes.set_yticks(shown, [duration(seconds) for seconds in shown], fontsize=7)
    axes.set_yticks([], minor=True)
    axes.set_xlabel("years of minutes that are there")
    axes.set_ylabel("time of a day")
    axes.grid(visible=True, linewidth=0.3)
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
