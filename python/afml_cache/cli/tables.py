"""Tables: drawn in a terminal, and separated by tabs where another program reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def show(rows: Sequence[dict[str, Any]], *, empty: str) -> None:
    """Write rows, which have the same columns, to standard output."""
    if not rows:
        sys.stderr.write(f"{empty}\n")
        return
    if sys.stdout.isatty() and _drawn(rows):
        return
    for line in (list(rows[0]), *(row.values() for row in rows)):
        sys.stdout.write("\t".join(" ".join(str(cell).split()) for cell in line) + "\n")


def _drawn(rows: Sequence[dict[str, Any]]) -> bool:
    """Draw a table, where `rich` is installed."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return False
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(str(cell) for cell in row.values()))
    Console().print(table)
    return True
