"""How often data was looked at: the most looks that any moment of it had."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from afml_cache.instants import Span, span

if TYPE_CHECKING:
    from collections.abc import Iterable

# Up to how many looks each level goes; scripts of `afml.cache` compare their names.
_LEVELS: Final = ((0, "CLEAN"), (2, "ACCEPTABLE"), (10, "WARNING"))
_WORST: Final = "CONTAMINATED"

PURPOSES: Final = ("train", "test", "validate", "optimize")
REPORT: Final = (
    "dataset",
    "total_accesses",
    "warning_level",
    *(f"{purpose}_accesses" for purpose in PURPOSES),
    "first_access",
    "last_access",
    "most_looks",
)
Record = dict[str, Any]


def level_of(looks: int) -> str:
    """Name what so many looks mean."""
    return next((name for most, name in _LEVELS if looks <= most), _WORST)


def most_looks(records: Iterable[Record]) -> int:
    """Count the looks at the moment that had the most of them.

    Accesses to parts that do not overlap, as to the tests of one walk, are no second look at
    anything. One whose dates are missing, or can't be read, is taken for a look at all of it.
    """
    everywhere = 0
    edges: dict[str, list[tuple[int, int]]] = {}
    for record in records:
        first, last = _bound(record["start_date"]), _bound(record["end_date"])
        if first is None or last is None or first[0] != last[0] or last[1].last < first[1].first:
            everywhere += 1
            continue
        # Ends are included, so at one moment those that begin come before those that end.
        edges.setdefault(first[0], []).extend([(first[1].first, 0), (last[1].last, 1)])
    return everywhere + max(map(_depth, edges.values()), default=0)


def report_of(records: list[Record]) -> list[Record]:
    """Give a row for each dataset, in the order of their first accesses."""
    by_dataset: dict[str, list[Record]] = {}
    for record in records:
        by_dataset.setdefault(record["dataset"], []).append(record)
    return [_row(dataset, accesses) for dataset, accesses in by_dataset.items()]


def lines_of(rows: list[Record], bad: int) -> list[str]:
    """Say a report in lines of text."""
    if not rows:
        return ["no access to any dataset is logged"]
    heads = ("dataset", "level", "accesses", "most looks", *PURPOSES, "last access")
    cells = [
        heads,
        *(
            (
                row["dataset"],
                row["warning_level"],
                row["total_accesses"],
                row["most_looks"],
                *(row[f"{purpose}_accesses"] for purpose in PURPOSES),
                row["last_access"],
            )
            for row in rows
        ),
    ]
    widths = [max(len(str(line[place])) for line in cells) for place in range(len(heads))]
    lines = [
        "  ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    lines += [
        f"`{row['dataset']}` was looked at {row['most_looks']} times at one moment: a result on it "
        "is no longer out of sample"
        for row in rows
        if row["most_looks"] > _LEVELS[1][0]
    ]
    return lines + ([f"{bad} lines of the log can't be read"] if bad else [])


def _row(dataset: str, accesses: list[Record]) -> Record:
    looks = most_looks(accesses)
    purposes = [access["purpose"] for access in accesses]
    times = [access["timestamp"] for access in accesses]
    return {
        "dataset": dataset,
        "total_accesses": len(accesses),
        "warning_level": level_of(looks),
        **{f"{purpose}_accesses": purposes.count(purpose) for purpose in PURPOSES},
        "first_access": min(times),
        "last_access": max(times),
        "most_looks": looks,
    }


def _depth(edges: list[tuple[int, int]]) -> int:
    deepest = depth = 0
    for _, ends in sorted(edges):
        depth += -1 if ends else 1
        deepest = max(deepest, depth)
    return deepest


@functools.lru_cache(maxsize=4096)
def _bound(text: str | None) -> tuple[str, Span] | None:
    """Read a date, or the number of a row, with the kind of axis that it stands on."""
    if text is None:
        return None
    row = re.fullmatch(r"row (\d+)", text)
    if row:
        return "row", Span(int(row[1]), int(row[1]))
    found = span(text)
    return found and ("time", found)
