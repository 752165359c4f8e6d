"""Lengths of the parts of a walk: of so many rows, or of so much time."""

from __future__ import annotations

import operator
from typing import Any, Final, NamedTuple

import numpy as np

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import nanoseconds

# Beyond what any index holds, and far enough from what 64 bits do to add to.
_MOST: Final = 2**61


class Length(NamedTuple):
    """A number of rows, or a length of time in nanoseconds.

    Attributes
    ----------
    amount
        How many.
    is_time
        Whether they are nanoseconds.
    given
        What the caller wrote.
    """

    amount: int
    is_time: bool
    given: object

    def capped(self, most: int) -> int:
        """Give the amount, or `most` where it is more."""
        return min(self.amount, most)


def length(option: str, value: Any, *, least: int) -> Length:
    """Read the argument of that name, of which there must be `least` or more.

    Raises
    ------
    CacheConfigError
        It is neither rows nor time, or too little.
    """
    rows = _rows(value)
    amount = _time(value) if rows is None else rows
    if amount is None:
        message = (
            f"`{option}` takes rows, as an int, or a length of time, as a timedelta or a text "
            f'such as "90D"; not {value!r}'
        )
        raise CacheConfigError(message)
    if amount < least:
        wanted = "more than nothing" if least else "nothing or more"
        message = f"`{option}` takes {wanted}, not {value!r}"
        raise CacheConfigError(message)
    return Length(min(amount, _MOST), rows is None, value)


def _rows(value: Any) -> int | None:
    if isinstance(value, bool | np.bool_ | np.timedelta64):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _time(value: Any) -> int | None:
    if isinstance(value, bool | float) or (isinstance(value, str) and value.strip().isdecimal()):
        return None  # a bare number does not say of what
    if isinstance(value, np.timedelta64):
        if np.isnat(value) or np.datetime_data(value.dtype)[0] in {"Y", "M", "generic"}:
            return None
        return int(value.astype("timedelta64[ns]").astype(np.int64))
    return nanoseconds(value)
