"""The form of bars that came of a file, which gives way to the loader's.

A file may say less than the loader's answers do. As long as the loader has given no row, the form
of a series is the file's; its details then have `provisional`. The form of the loader's first rows
takes its place, whose details have in `imported` what the column of times is called in what was
stored before. Of an answer without rows the data types mean nothing: an empty frame is as a rule
made of empty lists.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from afml_cache.exceptions import SchemaError
from afml_cache.ranges.forms import readable, restore

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import polars as pl

    from afml_cache.ranges.forms import Form

_log = logging.getLogger("afml_cache.ranges")


def merged(own: Form | None, form: Form) -> Form:
    """Give the form of a series whose bars came in its own form until now, and come in another."""
    if own is None or own.says_nothing:
        return form
    if not is_provisional(own) or is_provisional(form):
        return own.merge(form)
    return replace(form, details={**form.details, "imported": own.time}) if has_rows(form) else own


def has_rows(form: Form) -> bool:
    """Whether a form is of any values, so that its data types mean something."""
    return any(column.seen for column in form.columns)


def is_provisional(form: Form) -> bool:
    """Whether a form is of a file, and the loader has given no row yet."""
    return bool(form.details.get("provisional"))


def in_form(form: Form, table: pl.DataFrame) -> pl.DataFrame:
    """Give what is stored the columns and data types of its form, if it came of a file too.

    Raises
    ------
    SchemaError
        It holds values that the form has no place for.
    """
    return restore(form, renamed(form, table, form.details.get("imported")))


def renamed(form: Form, table: pl.DataFrame, time: str | None) -> pl.DataFrame:
    """Name the columns of a table as a form does, where an `export` has them by readable names.

    Parameters
    ----------
    time
        What the column of times is called in the table.
    """
    missing = [name for name in form.schema if name not in table.columns]
    if not missing:
        return table
    shown = readable(form)
    found = {old: new for new, old in shown.items() if new in missing and old not in form.schema}
    if time is not None and form.time in missing and time not in form.schema:
        found = {old: new for old, new in found.items() if new != form.time}
        found[time] = form.time
    return table.rename(found, strict=False)


def values_of_form(form: Form) -> list[str]:
    """Give the names inside of the columns that have values."""
    return [
        column.inner
        for column in form.columns
        if column.seen and column.role == "column" and column.inner != form.time
    ]


def with_more(own: Form, form: Form, key: Container[str]) -> Form:
    """Give the form of a file with the columns that another one of its kind has beside them.

    Parameters
    ----------
    key
        Names of what is no column of bars.
    """
    if not is_provisional(own) or own.kind != form.kind:
        return own
    known, shown = set(readable(own).values()), readable(form)
    more = [
        column
        for column in form.columns
        if column.inner in values_of_form(form)
        and shown[column.inner] not in known
        and shown[column.inner] not in key
    ]
    return replace(own, columns=own.columns + tuple(more))


def check_gives_way(name: str, own: Form, form: Form) -> None:
    """See that bars of a file are still some in the form of the loader; say what they lose.

    Raises
    ------
    SchemaError
        No column is in both.
    """
    if not is_provisional(own) or is_provisional(form) or not has_rows(form):
        return
    (mine, theirs) = (
        [readable(one)[inner] for inner in values_of_form(one)] for one in (own, form)
    )
    lost = [column for column in mine if column not in theirs]
    if theirs and lost == mine != []:
        message = (
            f"the bars of {name} that were taken in from a file have {quoted(mine)}, and the "
            f"loader gives {quoted(theirs)}: no column is in both; invalidate them, and take in a "
            "file whose columns are called as the loader's"
        )
        raise SchemaError(message)
    if lost:
        what = "%s: the loader does not give %s, which bars that were taken in from a file have"
        _log.warning(f"{what}: left out", name, quoted(lost))


def quoted(names: Sequence[str]) -> str:
    """Name columns in a message."""
    return ", ".join(f"`{name}`" for name in names) or "no columns"
