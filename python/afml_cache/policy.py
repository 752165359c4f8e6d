"""What is kept of a function's results: for how long, where, and of which calls."""

from __future__ import annotations

from typing import Any, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import length_of
from afml_cache.sizes import as_bytes

__all__ = ["Policy", "make_policy"]

_NEVER = 2**63 - 1


class Policy(NamedTuple):
    """Checked options of a decorator, as the native function takes them.

    Attributes
    ----------
    ttl_ns
        Nanoseconds after which a result is computed again; `None` for never.
    min_seconds
        Calls that took less are not stored.
    memory_bytes
        The largest payload that memory holds: 0 for none, `None` for any.
    compress
        `None`, "lz4" or "zstd".
    spot_check
        The share of hits that are computed again and compared.
    has_key
        Whether the option `key` says what a call's arguments come to.
    """

    ttl_ns: int | None = None
    min_seconds: float = 0.0
    memory_bytes: int | None = None
    compress: str | None = None
    spot_check: float = 0.0
    has_key: bool = False


def make_policy(options: dict[str, Any]) -> Policy:
    """Check the options of a decorator.

    Raises
    ------
    CacheConfigError
        An option has a value that can't be right.
    """
    ttl = options.get("ttl")
    return Policy(
        ttl_ns=None if ttl is None else min(length_of("ttl", ttl), _NEVER),
        min_seconds=_seconds(options.get("min_seconds", 0.0)),
        memory_bytes=_memory(options.get("memory", True)),
        compress=_compression(options.get("compress")),
        spot_check=_share(options.get("spot_check", 0.0)),
        has_key=options.get("key") is not None,
    )


def _seconds(given: object) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool) and given >= 0:
        return float(given)
    message = f"`min_seconds` is a number of seconds that is not negative, not {given!r}"
    raise CacheConfigError(message)


def _memory(given: object) -> int | None:
    if given is True:
        return None
    return 0 if given is False else as_bytes("memory", given)


def _compression(given: object) -> str | None:
    if given is None or given in ("lz4", "zstd"):
        return given
    message = f'`compress` is None, "lz4" or "zstd", not {given!r}'
    raise CacheConfigError(message)


def _share(given: object) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1:
        return float(given)
    message = f"`spot_check` is a share between 0 and 1, not {given!r}"
    raise CacheConfigError(message)
