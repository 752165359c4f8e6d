"""How each column of longer bars is made of that of shorter ones, and in which data type."""

from __future__ import annotations

import decimal
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from afml_cache.exceptions import LoaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from afml_cache.ranges.forms import Column, Form

KNOWN: Final = ("first", "last", "max", "min", "sum", "mean", "median")

_USUAL: Final = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "o": "first",
    "h": "max",
    "l": "min",
    "c": "last",
    "v": "sum",
    "trades": "sum",
    "count": "sum",
    "turnover": "sum",
}
_CHOSEN: Final = ("first", "last")
_RECKONED: Final = ("sum", "mean", "median")
_SIGNED: Final = (pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_NATURAL: Final = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
# No column of a loader's is called so.
_BAR: Final = "#:bar "
# A sum that went over its 64 bits is off by 2**64; what floats round is far less.
_WRAPPED: Final = 2.0**63
_EXACT: Final = decimal.Context(prec=200)


def aggregated(
    form: Form, table: pl.DataFrame, labels: Any, how: Mapping[Any, str]
) -> tuple[Form, pl.Series, pl.DataFrame]:
    """Make a row of all the rows of each label.

    As with `resample(...).agg(...)` of pandas, empty values and "not a number" don't count. A sum
    has 64 bits (int64, of booleans too, uint64 or float64), a mean or a median is a float64.

    Returns
    -------
    tuple of Form, polars.Series and polars.DataFrame
        The form of the rows, their labels, and all but their times.

    Raises
    ------
    LoaderError
        It is not said how a column is made, it can't be, or a sum is beyond 64 bits.
    """
    columns = [one for one in form.columns if one.role != "marks" and one.inner != form.time]
    rules = {column.inner: _rule(column, how) for column in columns}
    exprs = [_expression(column, rules[column.inner]) for column in columns]
    names = [one.inner for one in columns]
    counted = [one for one in columns if one.dtype in (*_SIGNED, *_NATURAL)]
    summed = [one for one in counted if rules[one.inner] == "sum"]
    sums = [pl.col(one.inner).cast(pl.Float64).sum().alias(_BAR + one.inner) for one in summed]
    try:
        whole = table.select(names).with_columns(pl.Series(_BAR, labels, dtype=pl.Int64))
        rows = whole.group_by(_BAR, maintain_order=True).agg(*exprs, *sums)
    except pl.exceptions.PolarsError as error:
        message = f"`derive` can't make a column of longer bars: {error}"
        raise LoaderError(message) from error
    _check_sums(rows, summed)
    found = rows.select(names).with_columns(
        _decimals(rows[one.inner], rules[one.inner]) for one in columns if _is_decimal(one)
    )
    return _form(form, rules, found), rows[_BAR], found


def _rule(column: Column, how: Mapping[Any, str]) -> str:
    """Say by which rule a column is made."""
    name = _name(column)
    usual = _USUAL.get(name.lower()) if isinstance(name, str) else None
    chosen = how.get(name, usual)
    if chosen is None:
        key = f'"{name}"' if isinstance(name, str) else repr(name)
        message = (
            f"`derive` does not say how the column `{name}` of longer bars is made of shorter; "
            f'say so: derive={{"1h": ("1min", {{{key}: "last"}})}}'
        )
        raise LoaderError(message)
    if chosen not in _CHOSEN and _is_text(column):
        message = (
            f'`derive` takes the "{chosen}" of the column `{name}`, which has texts or categories '
            'and no numbers; take the "first" or the "last"'
        )
        raise LoaderError(message)
    return chosen


def _name(column: Column) -> Any:
    """Give the user's own name of a column; an index may have none."""
    return column.inner if column.role == "index" and column.label is None else column.label


def _expression(column: Column, rule: str) -> pl.Expr:
    name, dtype = column.inner, column.dtype
    values = pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)
    if _is_decimal(column):
        return values.drop_nulls().implode()
    if rule in _RECKONED:
        values = values.cast(_wide(dtype, rule))
    if rule in _CHOSEN:
        values = values.drop_nulls()
    made: pl.Expr = getattr(values, rule)()
    # Where there is nothing but what is no number, it stays that.
    return pl.coalesce(made, pl.col(name).first()) if dtype.is_float() else made


def _wide(dtype: pl.DataType, rule: str) -> pl.DataType:
    """Give the data type in which a sum, mean or median is reckoned."""
    if dtype in _SIGNED and rule == "sum":
        return pl.Int64()
    if dtype in _NATURAL and rule == "sum":
        return pl.UInt64()
    is_number = dtype in (*_SIGNED, *_NATURAL) or dtype.is_float()
    return pl.Float64() if is_number or (dtype.is_decimal() and rule != "sum") else dtype


def _check_sums(rows: pl.DataFrame, columns: Sequence[Column]) -> None:
    """See that no sum of whole numbers went over its 64 bits."""
    for column in columns:
        sums = rows[column.inner].cast(pl.Float64)
        if ((sums - rows[f"{_BAR}{column.inner}"]).abs() >= _WRAPPED).any():
            message = (
                f"the sum of the column `{_name(column)}` of longer bars is beyond 64 bits; "
                "give it as floats in the loader"
            )
            raise LoaderError(message)


def _decimals(lists: pl.Series, rule: str) -> pl.Series:
    """Reckon with decimals that are kept as texts."""
    make = _REDUCERS[rule]
    found = []
    for texts in lists.to_list():
        numbers = [decimal.Decimal(text) for text in texts]
        numbers = [number for number in numbers if not number.is_nan()]
        found.append(str(make(numbers)) if numbers or rule == "sum" else None)
    return pl.Series(lists.name, found, dtype=pl.String)


def _sum(numbers: Sequence[decimal.Decimal]) -> decimal.Decimal:
    total = decimal.Decimal(0)
    for number in numbers:
        total = _EXACT.add(total, number)
    return total


_REDUCERS: Final[dict[str, Callable[[Any], Any]]] = {
    "first": lambda numbers: numbers[0],
    "last": lambda numbers: numbers[-1],
    "max": max,
    "min": min,
    "sum": _sum,
    "mean": statistics.mean,
    "median": statistics.median,
}


def _cells(column: Column) -> Mapping[str, Any]:
    """Say what objects a column was made of, if it was of any."""
    cells: Mapping[str, Any] = column.outer.get("cells", column.outer)
    return cells


def _is_decimal(column: Column) -> bool:
    return _cells(column).get("kind") == "decimal"


def _is_text(column: Column) -> bool:
    if column.outer.get("as") == "categorical":
        return True
    return column.dtype in (pl.String, pl.Binary) and not _is_decimal(column)


def _form(form: Form, rules: Mapping[str, str], rows: pl.DataFrame) -> Form:
    """Give the form of longer bars: without notes on cells, and with the data types of columns."""
    columns = []
    for column in form.columns:
        if column.role == "marks":
            continue
        rule = rules.get(column.inner)
        columns.append(column if rule is None else _reckoned(column, rule, rows[column.inner]))
    details = {name: each for name, each in form.details.items() if name != "freq"}
    return replace(form, columns=tuple(columns), details=details)


def _reckoned(column: Column, rule: str, values: pl.Series) -> Column:
    """Say how a column is made into what it was, if its data type is another now."""
    if values.dtype == column.dtype and (rule not in _RECKONED or "dtype" not in column.outer):
        return column
    outer: dict[str, Any] = {"as": column.outer["as"]}
    cells = {"kind": "float" if values.dtype.is_float() else "int"}
    if _cells(column).get("kind") == "numpy":
        cells = {"kind": "numpy"}
    if outer["as"] == "cells":
        outer |= cells
    if outer["as"] == "object":
        outer |= {**column.outer, "cells": cells}
    return replace(column, dtype=values.dtype, outer=outer, seen=True)
