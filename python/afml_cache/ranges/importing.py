"""Bars of files: read as what they were written as, and later had as the loader's own.

A file may say less than the loader's answers do. As long as the loader has given no row, the form
of a series is the file's; its details then have `provisional`. The form of the loader's first rows
takes its place, whose details have in `imported` what the column of times is called in what was
stored before. Of an answer without rows the data types mean nothing: an empty frame is as a rule
made of empty lists.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from afml_cache.exceptions import BasisChangedError, CacheConfigError, LoaderError
from afml_cache.ranges.answers import Asked, checked
from afml_cache.ranges.basis import evidence, prices_of
from afml_cache.ranges.forms import restore
from afml_cache.ranges.keys import values_of
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
        Its columns don't fit those that are stored.
    """
    asked = FromFile(series.name, series.axis, *EVER, "both", time, None, path=str(path))
    answer = checked(_of_key(_value(path), asked, series, key), asked)
    own = series.form
    if own is None or not _has_rows(own):
        answer.form = replace(answer.form, details={**answer.form.details, "provisional": True})
        return answer
    answer.table = restore(own, renamed(answer.table, answer.form.time, own.time))
    answer.form = own
    return answer


def check_basis(path: Any, series: Series, answer: Answer) -> None:
    """See that the prices of a file are on the basis of those that an adjusted series has.

    Raises
    ------
    BasisChangedError
        They are on another one, or nothing tells: no bar is in both, or a single one that differs.
    """
    stored = [piece for piece in series.pieces(*EVER) if piece.segment is not None]
    if not stored:
        return
    form, old = merged(series.form, answer.form), series.read_pieces(stored)
    table = in_form(form, old), restore(form, answer.table)
    bars = matched((series.positions(old), table[0]), (answer.at, table[1]))
    old, new = (pl.DataFrame(prices_of(form, one)) for one in (bars.old, bars.new))
    seen = evidence(old, new, bars.withheld)
    if seen.ratio is None and (seen.is_enough or seen.shared > 1):
        return
    what = f"no bar of `{path}` is among those of {series.name} that are stored"
    if seen.shared:
        what = f"one bar of `{path}` alone is among those of {series.name} as stored, and differs"
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


def merged(own: Form | None, form: Form) -> Form:
    """Give the form of a series whose bars came in its own form until now, and come in another."""
    if own is None or own.says_nothing:
        return form
    if not is_provisional(own) or is_provisional(form):
        return own.merge(form)
    return replace(form, details={**form.details, "imported": own.time}) if _has_rows(form) else own


def _has_rows(form: Form) -> bool:
    return any(column.seen for column in form.columns)


def is_provisional(form: Form) -> bool:
    """Whether a form is of a file, and the loader has given no row yet."""
    return bool(form.details.get("provisional"))


def in_form(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Give what is stored the columns and data types of its form, if it came of a file too."""
    return restore(form, renamed(table, form.details.get("imported"), form.time))


def renamed(table: pl.DataFrame, old: str | None, new: str | None) -> pl.DataFrame:
    """Give the column of times another name."""
    if old is None or new is None or old not in table.columns or new in table.columns:
        return table
    return table.rename({old: new})
