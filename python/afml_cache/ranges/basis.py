"""The basis of adjusted prices: told by bars that are stored and were fetched again."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.forms import Form

    Numbers = np.ndarray[Any, Any]

# Columns are prices that have one of these words in their names, whole numbers too: cents or ticks.
_PRICES: Final = re.compile(
    "open|high|low|close|o|h|l|c|price|px|vwap|vw|bid|ask|mid|last|settle|settlement|adj|adjusted"
)
# And none of these.
_OTHERS: Final = re.compile(
    "volume|vol|interest|size|quantity|qty|count|number|amount|shares|turnover|value|trades|"
    "time|date|timestamp|id"
)
_WORDS: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+")
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
    """Whether the first of them differs: it may be corrected, or all before it on another basis."""
    same: int | None
    """The row of the first of them that is as it was."""
    ratio: float | None
    """Of prices now to those that are stored, where it is another basis."""
    likely: float | None
    """That of one price to what it was, where the first bar is doubtful for its prices."""
    withheld: int
    """How many bars that are stored were not given again."""

    @property
    def is_enough(self) -> bool:
        """Whether it tells."""
        return self.ratio is not None or (self.shared > 0 and not self.is_doubtful)


def evidence(old: pl.DataFrame, new: pl.DataFrame, withheld: int) -> Evidence:
    """Weigh bars as they were stored and as they are now: row by row, in order, without times.

    A split or a dividend changes all bars before it. So prices are on the basis that they were on
    where the first of the bars is as it was, whatever was corrected of those after it, and are on
    another where most of what differs does so by one ratio: of one column, in several bars, or of
    all prices of the first bar, which are several. Other columns need not: volumes, and prices that
    are not adjusted.
    """
    names, before, now = _numbers_of(old, new)
    told, moved = np.isfinite(before), np.abs(now - before) > _EXACT * np.abs(now)
    prices = _prices_among(names)
    shared = np.flatnonzero(told[prices].any(axis=0))
    as_it_was = shared[~moved[:, shared].any(axis=0)]
    same = int(as_it_was[0]) if len(as_it_was) else None
    differs = moved[:, shared[:1]].any(axis=1)
    if not differs.any():
        return Evidence(len(shared), False, same, None, None, withheld)
    of_first = told[:, shared[0]] & prices
    ratios = [_ratio(before[of_first, shared[0]], now[of_first, shared[0]], spare=0)]
    for column in np.argsort(~prices, kind="stable"):
        rows = moved[column]
        ratios.append(_ratio(before[column, rows], now[column, rows], spare=(rows.sum() - 1) // 2))
    doubted = moved & (differs & prices)[:, None]
    return Evidence(
        shared=len(shared),
        is_doubtful=True,
        same=same,
        ratio=next((one for one in ratios if one is not None), None),
        likely=float(np.median(now[doubted] / before[doubted])) if doubted.any() else None,
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
    numeric = {one.name: numbers for one in columns if (numbers := _numbers(one)) is not None}
    found: np.ndarray[Any, Any] = np.zeros(len(columns[0]), dtype=bool)
    for numbers in itertools.compress(numeric.values(), _prices_among([*numeric])):
        found |= np.isfinite(numbers) & (numbers != 0)
    return found


def _is_price(name: str) -> bool:
    """Whether a column is called as prices are."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return any(map(_PRICES.fullmatch, words)) and not any(map(_OTHERS.fullmatch, words))


def _prices_among(names: Sequence[str]) -> np.ndarray[Any, Any]:
    """Tell which columns are prices: those that are called so, or any where none is."""
    found = np.array([_is_price(name) for name in names], dtype=bool)
    return found if found.any() else ~found


def _numbers_of(old: pl.DataFrame, new: pl.DataFrame) -> tuple[list[str], Numbers, Numbers]:
    """Give the names of what can be prices, and these: NaN where they tell nothing, by column.

    Whole numbers are volumes where there are others, but for those that are called prices.
    """
    others: dict[str, Numbers] = {}
    whole: dict[str, Numbers] = {}
    for name in old.columns:
        before, now = _numbers(old[name]), _numbers(new[name])
        if before is None or now is None:
            continue
        told = np.isfinite(before) & np.isfinite(now) & (before != 0) & (now != 0)
        if told.any() or _is_price(name):
            is_volume = old[name].dtype.is_integer() and not _is_price(name)
            group = whole if is_volume else others
            group[name] = np.where(told, (before, now), np.nan)
    group = others or whole
    pairs = np.array([*group.values()]).reshape(len(group), 2, old.height)
    return [*group], pairs[:, 0], pairs[:, 1]


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


def _ratio(before: Numbers, now: Numbers, spare: int) -> float | None:
    """Give the one ratio of several prices but for so many, if there is one and it is not 1."""
    if len(before) < 2:  # noqa: PLR2004
        return None
    # That of one of them: what lies between two is none where one alone was corrected.
    ratio = float(np.sort(now / before)[len(before) // 2])
    moved, off = np.abs(now - before), np.abs(now - ratio * before)
    rounded = np.minimum(_CENTS * (1 + abs(ratio)), _ROUNDED * np.abs(now))
    # Prices as they were counted, and prices that a vendor has rounded to cents.
    for noise in (_EXACT * np.abs(now), rounded):
        agrees = off <= noise
        if (~agrees).sum() <= spare and (moved > noise)[agrees].any():
            return ratio
    return None
