"""What tells the scratch folders of a name apart: whom they belong to, and what of."""

from __future__ import annotations

import re
from typing import Final

from afml_cache._native import digest
from afml_cache.scratch_space.places import PLAIN

_DIGITS: Final = 16
_HEX: Final = re.compile(r"[0-9a-f]{16,}")


def short(key: str) -> str:
    """Give the first digits of the key of a consumer; nothing for none."""
    if not key:
        return ""
    return (key if _HEX.fullmatch(key) else digest(key))[:_DIGITS]


def identity(key: str | None, of: object) -> str:
    """Name the folder of a consumer and a value, either of which may be `None`.

    Raises
    ------
    UncacheableArgumentError
        The value has no digest.
    """
    if of is None:
        return PLAIN if key is None else short(key)
    return digest(of if key is None else (key, of))[:_DIGITS]
