"""Frames and series of pandas as tables of polars, and back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import labels, pandas_columns, times
from afml_cache.ranges.forms.form import Column, Form, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = Any
Named = tuple[Column, pl.Series]

# What an index without a name is called inside.
_INDEX: Final = "time"
_KINDS: Final = {pd.DataFrame: "pandas", pd.Series: "series"}


def read(value: Any, time: str | None, default: Form | None) -> tuple[Form, pl.DataFrame]:
    """Read a frame, or a series with a `DatetimeIndex`; see `forms.read`."""
    what = f"the `{type(value).__qualname__}`"
    kind: Any = _KINDS.get(type(value))
    if kind is None:
        message = f"{what} is of a class derived from pandas' own; give a plain `pd.DataFrame`"
        raise LoaderError(message)
    if isinstance(value.index, pd.MultiIndex):
        message = (
            f"{what} has a MultiIndex of rows ({', '.join(map(str, value.index.names))}); give one "
            "symbol's bars with their time as the index, as by `frame.xs(symbol)`, or "
            "`reset_index()` and name the column: time=..."
        )
        raise LoaderError(message)
    value = _as_before(value, default)
    index = value.index
    named = _columns(what, value, default)
    form = Form(
        kind,
        _time(what, index, [column for column, _ in named], time),
        tuple(column for column, _ in named),
        _details(value),
    )
    table = pl.DataFrame({column.inner: values for column, values in named})
    if form.time is not None:
        times.check(what, table.get_column(form.time))
    return form, table


def counts_rows(index: Any) -> bool:
    """Whether an index counts rows, or is what such ones become where rows are cut or joined."""
    return isinstance(index, pd.RangeIndex) or (index.name is None and index.dtype.kind in "iu")


def counted_anew(value: Any) -> Any:
    """Give a value whose rows are counted from 0 on."""
    return value.reset_index(drop=True).rename_axis(index=value.index.name)


def _as_before(value: Any, default: Form | None) -> Any:
    """Have rows counted, or marked by an index of numbers, as the bars are that there are."""
    if default is None or not any(each.seen for each in default.columns):
        return value
    if not (len(value) and counts_rows(value.index)):
        return value
    is_counted = isinstance(value.index, pd.RangeIndex)
    held = [each for each in default.columns if each.role == "index"]
    if not held and not is_counted and "range" in default.details:
        return counted_anew(value)
    is_marked = any(each.label is None and each.dtype.is_integer() for each in held)
    if is_marked and is_counted and value.index.name is None:
        return value.set_axis(pd.Index(value.index.to_numpy()))
    return value


def _columns(what: str, value: Any, default: Form | None) -> list[Named]:
    given = [value] if isinstance(value, pd.Series) else _each(value)
    outside = [value.name] if isinstance(value, pd.Series) else value.columns.tolist()
    outside = [labels.settled(label) for label in outside]
    named: list[Named] = []
    held = not isinstance(value.index, pd.RangeIndex)
    first = [_index_name(value.index, default)] if held else []
    names = labels.all_inside([*first, *outside])
    if held:
        named.append(_column(what, value.index.name, names.pop(0), value.index.array, "index"))
    for label, name, column in zip(outside, names, given, strict=True):
        named.append(_column(what, label, name, column.array, "column"))
    return named


def _each(frame: Any) -> list[Any]:
    return [frame.iloc[:, number] for number in range(frame.shape[1])]


def _index_name(index: Any, default: Form | None) -> Any:
    """Name the index inside, as in the parts there are: vendors' empty answers forget its name."""
    known = [] if default is None else [each for each in default.columns if each.role == "index"]
    if known:
        return known[0].label if known[0].label is not None else _INDEX
    return _INDEX if index.name is None else index.name


def _column(what: str, label: Any, name: str, array: Any, role: Role) -> Named:
    where = f'column "{label}" of {what}' if role == "column" else f"the index of {what}"
    values, outer = pandas_columns.read(where, array)
    seen = values.null_count() < len(values)
    return Column(name, label, values.dtype, outer, role, seen), values


def _time(what: str, index: Any, columns: Sequence[Column], time: str | None) -> str | None:
    nameless = index.name is None and not any(column.label == time for column in columns)
    named_index = time is None or time == (_INDEX if nameless else index.name)
    if isinstance(index, pd.DatetimeIndex) and named_index:
        return columns[0].inner
    if time is None and columns and columns[0].role == "index" and columns[0].dtype == pl.Date:
        return columns[0].inner
    return times.found(what, columns, time)


def _details(value: Any) -> dict[str, Json]:
    index = value.index
    details: dict[str, Json] = {}
    if isinstance(index, pd.RangeIndex):
        details["range"] = [labels.encode(index.name), index.start, index.step]
    freq = getattr(index, "freq", None)
    if freq is not None and _is_spelled(freq):
        details["freq"] = freq.freqstr
    if isinstance(value, pd.DataFrame):
        details["axis"] = _axis(value.columns)
    attrs = {key: each for key, each in value.attrs.items() if _is_plain(key, each)}
    if not value.flags.allows_duplicate_labels:
        details["unique"] = True
    return details | ({"attrs": attrs} if attrs else {})


def _is_spelled(freq: Any) -> bool:
    """Whether a frequency is what its text says: one of holidays is more."""
    try:
        return bool(pd.tseries.frequencies.to_offset(freq.freqstr) == freq)
    except ValueError:
        return False


def _is_plain(key: object, value: object) -> bool:
    if not isinstance(key, str):
        return False
    try:
        back = json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return False
    return type(back) is type(value) and repr(back) == repr(value)


def _axis(axis: Any) -> Json:
    """Describe the columns' own index; the labels are in the form's columns."""
    if isinstance(axis, pd.MultiIndex):
        levels = [_axis(axis.get_level_values(level)) for level in range(axis.nlevels)]
        return {"levels": levels}
    name = labels.encode(axis.name)
    if isinstance(axis, pd.RangeIndex):
        return {"range": [axis.start, axis.step], "name": name}
    if axis.dtype == object:
        return {"name": name}
    _, outer = pandas_columns.read("the columns' own index", axis.array)
    return {"name": name, "outer": outer}


def write(form: Form, table: pl.DataFrame) -> Any:
    """Make the frame or series again; see `forms.write`."""
    index = _index(form, table)
    shown = [column for column in form.columns if column.role == "column"]
    arrays = [
        pandas_columns.write(table.get_column(column.inner), column.outer) for column in shown
    ]
    if form.kind == "series":
        (array,) = arrays
        value = pd.Series(array, index=index, dtype=array.dtype, name=shown[0].label, copy=False)
    else:
        value = frame_of(dict(enumerate(arrays)), index)
        value.columns = _labels([column.label for column in shown], form.details["axis"])
    value.attrs = json.loads(json.dumps(form.details.get("attrs", {})))
    if form.details.get("unique") and index.is_unique:
        return value.set_flags(allows_duplicate_labels=False)
    return value


def frame_of(arrays: dict[Any, Any], index: Any) -> Any:
    """Make a frame of columns as they are; those of one dtype lie in one block."""
    # Of an array of objects pandas would guess what they are.
    columns = {
        label: pd.Series(array, index=index, dtype=object, copy=False)
        if array.dtype == object
        else array
        for label, array in arrays.items()
    }
    return pd.DataFrame(columns, index=index)


def _index(form: Form, table: pl.DataFrame) -> Any:
    held = [column for column in form.columns if column.role == "index"]
    if not held:
        name, start, step = form.details.get("range", [None, 0, 1])
        return pd.RangeIndex(start, start + table.height * step, step, name=labels.decode(name))
    array = pandas_columns.write(table.get_column(held[0].inner), held[0].outer)
    index = pd.Index(array, dtype=array.dtype, name=held[0].label, copy=False)
    return index if form.freq is None else with_freq(index, form.freq)


def with_freq(index: Any, freq: str) -> Any:
    """Give an index its frequency, where its times are of it."""
    try:
        return pd.DatetimeIndex(index, freq=freq, name=index.name)
    except (ValueError, TypeError):
        return index


def _labels(given: list[Any], axis: Json) -> Any:
    if "levels" in axis:
        levels = axis["levels"]
        parts = [_labels([each[n] for each in given], level) for n, level in enumerate(levels)]
        return pd.MultiIndex.from_arrays(parts, names=[part.name for part in parts])
    name = labels.decode(axis["name"])
    if "range" in axis:
        start, step = axis["range"]
        fitting = range(start, start + step * len(given), step)
        if given == list(fitting):
            return pd.RangeIndex(fitting, name=name)
    if "outer" in axis and (typed := _typed(given, axis["outer"])) is not None:
        return pd.Index(typed, dtype=typed.dtype, name=name)
    if "range" in axis:
        return pd.Index(given, name=name)
    array = np.empty(len(given), dtype=object)
    array[:] = given
    return pd.Index(array, dtype=object, name=name)


def _typed(given: list[Any], outer: Json) -> Any:
    """Give labels their dtype, where all have it: parts may name columns otherwise."""
    try:
        return pandas_columns.write(
            pl.Series([None if _is_missing(each) else each for each in given]), outer
        )
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        return None


def _is_missing(label: Any) -> bool:
    return type(label) is float and math.isnan(label)
