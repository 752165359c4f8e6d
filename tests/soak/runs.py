"""Runs to record, and a record of what a store must, may and must not have of them."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import afml_cache
from afml_cache import BacktestCache

STRATEGY = "crossover"
DATA = pd.DataFrame({"close": np.arange(60.0)}, index=pd.date_range("2024-01-01", periods=60))
PRUNED = 1_000_000  # added to the version of a run that has its metrics alone
KINDS = ("small", "curve", "large")  # in the log, in the log with a file beside, in a file


def kind_of(number: int) -> str:
    return KINDS[number % 3]


def curve_of(number: int, version: int) -> pd.Series:
    steps = np.random.default_rng([number, version]).normal(0, 0.01, len(DATA))
    return pd.Series(np.exp(np.cumsum(steps)), index=DATA.index)


def trades_of(number: int, version: int) -> pd.DataFrame | None:
    if kind_of(number) != "large":
        return None
    return pd.DataFrame({"number": np.full(12_000, number), "version": np.full(12_000, version)})


def metrics_of(number: int, version: int) -> dict[str, float]:
    return {"sharpe_ratio": number / 7 + version, "version": version}


def version_of(number: int, found: Any) -> int:
    """Which version of a run is found; -1 for one that never was."""
    version = int(found.metrics["version"])
    if found.metrics != metrics_of(number, version):
        return -1
    try:
        curve, trades = found.equity_curve, found.trades
    except afml_cache.PrunedError:
        return version + PRUNED
    expected = None if kind_of(number) == "small" else curve_of(number, version)
    right = (curve is None) if expected is None else expected.equals(curve)
    traded = trades_of(number, version)
    right = right and ((trades is None) if traded is None else traded.equals(trades))
    return version if right else -1


class RunsUser:
    """The part of a user that has runs; what it does is noted before and after."""

    store: Any
    say: Any
    _runs: BacktestCache | None = None
    runs_refused = 0

    @property
    def runs(self) -> BacktestCache:
        if self._runs is None:
            self._runs = BacktestCache(store=self.store)
        return self._runs

    def record(self, number: int, version: int = 0) -> None:
        """Record a run, or record it again."""
        self.say("recording", number, version)
        curve = None if kind_of(number) == "small" else curve_of(number, version)
        trades = trades_of(number, version)
        metrics = metrics_of(number, version)
        try:
            self.runs.cache_backtest(STRATEGY, {"n": number}, DATA, metrics, trades, curve)
        except afml_cache.CacheError as error:
            self._refused(error)
        else:
            self.say("recorded", number, version)

    def _refused(self, error: Exception) -> None:
        self.runs_refused += 1
        self.say("warned", "refused", str(error))

    def _id(self, number: int) -> str | None:
        found = self.runs.get_cached_backtest(STRATEGY, {"n": number}, DATA)
        return None if found is None else found.metadata.run_id

    def change(self, act: str, number: int) -> None:
        """Delete a run, pin it, or prune all."""
        try:
            run = self._id(number)
            if run is not None and act == "delete":
                self.say("deleting", number)
                self.runs.delete(run)
                self.say("deleted", number)
            elif run is not None and act == "pin":
                self.runs.pin(run)
            elif act == "prune":
                self.say("pruning")
                self.runs.prune(1, strategy=STRATEGY)
        except afml_cache.CacheError as error:
            self._refused(error)

    def look_at_runs(self, numbers: list[int]) -> None:
        """Say which version of each run is found, and what the ledger counts."""
        if not numbers:
            return
        self.runs.native.collect()
        for number in numbers:
            found = self.runs.get_cached_backtest(STRATEGY, {"n": number}, DATA)
            version = None if found is None else version_of(number, found)
            self.say("found_run", number, version)
        self._look_at_ledger()

    def _look_at_ledger(self) -> None:
        index = self.runs.index
        families = self.runs.ledger.families(STRATEGY)
        tried = len(self.runs.ledger.trials(STRATEGY)) if families else 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", afml_cache.RankingWarning)
            best = self.runs.find_best_parameters(STRATEGY, top_n=10**6)
        shown = {int(number) for number in best["param_n"]} if len(best) else set()
        self.say("counted_runs", len(index), tried, sorted(shown))
        self.say("run_ids", list(index))
        if self.runs.native.damaged:
            self.say("problem", "a part of the log of runs can't be read")

    def close_runs(self) -> None:
        self._runs = None


@dataclass
class RunsHistory:
    """Which versions of each run a store may have; None among them means that it may lack it."""

    runs: dict[int, set[int | None]] = field(default_factory=dict)
    tried: dict[int, bool] = field(default_factory=dict)  # whether the ledger must have it
    run_ids: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    promises: int = 0

    def _run_ids(self, ids: list[str]) -> None:
        self.run_ids = ids

    def _recording(self, number: int, version: int) -> None:
        self.runs.setdefault(number, {None}).add(version)
        self.tried.setdefault(number, False)

    def _recorded(self, number: int, version: int) -> None:
        self.runs[number] = {version}
        self.tried[number] = True

    def _deleting(self, number: int) -> None:
        self.runs[number].add(None)

    def _deleted(self, number: int) -> None:
        self.runs[number] = {None}

    def _pruning(self) -> None:
        for allowed in self.runs.values():
            allowed |= {one + PRUNED for one in allowed if one is not None and one < PRUNED}

    def _found_run(self, number: int, version: int | None) -> None:
        allowed = self.runs[number]
        self.promises += 1
        if version not in allowed:
            what = "lost" if version is None else "wrong"
            self.faults.append(f"{what}: the run {number} is {version}, which may be {allowed}")
        self.runs[number] = {version}
        self.tried[number] |= version is not None

    def _counted_runs(self, live: int, tried: int, shown: list[int]) -> None:
        there = sorted(number for number, allowed in self.runs.items() if None not in allowed)
        if (live, shown) != (len(there), there):
            apart = sorted({*shown} ^ {*there})[:9]
            self.faults.append(f"wrong: {live} runs of {len(there)}; ranked or there: {apart}")
        if not sum(self.tried.values()) <= tried <= len(self.tried):
            self.faults.append(f"wrong: {tried} trials, of {len(self.tried)}")
