"""Record what a day of research asks its cache for: ``python -m benchmarks.trace``.

It really runs: bars of a few markets, features of them, signals, labels, backtests, sweeps and
walk-forward folds, all cached and calling each other. The look-ups go to `trace.txt.gz`, one line
each: number of the key, bytes of its entry.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TRACE = Path(__file__).with_name("trace.txt.gz")
SYMBOLS = [f"S{number:02d}" for number in range(24)]
ROWS = {"1min": 60_000, "5min": 12_000, "1h": 1_000, "1d": 250}
FRAMES = [*ROWS]
WINDOWS = [5, 8, 13, 21, 34, 55, 89, 144]
Recorded = Callable[..., Any]


class Recorder:
    """Wraps functions so that each look-up is noted, by a key that stands for one entry."""

    def __init__(self, folder: Path) -> None:
        import afml_cache

        self.store = afml_cache.Store(folder / "store")
        self.decorate = afml_cache.robust_cacheable
        self.keys: list[str] = []

    def __call__(self, function: Recorded, version: int = 0) -> Recorded:
        """The function, cached; another version has other keys."""
        options = {"store": self.store, "track_code": False, "version": str(version)}
        cached = self.decorate(**options)(function)

        def call(*args: Any) -> Any:
            self.keys.append(cached.cache_key(*args))
            return cached(*args)

        return call

    def lines(self) -> list[str]:
        """Number and size of each key that was looked up and has an entry."""
        sizes = {row[1]: row[-1] for row in self.store.select(None, None, remove=False)}
        numbers = {key: number for number, key in enumerate(dict.fromkeys(self.keys))}
        return [f"{numbers[key]} {sizes[key]}" for key in self.keys if key in sizes]


class Desk:
    """The functions of a research project; each calls the ones above it."""

    def __init__(self, record: Recorder) -> None:
        self.record = record
        self.bars = record(bars)
        self.feature = record(self.make_feature)
        self.labels = record(self.make_labels)
        self.signal = record(self.make_signal)
        self.fold = record(self.make_fold)
        self.edit(0)

    def edit(self, version: int) -> None:
        """The backtest was edited: its results are other entries from here on."""
        self.backtest = self.record(self.make_backtest, version)
        self.equity = self.record(self.make_equity, version)

    def make_feature(self, symbol: str, frame: str, name: str, window: int) -> pd.Series:
        """Moving mean, deviation or range of the close."""
        close = self.bars(symbol, frame)["close"].rolling(window)
        return {"mean": close.mean, "std": close.std, "max": close.max}[name]()

    def make_labels(self, symbol: str, frame: str, horizon: int, barrier: float) -> pd.DataFrame:
        """Which barrier is met within the horizon."""
        close = self.bars(symbol, frame)["close"]
        width = self.feature(symbol, frame, "std", 34) * barrier
        ahead = close.shift(-horizon) - close
        return pd.DataFrame({"side": np.sign(ahead) * (ahead.abs() > width), "width": width})

    def make_signal(self, symbol: str, frame: str, fast: int, slow: int) -> pd.Series:
        """Whether the fast mean is above the slow one."""
        means = (self.feature(symbol, frame, "mean", window) for window in (fast, slow))
        return np.sign(next(means) - next(means))

    def make_backtest(self, symbol: str, frame: str, fast: int, slow: int, cost: float) -> dict:
        """Figures of one strategy."""
        returns = self.returns(symbol, frame, fast, slow, cost)
        return {"mean": returns.mean(), "std": returns.std(), "worst": returns.min()}

    def make_equity(self, symbol: str, frame: str, fast: int, slow: int, cost: float) -> pd.Series:
        """Its curve."""
        return self.returns(symbol, frame, fast, slow, cost).cumsum()

    def returns(self, symbol: str, frame: str, fast: int, slow: int, cost: float) -> pd.Series:
        """Not cached: position times move, less costs."""
        position = self.signal(symbol, frame, fast, slow).shift()
        move = self.bars(symbol, frame)["close"].diff()
        return position * move - cost * position.diff().abs()

    def make_fold(self, symbol: str, frame: str, number: int, folds: int) -> list[float]:
        """Coefficients of one walk-forward fold."""
        target = self.labels(symbol, frame, 20, 1.0)["side"].to_numpy()
        columns = [self.feature(symbol, frame, "mean", window) for window in WINDOWS]
        table = np.nan_to_num(np.column_stack([column.to_numpy() for column in columns]))
        end = len(table) * (number + 1) // (folds + 1)
        known = np.nan_to_num(target[:end])
        return [float(value) for value in np.linalg.lstsq(table[:end], known)[0]]


def bars(symbol: str, frame: str) -> pd.DataFrame:
    """Five columns by time."""
    rows = ROWS[frame]
    random = np.random.default_rng([SYMBOLS.index(symbol), rows])
    index = pd.date_range("2024", periods=rows, freq="min", tz="UTC")
    values = random.normal(size=(rows, 5)).cumsum(0)
    return pd.DataFrame(values, index=index, columns=["open", "high", "low", "close", "volume"])


def day(desk: Desk, random: np.random.Generator) -> None:
    """A day: notebooks, sweeps over favourites, scans of the whole universe, an edit or two."""
    weights = 1 / np.arange(1, len(SYMBOLS) + 1) ** 1.1
    weights /= weights.sum()
    for hour in range(10):
        notebook(desk, random, weights)
        for symbol in random.choice(SYMBOLS, 2, p=weights):
            sweep(desk, symbol, str(random.choice(FRAMES, p=[0.3, 0.3, 0.25, 0.15])), hour % 3)
        notebook(desk, random, weights)
        if hour % 3 == 1:
            scan(desk, FRAMES[hour // 3 % 4], hour)
        if hour % 4 == 3:
            desk.edit(hour)
        for symbol in random.choice(SYMBOLS, 2, p=weights):
            walk_forward(desk, symbol, str(random.choice(FRAMES)))


def notebook(desk: Desk, random: np.random.Generator, weights: np.ndarray) -> None:
    """Cells that are run again and again, mostly on the same few markets."""
    for _ in range(60):
        symbol = str(random.choice(SYMBOLS, p=weights))
        frame = str(random.choice(FRAMES, p=[0.25, 0.25, 0.3, 0.2]))
        desk.bars(symbol, frame)
        for window in random.choice(WINDOWS, 3):
            desk.feature(symbol, frame, "mean", int(window))
        fast, slow = sorted(int(window) for window in random.choice(WINDOWS, 2, replace=False))
        desk.equity(symbol, frame, fast, slow, 0.01)
        desk.backtest(symbol, frame, fast, slow, 0.01)


def sweep(desk: Desk, symbol: str, frame: str, cost: int) -> None:
    """Every pair of windows, twice: once to see, once to plot."""
    for _ in range(2):
        for place, fast in enumerate(WINDOWS):
            for slow in WINDOWS[place + 1 :]:
                desk.backtest(symbol, frame, fast, slow, cost / 100)
        for place, fast in enumerate(WINDOWS[:3]):
            for slow in WINDOWS[place + 1 :]:
                desk.equity(symbol, frame, fast, slow, cost / 100)


def scan(desk: Desk, frame: str, horizon: int) -> None:
    """The whole universe, once."""
    for symbol in SYMBOLS:
        desk.bars(symbol, frame)
        desk.labels(symbol, frame, 10 + horizon, 1.0)
        desk.backtest(symbol, frame, 8, 34, 0.02)


def walk_forward(desk: Desk, symbol: str, frame: str) -> None:
    """Folds of a model, each on all features."""
    for number in range(8):
        desk.fold(symbol, frame, number, 8)
        desk.labels(symbol, frame, 20, 1.0)


def main() -> None:
    """Run three days, write the trace."""
    random = np.random.default_rng(2024)
    with tempfile.TemporaryDirectory() as folder:
        record = Recorder(Path(folder))
        desk = Desk(record)
        for _ in range(3):
            day(desk, random)
        lines = record.lines()
    with gzip.GzipFile(TRACE, "wb", mtime=0) as file:
        file.write("\n".join(lines).encode())
    sizes = {key: int(size) for key, size in (line.split() for line in lines)}
    total = sum(sizes.values()) / 2**20
    print(f"{len(lines):,} look-ups of {len(sizes):,} entries, {total:,.0f} MiB: `{TRACE}`")


if __name__ == "__main__":
    main()
