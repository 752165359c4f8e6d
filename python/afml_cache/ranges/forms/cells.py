"""Python objects of one column as a series of polars, and back as the very types they were."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.forms import moments

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = Any

# What the marks beside a column say of a cell, as bits.
WHOLE: Final = 1  # an int among floats
ABSENT: Final = 2  # the object has no such attribute, the dictionary no such key
UNSET: Final = 4  # a model's default that nobody gave
# The bits above are a Timestamp's unit, by `moments`.

# Up to here every whole number is a float too.
EXACT: Final = 2**53
_TOP: Final = 2**63

_PLAIN: Final[dict[type, tuple[str, pl.DataType]]] = {
    bool: ("bool", pl.Boolean()),
    float: ("float", pl.Float64()),
    str: ("str", pl.String()),
    bytes: ("bytes", pl.Binary()),
    dt.date: ("date", pl.Date()),
    dt.time: ("time", pl.Time()),
    dt.timedelta: ("timedelta", pl.Duration("us")),
}
_LISTED: Final = frozenset(kind for kind, _ in _PLAIN.values()) | {"int", "none"}
_NESTED: Final = (list, dict, tuple)
_REMEDY: Final = "make them texts, numbers, times or dates of one type in the loader"


class Cells(NamedTuple):
    """A column of objects: values for the table, what makes them objects again, and marks."""

    values: pl.Series
    outer: dict[str, Json]
    marks: list[int] | None = None


def read(
    where: str, cells: Sequence[Any], *, enum: type[Enum] | None = None, nested: bool = False
) -> Cells:
    """Read a column of objects, `None` for missing ones.

    Parameters
    ----------
    where
        What messages call the column.
    cells
        The objects.
    enum
        The enumeration that the class says the column is of.
    nested
        Whether lists and dictionaries are taken.

    Raises
    ------
    LoaderError
        They are of several types, or of one that can't be kept.
    """
    kinds = {type(cell) for cell in cells} - {type(None)}
    try:
        return _read(where, cells, kinds, enum=enum, nested=nested)
    except LoaderError:
        raise
    except (OverflowError, ValueError, pl.exceptions.PolarsError) as cause:
        message = f"{where} holds a value that can't be kept ({cause}); {_REMEDY}"
        raise LoaderError(message) from cause


def _read(  # noqa: PLR0911 - one of each kind
    where: str, cells: Sequence[Any], kinds: set[type], *, enum: type[Enum] | None, nested: bool
) -> Cells:
    if not kinds:
        return Cells(pl.Series([None] * len(cells), dtype=pl.Null), {"kind": "none"})
    if kinds == {int, float}:
        return _numbers(where, cells)
    if nested and (kinds <= {list, dict} or kinds == {tuple}):
        return _nested(where, cells, kinds)
    if len(kinds) > 1:
        raise _refused(where, kinds)
    (kind,) = kinds
    if kind in _PLAIN and _is_sound(kind, cells):
        name, dtype = _PLAIN[kind]
        return Cells(pl.Series(list(cells), dtype=dtype), {"kind": name})
    if kind is int:
        return _integers(where, cells)
    if kind is decimal.Decimal:
        # As texts, since each has a number of digits of its own.
        texts = [None if cell is None else str(cell) for cell in cells]
        return Cells(pl.Series(texts, dtype=pl.String), {"kind": "decimal"})
    if issubclass(kind, dt.datetime):
        return Cells(*moments.read(where, cells, kind))
    if issubclass(kind, Enum):
        return _members(where, cells, kind, enum)
    return _scalars(where, cells, kind)


def _is_sound(kind: type, cells: Sequence[Any]) -> bool:
    return kind is not dt.time or all(cell is None or cell.tzinfo is None for cell in cells)


def _refused(where: str, kinds: set[type]) -> LoaderError:
    names = " and ".join(sorted(f"`{kind.__module__}.{kind.__qualname__}`" for kind in kinds))
    return LoaderError(f"{where} holds {names} objects, which can't be kept; {_REMEDY}")


def _integers(where: str, cells: Sequence[Any]) -> Cells:
    present = [cell for cell in cells if cell is not None]
    dtype = pl.UInt64 if max(present) >= _TOP and min(present) >= 0 else pl.Int64
    if max(present) >= 2 * _TOP or (dtype is pl.Int64 and not -_TOP <= min(present) <= _TOP):
        message = (
            f"{where} holds whole numbers beyond 64 bits; give them as texts or `Decimal` in the "
            "loader"
        )
        raise LoaderError(message)
    return Cells(pl.Series(list(cells), dtype=dtype), {"kind": "int"})


def _numbers(where: str, cells: Sequence[Any]) -> Cells:
    whole = [type(cell) is int for cell in cells]
    if any(is_whole and abs(cell) > EXACT for cell, is_whole in zip(cells, whole, strict=True)):
        message = (
            f"{where} holds floats, and whole numbers beyond 2**53 that are none; make them all "
            "`int` or all `float` in the loader"
        )
        raise LoaderError(message)
    floats = [None if cell is None else float(cell) for cell in cells]
    marks = [WHOLE if is_whole else 0 for is_whole in whole]
    return Cells(pl.Series(floats, dtype=pl.Float64), {"kind": "number"}, marks)


def _nested(where: str, cells: Sequence[Any], kinds: set[type]) -> Cells:
    of_tuples = kinds == {tuple}
    plain = [list(cell) if of_tuples and cell is not None else cell for cell in cells]
    if not all(map(_is_json, plain)):
        raise _refused(where, kinds)
    texts = [None if cell is None else json.dumps(cell) for cell in plain]
    outer = {"kind": "json", "tuple": True} if of_tuples else {"kind": "json"}
    return Cells(pl.Series(texts, dtype=pl.String), outer)


def _is_json(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(_is_json, value.values()))
    if type(value) is list:
        return all(map(_is_json, value))
    return type(value) in {str, int, float, bool, type(None)}


def _members(where: str, cells: Sequence[Any], kind: type, enum: type[Enum] | None) -> Cells:
    names = [None if cell is None else cell.name for cell in cells]
    known: dict[Any, Any] = {None: None} | dict(enum.__members__ if enum is kind else {})
    if any(known.get(name) is not cell for cell, name in zip(cells, names, strict=True)):
        message = (
            f"{where} holds members of `{kind.__qualname__}` that can't be found again by name: "
            "annotate the field of the class with the enumeration, or give their names or values"
        )
        raise LoaderError(message)
    return Cells(pl.Series(names, dtype=pl.String), {"kind": "enum"})


def _scalars(where: str, cells: Sequence[Any], kind: type) -> Cells:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not issubclass(kind, numpy.bool_ | numpy.integer | numpy.floating):
        raise _refused(where, {kind})
    dtype = numpy.dtype(kind)
    if dtype.kind == "f" and dtype.itemsize > numpy.dtype("f8").itemsize:
        raise _refused(where, {kind})
    filled = numpy.array([kind(0) if cell is None else cell for cell in cells], dtype=dtype)
    missing = pl.Series([cell is None for cell in cells], dtype=pl.Boolean)
    outer = {"kind": "numpy", "dtype": dtype.str}
    return Cells(pl.Series(filled).set(missing, None), outer)


def write(
    values: pl.Series,
    outer: Json,
    marks: pl.Series | None = None,
    enum: type[Enum] | None = None,
) -> list[Any]:
    """Make objects again of what `read` gave, `None` for missing ones."""
    kind = outer["kind"]
    if kind in _LISTED:
        return values.to_list()
    if kind == "number":
        return _write_numbers(values, marks, plain=WHOLE if outer.get("plain") == "int" else 0)
    if kind in {"datetime", "timestamp"}:
        return moments.write(values, outer, marks)
    if kind == "numpy":
        return _write_scalars(values)
    return [None if text is None else _made(outer, text, enum) for text in values.to_list()]


def _write_numbers(values: pl.Series, marks: pl.Series | None, *, plain: int) -> list[Any]:
    cells = values.to_list()
    noted = [plain] * len(cells) if marks is None else marks.fill_null(plain).to_list()
    return [
        int(cell) if cell is not None and mark & WHOLE else cell
        for cell, mark in zip(cells, noted, strict=True)
    ]


def _write_scalars(values: pl.Series) -> list[Any]:
    missing = values.is_null().to_list()
    filled = values.fill_null(False if values.dtype == pl.Boolean else 0)
    return [
        None if absent else cell
        for absent, cell in zip(missing, list(filled.to_numpy()), strict=True)
    ]


def _made(outer: Json, text: str, enum: type[Enum] | None) -> Any:
    kind = outer["kind"]
    if kind == "decimal":
        return decimal.Decimal(text)
    if kind == "json":
        cell = json.loads(text)
        return tuple(cell) if outer.get("tuple") else cell
    if enum is None or text not in enum.__members__:
        message = (
            f"the stored name {text!r} is no member of {enum}; bind the class whose field is "
            "annotated with the enumeration, or invalidate the series"
        )
        raise CacheConfigError(message)
    return enum[text]
