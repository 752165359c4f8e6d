"""A result as it is now: the function may keep what it returns, and change it in its next call."""

from __future__ import annotations

import copy
from typing import Any, Final

# What nobody can change.
_PLAIN: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class UncopiedError(Exception):
    """There is no copy of a value."""


def copied(value: Any) -> Any:
    """Give a copy that nobody else has.

    Raises
    ------
    UncopiedError
        There is none.
    """
    if type(value) in _PLAIN:
        return value
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise UncopiedError from error
