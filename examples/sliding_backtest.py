"""A backtest that asks for the last 30 days, every day. Run it twice: the second run calls nobody.

    python examples/sliding_backtest.py [--fresh] [--cache-dir PATH]

The vendor is a process of its own, `vendor.py`, and whatever is counted comes from its log.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from hard_times import show_hard_times
from rich.console import Console
from rich.table import Table
from vendor_client import VendorEngine, VendorProcess, running

from afml_cache import CachedDataEngine, clear_afml_cache, configure, robust_cacheable

SYMBOL, TIMEFRAME = "GOOG", "1D"
FIRST, LAST = datetime.fromisoformat("2012-10-01"), datetime.fromisoformat("2012-12-01")
LOOKBACK = timedelta(days=30)
DAY = timedelta(days=1)
WHO = ("prefetch", "engine", "strategy", "chart")


class TrendStrategy:
    """Long while the last close is above the mean of the last 30 days."""

    def __init__(self, data: Any) -> None:
        self._data = data

    async def position(self, now: datetime) -> int:
        bars = await self._data.get_bars(SYMBOL, now - LOOKBACK, now, TIMEFRAME)
        return int(bars["close"].iloc[-1] > bars["close"].mean())


async def backtest(data: Any, asks: Asks) -> float:
    """Walk through all days, weekends too, and chart the period; give the equity at the end."""
    strategy, position, equity, last = TrendStrategy(data), 0, 1.0, None
    for now in pd.date_range(FIRST, LAST).to_pydatetime():
        with asks.of("engine"):
            bars = await data.get_bars(SYMBOL, now, now, TIMEFRAME)
        for close in bars["close"]:  # none on a day without trading
            equity *= 1 + position * (close / (last or close) - 1)
            last = close
        with asks.of("strategy"):
            position = await strategy.position(now)
    with asks.of("chart"):
        chart = await data.get_bars(SYMBOL, FIRST, LAST, TIMEFRAME)
    asks.drawn = sparkline(chart["close"])
    return equity


def sparkline(values: pd.Series) -> str:
    heights = (values - values.min()) / (values.max() - values.min())
    return "".join("▁▂▃▄▅▆▇█"[round(7 * height)] for height in heights)


class Asks:
    """Who caused how many calls of the vendor, and how many days they had: from its own log."""

    def __init__(self, vendor: VendorProcess | None = None) -> None:
        self._vendor = vendor
        self.calls: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.drawn = ""

    @contextmanager
    def of(self, who: str) -> Iterator[None]:
        before = len(self._vendor.log())
        yield
        for record in self._vendor.log()[before:]:
            self.calls[who] += 1
            self.days[who] += days_asked(record)


def days_asked(record: dict[str, str]) -> int:
    """Calendar days of a request, both its ends among them."""
    start, end = (datetime.fromisoformat(record[name][:10]) for name in ("start", "end"))
    return (end - start) // DAY + 1


@robust_cacheable(ignore=("engine", "vendor"))
async def without_cache(symbol: str, engine: Any, vendor: VendorProcess) -> dict[str, Any]:
    """Run the backtest with the vendor alone; what that takes is a result to be kept as well."""
    asks = Asks(vendor)
    equity = await backtest(engine, asks)
    return {"equity": equity, "calls": dict(asks.calls), "days": dict(asks.days)}


async def run_passes(vendor: VendorProcess, console: Console, *, fresh: bool) -> None:
    """Run the backtest without the cache, with it, and with one prefetch at the start."""
    async with VendorEngine(vendor.url) as engine:
        cached = CachedDataEngine(engine, name="day by day", calendar="XNYS")
        ahead = CachedDataEngine(engine, name="prefetched", calendar="XNYS")
        if fresh:
            cached.cache.invalidate(SYMBOL, TIMEFRAME)
            ahead.cache.invalidate(SYMBOL, TIMEFRAME)
        told = await without_cache(SYMBOL, engine, vendor)
        plain, sliding, prefetched = Asks(), Asks(vendor), Asks(vendor)
        plain.calls, plain.days = Counter(told["calls"]), Counter(told["days"])
        equities = {told["equity"], await backtest(cached, sliding)}
        with prefetched.of("prefetch"):
            await ahead.cache.aprefetch(SYMBOL, TIMEFRAME, FIRST - LOOKBACK, LAST)
        equities.add(await backtest(ahead, prefetched))

    [equity] = equities  # the same bars gave the same trades
    passes = {"without cache": plain, "with cache": sliding, "with prefetch": prefetched}
    console.print(f"{SYMBOL} {FIRST:%Y-%m-%d} .. {LAST:%Y-%m-%d}  {prefetched.drawn}")
    console.print(f"equity of 1 at the end: {equity:.4f}, in all three passes")
    console.print(table_of(passes))
    console.print("what the cache has after the second pass:")
    console.print(cached.cache.coverage(SYMBOL, TIMEFRAME), soft_wrap=True)


def table_of(passes: dict[str, Asks]) -> Table:
    """Calls and day-loads of each pass, by who caused them."""
    table = Table("", title="calls of the vendor, and calendar days asked for in them")
    for name in passes:
        table.add_column(f"{name}\ncalls", justify="right")
        table.add_column("\ndays", justify="right")
    for who in WHO:
        counts = [count[who] for asks in passes.values() for count in (asks.calls, asks.days)]
        table.add_row(who, *(f"{count:,}" for count in counts))
    counts = [count.total() for asks in passes.values() for count in (asks.calls, asks.days)]
    table.add_section()
    table.add_row("total", *(f"{count:,}" for count in counts))
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fresh", action="store_true", help="begin with an empty cache")
    parser.add_argument("--cache-dir", type=Path, metavar="PATH", help="where to keep bars")
    return parser.parse_args()


async def main() -> None:
    arguments = parse_arguments()
    if arguments.cache_dir:
        configure(cache_dir=arguments.cache_dir)
    if arguments.fresh:
        clear_afml_cache(warn=False)  # results; bars are forgotten by themselves
    console = Console()
    with running() as vendor:
        await run_passes(vendor, console, fresh=arguments.fresh)
        await show_hard_times(vendor, console)
        console.print(f"calls of the vendor in this run: {len(vendor.log())}")


if __name__ == "__main__":
    asyncio.run(main())
