"""The form of two parts of a series together: the twin of `unite` for what tables can't say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import polars as pl

from afml_cache.exceptions import SchemaError
from afml_cache.ranges.forms import dtypes
from afml_cache.ranges.forms.moments import UNITS

if TYPE_CHECKING:
    from afml_cache.ranges.forms.form import Column, Form

Json = Any
Outer = Mapping[str, Json]

# What a column of pandas becomes where parts have it in two ways: the later of these.
_PLAINER: Final = ("categorical", "numpy", "masked", "text", "object", "arrow")
# Details that are dropped where parts differ; of the others the first part's count.
_DROPPED: Final = ("freq", "attrs")


def merged(left: Form, right: Form) -> Form:
    """Give the form of the rows of both; see `Form.merge`."""
    if not (_has_rows(left) and _has_rows(right)) and not _fit(left, right):
        return _one_of(left, right)
    if left.kind != right.kind or left.details.get("class") != right.details.get("class"):
        _refuse_kinds(left, right)
    if left.time != right.time:
        message = (
            f"the time is {_time_of(left)} in one part and {_time_of(right)} in another; let the "
            "loader give it alike, or invalidate the parts that differ"
        )
        raise SchemaError(message)
    others = {column.inner: column for column in right.columns}
    columns = [_column(each, others.pop(each.inner, None)) for each in left.columns]
    return replace(
        left,
        columns=tuple(columns) + tuple(others.values()),
        details=_details(left, right),
        bound=left.bound or right.bound,
    )


def _has_rows(form: Form) -> bool:
    return any(column.seen for column in form.columns)


def _fit(left: Form, right: Form) -> bool:
    """Whether both are of one kind and have their times in one column."""
    return (left.kind, left.time) == (right.kind, right.time) and not left.says_nothing


def _one_of(left: Form, right: Form) -> Form:
    """Take the part that knows more: vendors give nothing in another way than bars."""
    ranks = [(_has_rows(form), not form.says_nothing, form.columns != ()) for form in (left, right)]
    chosen = right if ranks[1] > ranks[0] else left
    return replace(chosen, bound=left.bound or right.bound)


def _refuse_kinds(left: Form, right: Form) -> NoReturn:
    names = [
        ".".join(form.details["class"][:2]) if "class" in form.details else form.kind
        for form in (left, right)
    ]
    message = (
        f"one part of the series came as {names[0]}, another as {names[1]}; let the loader give "
        "one of them, or invalidate the parts that were the other"
    )
    raise SchemaError(message)


def _time_of(form: Form) -> str:
    """Name the column of times as the loader does."""
    columns = {column.inner: column for column in form.columns}
    time = columns.get(form.time or "")
    if time is None:
        return "unknown"
    if time.role == "index":
        return "the index" if time.label is None else f"the index `{time.label}`"
    is_beside = form.kind == "pandas" and any(one.role == "index" for one in form.columns)
    beside = " beside an index" if is_beside else ""
    return f"column `{time.label}`{beside}"


def _details(left: Form, right: Form) -> dict[str, Json]:
    if not (_has_rows(left) and _has_rows(right)):
        return dict((left if _has_rows(left) else right).details)
    both = {**right.details, **left.details}
    if left.details.get("range") != right.details.get("range"):
        both["range"] = [both["range"][0], 0, 1]
    for name in _DROPPED:
        if left.details.get(name) != right.details.get(name):
            both.pop(name, None)
    return both


def _column(left: Column, right: Column | None) -> Column:
    if right is None or (left.dtype, left.outer, left.seen) == (
        right.dtype,
        right.outer,
        right.seen,
    ):
        return left
    if not (left.seen and right.seen):
        chosen = right if right.seen or left.dtype == pl.Null else left
        return replace(left, dtype=chosen.dtype, outer=chosen.outer, seen=left.seen or right.seen)
    dtype = dtypes.common(left.dtype, right.dtype)
    outer = None if dtype is None else _outer(left, right, dtype)
    if dtype is None or outer is None:
        message = (
            f"column `{left.label}` is {_named(left)} in one part and {_named(right)} in another; "
            "let the loader give it one dtype, and invalidate the parts that have another"
        )
        raise SchemaError(message)
    return replace(left, dtype=dtype, outer=outer)


def _named(column: Column) -> str:
    details = {name: each for name, each in column.outer.items() if name != "field"}
    return f"{column.dtype} ({details})" if details else str(column.dtype)


def _outer(left: Column, right: Column, dtype: pl.DataType) -> Outer | None:  # noqa: PLR0911 - one of each kind
    """Find how the column of both parts is made into what it was."""
    if left.outer == right.outer and left.dtype == right.dtype:
        return left.outer
    sort = left.outer.get("as"), right.outer.get("as")
    if sort[0] != sort[1]:
        return _plainer(left, right, dtype)
    if sort[0] == "cells":
        cells = _cells(left.outer, right.outer)
        return None if cells is None else {**cells, "as": "cells"}
    if sort[0] == "object":
        cells = _cells(left.outer["cells"], right.outer["cells"])
        return None if cells is None else {**left.outer, "cells": cells}
    if sort[0] == "categorical":
        return _categories(left.outer, right.outer)
    if sort[0] == "polars":
        return _labels(left.outer, right.outer)
    zones = left.outer.get("zone"), right.outer.get("zone")
    if left.dtype == right.dtype and sort[0] in {"text", "arrow"} and zones[0] == zones[1]:
        return left.outer
    if zones[0] != zones[1]:
        kept = {n: each for n, each in _of_dtype(left, right, dtype).items() if n != "field"}
        return {**kept, "zone": {"utc": "datetime"}}
    return _of_dtype(left, right, dtype)


def _of_dtype(left: Column, right: Column, dtype: pl.DataType) -> Outer:
    """Keep what says more than the data type inside where that still holds."""
    if left.dtype == right.dtype:
        return {name: each for name, each in left.outer.items() if right.outer.get(name) == each}
    for column in (left, right):
        if column.dtype == dtype:
            return column.outer
    return {name: left.outer[name] for name in ("as", "zone") if name in left.outer}


def _plainer(left: Column, right: Column, dtype: pl.DataType) -> Outer | None:
    """Choose between two ways to hold the same values."""
    sorts = left.outer.get("as"), right.outer.get("as")
    if not {*sorts} <= {*_PLAINER}:
        return None
    chosen = max(left, right, key=lambda column: _PLAINER.index(column.outer["as"]))
    sort = chosen.outer["as"]
    return chosen.outer if chosen.dtype == dtype or sort == "object" else {"as": sort}


def _labels(left: Outer, right: Outer) -> Outer:
    """Give an enumeration of polars the categories of both; else they are texts."""
    kinds = left.get("dtype"), right.get("dtype")
    if not all(isinstance(kind, dict) and "Enum" in kind for kind in kinds):
        return {"as": "polars"}
    both: Any = dict.fromkeys(label for kind in kinds if kind for label in kind["Enum"])
    return {"as": "polars", "dtype": {"Enum": list(both)}}


def _cells(left: Outer, right: Outer) -> Outer | None:  # noqa: PLR0911 - one of each kind
    kinds = left["kind"], right["kind"]
    if left == right or kinds[1] == "none":
        return left
    if kinds[0] == "none":
        return right
    if {*kinds} == {"int", "float"}:
        return {"kind": "float"}
    if {*kinds} <= {"int", "float", "number"}:
        return _number(left, right)
    same = kinds[0] == kinds[1]
    if same and kinds[0] in {"datetime", "timestamp"} and ("zone" in left) == ("zone" in right):
        zone = {} if "zone" not in left else {"zone": {"utc": "datetime"}}
        finest = (
            {}
            if "unit" not in left
            else {"unit": max(left["unit"], right["unit"], key=UNITS.index)}
        )
        return {**left, **finest, **({} if left.get("zone") == right.get("zone") else zone)}
    if same and kinds[0] == "numpy":
        return {"kind": "numpy"}
    return None


def _number(left: Outer, right: Outer) -> Outer:
    """Say what cells are without marks: whole where they are in both parts, as far as told."""
    plain = {outer.get("plain", outer["kind"]) for outer in (left, right)} - {"number"}
    if not plain:
        return {"kind": "number"}
    return {"kind": "number", "plain": "int" if plain == {"int"} else "float"}


def _categories(left: Outer, right: Outer) -> Outer | None:
    """Put the categories of both together, those of the first part first."""
    known, more = left["categories"], right["categories"]
    if left["ordered"] or right["ordered"] or left["values"] != right["values"]:
        return None
    return {**left, "categories": known + [each for each in more if each not in known]}
