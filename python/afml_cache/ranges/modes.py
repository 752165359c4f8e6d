"""Modes of a session, as far as series heed them."""

from __future__ import annotations

from typing import Final

from afml_cache._native import current_mode
from afml_cache.exceptions import CacheConfigError

WRITING: Final = frozenset({"normal", "fresh"})
"""Modes in which what is fetched is stored."""


def check_writes(what: str) -> None:
    """Refuse what changes what is stored in a mode that leaves it as it is.

    Raises
    ------
    CacheConfigError
        The mode is such a one.
    """
    mode = current_mode()
    if mode not in WRITING:
        message = (
            f'`{what}` changes what is stored, and mode "{mode}" leaves it as it is: call it in '
            'mode "normal"'
        )
        raise CacheConfigError(message)
