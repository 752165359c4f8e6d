"""Lists of objects and dictionaries as tables of polars, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.forms import cells, classes, labels, times
from afml_cache.ranges.forms.form import Column, Form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from enum import Enum

Json = Any
State = dict[str, Any]

_ABSENT: Any = object()


def read(value: Sequence[Any], time: str | None, default: Form | None) -> tuple[Form, pl.DataFrame]:
    """Read a list or a tuple of objects of one class; see `forms.read`."""
    if not value:
        return (Form.unknown, pl.DataFrame()) if default is None else (default, default.empty())
    kinds = {type(row) for row in value}
    if len(kinds) > 1:
        names = " and ".join(sorted(f"`{kind.__qualname__}`" for kind in kinds))
        message = f"the list holds objects of several classes, {names}; give bars of one class"
        raise LoaderError(message)
    (cls,) = kinds
    sort = classes.sort_of(cls)
    what = f"the list of `{cls.__qualname__}`"
    state = classes.reader_of(cls, sort)
    states = [state(row) for row in value]
    given = [classes.given_fields(row) for row in value] if sort == "model" else None
    columns, series = _columns(what, cls, states, given)
    details = {
        "class": [cls.__module__, cls.__qualname__, sort],
        "fields": [column.label for column in columns if column.role == "column"],
    } | ({"tuple": True} if isinstance(value, tuple) else {})
    found = times.found(what, columns, time)
    if not columns:
        message = f"{what} has no fields; give each bar its time and its values"
        raise LoaderError(message)
    if found is None:
        raise times.no_time(what, columns[0])
    table = pl.DataFrame(series)
    times.check(what, table.get_column(found))
    return Form("objects", found, tuple(columns), details, cls), table


def _columns(
    what: str, cls: type, states: list[State], given: list[set[str]] | None
) -> tuple[list[Column], dict[str, pl.Series]]:
    enums = classes.enums_of(cls)
    columns: list[Column] = []
    series: dict[str, pl.Series] = {}
    labelled = dict.fromkeys(label for state in states for label in state)
    for label in labelled:
        name = labels.inside(label)
        where = f'field "{label}" of {what}'
        column = [state.get(label, _ABSENT) for state in states]
        found = cells.read(
            where,
            [None if cell is _ABSENT else cell for cell in column],
            enum=enums.get(label),
            nested=True,
        )
        seen = found.values.null_count() < len(column)
        outer = {"as": "cells"} | found.outer
        columns.append(Column(name, label, found.values.dtype, outer, seen=seen))
        series[name] = found.values
        marks = _marks(column, found, label, given)
        if marks is not None:
            columns.append(Column(labels.marks(name), label, pl.UInt8(), role="marks"))
            series[labels.marks(name)] = pl.Series(marks, dtype=pl.UInt8)
    return columns, series


def _marks(
    column: list[Any], found: cells.Cells, label: str, given: list[set[str]] | None
) -> list[int] | None:
    """Note what the values of a column can't say; `None` where there is nothing to note."""
    absent = [cell is _ABSENT for cell in column]
    unset = [label not in fields for fields in given] if given else [False] * len(column)
    if found.marks is None and not any(absent) and not any(unset):
        return None
    # An int's mark says so even in a column of nothing else: other parts may have floats.
    noted = found.marks or [cells.WHOLE if type(cell) is int else 0 for cell in column]
    return [
        mark | (cells.ABSENT if is_absent else 0) | (cells.UNSET if is_unset else 0)
        for mark, is_absent, is_unset in zip(noted, absent, unset, strict=True)
    ]


class Writer:
    """Makes objects of rows of a table.

    Parameters
    ----------
    form
        The form of a list of objects, bound to their class.
    table
        The table of that form.
    """

    def __init__(self, form: Form, table: pl.DataFrame) -> None:
        cls = _class_of(form)
        self._sort: str = form.details["class"][2]
        self._tuple = bool(form.details.get("tuple"))
        self._columns = [column for column in form.columns if column.role == "column"]
        self._enums = classes.enums_of(cls)
        self._table = table
        names = [column.label for column in self._columns]
        self._make = classes.maker_of(cls, self._sort, names)

    def rows(self, first: int, stop: int) -> Any:
        """Make the objects of the rows from `first` up to `stop`."""
        table = self._table.slice(first, stop - first)
        names = [column.label for column in self._columns]
        given = [self._cells(table, column) for column in self._columns]
        states = [dict(zip(names, row, strict=True)) for row in zip(*given, strict=True)]
        marks = {
            column.label: table.get_column(labels.marks(column.inner)).fill_null(0).to_list()
            for column in self._columns
            if labels.marks(column.inner) in table.columns
        }
        made = list(map(self._make, states)) if not marks else self._marked(states, marks)
        return tuple(made) if self._tuple else made

    def _cells(self, table: pl.DataFrame, column: Column) -> list[Any]:
        values = table.get_column(column.inner)
        beside = labels.marks(column.inner)
        marks = table.get_column(beside) if beside in table.columns else None
        return cells.write(values, column.outer, marks, self._enums.get(column.label))

    def _marked(self, states: list[State], marks: dict[str, list[int]]) -> list[Any]:
        make: Callable[..., Any] = self._make
        made = []
        for number, state in enumerate(states):
            unset = {label for label, noted in marks.items() if noted[number] & cells.UNSET}
            for label, noted in marks.items():
                if noted[number] & cells.ABSENT:
                    del state[label]
            given = (set(state) - unset,) if self._sort == "model" else ()
            made.append(make(state, *given))
        return made


def _class_of(form: Form) -> type:
    module, qualname, sort = form.details["class"]
    if sort == "dict":
        return dict
    if form.bound is None:
        message = (
            f"the series holds objects of `{module}.{qualname}`, a class that has not been given "
            'in this process; pass it as output=, or ask for a frame: output="pandas"'
        )
        raise CacheConfigError(message)
    return form.bound


def made_of(cls: type, frame: pl.DataFrame) -> list[Any]:
    """Make objects of a class, or dictionaries, of the rows of a frame of another form.

    Raises
    ------
    CacheConfigError
        The frame lacks a field that the class needs.
    """
    if cls is dict:
        return frame.to_dicts()
    try:
        names, needed = classes.fields_of(cls)
    except LoaderError as cause:
        message = (
            f"`output` takes a class of bars, not `{cls.__module__}.{cls.__qualname__}`: one with "
            'named fields, or "pandas", "polars" or "pyarrow" for a frame'
        )
        raise CacheConfigError(message) from cause
    missing = sorted(needed - set(frame.columns))
    if missing:
        message = (
            f"`{cls.__qualname__}` needs {', '.join(f'`{name}`' for name in missing)}, which the "
            f"bars don't have; they have {', '.join(f'`{name}`' for name in frame.columns)}: give "
            'the class defaults, or take output="polars" and make the objects of it'
        )
        raise CacheConfigError(message)
    known = [name for name in names if name in frame.columns]
    enums = classes.enums_of(cls)
    columns = [_as_members(frame.get_column(name).to_list(), enums.get(name)) for name in known]
    return [cls(**dict(zip(known, row, strict=True))) for row in zip(*columns, strict=True)]


def _as_members(given: list[Any], enum: type[Enum] | None) -> list[Any]:
    if enum is None:
        return given
    return [enum[cell] if cell in enum.__members__ else cell for cell in given]
