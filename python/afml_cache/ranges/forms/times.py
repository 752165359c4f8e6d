"""Which column of a loader's answer is its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import dtypes, zones

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from afml_cache.ranges.forms.form import Column, Form

NAMES: Final = frozenset({"time", "timestamp", "date", "datetime", "ts", "t", "open_time"})


def found(what: str, columns: Sequence[Column], time: str | None) -> str | None:
    """Find the column of the times; give its name inside, `None` where no column has rows.

    Parameters
    ----------
    what
        What messages call the answer.
    columns
        Its columns, the index among them.
    time
        The label of the column, where the user says it.

    Raises
    ------
    LoaderError
        There is none, there are several, or the one named holds no times.
    """
    if time is not None:
        return _named(what, columns, time)
    likely = [column for column in columns if str(column.label).lower() in NAMES]
    usable = [column for column in likely if dtypes.is_time(column.dtype)]
    if len(usable) == 1:
        return usable[0].inner
    nameless = [column for column in columns if _is_nameless(column)]
    if not likely and len(nameless) == 1 and dtypes.is_time(nameless[0].dtype):
        return nameless[0].inner
    if not any(column.seen for column in columns):
        return None
    if usable:
        message = (
            f"{what} has several columns that could be its time: {listed(usable)}; say which with "
            f'time="{usable[0].label}"'
        )
        raise LoaderError(message)
    if likely:
        raise no_time(what, likely[0])
    message = (
        f"{what} has no column of times that is known by its name; it has {listed(columns)}; name "
        'the one that says when a bar was, such as time="close_time"'
    )
    raise LoaderError(message)


def _named(what: str, columns: Sequence[Column], time: str) -> str | None:
    named = [column for column in columns if column.label == time]
    if not named:
        if not any(column.seen for column in columns):
            return None
        message = f'{what} has no column "{time}" for its time; it has {listed(columns)}'
        raise LoaderError(message)
    if dtypes.is_time(named[0].dtype):
        return named[0].inner
    if not named[0].seen:
        return None
    raise no_time(what, named[0])


def no_time(what: str, column: Column) -> LoaderError:
    """Say that a column named as a time holds none, and how to make it one."""
    remedy = (
        'pd.to_datetime(..., unit="ms", utc=True) or datetime.fromtimestamp(..., tz=timezone.utc)'
        if column.dtype.is_numeric()
        else "pd.to_datetime(..., utc=True) or datetime.fromisoformat(...)"
    )
    return LoaderError(
        f'column "{column.label}" of {what} holds {column.dtype} and no times; convert it in the '
        f"loader, as by {remedy}"
    )


def listed(columns: Sequence[Column]) -> str:
    """Name columns and what they hold, for a message."""
    names = [f"{_quoted(column)} ({column.dtype})" for column in columns if column.role != "marks"]
    return ", ".join(names) or "no columns at all"


def _quoted(column: Column) -> str:
    return "the index" if _is_nameless(column) else f'"{column.label}"'


def _is_nameless(column: Column) -> bool:
    return column.role == "index" and column.label is None


def zone_of(form: Form) -> str | int | None:
    """Tell the zone of a form's times: its key, or nanoseconds ahead of UTC; `None` without one."""
    if form.time is None:
        return None
    column = next(each for each in form.columns if each.inner == form.time)
    outer = column.outer.get("cells", column.outer)
    if outer.get("zone") is not None:
        return zones.told(outer["zone"])
    return getattr(column.dtype, "time_zone", None)


def check(what: str, values: pl.Series) -> None:
    """See that each row has a time.

    Raises
    ------
    LoaderError
        One has none.
    """
    if values.null_count():
        message = (
            f'{what} has {values.null_count()} of {len(values)} rows without a time in "'
            f'{values.name}"; drop them in the loader'
        )
        raise LoaderError(message)
