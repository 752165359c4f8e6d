"""The figures as `docs/benchmarks.md`, and as the table in `README.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measure import SUBJECT, Row, Table, duration, grid
from benchmarks.targets import (
    FIRST_PASS,
    LATER,
    RANGES,
    RUNS,
    SWEEPS,
    Figures,
    Target,
    figures,
)

GROUPS = {
    "digests": "Digests",
    "keys": "Keys",
    "hits": "Hits in memory",
    "fresh": "Hits in a fresh process",
    "frames": "Frames in and out",
    "sizes": "Hits by the size of the result",
    "entries": "Hits by the number of entries",
    "policies": "What memory keeps",
    "misses": "Misses",
    "processes": "Eight processes at once",
    "bars": "Bars by time range",
    "replay": "Ten years of minutes, day by day",
    "pandas2": "Bars by time range beside ArcticDB, under pandas 2.3",
    "runs": "Backtests",
    "sweeps": "Sweeps and artifacts",
    "imports": "Import, over the bare interpreter",
}
PREAMBLE = (
    "Written by `make bench`; medians of several runs in one session. Absolute times differ "
    'between machines and runs: read the ratios. Peers marked "RAM only" key by `hash()`, forget '
    "everything at exit and see no change of code."
)
FIGURES = {
    "sizes": "![time of a hit by size](hit-by-size.svg)",
    "entries": "![time of a hit by entries](hit-by-entries.svg)",
    "replay": "![time of each day of a replay](replay-by-day.svg)",
}
MARKS = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
README_CASES = (
    "digest frame 1M x 5",
    "digest 1M strings, str dtype",
    "hit f(1, 2)",
    "fresh process, first hit f(1, 2)",
    "fresh process, next 200 hits",
    "hit frame 1000 x 5",
    "hit frame 1M x 5",
    "disk hit frame 1M x 5",
    "fresh process, frame out and read",
    "miss f(n, -1)",
    "miss frame 1M x 5, less the function",
    "import",
)
README_PEERS = {
    SUBJECT: (SUBJECT,),
    "joblib": ("joblib.Memory", "joblib.Memory, mmap", "joblib.hash", "joblib"),
    "diskcache": ("diskcache.memoize", "diskcache"),
    "cachier": ("cachier",),
    "dask": ("dask.tokenize", "dask"),
    "cachebox": ("cachebox (RAM only)", "cachebox"),
    "moka-py": ("moka_py (RAM only)", "moka_py"),
    "lru_cache": ("lru_cache (RAM only)",),
}


def document(table: Table, date: str, machine: dict[str, str], versions: dict[str, str]) -> str:
    """The whole of `docs/benchmarks.md`."""
    rows = table.rows
    seen = figures(rows)
    parts = [
        "# Benchmarks",
        PREAMBLE,
        "## Machine",
        grid(("what", "which"), [("date", date), *machine.items()]),
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
        "## Targets of the first release",
        targets(FIRST_PASS, seen),
        "## Targets of later releases",
        targets(LATER, seen),
        "## Targets of the time-range cache",
        targets(RANGES, seen),
        "## Targets of the backtest cache",
        targets(RUNS, seen),
        "## Targets of sweeps",
        targets(SWEEPS, seen),
        "## Where afml_cache loses",
        losses(rows, seen),
    ]
    for group, title in GROUPS.items():
        chosen = [row for row in rows if row.group == group]
        texts = table.texts.get(group, [])
        if texts and group in FIGURES:
            texts = [FIGURES[group], *texts]
        if chosen or texts:
            parts += [f"## {title}", *texts, *group_tables(chosen, seen)]
    return "\n\n".join(parts) + "\n"


def targets(chosen: Iterable[Target], seen: Figures) -> str:
    """A row per target: bound, measured, verdict."""
    return grid(("target", "measured", "verdict"), [(t.text, *t.verdict(seen)) for t in chosen])


def losses(rows: list[Row], seen: Figures) -> str:
    """Every row where another cache was faster, in words."""
    lines = [
        f"- {row.case}: `{row.who}` takes {row.seconds / seen[row.case, SUBJECT]:.2g} "
        f"times as long as afml_cache ({duration(row.seconds)})"
        for row in rows
        if row.seconds is not None and lost(row, seen)
    ]
    return "\n".join(lines) or "In no row of this session."


def lost(row: Row, seen: Figures) -> bool:
    """Whether another cache (not a floor) was faster than afml_cache."""
    ours = seen.get((row.case, SUBJECT))
    if row.floor or row.seconds is None or ours is None:
        return False
    return row.seconds < ours


def group_tables(rows: Sequence[Row], seen: Figures) -> Iterable[str]:
    """One table a case."""
    for case in dict.fromkeys(row.case for row in rows):
        yield f"### {case}"
        chosen = [row for row in rows if row.case == case]
        lines = [(row.who, shown(row), beside(row, seen), row.note) for row in chosen]
        yield grid(("who", "median", "times afml_cache", "note"), lines)


def shown(row: Row) -> str:
    """The figure, or that there is none."""
    return "none" if row.seconds is None else duration(row.seconds)


def beside(row: Row, seen: Figures) -> str:
    """How many times as long as afml_cache, and in words who is faster."""
    ours = seen.get((row.case, SUBJECT))
    if row.seconds is None or ours is None:
        return "-"
    ratio = f"{row.seconds / ours:.3g}"
    if row.floor:
        return f"{ratio} (a floor, not a cache)"
    return f"{ratio} (faster than afml_cache)" if lost(row, seen) else ratio


def summary(rows: list[Row], machine: dict[str, str], versions: dict[str, str]) -> str:
    """The table of the README: a row per case, a column per cache."""
    seen = figures(rows)
    lines = []
    for case in README_CASES:
        of_case = [row for row in rows if row.case == case]
        chosen = ([row for row in of_case if row.who in names] for names in README_PEERS.values())
        lines.append((case, *(cell(some, seen) for some in chosen)))
    place = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, "
        f"{machine['system']}, Python {versions['Python']}, pandas {versions['pandas']}."
    )
    return f"{grid(('median of several runs', *README_PEERS), lines)}\n\nMachine: {place}"


def cell(rows: list[Row], seen: Figures) -> str:
    """The best figure of a peer that has several; where it beats ours, with the word."""
    measured = [row for row in rows if row.seconds is not None]
    if not measured:
        return "cannot" if rows else ""
    best = min(measured, key=lambda row: row.seconds or 0.0)
    return f"{shown(best)} (faster)" if lost(best, seen) else shown(best)


def splice(path: Path, text: str) -> None:
    """Put `text` between the marks of the README."""
    begin, end = MARKS
    whole = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(whole):
        message = f"no marks `{begin}` in `{path}`: put them where the table belongs"
        raise ValueError(message)
    path.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", whole), encoding="utf-8")
