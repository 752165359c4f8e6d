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

_SAME: Final = 1e-9


class Compared(NamedTuple):
    """How many bars differ, from which on and up to which."""

    differences: int
    first: int
    last: int


class Matched(NamedTuple):
    """Bars of one interval as they were stored and as they are now, those of one time in a row."""

    at: At
    old: pl.DataFrame
    new: pl.DataFrame
    lone: At
    """Where there are bars that are in one of both alone."""
    withheld: int
    """How many of them are stored."""


def matched(old: tuple[At, pl.DataFrame], new: tuple[At, pl.DataFrame]) -> Matched:
    """Find the bars that were stored among those that there are now."""
    (old_at, old_table), (new_at, new_table) = old, new
    times = np.unique(np.concatenate([old_at, new_at]))
    most = max(len(old_at), len(new_at), 1)
    olds, news = (times.searchsorted(at) * most + _which(at) for at in (old_at, new_at))
    both, mine, theirs = np.intersect1d(olds, news, assume_unique=True, return_indices=True)
    lone = np.setxor1d(olds, news, assume_unique=True)
    at, lone = times[both // most], times[lone // most]
    return Matched(at, old_table[mine], new_table[theirs], lone, len(old_at) - len(both))


def compared(bars: Matched, form: Form) -> Compared:
    """Compare bars of one form; NaN is no value, as a missing one is none."""
    differs = np.zeros(len(bars.at), bool)
    for column in form.columns:
        differs |= ~_equal(bars.old[column.inner], bars.new[column.inner], column)
    at = np.concatenate([bars.lone, bars.at[differs]])
    return Compared(len(at), int(at.min()), int(at.max())) if len(at) else Compared(0, 0, 0)


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
