"""Results of expensive functions, kept by content: Rust inside, Python outside."""

from afml_cache._native import Store, __version__, digest
from afml_cache.config import CACHE_DIRS, configure, initialize_cache_system
from afml_cache.decorators import cacheable, robust_cacheable, time_aware_cacheable
from afml_cache.entries import EntryInfo, entries, invalidate
from afml_cache.exceptions import (
    CacheConfigError,
    CacheCorruptError,
    CacheError,
    CacheMissError,
    CacheReadWarning,
    CacheStoreError,
    CacheWarning,
    CacheWriteWarning,
    LoaderError,
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
from afml_cache.upkeep import Collection, Problem, Verification, gc, pin, unpin, verify

__all__ = [
    "CACHE_DIRS",
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
