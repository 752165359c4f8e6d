"""Whether a function looks ahead: computed on less, the rows that are left must stay."""

from __future__ import annotations

import functools
import html
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache import _native
from afml_cache._native import Function, Method
from afml_cache.causal_pairs import first_changes, pairs_of
from afml_cache.causal_rows import Rows, parts_of
from afml_cache.causal_samples import Cut, Sample, is_changed
from afml_cache.exceptions import CacheConfigError
from afml_cache.modes import mode

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Causality", "Change", "check_causality"]


@dataclass(frozen=True, slots=True)
class Change:
    """The first row of a result that is another one when the function is given less.

    Attributes
    ----------
    cut
        Label of the last row that the function was given.
    row : int
        Number of the row in the result, from 0.
    label
        What the row is called: its label or its time, else its number.
    column : str
        Its column, behind the part of the result if that has several.
    full, truncated
        Its value as computed from everything, and from the rows up to the cut.
    """

    cut: Any
    row: int
    label: Any
    column: str
    full: Any
    truncated: Any

    def __str__(self) -> str:
        column = f" of {self.column}" if self.column else ""
        return (
            f"row {self.row} ({self.label}){column} is {self.full}, and {self.truncated} when the "
            f"input ends with {self.cut}"
        )


@dataclass(frozen=True, slots=True)
class Causality:
    """What `check_causality` has found; true where the function does not look ahead.

    Attributes
    ----------
    function : str
        What was checked.
    cuts : tuple
        Labels of the last rows that it was given.
    changes : tuple of Change
        Of each cut that changes rows, the first of these.
    changes_input : bool
        Whether the function writes into what it is given.
    skipped : tuple of str
        Parts of its result that have no rows to compare.
    """

    function: str
    cuts: tuple[Any, ...]
    changes: tuple[Change, ...] = ()
    changes_input: bool = False
    skipped: tuple[str, ...] = ()

    @property
    def is_causal(self) -> bool:
        """Whether no row changes, and nothing is written into the input."""
        return not self.changes and not self.changes_input

    @property
    def first(self) -> Change | None:
        """The first row that changes, at whichever cut."""
        return min(self.changes, key=lambda change: change.row, default=None)

    def __bool__(self) -> bool:
        return self.is_causal

    def __str__(self) -> str:
        lines = []
        if self.first is not None:
            lines = [f"{self.function} looks ahead: {self.first}"]
            lines.append(f"rows change at {len(self.changes)} of {len(self.cuts)} cuts")
        if self.changes_input:
            lines.append(f"{self.function} writes into its input; work on a copy")
        if not lines:
            lines = [f"{self.function} does not look ahead at any of {len(self.cuts)} cuts"]
        if self.skipped:
            lines.append(f"not compared, since they have no rows: {', '.join(self.skipped)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def check_causality(
    fn: Callable[[Any], Any], df: Any, at: Any = None, *, rtol: float = 1e-9, atol: float = 1e-12
) -> Causality:
    """Check that a function of a frame gives no row anything that comes later.

    It is computed on the whole frame, and on its rows up to each cut. What it says of a row up to
    the cut must be the same both times: a row that changes has seen what comes behind the cut. The
    function is given a copy each time.

    Parameters
    ----------
    fn : callable
        Takes the frame, and gives a Series, a frame or an array with a row for each of the frame's,
        or with an index or column of times, as of bars that it makes of others; or a tuple or
        dictionary of these. A cached function is computed past the cache; cached functions that it
        calls look things up, and store nothing.
    df : DataFrame or Series
        Of pandas or polars.
    at : list, optional
        The cuts: the label of the last row that is kept (rows are kept by their time: a text covers
        its whole period), or its number. By default five over the whole sample, at rows where
        something is missing if there are such.
    rtol, atol : float
        Numbers are equal whose distance is not more than `atol`, or than `rtol` of the larger one:
        sums are rounded in another way when they are taken over less. With 0 both, all bits count.
        NaN equals NaN, and nothing else.

    Returns
    -------
    Causality
        True if nothing changes; its `first` says which row does, and prints what changes.

    Raises
    ------
    CacheConfigError
        `fn` is no function, is awaited, or gives nothing that has rows; `df` is no frame; `at` is
        no place in it. Whatever `fn` raises goes to the caller.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import check_causality
    >>> days = pd.date_range("2024-05-01", periods=10)
    >>> prices = pd.DataFrame({"close": range(100, 110)}, index=days)
    >>> def next_return(bars):
    ...     return bars["close"].shift(-1) / bars["close"] - 1
    >>> print(check_causality(next_return, prices, at=["2024-05-05"]))
    next_return looks ahead: row 4 (2024-05-05 00:00:00) of close is 0.009615384615384581, \
and nan when the input ends with 2024-05-05 00:00:00
    rows change at 1 of 1 cuts
    >>> bool(check_causality(lambda bars: bars["close"].pct_change(), prices))
    True
    """
    function, name = _plain(fn)
    sample = Sample(df)
    cuts = [sample.closed(cut) for cut in sample.cuts(at)]
    check = _Check(function, name, sample, (rtol, atol))
    changes = [change for cut in cuts if (change := check.change_at(cut)) is not None]
    return Causality(
        name,
        tuple(cut.label for cut in cuts),
        tuple(changes),
        check.changes_input,
        tuple(check.skipped),
    )


def _plain(fn: Any) -> tuple[Callable[[Any], Any], str]:
    """Give a function without its cache, and its name."""
    name = str(getattr(fn, "__qualname__", None) or type(fn).__qualname__)
    if isinstance(fn, Method):
        fn = functools.partial(fn.__func__.__wrapped__, fn.__self__)
    elif isinstance(fn, Function):
        fn = fn.__wrapped__
    if not callable(fn):
        message = f"`check_causality` takes a function of a frame, not {fn!r}"
        raise CacheConfigError(message)
    if inspect.iscoroutinefunction(fn):
        message = f"`{name}` is a coroutine function; check a plain function that runs it"
        raise CacheConfigError(message)
    return fn, name.replace("<locals>.", "").rpartition(".")[2]


class _Check:
    """One function, computed on a sample and on parts of it."""

    def __init__(
        self, function: Callable[[Any], Any], name: str, sample: Sample, near: tuple[float, float]
    ) -> None:
        self._function = function
        self._sample = sample
        self._near = near
        self.changes_input = False
        self.skipped: list[str] = []
        result = self._computed(None)
        self._full: dict[str, Rows] = {}
        for path, part in parts_of(result):
            rows = Rows.of(part)
            if rows is not None and (
                self._is_of_each_row(rows) or (rows.has_times and sample.times is not None)
            ):
                self._full[path] = rows
            elif part is not None:
                self.skipped.append(path or "result")
        if not self._full:
            message = (
                f"`{name}` gives {type(result).__qualname__}, of which nothing has a row for each "
                "of the frame's, nor an index or column of times, so there are no rows to compare"
            )
            raise CacheConfigError(message)

    def _computed(self, cut: Cut | None) -> Any:
        given = self._sample.until(cut)
        before = self._sample.until(cut)
        with mode("off" if _native.current_mode() == "off" else "readonly"):
            result = self._function(given)
        self.changes_input = self.changes_input or is_changed(before, given)
        return result

    def _is_of_each_row(self, rows: Rows) -> bool:
        """Tell whether a result has a row for each of the sample's, in their order."""
        if rows.count != len(self._sample.frame):
            return False
        times, own = rows.times, self._sample.times
        return times is None or own is None or np.array_equal(times, own)

    def change_at(self, cut: Cut) -> Change | None:
        """Give the first row that is another one when the input is cut."""
        parts = dict(parts_of(self._computed(cut)))
        found = []
        for path, full in self._full.items():
            part = Rows.of(parts.get(path))
            is_of_each_row = self._is_of_each_row(full)
            pairs = pairs_of(full, part, cut, is_of_each_row=is_of_each_row)
            for column, row, label, values in first_changes(full, part, pairs, *self._near):
                called = self._sample.label(row) if is_of_each_row else label
                named = f"{path}.{column}" if path and column else path or column
                found.append(Change(cut.label, row, called, named, *values))
        return min(found, key=lambda change: change.row, default=None)
