"""What sweeps are measured on: functions that worker processes import, and little with them."""

from __future__ import annotations

import os
import time
from typing import Any

LINGER = 0.5  # seconds, so that every worker gets an item


def double(number: int) -> int:
    """Return twice the number: as little work as an item can be."""
    return 2 * number


def evaluate(number: int) -> dict[str, Any]:
    """Return a row, as the evaluation of a strategy does."""
    return {"strategy": number, "profit": number * 0.5, "trades": number % 7}


def touched(_: int, frame: Any) -> tuple[float, int, int, int]:
    """Read a frame; when that was done, in which process, its resident bytes and its own ones."""
    import psutil

    frame.to_numpy().sum()
    done = time.monotonic()
    seen = psutil.Process().memory_full_info()
    time.sleep(LINGER)
    return done, os.getpid(), seen.rss, seen.uss
