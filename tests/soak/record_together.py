"""Several processes record runs at once; none is lost, and the ledger counts each trial once.

    python tests/soak/record_together.py --runs 25000
    python tests/soak/record_together.py --runs 2000 --kills 500

Each process records runs of its own, and writes the number of each to a log after the call came
back: every line is a promise. With `--kills` they are killed with SIGKILL at random instants, and
others go on where they stopped. Then every run is looked for, and the trials are counted; the index
is taken away, and all is looked for again.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

STRATEGY = "crossover"
DATA = pd.DataFrame({"close": np.arange(250.0)}, index=pd.bdate_range("2023-01-02", periods=250))
CURVES = 20  # one in so many runs has an equity curve
PART = 1000  # runs of which the median time is told


def metrics_of(number: int) -> dict[str, float]:
    return {"sharpe_ratio": (number * 7919 % 100_003) / 1000, "number": number, "calmar": 1.5}


def curve_of(number: int) -> pd.Series | None:
    if number % CURVES:
        return None
    steps = np.random.default_rng(number).normal(0, 0.01, len(DATA))
    return pd.Series(np.exp(np.cumsum(steps)), index=DATA.index)


def cache_in(root: Path) -> Any:
    from afml_cache import BacktestCache

    warnings.simplefilter("error")
    return BacktestCache(root)


def record(root: Path, log: Path, first: int, stop: int) -> None:
    """Record runs, and promise each in the log with the time that it took."""
    cache = cache_in(root)
    with log.open("ab", buffering=0) as promises:
        for number in range(first, stop):
            metrics, curve = metrics_of(number), curve_of(number)
            start = time.perf_counter()
            cache.cache_backtest(STRATEGY, {"n": number}, DATA, metrics, equity_curve=curve)
            promises.write(f"{number} {time.perf_counter() - start}\n".encode())


def check(root: Path, promised: set[int], most: int) -> list[str]:
    """What is not as it was promised."""
    cache = cache_in(root)
    faults = []
    ids = list(cache.index)
    runs = cache.native.find_all(ids)
    found = {int(dict(run.metrics)["number"]): run for run in runs if run is not None}
    faults += [f"lost {number}" for number in sorted(promised - found.keys())]
    for number, run in found.items():
        if dict(run.metrics) != metrics_of(number) or (run.moments is None) == (
            curve_of(number) is not None
        ):
            faults.append(f"wrong {number}")
    for number in random.sample(sorted(found), min(len(found), 200)):
        whole = cache.get_cached_backtest(STRATEGY, {"n": number}, DATA)
        curve = curve_of(number)
        if whole is None or (curve is not None and not curve.equals(whole.equity_curve)):
            faults.append(f"wrong answer of {number}")
    ((_, _, _, _, trials, _),) = cache.native.families(STRATEGY)
    if not len(promised) <= len(found) == len(ids) == len(cache.index) == trials <= most:
        faults.append(f"{len(promised)} promised, {len(found)} found, {trials} trials")
    if cache.native.damaged:
        faults.append("a part of the log can't be read")
    return faults


class Worker:
    """A process that records a part of the runs, however often it is killed."""

    def __init__(self, root: Path, folder: Path, first: int, stop: int) -> None:
        self.root, self.log, self.next, self.stop = root, folder / f"log-{first}", first, stop
        self.process: subprocess.Popen[bytes] | None = None
        self.known = 0  # promises when it was started

    def promises(self) -> list[tuple[int, float]]:
        """The lines of its log; the last may have been cut by a kill."""
        lines = self.log.read_text().split("\n")[:-1] if self.log.exists() else []
        return [(int(line.split()[0]), float(line.split()[1])) for line in lines]

    def kill(self) -> bool:
        """Kill it, if it has recorded something since it was started."""
        process = self.process
        if process is None or process.poll() is not None or len(self.promises()) == self.known:
            return False
        process.kill()
        process.wait()
        return True

    def go_on(self) -> bool:
        """Start it where it stopped; say whether anything is left to do."""
        if self.process is not None and self.process.poll() is None:
            return True
        if self.process is not None and self.process.returncode not in (0, -signal.SIGKILL):
            message = f"a process ended with {self.process.returncode}"
            raise RuntimeError(message)
        done = self.promises()
        self.known = len(done)
        self.next = max([number + 1 for number, _ in done], default=self.next)
        if self.next >= self.stop:
            return False
        part = ["--record", self.root, self.log, self.next, self.stop]
        self.process = subprocess.Popen([sys.executable, __file__, *map(str, part)])
        return True


def run(runs: int, processes: int, kills: int, seed: int) -> int:
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = folder / "store"
        workers = [
            Worker(root, folder, place * runs, (place + 1) * runs) for place in range(processes)
        ]
        killed = 0
        while sum(worker.go_on() for worker in workers):
            time.sleep(0.002 + generator.random() * 0.01)
            killed += killed < kills and generator.choice(workers).kill()
        told = [promise for worker in workers for promise in worker.promises()]
        promised = {number for number, _ in told}
        faults = check(root, promised, runs * processes)
        for path in root.glob("v1/runs/runs.sqlite3*"):
            path.unlink()
        faults += check(root, promised, runs * processes)
        medians = flat(workers)
    print("\n".join(faults[:20]))
    lost = sum(fault.startswith("lost") for fault in faults)
    print(
        f"{len(promised)} runs of {processes} processes, {killed} kills, {lost} lost, "
        f"{len(faults) - lost} other faults; ms a run, first to last thousands: {medians} "
        f"(seed {seed})"
    )
    return bool(faults)


def flat(workers: list[Worker]) -> str:
    """The median time of a run, in milliseconds, from part to part."""
    parts = [
        [seconds * 1e3 for _, seconds in worker.promises()[start : start + PART]]
        for worker in workers[:1]
        for start in range(0, len(worker.promises()), PART)
    ]
    return " ".join(f"{statistics.median(part):.2f}" for part in parts if part)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=25_000, help="of each process")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--record", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        root, log, first, stop = options.record
        record(Path(root), Path(log), int(first), int(stop))
        return 0
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return run(options.runs, options.processes, options.kills, options.seed)


if __name__ == "__main__":
    raise SystemExit(main())
