"""How often data was looked at: the most looks that any moment of it had."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final
from unicodedata import east_asian_width

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

_COLUMNS: Final = 80
_GAP: Final = "  "
_NAME: Final = "dataset"
_HEADS: Final = ("level", "accesses", "most looks", "last access")


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
    """Say a report in lines of text that a terminal of 80 columns shows."""
    if not rows:
        return ["no access to any dataset is logged"]
    lines = _table(rows)
    for row in rows:
        if row["most_looks"] > _LEVELS[1][0]:
            note = (
                f"`{row['dataset']}` was looked at {row['most_looks']} times at one moment: "
                "a result on it is no longer out of sample"
            )
            lines += folded(note, _COLUMNS)
    return lines + ([f"{bad} lines of the log can't be read"] if bad else [])


def _table(rows: list[Record]) -> list[str]:
    """Give a line of figures for each dataset, its name folded, and a line of what for."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(cell[place]) for cell in cells) for place in range(len(_HEADS))]
    names = [_NAME, *(row["dataset"] for row in rows)]
    longest = max(map(columns_of, names))
    room = min(longest, _COLUMNS - sum(widths) - len(_GAP) * len(widths))
    lines = []
    for number, (name, (level, *figures, last)) in enumerate(zip(names, cells, strict=True)):
        first, *rest = folded(name, room)
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=False)]
        shown = (first + " " * (room - columns_of(first)), level.ljust(widths[0]), *aligned, last)
        lines += [_GAP.join(shown).rstrip(), *rest]
        if number:
            lines.append(_GAP + _purposes(rows[number - 1]))
    return lines


def _cells(row: Record) -> tuple[str, ...]:
    # Times are ISO 8601, of which minutes do.
    last = row["last_access"][:16].replace("T", " ")
    return row["warning_level"], str(row["total_accesses"]), str(row["most_looks"]), last


def _purposes(row: Record) -> str:
    counts = {purpose: row[f"{purpose}_accesses"] for purpose in PURPOSES}
    counts["other"] = row["total_accesses"] - sum(counts.values())
    return ", ".join(f"{purpose} {count}" for purpose, count in counts.items() if count)


def columns_of(text: str) -> int:
    """Count the columns of a terminal that a text takes: two for a wide character."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def folded(text: str, columns: int) -> list[str]:
    """Break a text into lines of so many columns: at its spaces, and in words that are longer."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        is_over = columns_of(lines[-1] + word) > columns
        if is_over:
            lines.append("")
        for char in word.lstrip() if is_over else word:
            if columns_of(lines[-1] + char) > columns:
                lines.append("")
            lines[-1] += char
    return [line for line in lines if line] or [""]


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
