"""`afml-cache sweeps`: which sweeps there are, and what failed in one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afml_cache.cli.tables import show
from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping import listing

if TYPE_CHECKING:
    import argparse

    from afml_cache.sweeping.journal import SweepStatus


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "list sweeps, or the items of one that failed"
    parser = commands.add_parser("sweeps", help=about, description=f"{about.capitalize()}.")
    parser.add_argument("name", nargs="?", help="what the sweep is called, its function, or its id")
    parser.add_argument("--cache-dir", metavar="FOLDER", help="the store; by default the usual one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(command=_run)


def _run(given: argparse.Namespace) -> None:
    if given.cache_dir is not None and not Path(given.cache_dir).exists():
        message = f"there is no folder `{given.cache_dir}`, and so no cache; name another one"
        raise CacheConfigError(message)
    empty = "no sweeps"
    if given.name is None:
        found = listing.sweeps(store=given.cache_dir)
        rows = [_json(one) for one in found] if given.json else [_row(one) for one in found]
    else:
        status = listing.status(given.name, store=given.cache_dir)
        rows = [asdict(failure) for failure in status.failures]
        empty = f"no item failed: {status.state}, {status.done} of {status.total} items done"
    if given.json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        show(rows, empty=empty)


def _json(status: SweepStatus) -> dict[str, Any]:
    row = {**asdict(status), "begun": _time(status.begun_ns), "at": _time(status.at_ns)}
    for name in ("failures", "begun_ns", "at_ns"):
        del row[name]
    return row


def _row(status: SweepStatus) -> dict[str, Any]:
    failed = status.failed + status.timed_out
    return {
        "name": status.name,
        "state": status.state,
        "done": f"{status.done}/{status.total}",
        "hits": status.hits,
        "failed": failed,
        "seconds": f"{status.seconds:.1f}",
        "last": _time(status.at_ns),
        "function": status.function,
    }


def _time(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)
    return moment.isoformat(sep=" ", timespec="seconds")
