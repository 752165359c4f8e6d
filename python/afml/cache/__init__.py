"""The names of `afml_cache`, for scripts that import `afml.cache`."""

from afml_cache import (
    CACHE_DIRS,
    cache_status,
    cacheable,
    clear_afml_cache,
    get_cache_stats,
    initialize_cache_system,
    robust_cacheable,
    time_aware_cacheable,
)

__all__ = [
    "CACHE_DIRS",
    "cache_status",
    "cacheable",
    "clear_afml_cache",
    "get_cache_stats",
    "initialize_cache_system",
    "robust_cacheable",
    "time_aware_cacheable",
]
