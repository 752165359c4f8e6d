"""The rows of a batch as one table, whose types are joins over all values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from afml_cache.exceptions import SchemaError
from afml_cache.sweeping.cell_values import CellError, array_of
from afml_cache.sweeping.column_types import ClashError, fitted, joined, word
from afml_cache.sweeping.installed import arrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from afml_cache.sweeping.batch_rows import Rows


def table_of(items: Sequence[Rows], first: int) -> Any:
    """Give the rows of items as one table, in their order.

    Parameters
    ----------
    items : sequence of Rows
        Of each item.
    first : int
        Position of the first of them in the list, for messages.

    Returns
    -------
    pyarrow.Table
        Columns in the order in which they come up; null where an item has none.

    Raises
    ------
    SchemaError
        Values of a column do not go together, or can't be stored; the message names the items.
    """
    columns = {}
    for name in dict.fromkeys(name for rows in items for name in rows.columns):
        pieces = [rows.columns.get(name, [None] * rows.count) for rows in items]
        try:
            columns[name] = _column([*_runs(pieces)])
        except (ClashError, CellError, arrow().ArrowException):
            _tell(name, pieces, first)
    return arrow().table(columns)


def _runs(pieces: list[Any]) -> Iterator[Any]:
    """Give pieces with lists that follow each other as one array."""
    run: list[Any] = []
    for piece in pieces:
        if isinstance(piece, list):
            run.extend(piece)
            continue
        if run:
            yield array_of(run)
            run = []
        yield piece
    if run:
        yield array_of(run)


def _column(arrays: list[Any]) -> Any:
    kind = arrow().null()
    for each in arrays:
        kind = joined(kind, each.type)
    return arrow().chunked_array([fitted(each, kind) for each in arrays], kind)


def _tell(name: str, pieces: list[Any], first: int) -> NoReturn:
    """Say which items make that a column can't be stored."""
    known: list[tuple[int, Any]] = []
    for position, piece in enumerate(pieces, first):
        try:
            kind = (array_of(piece) if isinstance(piece, list) else piece).type
        except CellError as error:
            message = f"item {position} gave the column `{name}` with {error}"
            raise SchemaError(message) from None
        except ClashError as clash:
            raise clashing(name, clash, position, position) from None
        check_apart(name, known, position, kind)
        known.append((position, kind))
    whole = known[0][1]
    for _, kind in known[1:]:
        whole = joined(whole, kind)
    for position, piece in enumerate(pieces, first):
        array = array_of(piece) if isinstance(piece, list) else piece
        see_fitted(name, array, whole, position)
    message = f"the column `{name}` has no type that holds its values"
    raise SchemaError(message)


def check_apart(name: str, known: list[tuple[int, Any]], position: int, kind: Any) -> None:
    """See that what an item has in a column goes together with that of those before.

    Parameters
    ----------
    known : list of (int, pyarrow.DataType)
        Positions of the items before, and what they have in the column.

    Raises
    ------
    SchemaError
        The message names the column, both types and the first item of each.
    """
    for before, other in known:
        try:
            joined(other, kind)
        except ClashError as clash:
            raise clashing(name, clash, before, position) from None


def clashing(name: str, clash: ClashError, before: int, position: int) -> SchemaError:
    """Say that two items have values in a column that do not go together."""
    these = f"{word(clash.first)} of item {before} and {word(clash.second)} of item {position}"
    return SchemaError(
        f"the column `{name}{clash.path}` has {these}, which no column holds together: give it one "
        "type in all items"
    )


def see_fitted(name: str, array: Any, kind: Any, position: int) -> None:
    """See that the values of an item keep all their digits in the type of their column.

    Raises
    ------
    SchemaError
        One does not; the message names the column and the item.
    """
    try:
        fitted(array, kind)
    except arrow().ArrowException as error:
        message = (
            f"item {position} has a value in the column `{name}` that is lost where others make "
            f"the column one of {word(kind)}: {error}; give it one type in all items"
        )
        raise SchemaError(message) from None
