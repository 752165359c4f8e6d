"""Sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

from afml_cache.exceptions import CacheConfigError

_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def as_bytes(name: str, given: object) -> int:
    """Give a size in bytes.

    Parameters
    ----------
    name
        What the size is of, for the message.
    given
        A number of bytes, or a text such as "20 GiB" or "500MB".

    Raises
    ------
    CacheConfigError
        It is no size.
    """
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, float) and given.is_integer() and given >= 0:  # such as 16e9
        return int(given)
    found = _SIZE.fullmatch(given) if isinstance(given, str) else None
    if found and found[2].lower() in _UNITS:
        return int(float(found[1]) * _UNITS[found[2].lower()])
    message = f'`{name}` is a size in bytes, or a text such as "20 GiB", not {given!r}'
    raise CacheConfigError(message)


def as_text(size: int) -> str:
    """Give a number of bytes as people read it, such as "56.0 GB".

    Examples
    --------
    >>> as_text(56_000_000_000), as_text(999)
    ('56.0 GB', '999 bytes')
    """
    for unit in ("TB", "GB", "MB", "kB"):
        if abs(size) >= _UNITS[unit.lower()]:
            return f"{size / _UNITS[unit.lower()]:.1f} {unit}"
    return f"{size} bytes"
