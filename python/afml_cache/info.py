"""What cached functions have done: in this process, or in all."""

from __future__ import annotations

import logging
import sys
import weakref
from typing import TYPE_CHECKING, NamedTuple

from afml_cache._native import default_store

if TYPE_CHECKING:
    from afml_cache._native import Function
    from afml_cache.runs.decorator import CachedBacktest

__all__ = ["CacheInfo", "cache_status", "clear_afml_cache", "get_cache_stats"]

_log = logging.getLogger("afml_cache")
_HEAVY = ("mlflow", "numba", "pandas", "polars", "pyarrow", "sklearn", "torch")
_functions: weakref.WeakSet[Function | CachedBacktest] = weakref.WeakSet()


class CacheInfo(NamedTuple):
    """Counts of one function: `f.cache_info()` has those of this process since `f.cache_clear()`.

    `Store.cache_info()` has those of every process and session that used the store.

    Attributes
    ----------
    hits, memory_hits, disk_hits : int
        Calls answered without computing; of them, from this process's memory and from disk.
    misses : int
        Bodies that ran.
    waits : int
        Times that a call waited for another thread, task or process to compute its result.
    bypasses : int
        Calls that ran without the cache, since an argument could not be keyed, the store could not
        be opened, or the mode was "off".
    errors : int
        Times that the store failed, or a result could not be stored.
    stored_bytes : int
        Bytes of the results stored; those replaced or removed since then are not taken off.
    seconds_computed, seconds_saved : float
        Seconds that bodies ran, and that they once took for the results that hits returned.
    seconds_keyed : float
        Seconds that went into keys: arguments digested, code checked. Past 64 calls one key in 16
        is timed and counts for all of them.
    expired : int
        Stored results that were older than `ttl`.
    spot_checks, spot_differences : int
        Hits that were computed again to compare, and those that differed.

    Examples
    --------
    >>> from afml_cache import robust_cacheable
    >>> @robust_cacheable
    ... def double(x):
    ...     return 2 * x
    >>> double(1), double(1), double(2)
    (2, 2, 4)
    >>> info = double.cache_info()
    >>> info.hits, info.misses, info.errors
    (1, 2, 0)
    """

    hits: int
    memory_hits: int
    disk_hits: int
    misses: int
    waits: int
    bypasses: int
    errors: int
    stored_bytes: int
    seconds_computed: float
    seconds_saved: float
    seconds_keyed: float
    expired: int
    spot_checks: int
    spot_differences: int

    @classmethod
    def of(cls, counts: list[int], seconds: list[float]) -> CacheInfo:
        """Make it of the native counters, in their order."""
        *most, expired, checks, differences = counts
        return cls._make([*most, *seconds, expired, checks, differences])


def track(function: Function | CachedBacktest) -> None:
    """Count this function in the statistics for as long as it lives."""
    _functions.add(function)


def get_cache_stats() -> dict[str, dict[str, int]]:
    """Give hits and misses of every cached function in this process.

    `f.cache_info()` has more of one function, and `Store.cache_info()` counts of every process.

    Returns
    -------
    dict
        `{"module.qualname": {"hits": n, "misses": n}}`, sorted by name.

    Examples
    --------
    >>> from afml_cache import get_cache_stats, robust_cacheable
    >>> @robust_cacheable
    ... def triple(x):
    ...     return 3 * x
    >>> triple(1), triple(1)
    (3, 3)
    >>> get_cache_stats()[triple.cache_name]
    {'hits': 1, 'misses': 1}
    """
    stats: dict[str, dict[str, int]] = {}
    for function in sorted(_functions, key=lambda function: function.cache_name):
        info = function.cache_info()
        counts = stats.setdefault(function.cache_name, {"hits": 0, "misses": 0})
        counts["hits"] += info.hits
        counts["misses"] += info.misses
    return stats


def cache_status() -> str:
    """Say in one line how the cache does in this process.

    Returns
    -------
    str
        As in `Hit rate: 82.5% | Tracked functions: 15 | Heavy modules loaded: 3`.
    """
    stats = get_cache_stats()
    hits = sum(counts["hits"] for counts in stats.values())
    calls = hits + sum(counts["misses"] for counts in stats.values())
    rate = hits / calls if calls else 0.0
    heavy = sum(module in sys.modules for module in _HEAVY)
    return f"Hit rate: {rate:.1%} | Tracked functions: {len(stats)} | Heavy modules loaded: {heavy}"


def clear_afml_cache(warn: bool = True) -> int:
    """Remove every entry of the default store, and set all counters to zero.

    The counters are those of the store, and of every cached function in this process.

    Parameters
    ----------
    warn : bool, default True
        Log how many entries were removed, as a warning of the logger "afml_cache".

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    CacheStoreError
        The store can't be opened or changed.
    """
    store = default_store()
    removed = store.clear()
    for function in _functions:
        function.reset_counters()
    if warn:
        _log.warning("removed %d entries from `%s`", removed, store.path)
    return removed
