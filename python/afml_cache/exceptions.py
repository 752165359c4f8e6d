"""What can go wrong, and how it is told."""

from __future__ import annotations

import logging
import warnings

__all__ = [
    "CacheConfigError",
    "CacheCorruptError",
    "CacheError",
    "CacheMissError",
    "CacheReadWarning",
    "CacheStoreError",
    "CacheWarning",
    "CacheWriteWarning",
    "SpotCheckWarning",
    "TimeRangeWarning",
    "UncacheableArgumentError",
    "UncacheableArgumentWarning",
    "UndeclaredFileWarning",
]

_log = logging.getLogger("afml_cache")


class CacheError(Exception):
    """Base of every exception of this package."""


class UncacheableArgumentError(CacheError, TypeError):
    """A value can't be keyed by its content; the message has the path to it."""


class CacheConfigError(CacheError, ValueError):
    """A setting that can't be right."""


class CacheStoreError(CacheError, OSError):
    """The cache folder or its index can't be used."""


class CacheCorruptError(CacheError, ValueError):
    """A stored result fails its checks."""


class CacheMissError(CacheError, LookupError):
    """Nothing is stored for a call, and nothing may be computed: mode "frozen"."""


class CacheWarning(UserWarning):
    """Base of every warning of this package."""


class CacheWriteWarning(CacheWarning):
    """A result could not be stored; the caller has it all the same."""


class CacheReadWarning(CacheWarning):
    """A stored result could not be read; it was computed again."""


class UncacheableArgumentWarning(CacheWarning):
    """A call runs without the cache, since an argument can't be keyed."""


class SpotCheckWarning(CacheWarning):
    """A stored result is not what the function gives now."""


class TimeRangeWarning(CacheWarning):
    """The time range that a call looks at can't be told."""


class UndeclaredFileWarning(CacheWarning):
    """An argument names a file whose content is no part of the key."""


def warn(category: str, message: str) -> None:
    """Warn the caller of a cached function; log it where warnings are errors.

    Parameters
    ----------
    category
        Name of one of the warning classes here.
    message
        What happened, where, why, and what to do.
    """
    try:
        # The caller of the extension module's function is one frame up.
        warnings.warn(message, globals()[category], stacklevel=2)
    except Warning:
        _log.warning(message)
