"""Bars of a file put beside those that are stored: which of these stay, and which are others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from afml_cache.ranges.filling import stored
from afml_cache.ranges.forms import Column, Form, write
from afml_cache.ranges.intervals import joined
from afml_cache.ranges.restating import compared, matched

if TYPE_CHECKING:
    from typing import Any

    import polars as pl

    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.restating import Compared
    from afml_cache.ranges.series import Series

    At = np.ndarray[Any, Any]


def staying(series: Series, span: Interval, at: At) -> list[Interval]:
    """Tell where in an interval final bars are stored of which a file has none.

    Parameters
    ----------
    at
        Where the bars of the file stand, of which the first is the first of the interval.
    """
    kept = []
    for first, stop in stored(series, *span):
        labels = series.labels(first, stop)
        lone = labels[~np.isin(labels, at)]
        behind, begins = np.unique(at.searchsorted(lone), return_index=True)
        for place, begin in zip(behind.tolist(), lone[begins].tolist(), strict=True):
            before = series.axis.next(int(at[place - 1]))
            end = int(at[place]) if place < len(at) else span[1]
            kept.append((max(first, min(before, begin)), min(stop, end)))
    return kept


def restated(series: Series, span: Interval, at: At, table: pl.DataFrame) -> list[Compared]:
    """Compare a file with what is stored and final of its times."""
    changed = []
    final = [(one.first, one.stop) for one in series.pieces(*span) if one.is_final]
    for first, stop in joined(final):
        old, labels = series.table(first, stop), series.labels(first, stop)
        both = np.isin(labels, at)
        begin, end = map(int, at.searchsorted((first, stop)))
        # As a reader sees them: a file says of no cell of what class it was.
        mine, theirs = (_plain(series, one) for one in (old.filter(both), table[begin:end]))
        bars = matched((labels[both], mine), (at[begin:end], theirs))
        seen = compared(bars, _form_of(mine))
        if seen.differences:
            changed.append(seen)
    return changed


def _form_of(plain: pl.DataFrame) -> Form:
    columns = [Column(name, name, dtype) for name, dtype in plain.schema.items()]
    return Form("polars", None, tuple(columns))


def _plain(series: Series, table: pl.DataFrame) -> pl.DataFrame:
    plain: pl.DataFrame = write(series.form or Form.unknown, table, "polars")
    return plain
