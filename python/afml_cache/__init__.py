"""Results of expensive functions, kept by content: Rust inside, Python outside."""

import importlib
from typing import TYPE_CHECKING, Any

from afml_cache._native import Store, __version__, digest
from afml_cache.config import CACHE_DIRS, configure, initialize_cache_system
from afml_cache.decorators import cacheable, robust_cacheable, time_aware_cacheable
from afml_cache.entries import EntryInfo, entries, invalidate
from afml_cache.exceptions import (
    BasisChangedError,
    CacheConfigError,
    CacheCorruptError,
    CacheError,
    CacheMissError,
    CacheReadWarning,
    CacheStoreError,
    CacheWarning,
    CacheWriteWarning,
    LoaderError,
    LookAheadError,
    PartialCoverageError,
    SchemaError,
    SpotCheckWarning,
    TimeRangeWarning,
    UncacheableArgumentError,
    UncacheableArgumentWarning,
    UndeclaredFileWarning,
)
from afml_cache.exchange import Exported, Imported, export_entries, import_entries
from afml_cache.files import File
from afml_cache.hashers import register_hasher
from afml_cache.info import CacheInfo, cache_status, clear_afml_cache, get_cache_stats
from afml_cache.modes import add_cache_arguments, mode
from afml_cache.ranges.simulation import as_of
from afml_cache.upkeep import Collection, Problem, Verification, gc, pin, unpin, verify

if TYPE_CHECKING:
    from afml_cache.causality import Causality as Causality
    from afml_cache.causality import check_causality as check_causality
    from afml_cache.ranges.cache import RangeCache as RangeCache
    from afml_cache.ranges.decorator import range_cached as range_cached
    from afml_cache.ranges.engine import CachedDataEngine as CachedDataEngine

__all__ = [
    "CACHE_DIRS",
    "BasisChangedError",
    "CacheConfigError",
    "CacheCorruptError",
    "CacheError",
    "CacheInfo",
    "CacheMissError",
    "CacheReadWarning",
    "CacheStoreError",
    "CacheWarning",
    "CacheWriteWarning",
    "Collection",
    "EntryInfo",
    "Exported",
    "File",
    "Imported",
    "LoaderError",
    "LookAheadError",
    "PartialCoverageError",
    "Problem",
    "SchemaError",
    "SpotCheckWarning",
    "Store",
    "TimeRangeWarning",
    "UncacheableArgumentError",
    "UncacheableArgumentWarning",
    "UndeclaredFileWarning",
    "Verification",
    "__version__",
    "add_cache_arguments",
    "as_of",
    "cache_status",
    "cacheable",
    "clear_afml_cache",
    "configure",
    "digest",
    "entries",
    "export_entries",
    "gc",
    "get_cache_stats",
    "import_entries",
    "initialize_cache_system",
    "invalidate",
    "mode",
    "pin",
    "register_hasher",
    "robust_cacheable",
    "time_aware_cacheable",
    "unpin",
    "verify",
]

# They need NumPy and polars, which take longest to import, and need not be installed.
_LATE = {
    "Causality": "afml_cache.causality",
    "CachedDataEngine": "afml_cache.ranges.engine",
    "RangeCache": "afml_cache.ranges.cache",
    "check_causality": "afml_cache.causality",
    "range_cached": "afml_cache.ranges.decorator",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    try:
        module = importlib.import_module(_LATE[name])
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "polars"}:
            raise
        message = f"`{name}` needs {error.name}: pip install 'afml-cache[bars]'"
        raise ImportError(message, name=error.name) from error
    found = globals()[name] = getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
