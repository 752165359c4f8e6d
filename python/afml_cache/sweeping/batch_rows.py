"""What items gave as rows: columns of values or arrays, by name."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import SchemaError
from afml_cache.sweeping.batch_frames import check_name, is_table, of_table
from afml_cache.sweeping.cell_values import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAKEN: Final = (
    "an item gives a mapping of names to plain values, a list of such mappings, a dataclass or a "
    "named tuple (a row), a Series or a DataFrame of pandas, a DataFrame of polars, a table of "
    "pyarrow, or None for no rows"
)


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one item.

    Attributes
    ----------
    count : int
        How many there are.
    columns : dict
        Lists of values of Python, or arrays of pyarrow, of that length, by name.
    """

    count: int
    columns: dict[str, Any]


_NONE: Final = Rows(0, {})


def rows_of(given: Any, position: int) -> Rows:
    """Give what an item gave as rows.

    A row without columns is none.

    Parameters
    ----------
    given
        What the function gave.
    position : int
        Of the item in the list, from 0, for messages.

    Raises
    ------
    SchemaError
        It can't be rows.
    """
    if given is None:
        return _NONE
    if is_table(given):
        return _columns(*of_table(given, position))
    row = _row(given, position)
    if row is not None:
        return _of_rows([row], position)
    if not isinstance(given, list | tuple):
        message = f"item {position} gave a `{type(given).__qualname__}`: {_TAKEN}"
        raise SchemaError(message)
    rows = []
    for number, each in enumerate(given):
        row = _row(each, position)
        if row is None:
            message = (
                f"item {position} gave a list with a `{type(each).__qualname__}` as its row "
                f"{number}: {_TAKEN}"
            )
            raise SchemaError(message)
        rows.append(row)
    return _of_rows(rows, position)


def _row(given: Any, position: int) -> Mapping[Any, Any] | None:
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(given, pandas.Series):
        return fields_of(given)
    if not given.index.is_unique:
        message = f"item {position} gave a Series that has two values of one name; rename one"
        raise SchemaError(message)
    return dict(given.items())


def _of_rows(rows: list[Mapping[Any, Any]], position: int) -> Rows:
    rows = [row for row in rows if row]
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        check_name(name, position)
    return _columns(
        len(rows), {str.__str__(name): [row.get(name) for row in rows] for name in names}
    )


def _columns(count: int, columns: dict[str, Any]) -> Rows:
    return Rows(count, columns) if columns and count else _NONE
