"""Bars that were fetched again, compared with what was stored."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from afml_cache.ranges.forms.cells import ABSENT, UNSET

if TYPE_CHECKING:
    from afml_cache.ranges.forms import Column, Form

    At = np.ndarray[Any, Any]

PRICES: Final = frozenset(
    {"open", "high", "low", "close", "o", "h", "l", "c", "price", "vwap", "bid", "ask"}
)
_SAME = 1e-9
# What rounding does to a ratio that is told from rounded prices, where they are not too small.
_CENTS = 0.011
_ROUNDED = 2e-3


class BasisChange(Exception):  # noqa: N818
    """The prices of an adjusted series are on another basis than those that are stored."""

    def __init__(self, name: str, ratio: float) -> None:
        super().__init__(f"{name} is now {ratio:.6g} of what it was")
        self.ratio = ratio


class Compared(NamedTuple):
    """How many bars differ, from which on and up to which, and by what ratio if it is one."""

    differences: int
    first: int
    last: int
    ratio: float | None


def compared(old: tuple[At, pl.DataFrame], new: tuple[At, pl.DataFrame], form: Form) -> Compared:
    """Compare the bars of one interval as they were stored and as they are now, in one form."""
    (old_at, old_table), (new_at, new_table) = old, new
    times = np.unique(np.concatenate([old_at, new_at]))
    most = max(len(old_at), len(new_at))
    olds, news = (times.searchsorted(at) * most + _which(at) for at in (old_at, new_at))
    both, mine, theirs = np.intersect1d(olds, news, assume_unique=True, return_indices=True)
    lone = np.setxor1d(olds, news, assume_unique=True)
    left, right = old_table[mine], new_table[theirs]
    differs = np.zeros(len(both), bool)
    for column in form.columns:
        differs |= ~_equal(left[column.inner], right[column.inner], column)
    rows = np.concatenate([lone, both[differs]])
    if not len(rows):
        return Compared(0, 0, 0, None)
    at = times[np.sort(rows) // most]
    ratio = _ratio(left, right, left.columns)
    return Compared(len(at), int(at[0]), int(at[-1]), ratio)


def _which(at: At) -> At:
    """Count the rows of its time before each: a tick may have others beside it."""
    begins = np.flatnonzero(np.diff(at, prepend=at[:1] - 1))
    return np.arange(len(at)) - np.repeat(begins, np.diff(begins, append=len(at)))


def _equal(left: pl.Series, right: pl.Series, column: Column) -> np.ndarray[Any, Any]:
    if column.role == "marks":
        # The others say of which of several types a value is, and are not there where all are one.
        left, right = (one.fill_null(0) & (ABSENT | UNSET) for one in (left, right))
    if left.dtype.is_float():
        one, other = (each.cast(pl.Float64).to_numpy() for each in (left, right))
        result: np.ndarray[Any, Any] = np.isclose(one, other, rtol=_SAME, atol=0, equal_nan=True)
        return result
    try:
        equal: np.ndarray[Any, Any] = left.eq_missing(right).to_numpy(writable=True)
    except pl.exceptions.PolarsError:
        return np.zeros(len(left), bool)
    if column.outer.get("cells", column.outer).get("kind") == "decimal":
        for row in np.flatnonzero(~equal):
            equal[row] = _is_same_number(left[int(row)], right[int(row)])
    return equal


def _is_same_number(left: str | None, right: str | None) -> bool:
    if left is None or right is None:
        return False
    one, other = Decimal(left), Decimal(right)
    return not (one.is_nan() or other.is_nan()) and one == other


def _ratio(left: pl.DataFrame, right: pl.DataFrame, columns: list[str]) -> float | None:
    """Give the one ratio of all prices, if there is one and it is not 1."""
    prices = [name for name in columns if name.lower() in PRICES and left[name].dtype.is_numeric()]
    if not prices or not left.height:
        return None
    old, new = (frame.select(prices).to_numpy().astype(float).ravel() for frame in (left, right))
    told = np.isfinite(old) & np.isfinite(new) & (old != 0)
    old, new = old[told], new[told]
    if not len(old):
        return None
    ratio = float(np.median(new / old))
    moved, off = np.abs(new - old), np.abs(new - ratio * old)
    # Prices as they were counted, and prices that a vendor has rounded to cents.
    for noise in (_SAME * np.abs(new), np.minimum(_CENTS * (1 + abs(ratio)), _ROUNDED * abs(new))):
        if (off <= noise).all() and (moved > noise).any():
            return ratio
    return None
