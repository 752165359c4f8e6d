"""Backtests: recorded, looked up, ranked and compared among a thousand to a hundred thousand."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import SUBJECT, Table, duration
from benchmarks.trackers import TRACKERS, Tracker, metrics_of, parameters_of

COUNTS = (1_000, 10_000, 100_000)
SESSIONS, ROWS, BARS = 250, 1_000, 10_000
STRATEGY, OTHERS = "crossover", 9
RECORDED = 300
PATIENCE = 1.0  # seconds that a question may take to be asked of ten times as many runs
RECORD = "record a run, {:,} there"
CURVE = "record a run with an equity curve of 1,000 rows, {:,} there"
LOOK_UP = "look a run up, {:,} there, less the data's digest"
HIT = "hit of a cached_backtest, {:,} there, less the data's digest"
BEST = "best 5 of {:,} runs"
COMPARE = "compare 1,000 of {:,} runs"
LEADERS = "the best run of each of 10 strategies, {:,} runs"


def backtests(table: Table, folder: Path, counts: tuple[int, ...] = COUNTS) -> None:
    """Fill caches and trackers step by step, and ask the same of each at each step."""
    table.say(
        f"Runs with 5 metrics and 2 parameters, and in afml_cache with the returns of {SESSIONS} "
        "sessions beside them; there, a run that is recorded is on the medium. Where it says "
        f"so, an equity curve of {ROWS:,} rows is kept and written as Parquet too. Trackers of "
        "experiments have neither data nor code in their keys, and no returns to tell luck by. "
        "Where to fill them takes more than half a minute, most of their runs are copies, made in "
        "their files. The JSON index is what "
        "`afml.cache` had: one file, written again with each run, here from memory."
    )
    ours = Ours(folder / "afml_cache")
    for count in counts:
        seen = ours.fill(count)
        table.say(f"{count:,} runs: {told(seen)}.")
        ask_ours(table, ours, count)
    for name, tracker in TRACKERS.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        measure(table, name, tracker, place, counts)


def told(seen: list[float]) -> str:
    """How long recording took, in the middle and at worst but for one in a hundred."""
    seen = sorted(seen)
    middle, late = statistics.median(seen), seen[len(seen) * 99 // 100]
    return f"{duration(middle)} a run with returns, {duration(late)} at the 99th percentile"


class Ours:
    """A `BacktestCache` that is filled; its data is digested once, as each call does it."""

    def __init__(self, folder: Path) -> None:
        from afml_cache import BacktestCache

        generator = np.random.default_rng(7)
        times = pd.date_range("2015-01-01", periods=BARS, freq="h")
        self.data = pd.DataFrame({"close": generator.normal(size=BARS).cumsum()}, index=times)
        self.days = pd.bdate_range("2023-01-02", periods=SESSIONS)
        self.curves = [self._curve(generator, ROWS) for _ in range(20)]
        self.cache = BacktestCache(folder)
        self.count = 0
        self.next = 10**6
        for other in range(OTHERS):
            self._fill(f"other {other}", range(50))

    def _curve(self, generator: np.random.Generator, rows: int) -> pd.Series:
        times = pd.date_range("2023-01-01", periods=rows, freq="6h")
        return pd.Series(np.exp(generator.normal(0, 0.01, rows).cumsum()), index=times)

    def fill(self, count: int) -> list[float]:
        """Record runs until there are so many; give the seconds of each."""
        seen = self._fill(STRATEGY, range(self.count, count))
        self.count = count
        return seen

    def _fill(self, strategy: str, numbers: Iterable[int]) -> list[float]:
        """Record runs by their returns alone, which leaves Parquet out."""
        from afml_cache.runs.lookup import with_code

        sessions = self.days.asi8 // (86_400 * 10 ** (9 if self.days.unit == "ns" else 6))
        seen = []
        for number in numbers:
            steps = np.random.default_rng(number).normal(0.0002, 0.01, SESSIONS)
            identity = with_code(strategy, None, parameters_of(number), self.data)[0]
            given = {
                "run": identity.run, "strategy": strategy, "dataset": "6h", "purpose": "",
                "is_test": False, "trial": identity.trial, "code": None,
                "parameters": identity.parameters, "data": identity.data,
                "at_ns": time.time_ns(), "seconds": 1.0, "time_range": None, "seen_ns": None,
                "step_ns": 86_400 * 10**9, "reason": "",
                "metrics": list(metrics_of(number).items()),
                "about": json.dumps({"parameters": parameters_of(number)}),
            }  # fmt: skip
            curve = steps.tobytes(), sessions.astype("<i8").tobytes(), "returns"
            answer = {"metrics": metrics_of(number), "parameters": parameters_of(number)}
            start = time.perf_counter()
            self.cache.native.record(given, curve, answer, [])
            seen.append(time.perf_counter() - start)
        return seen

    def record(self, curve: bool) -> str:
        """Record another run, as a user does."""
        self.next += 1
        equity = self.curves[self.next % len(self.curves)] if curve else None
        return self.cache.cache_backtest(
            STRATEGY,
            parameters_of(self.next),
            self.data,
            metrics_of(self.next),
            equity_curve=equity,
            dataset="6h",
        )


def ask_ours(table: Table, ours: Ours, count: int) -> None:
    """Every question, of so many runs."""
    cache, digest = ours.cache, digest_of(ours.data)
    for case, curve in ((RECORD, False), (CURVE, True)):
        seen = [timed(partial(ours.record, curve)) - digest for _ in range(RECORDED)]
        note = f"{told(seen).partition(', ')[2]}; less the data's digest"
        table.add(case.format(count), SUBJECT, statistics.median(seen), note=note)
    look_up(table, ours, count, digest)
    table.time(BEST.format(count), SUBJECT, partial(cache.find_best_parameters, STRATEGY))
    ids = list(cache.index)
    some = ids[:: max(1, len(ids) // 1_000)][:1_000]
    table.time(COMPARE.format(count), SUBJECT, partial(cache.compare_runs, some))
    table.time(LEADERS.format(count), SUBJECT, cache.leaderboard)


def look_up(table: Table, ours: Ours, count: int, digest: float) -> None:
    """A run by its strategy, parameters and data; by hand, and by a decorated function."""
    from afml_cache import cached_backtest

    cache = ours.cache
    ours.record(True)
    asked = STRATEGY, parameters_of(ours.next), ours.data
    assert cache.get_cached_backtest(*asked) is not None
    seen = [timed(partial(cache.get_cached_backtest, *asked)) for _ in range(RECORDED)]
    table.add(LOOK_UP.format(count), SUBJECT, statistics.median(seen) - digest)

    @cached_backtest("decorated", cache=cache)
    def backtest(data: pd.DataFrame, params: dict[str, int]) -> Any:
        return metrics_of(params["window"]), None, equity_of(data)

    call = partial(backtest, ours.data, {"window": 5})
    call()
    before = backtest.cache_info().hits
    seen = [timed(call) for _ in range(RECORDED)]
    assert backtest.cache_info().hits - before == RECORDED
    table.add(HIT.format(count), SUBJECT, statistics.median(seen) - digest)


def equity_of(data: pd.DataFrame) -> pd.Series:
    """A curve of so many rows as the others have."""
    return 100 + data["close"].abs().iloc[:ROWS]


def digest_of(data: pd.DataFrame) -> float:
    """Seconds that the content of the data takes to digest."""
    from afml_cache import digest

    return statistics.median(timed(partial(digest, data)) for _ in range(50))


def measure(
    table: Table, name: str, make: Callable[[Path], Tracker], place: Path, counts: Iterable[int]
) -> None:
    """Every question that a tracker can be asked, as far as it can be filled in time."""
    tracker: Tracker | None = None
    slow: dict[str, float] = {}
    for count in counts:
        try:
            tracker = tracker or make(place)
            seen = tracker.fill(count)
        except Exception as error:  # noqa: BLE001 - whoever fails keeps its rows
            for case in (RECORD, BEST, COMPARE, LEADERS):
                why = f"{type(error).__name__}: {error}"[:90]
                table.add(case.format(count), name, None, note=why)
            return
        note = tracker.told()
        table.add(RECORD.format(count), name, statistics.median(seen), note=note)
        questions = (BEST, tracker.best), (COMPARE, tracker.compare), (LEADERS, tracker.leaders)
        for case, ask in questions:
            if slow.get(case, 0.0) > PATIENCE:
                why = f"not asked: with a tenth of the runs it takes {duration(slow[case])}"
                table.add(case.format(count), name, None, note=why)
            else:
                table.time(case.format(count), name, ask, runs=3)
                slow[case] = table.rows[-1].seconds or 0.0


def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
