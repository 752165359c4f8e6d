"""A vendor of daily bars that logs what it is asked for, and stores of its bars to be harmed."""

import contextlib
import datetime as dt
import gc
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from afml_cache import Store
from afml_cache.ranges.cache import RangeCache

FIRST = dt.date(2024, 1, 1)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
WARNINGS = {"CacheReadWarning", "CacheWriteWarning"}
SCHEMA = {"time": pl.Date, "open": pl.Float64, "close": pl.Float64, "volume": pl.Int64}


def day(number: int) -> dt.date:
    """Give a day by its number from the first one on."""
    return FIRST + dt.timedelta(days=number)


def rows(symbol: str, first: int, stop: int, version: int = 0) -> pl.DataFrame:
    """Give the bars of some days, each of which tells symbol, day and version by its prices."""
    mark = sum(symbol.encode()) + 1000 * version
    numbers = range(first, stop)
    return pl.DataFrame(
        {
            "time": [day(number) for number in numbers],
            "open": [mark + number / 8 for number in numbers],
            "close": [mark + number / 4 for number in numbers],
            "volume": [mark * 1000 + number for number in numbers],
        },
        schema=SCHEMA,
    )


@dataclass
class Vendor:
    """What it gave, by symbol: the numbers of the first day and of the one behind the last."""

    version: int = 0
    calls: list[tuple[str, int, int]] = field(default_factory=list)

    def load(self, symbol: str, _: str, start: dt.date, end: dt.date) -> pl.DataFrame:
        first, stop = (start - FIRST).days, (end - FIRST).days
        self.calls.append((symbol, first, stop))
        return rows(symbol, first, stop, self.version)

    def days(self, symbol: str = "AAPL") -> list[int]:
        """Every day that it was asked for, as often as it was."""
        spans = [range(first, stop) for asked, first, stop in self.calls if asked == symbol]
        return sorted(number for span in spans for number in span)


def bars_in(root: Path, vendor: Vendor, **options: Any) -> RangeCache:
    """What a new process has that opens a store."""
    now = int(NOW.timestamp()) * 1_000_000_000
    return RangeCache("bars", vendor.load, store=Store(root), clock=lambda: now, **options)


def get(bars: RangeCache, first: int, stop: int, symbol: str = "AAPL") -> pl.DataFrame:
    return bars.get(symbol, "1D", day(first), day(stop))


@dataclass
class Seen:
    """Whether all rows were right, what the vendor was asked for, and what was warned of."""

    right: bool
    days: list[int]
    warned: list[str]
    texts: list[str]


@contextlib.contextmanager
def heard() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def ask(
    root: Path, *spans: tuple[int, int], version: int = 0, act: Callable[[RangeCache], Any] = repr
) -> Seen:
    """Ask for spans of AAPL as a new process; let go of the store."""
    vendor = Vendor(version)
    with heard() as caught:
        bars = bars_in(root, vendor)
        right = [
            get(bars, first, stop).equals(rows("AAPL", first, stop, version))
            for first, stop in spans
        ]
        act(bars)
        del bars
        gc.collect()
    warned = [one.category.__name__ for one in caught]
    return Seen(all(right), vendor.days(), warned, [str(one.message) for one in caught])


def segments(root: Path, symbol: str = "AAPL") -> list[Path]:
    """The segments of a series, in the order in which they were written."""
    found = root.glob(f"v1/series/{symbol}*/*.parquet")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def catalog(root: Path) -> Path:
    return root / "v1/series/catalog.sqlite3"


def quarantined(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "v1/quarantine").iterdir())


def settle(root: Path) -> None:
    """Have the catalog in one file, its log moved into it."""
    with contextlib.closing(sqlite3.connect(catalog(root))) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")


@contextlib.contextmanager
def tables(root: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(catalog(root))) as connection:
        yield connection
        connection.commit()
