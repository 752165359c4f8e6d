"""Bodies of artifacts that say when they run; a global list would count as code that changed."""

import contextlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from afml_cache.artifacts.decorator import artifact

BARS = pd.DataFrame({"close": [1.1, 1.2, 1.15]})
LATER = BARS + 0.5
CALL = {"pair": "EURUSD", "prefix": "EURUSD_2025_"}
RAN = logging.getLogger("artifacts that ran")


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """What the bodies say within."""
    said: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        said.append(record.msg)
        return False

    RAN.addFilter(note)
    try:
        yield said
    finally:
        RAN.removeFilter(note)


def started(script: str, folder: Path, *arguments: str) -> subprocess.Popen:
    """Start a script, and talk with it over its standard streams."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def names(folder: Path) -> list[str]:
    """The files of a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def patterns_in(folder: Path, **options):
    """The miner of patterns, as an artifact."""

    @artifact("{prefix}patterns.json", folder=folder, **options)
    def discover_patterns(df, configs, *, pair, prefix):
        RAN.warning(pair)
        return {"features": list(df), "bars": len(df), "best": max(df["close"]), "of": configs}

    return discover_patterns
