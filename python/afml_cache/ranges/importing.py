"""Bars of files: read as what they were written as, and later had as the loader's own.

A file may say less than the loader's answers do. As long as the loader has given nothing, the form
of a series is the file's; its details then have `provisional`. The loader's form takes its place,
whose details have in `imported` what the column of times is called in what was stored before.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from afml_cache.ranges.answers import Asked, checked
from afml_cache.ranges.forms import restore
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.series import Series


def answer_of(path: Any, series: Series, time: str | None) -> Answer:
    """Read a Parquet file; its bars have the form of the series, if that is known.

    Raises
    ------
    LoaderError
        The file has no times, or holds what can't be kept.
    SchemaError
        Its columns don't fit those that are stored.
    """
    asked = Asked(f"{series.name} in `{path}`", series.axis, *EVER, "both", time, None)
    answer = checked(_value(path), asked)
    own = series.form
    if own is None or own.says_nothing:
        answer.form = replace(answer.form, details={**answer.form.details, "provisional": True})
        return answer
    answer.table = restore(own, renamed(answer.table, answer.form.time, own.time))
    answer.form = own
    return answer


def _value(path: Any) -> Any:
    needed = ("pandas", "pyarrow")
    by_pandas = "pandas" in pl.read_parquet_metadata(path)
    if by_pandas and all(importlib.util.find_spec(name) for name in needed):
        import pandas as pd

        return pd.read_parquet(path, engine="pyarrow")
    return pl.read_parquet(path)


def merged(own: Form | None, form: Form) -> Form:
    """Give the form of a series whose bars came in its own form until now, and come in another."""
    if own is None or own.says_nothing:
        return form
    if is_provisional(own) and not is_provisional(form) and not form.says_nothing:
        return replace(form, details={**form.details, "imported": own.time})
    return own.merge(form)


def is_provisional(form: Form) -> bool:
    """Whether a form is of a file, and the loader has given nothing yet."""
    return bool(form.details.get("provisional"))


def in_form(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Give what is stored the columns and data types of its form, if it came of a file too."""
    return restore(form, renamed(table, form.details.get("imported"), form.time))


def renamed(table: pl.DataFrame, old: str | None, new: str | None) -> pl.DataFrame:
    """Give the column of times another name."""
    if old is None or new is None or old not in table.columns or new in table.columns:
        return table
    return table.rename({old: new})
