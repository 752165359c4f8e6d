"""What the memory tier keeps, beside other policies, on the recorded trace of `trace.py`."""

from __future__ import annotations

import gzip
import subprocess

from benchmarks.fresh import HOME
from benchmarks.measure import Table
from benchmarks.trace import TRACE

MIB = 2**20
CAPACITIES = (16, 64, 128, 256, 512, 1024)
COMMAND = ("cargo", "run", "--quiet", "--release", "--no-default-features", "--example", "policies")


def policies(table: Table) -> None:
    """Replay the trace at several capacities; the rows are shares of look-ups and of bytes."""
    trace = gzip.decompress(TRACE.read_bytes())
    capacities = [str(capacity * MIB) for capacity in CAPACITIES]
    command = [*COMMAND, "--", *capacities]
    shown = subprocess.run(command, input=trace, cwd=HOME, capture_output=True, check=False)
    if shown.returncode:
        table.say(f"The trace was not replayed: {shown.stderr.decode().strip()[-200:]}")
        return
    lines = [line.split() for line in shown.stdout.decode().splitlines()]
    (_, _, lookups, asked), *rows = lines
    entries = dict(line.split() for line in trace.decode().splitlines())
    total = sum(map(int, entries.values())) / MIB
    table.say(
        f"{int(lookups):,} look-ups of {len(entries):,} entries, {total:,.0f} MiB in all, recorded "
        "from a simulated day of research (`benchmarks/trace.py`) and replayed against the memory "
        "tier itself, moka's W-TinyLFU and LRU: share of the look-ups that hit / of the bytes."
    )
    heads = ["capacity", *dict.fromkeys(row[0] for row in rows)]
    grid = []
    for capacity in CAPACITIES:
        chosen = [row for row in rows if int(row[1]) == capacity * MIB]
        cells = [f"{shares(row, lookups, asked)}" for row in chosen]
        grid.append([f"{capacity} MiB", *cells])
    table.grid(heads, grid)


def shares(row: list[str], lookups: str, asked: str) -> str:
    """Hits and their bytes, in percent."""
    return f"{int(row[2]) / int(lookups):.1%} / {int(row[3]) / int(asked):.1%}"
