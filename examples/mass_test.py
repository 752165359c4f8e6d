"""A mass test: 210 ways to label and 4,620 strategies for each slice of real bars. Run it twice.

    python examples/mass_test.py [--datasets N] [--spread FRACTION] [--workers N] [--fresh] ...

For each slice, universes of features are made, all bars are labelled in 210 ways, patterns are
mined of that, and strategies are backtested in batches. Labels are many times larger than what
comes of them: they lie in scratch until the patterns are in place, and the disk needs room for
those of one slice. What is done is never done again:

- kill it at any time, and it goes on where it was;
- run it with another `--spread`, and only the backtests are computed;
- `--no-skip-existing` makes files anew, of labels and backtests that are known; `--force-rerun`
  computes these too, and `--fresh` everything.

Patterns and backtests see the same bars: this shows what is kept and skipped, and is no study.
It needs `pip install 'afml-cache[examples]'`. Results lie in `mass_test_results`, or where
`--output` says; the store lies in `mass_test_results/cache`, and serves every output.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import mass_stages as stages
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from afml_cache import add_cache_arguments, configure, disk_budget, sweep

OUTPUT_DIR = Path("mass_test_results")
CACHE_CONFIG = {
    "enabled": True,  # Master switch for caching
    "skip_existing_universes": True,  # Skip universes that already exist
    "cache_labeling": True,  # Cache labeling results
    "cache_regimes": True,  # Cache regime detection
    "checkpoint_interval": 10,  # Save progress every N items
    "cache_dir": OUTPUT_DIR / "cache",
}
DISK_BUDGET = "8 MB"  # for all scratch: the labels of one slice fit, and those of all do not
MB = 1e6
PLAIN: Any = {"box": box.SIMPLE_HEAD, "pad_edge": False}


class Measured:
    """What runs took: kept beside the results, so that a re-run can be held against the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.datasets: dict[str, dict[str, float]] = {}
        if path.exists():
            self.datasets = json.loads(path.read_text(encoding="utf-8"))

    def note(self, dataset: stages.Dataset, **figures: float) -> None:
        self.datasets.setdefault(dataset.name, {}).update(figures)
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(self.datasets, indent=2), encoding="utf-8")
        draft.replace(self._path)


def run_dataset(
    dataset: stages.Dataset, measured: Measured, arguments: argparse.Namespace
) -> pd.DataFrame:
    """Take a slice through all stages, and give what the strategies came to."""
    start = time.perf_counter()
    print(f"\n📊 {dataset.name}: {len(dataset.bars):,} bars", flush=True)
    with disk_budget(DISK_BUDGET) as budget:
        patterns, labelled = patterns_of(dataset, arguments.workers)
    measured.note(dataset, **{"peak" if labelled else "peak_again": budget.peak})
    merged = stages.backtest(
        dataset,
        patterns,
        most=arguments.strategies,
        workers=arguments.workers,
        batch_size=arguments.batch_size,
        spread=arguments.spread,
    )
    seconds = {"first" if labelled else "again": time.perf_counter() - start}
    measured.note(dataset, kept=dataset.size(), **seconds)
    return pd.read_parquet(merged)


def patterns_of(dataset: stages.Dataset, workers: int) -> tuple[dict[str, Any], bool]:
    """Give the patterns of a slice, and whether bars were labelled for them."""
    discover = stages.discover_patterns
    named: Any = {
        "bars": dataset.bars,
        "configurations": stages.CONFIGURATIONS,
        "universes": dataset.universes,
        "prefix": dataset.prefix,
        "dataset": dataset,
        "workers": workers,
    }
    if discover.is_current(**named):
        print(f"✅ Patterns cached!          → Loading {discover.path(**named).name}")
        print("STEP 1: ❌ SKIPPED           → Labeling not needed!", flush=True)
        dataset.regimes  # noqa: B018  # for the backtests
        print("STEP 3: ❌ SKIPPED           → Mining not needed!", flush=True)
        return discover(**named), False
    freed = discover.freed
    patterns = discover(**named)
    cleaned = (discover.freed - freed) / MB
    print(f"   🗑️  Labels cleaned for next dataset ({cleaned:.1f} MB freed)", flush=True)
    return patterns, sweep.status("Labeling").hits < len(stages.CONFIGURATIONS)


def show_results(console: Console, runs: dict[str, pd.DataFrame]) -> None:
    table = Table("Dataset", title="Backtests", **PLAIN)
    for column in ("Strategies", "Profitable", "Best", "Sharpe", "Return", "Drawdown", "Turns"):
        table.add_column(column, justify="right")
    for name, results in runs.items():
        best = results.loc[results["sharpe_ratio"].idxmax()]
        table.add_row(
            name,
            f"{len(results):,}",
            f"{(results['total_return'] > 0).mean():.0%}",
            f"{best['fast']:.0f}/{best['slow']:.0f}",
            f"{best['sharpe_ratio']:.2f}",
            f"{best['total_return']:.1%}",
            f"{best['max_drawdown']:.1%}",
            f"{best['turns']:.0f}",
        )
    console.print(table)


def show_disk_space(console: Console, measured: dict[str, dict[str, float]]) -> None:
    """Print what labels took at most, and what they would have taken had they stayed."""
    peaks = [each.get("peak", 0) / MB for each in measured.values()]
    kept = [each["kept"] / MB for each in measured.values()]
    table = Table("Scenario", title="Disk Space", **PLAIN)
    for column in ("Before", "After", "Savings"):
        table.add_column(column, justify="right")
    for name, peak, size in zip(measured, peaks, kept, strict=True):
        table.add_row(name, *saving(peak + size, size, "MB permanent"))
    before, after = sum(peaks) + sum(kept), max(peaks) + sum(kept)
    table.add_row(f"All datasets: {len(peaks)}", *saving(before, after, "MB needed"))
    again = [each["peak_again"] / MB for each in measured.values() if "peak_again" in each]
    if again:
        table.add_row("Re-run", *saving(max(peaks), max(again), "MB temporary"))
    console.print(table)


def show_processing_time(console: Console, measured: dict[str, dict[str, float]]) -> None:
    table = Table("Dataset", title="Processing Time", **PLAIN)
    for column in ("First run", "Re-run", "Savings"):
        table.add_column(column, justify="right")
    for name, noted in measured.items():
        first, again = noted.get("first"), noted.get("again")
        if first is None or again is None:
            cells = ["-" if each is None else f"{each:.1f} s" for each in (first, again)]
            table.add_row(name, *cells, "-")
        else:
            table.add_row(name, *saving(first, again, "s"))
    console.print(table)


def saving(before: float, after: float, unit: str) -> tuple[str, str, str]:
    share = f" ({1 - after / before:.0%})" if before else ""
    saved = f"{before - after:.1f} {unit.partition(' ')[0]}{share}"
    return f"{before:.1f} {unit}", f"{after:.1f} {unit}", saved


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    most = len(stages.SLICES)
    counts = range(1, most + 1)
    add = parser.add_argument
    add("--datasets", type=int, default=3, choices=counts, help="how many slices (default 3)")
    add("--workers", type=int, default=2, metavar="N", help="processes at once (default 2)")
    add("--batch-size", type=int, default=200, metavar="N", help="strategies (default 200)")
    add("--strategies", type=int, metavar="N", help="the first so many of the 4,620")
    add("--spread", type=float, default=0.00004, help="of the price (default 0.00004)")
    add("--output", type=Path, default=OUTPUT_DIR, metavar="FOLDER", help="of the results")
    add_cache_arguments(parser)
    return parser.parse_args()


def show_lines() -> None:
    """Have what sweeps and batches say on the screen, also where it is none, such as a pipe."""
    log = logging.getLogger("afml_cache.sweeps")
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)


def main() -> None:
    configure(CACHE_CONFIG)
    arguments, console = parse_arguments(), Console(highlight=False)
    show_lines()
    measured = Measured(arguments.output / "measured.json")
    runs = {}
    for name in list(stages.SLICES)[: arguments.datasets]:
        dataset = stages.load(name, arguments.output)
        runs[name] = run_dataset(dataset, measured, arguments)
    show_results(console, runs)
    shown = {name: measured.datasets[name] for name in runs}
    show_disk_space(console, shown)
    show_processing_time(console, shown)


if __name__ == "__main__":
    main()
