"""The basis of adjusted prices: told by bars that are stored and were fetched again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.forms import Form

    Numbers = np.ndarray[Any, Any]

# Whole numbers of these names are prices, in cents or ticks.
_PRICES: Final = frozenset({"open", "high", "low", "close", "price", "vwap", "bid", "ask", "last"})
# Less is what counting in 32 bits does; dividends do more.
_EXACT: Final = 1e-6
# What rounding does to a ratio that is told from rounded prices, where they are not too small.
_CENTS: Final = 0.011
_ROUNDED: Final = 2e-3


class BasisChange(Exception):  # noqa: N818
    """The prices of an adjusted series are on another basis than those that are stored."""

    def __init__(self, name: str, ratio: float) -> None:
        super().__init__(f"{name} is now {ratio:.6g} of what it was")
        self.ratio = ratio


class Evidence(NamedTuple):
    """What bars that were fetched again tell of the basis of those that are stored."""

    shared: int
    """How many have prices, then and now."""
    is_doubtful: bool
    """Whether the first alone differs: it may be corrected, or the last of those on another."""
    ratio: float | None
    """Of prices now to those that are stored, where it is another basis."""
    withheld: int
    """How many bars that are stored were not given again."""

    @property
    def is_enough(self) -> bool:
        """Whether it tells."""
        return self.ratio is not None or (self.shared > 0 and not self.is_doubtful)


def evidence(old: pl.DataFrame, new: pl.DataFrame, withheld: int) -> Evidence:
    """Weigh bars as they were stored and as they are now: row by row, in order, without times.

    Prices are on another basis where all of them differ by one ratio, or those of one column do in
    several bars, but for the latest, which may have come after what the vendor adjusts for. Other
    columns need not: volumes, and prices that are not adjusted. A single price may be corrected.
    """
    before, now = _prices(old, new)
    told, moved = np.isfinite(before), np.abs(now - before) > _EXACT * np.abs(now)
    ratios = [_ratio(before[told], now[told])] if told.sum() > 1 else []
    for column, differs in enumerate(moved):
        latest = np.flatnonzero(differs).max(initial=-1)
        rows = np.flatnonzero(told[column, : latest + 1])
        if len(rows) > 1:
            ratios.append(_ratio(before[column, rows], now[column, rows]))
    shared = np.flatnonzero(told.any(axis=0))
    alone = moved[:, shared[:1]].any(axis=1) & (moved.sum(axis=1) == 1)
    return Evidence(
        shared=len(shared),
        is_doubtful=bool(alone.any()),
        ratio=next((one for one in ratios if one is not None), None),
        withheld=withheld,
    )


def check_prices(name: str, adjustment: str | None, answer: Answer) -> None:
    """See that bars of an adjusted series have a column that can be one of prices.

    Raises
    ------
    CacheConfigError
        They have none: a change of basis would not be noticed.
    """
    columns = prices_of(answer.form, answer.table)
    if not answer.table.height or any(_numbers(one) is not None for one in columns):
        return
    names = ", ".join(f"`{column.name}`" for column in columns)
    message = (
        f"the prices of {name} are adjusted ({adjustment!r}), which can change all of the past, "
        f"but none of its columns ({names}) has numbers that would tell; have the loader give "
        "prices as numbers, or leave `adjustment` out if no later event changes these bars"
    )
    raise CacheConfigError(message)


def prices_of(form: Form, table: pl.DataFrame) -> list[pl.Series]:
    """Give the columns of a table but for times and notes."""
    names = [one.inner for one in form.columns if one.role != "marks" and one.inner != form.time]
    return [table[name] for name in names]


def has_prices(columns: Sequence[pl.Series]) -> np.ndarray[Any, Any]:
    """Tell which rows of some columns, of one at least, have a number that could be a price."""
    found: np.ndarray[Any, Any] = np.zeros(len(columns[0]), dtype=bool)
    for one in map(_numbers, columns):
        if one is not None:
            found |= np.isfinite(one) & (one != 0)
    return found


def _prices(old: pl.DataFrame, new: pl.DataFrame) -> tuple[Numbers, Numbers]:
    """Give what can be prices, NaN where they tell nothing, in a row for each column.

    Whole numbers are volumes where there are others, but for those that are called prices.
    """
    others: list[Numbers] = []
    whole: list[Numbers] = []
    for column in old.columns:
        before, now = _numbers(old[column]), _numbers(new[column])
        if before is None or now is None:
            continue
        told = np.isfinite(before) & np.isfinite(now) & (before != 0) & (now != 0)
        if told.any():
            is_volume = old[column].dtype.is_integer() and column.lower() not in _PRICES
            group = whole if is_volume else others
            group.append(np.where(told, (before, now), np.nan))
    pairs = np.array(others or whole).reshape(len(others or whole), 2, old.height)
    return pairs[:, 0], pairs[:, 1]


def _numbers(column: pl.Series) -> Numbers | None:
    """Give a column as floats; `Decimal` objects are stored as texts, and some give such.

    Whole numbers are given as so many cents, to which they are rounded.
    """
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return None
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() != column.null_count():
        return None
    found: Numbers = numbers.to_numpy() / (100 if column.dtype.is_integer() else 1)
    return found


def _ratio(before: Numbers, now: Numbers) -> float | None:
    """Give the one ratio of some prices, if there is one and it is not 1."""
    if not len(before):
        return None
    # That of one of them: what lies between two is none where one alone was corrected.
    ratio = float(np.sort(now / before)[len(before) // 2])
    moved, off = np.abs(now - before), np.abs(now - ratio * before)
    rounded = np.minimum(_CENTS * (1 + abs(ratio)), _ROUNDED * np.abs(now))
    # Prices as they were counted, and prices that a vendor has rounded to cents.
    for noise in (_EXACT * np.abs(now), rounded):
        if (off <= noise).all() and (moved > noise).any():
            return ratio
    return None
