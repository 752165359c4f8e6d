"""Measure, and write `docs/benchmarks.md` and the table in `README.md`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.bars import ranges
from benchmarks.calls import frames, hits, misses
from benchmarks.digests import digests
from benchmarks.fresh import HOME, fresh, imports
from benchmarks.keys import keys
from benchmarks.machine import machine, versions
from benchmarks.measure import Table
from benchmarks.pandas2 import pandas2
from benchmarks.policies import policies
from benchmarks.processes import processes
from benchmarks.replay import replay
from benchmarks.report import GROUPS, document, splice, summary
from benchmarks.runs import backtests
from benchmarks.sizes import entries, sizes
from benchmarks.sweeps import sweeps


def measure(wanted: list[str], folder: Path) -> Table:
    """Run the groups that are wanted."""
    work: dict[str, Callable[[Table, Path], None]] = {
        "digests": lambda table, _: digests(table),
        "keys": keys,
        "hits": hits,
        "fresh": fresh,
        "frames": frames,
        "sizes": sizes,
        "entries": entries,
        "policies": lambda table, _: policies(table),
        "misses": misses,
        "processes": processes,
        "bars": ranges,
        "replay": replay,
        "pandas2": pandas2,
        "runs": backtests,
        "sweeps": sweeps,
        "imports": lambda table, _: imports(table),
    }
    table = Table()
    for group in wanted:
        table.group = group
        place = folder / group
        place.mkdir(mode=0o700)
        work[group](table, place)
    return table


def write(table: Table, facts: dict[str, str]) -> None:
    """Write both documents."""
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    numbers = versions()
    text = document(table, date, facts, numbers)
    (HOME / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")
    splice(HOME / "README.md", summary(table.rows, facts, numbers))


def main() -> None:
    """Parse the options, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"some of {','.join(GROUPS)}: nothing is written"
    )
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--no-write", action="store_true", help="leave the documents alone")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(GROUPS)
    with tempfile.TemporaryDirectory(prefix="afml-benchmarks-") as name:
        folder = Path(name)
        facts = machine(folder)
        table = measure(wanted, folder)
        if options.json:
            options.json.write_text(json.dumps(table.as_json(), indent=1), encoding="utf-8")
        if not (options.only or options.no_write):
            write(table, facts)


if __name__ == "__main__":
    main()
