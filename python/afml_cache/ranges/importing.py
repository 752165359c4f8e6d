"""Bars of files: read as what they were written as, and put into the form of their series."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from afml_cache.exceptions import BasisChangedError, CacheConfigError, LoaderError, SchemaError
from afml_cache.ranges.answers import Asked, checked
from afml_cache.ranges.basis import evidence, prices_of
from afml_cache.ranges.forms import readable, restore
from afml_cache.ranges.keys import values_of
from afml_cache.ranges.provisional import (
    has_rows,
    in_form,
    merged,
    quoted,
    renamed,
    values_of_form,
    with_more,
)
from afml_cache.ranges.restating import matched
from afml_cache.ranges.states import EVER
from afml_cache.ranges.timeframes import timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.series import Series

# So many values of a column are told.
_FEW = 3


@dataclass(frozen=True)
class FromFile(Asked):
    """How a file is to be read."""

    path: str = ""

    def __str__(self) -> str:
        return f"the file `{self.path}`, taken in as {self.name},"

    def worded(self, error: Exception) -> str:
        """Give the text of an error, whose remedy is one for the file."""
        return str(error).replace("the loader", "the file")


def answer_of(path: Any, series: Series, key: Mapping[str, Any], time: str | None) -> Answer:
    """Read a Parquet file; its bars have the form of the series, if that is known.

    Parameters
    ----------
    key
        Its parts as the caller wrote them.

    Raises
    ------
    LoaderError
        The file has no times, no bars of this series, or holds what can't be kept.
    SchemaError
        It lacks a column that bars of the series have, or one of its columns doesn't fit.
    """
    asked = FromFile(series.name, series.axis, *EVER, "both", time, None, path=str(path))
    answer = checked(_of_key(_value(path), asked, series, key), asked)
    own = series.known_form()
    if own is None or not has_rows(own):
        answer.form = replace(answer.form, details={**answer.form.details, "provisional": True})
        return answer
    return _in_form(own, answer, asked, key) if len(answer.at) else answer


def _in_form(own: Form, answer: Answer, asked: FromFile, key: Mapping[str, Any]) -> Answer:
    """Give the bars of a file in the form of their series, whose values it must have."""
    table = renamed(own, answer.table, answer.form.time)
    shown = readable(own)
    missing = [shown[name] for name in values_of_form(own) if name not in table.columns]
    given = [readable(answer.form)[name] for name in values_of_form(answer.form)]
    if missing:
        message = (
            f"{asked} has no {quoted(missing)}, which the bars of that series have; it has "
            f"{quoted(given)}: call its columns as the loader does, and add those that it lacks, "
            "empty if need be"
        )
        raise SchemaError(message)
    own = with_more(own, answer.form, key)
    others = [name for name in given if name not in {*readable(own).values(), *key}]
    if others:
        note = f"{asked} has {quoted(others)}, which the bars of that series don't have: left out"
        answer.notes.append(note)
    try:
        answer.table = restore(own, table)
    except SchemaError as error:
        message = f"{asked} does not fit the bars of that series: {asked.worded(error)}"
        raise SchemaError(message) from error
    answer.form = own
    return answer


def check_basis(path: Any, series: Series, answer: Answer) -> None:
    """See that the prices of a file are on the basis of those that an adjusted series has.

    Raises
    ------
    BasisChangedError
        They are on another one, or nothing tells: no bar is in both, or the first of these differs,
        and others are stored before those that don't.
    """
    stored = series.with_bars()
    if not stored:
        return
    form, old = merged(series.form, answer.form), series.read_pieces(stored)
    table, at = (in_form(form, old), restore(form, answer.table)), series.positions(old)
    bars = matched((at, table[0]), (answer.at, table[1]))
    old, new = (pl.DataFrame(prices_of(form, one)) for one in (bars.old, bars.new))
    seen = evidence(old, new, bars.withheld)
    alone = np.setdiff1d(at, bars.at)
    is_all = seen.same is not None and not (alone < bars.at[seen.same]).any()
    if seen.ratio is None and (seen.is_enough or is_all):
        return
    what = f"no bar of `{path}` is among those of {series.name} that are stored"
    if seen.shared:
        what = f"the first bar of `{path}` that is among those of {series.name} as stored differs"
    if seen.ratio is not None:
        what = f"the prices of `{path}` are {seen.ratio:.6g} of those of {series.name} as stored"
    message = (
        f"{what}: adjusted prices of two bases would be mixed; take in a file that has some of "
        "the bars that are stored, as they are, or invalidate the series and take the file in first"
    )
    raise BasisChangedError(message)


def _value(path: Any) -> Any:
    try:
        return _read(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        message = (
            f"`{path}` can't be read as a Parquet file: {error}; take in one that pandas, polars "
            "or `export` has written, with the suffix .parquet"
        )
        raise LoaderError(message) from error


def _read(path: Any) -> Any:
    needed = ("pandas", "pyarrow")
    by_pandas = "pandas" in pl.read_parquet_metadata(path)
    if by_pandas and all(importlib.util.find_spec(name) for name in needed):
        import pandas as pd

        return pd.read_parquet(path, engine="pyarrow")
    return pl.read_parquet(path)


def _of_key(value: Any, asked: FromFile, series: Series, key: Mapping[str, Any]) -> Any:
    """Give the rows of one series, where a file has columns with the parts of keys.

    They are left out where all are there, as an export of several series has them. What the loader
    gives by such a name is a column of bars, which may be all that tells series apart.
    """
    own = () if series.form is None else series.form.schema
    names = [name for name in key if name in value.columns]
    for name in names:
        given = value[name].unique()
        mine = [one for one in given if is_part(one, series, key, name)]
        if not mine and name in own:
            continue
        if len(value) and not mine:
            message = (
                f"{asked} has no bars of it: its column `{name}` has "
                f"{', '.join(map(repr, list(given)[:_FEW]))}; name the key as the file does, or "
                "take that column out of it"
            )
            raise LoaderError(message)
        rows = value[name].isin(mine) if hasattr(value, "loc") else value[name].is_in(mine)
        value = value[rows] if hasattr(value, "loc") else value.filter(rows)
    if len(names) < len(key):
        return value
    names = [name for name in names if name not in own]
    return value.drop(columns=names) if hasattr(value, "loc") else value.drop(names)


def is_part(value: object, series: Series, key: Mapping[str, Any], name: str) -> bool:
    """Tell whether a value, or its text, is the part of the key of a series."""
    text, stored = str(value), str(values_of(series.text)[name])
    if text in {str(key[name]), stored}:
        return True
    if stored != series.axis.timeframe.text:
        return False
    try:
        return timeframe(text) == series.axis.timeframe
    except CacheConfigError:
        return False
