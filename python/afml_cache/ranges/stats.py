"""What requests cost, counted for one cache in this process."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple


class Report(NamedTuple):
    """Where the rows of one request came from."""

    series: str
    rows: int
    from_cache: int
    from_api: int
    api_calls: int


class Counts:
    """The counters of a cache."""

    def __init__(self) -> None:
        self.total_requests = 0
        self.cache_hits = 0
        self.cache_partial_hits = 0
        self.api_calls = 0
        self.total_bars_from_cache = 0
        self.total_bars_from_api = 0
        self.conflicts = 0
        self.restated = 0
        self.errors = 0
        self.last: deque[Report] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def count(
        self,
        series: str,
        rows: int,
        fetched: int,
        calls: int,
        shared: int = 0,
        *,
        failed: bool = False,
    ) -> None:
        """Count a request: a hit made no call, a partial one for some of its rows.

        A call that was made for several requests is one of theirs, and shared by the others. One
        that failed is no hit.
        """
        from_api = min(rows, fetched)
        with self._lock:
            self.total_requests += 1
            self.api_calls += calls
            self.total_bars_from_api += fetched
            self.total_bars_from_cache += rows - from_api
            self.errors += failed
            if calls + shared == 0:
                self.cache_hits += not failed
            elif rows > from_api:
                self.cache_partial_hits += 1
        self.last.append(Report(series, rows, rows - from_api, from_api, calls))

    def as_dict(self) -> dict[str, int | float]:
        """Give them by the names that scripts know."""
        total = self.total_requests
        return {
            "total_requests": total,
            "cache_hits": self.cache_hits,
            "cache_partial_hits": self.cache_partial_hits,
            "api_calls": self.api_calls,
            "total_bars_from_cache": self.total_bars_from_cache,
            "total_bars_from_api": self.total_bars_from_api,
            "hit_rate": self.cache_hits / total if total else 0.0,
            "conflicts": self.conflicts,
            "restated": self.restated,
            "errors": self.errors,
        }
