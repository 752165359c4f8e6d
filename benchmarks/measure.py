"""The median of several runs, and the rows that come of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SUBJECT = "afml_cache"


@dataclass(frozen=True)
class Row:
    """One measured figure: `seconds` is None where `note` says why there is none."""

    group: str
    case: str
    who: str
    seconds: float | None
    note: str = ""
    floor: bool = False


def median(
    call: Callable[[], Any],
    *,
    runs: int = 7,
    loops: int = 1,
    prepare: Callable[[], Any] | None = None,
) -> float:
    """Median seconds of one `call` over `runs` runs of `loops` calls, after one warm run.

    `prepare` runs before each run, and is not timed.
    """
    seen = []
    for _ in range(runs + 1):
        if prepare:
            prepare()
        start = time.perf_counter()
        for _ in range(loops):
            call()
        seen.append((time.perf_counter() - start) / loops)
    return statistics.median(seen[1:])


def duration(seconds: float) -> str:
    """Seconds in the unit that shows three digits: ``3.21 ms``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


class Table:
    """The rows of a session, printed as they come."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.group = ""
        self.texts: dict[str, list[str]] = {}

    def time(self, case: str, who: str, call: Callable[[], Any], **how: Any) -> None:
        """Add the median of `call`; `how` goes to `median`, `floor` and `note` to the row."""
        kept = {name: how.pop(name) for name in ("floor", "note") if name in how}
        self.measure(case, who, lambda: median(call, **how), **kept)

    def measure(self, case: str, who: str, seconds: Callable[[], float], **kept: Any) -> None:
        """Add what `seconds()` returns; one that cannot do the work keeps its row."""
        try:
            self.add(case, who, seconds(), **kept)
        except Exception as error:  # noqa: BLE001 - whoever fails keeps its row
            self.add(case, who, None, note=reason(error))

    def add(self, case: str, who: str, seconds: float | None, **kept: Any) -> None:
        """Add a figure that was measured elsewhere."""
        row = Row(self.group, case, who, seconds, **kept)
        self.rows.append(row)
        shown = "-" if seconds is None else duration(seconds)
        print(f"{case:44s} {who:26s} {shown:>10s}  {row.note}", flush=True)

    def say(self, text: str) -> None:
        """Add a paragraph to the section of the group."""
        self.texts.setdefault(self.group, []).append(text)
        print(text, flush=True)

    def grid(self, heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
        """Add a Markdown table to the section of the group."""
        self.say(grid(heads, lines))

    def as_json(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        return [asdict(row) for row in self.rows]


def grid(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    body = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in body)


def reason(error: BaseException) -> str:
    """One line of at most 90 characters that says why a row has no figure."""
    text = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {text[-1]}"[:90]
