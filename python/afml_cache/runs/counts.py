"""What a cached backtest has done in this process."""

from __future__ import annotations

import asyncio.coroutines
import inspect
import threading
from typing import Any

from afml_cache.info import CacheInfo


class Counts:
    """Counts that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, float] = {}

    def add(self, **counts: float) -> None:
        """Add to some counts, by their names in `CacheInfo`."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count

    def reset(self) -> None:
        """Set all of them to zero."""
        with self._lock:
            self._counts.clear()

    def info(self) -> CacheInfo:
        """Give the counts so far."""
        with self._lock:
            counts = dict(self._counts)
        whole = {name: int(counts.get(name, 0)) for name in CacheInfo._fields}
        seconds = {
            name: float(counts.get(name, 0)) for name in CacheInfo._fields if "seconds" in name
        }
        return CacheInfo(**{**whole, **seconds})  # type: ignore[arg-type]


def mark_coroutine_function(function: Any) -> None:
    """Have `inspect` and `asyncio` take a callable object for a coroutine function."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is None:  # before Python 3.12
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001
    else:
        mark(function)
