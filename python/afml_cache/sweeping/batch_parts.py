"""What the file of one batch adds to a merged one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from afml_cache.exceptions import MergeError, SchemaError
from afml_cache.sweeping.batch_checks import columns_in
from afml_cache.sweeping.batch_columns import clashing, see_fitted
from afml_cache.sweeping.column_types import ClashError, ForeignError, fitted, joined
from afml_cache.sweeping.installed import arrow
from afml_cache.sweeping.parquet_files import DamagedError, begun, rows_of_items_in, tables_in
from afml_cache.sweeping.whole_files import UnusableError, digest_of, opened, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from afml_cache.sweeping.batch_files import Batch


@dataclass(frozen=True)
class Part:
    """A batch, its number from 1, and its file as it was when it was looked at.

    Another process that runs the same list may put the same content there again: with a digest, the
    file may be another one that has it.
    """

    number: int
    path: Path
    batch: Batch
    stamp: tuple[int, ...]
    digest: str | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the file, which has to be what it was.

        Raises
        ------
        MergeError
            It is not, or can't be read.
        """
        try:
            with opened(self.path) as file:
                self._see_unchanged(file)
                yield begun(file)
        except (UnusableError, DamagedError, FileNotFoundError) as error:
            message = (
                f"batch {self.number} can't be merged: `{self.path}`: {error}; run the batch again"
            )
            raise MergeError(message) from error

    def _see_unchanged(self, file: BinaryIO) -> None:
        if stamp_of(file) != self.stamp and digest_of(file) != self.digest:
            message = "it was changed while batches were merged"
            raise DamagedError(message)

    def item_at(self, found: Any, row: int) -> int:
        """Give the position in the list of the item that a row is of."""
        items = len(self.batch.item_ids)
        counts = rows_of_items_in(found, items)
        if counts is None:
            counts = [1] * items
        ends = accumulate(counts)
        return self.batch.first + next((at for at, end in enumerate(ends) if row < end), 0)


def joined_columns(parts: list[Part]) -> Any:
    """Give the columns of all parts, in the order in which they come up.

    Raises
    ------
    SchemaError
        Those of two do not go together.
    MergeError
        A file can't be read.
    """
    columns: dict[str, Any] = {}
    seen: list[tuple[Part, dict[str, Any]]] = []
    for part in parts:
        with part.opened() as found:
            try:
                own = columns_in(found)
            except ForeignError as error:
                message = f"`{part.path}` has a column of the type `{error}`; write it as another"
                raise SchemaError(message) from error
        for name, kind in own.items():
            try:
                columns[name] = joined(columns[name], kind) if name in columns else kind
            except ClashError:
                _tell_clash(name, seen, part, kind)
        seen.append((part, own))
    return arrow().schema(list(columns.items()))


def _tell_clash(
    name: str, seen: list[tuple[Part, dict[str, Any]]], part: Part, kind: Any
) -> NoReturn:
    for before, own in seen:
        try:
            joined(own.get(name, arrow().null()), kind)
        except ClashError as clash:
            first, second = _first_item(before, name), _first_item(part, name)
            raise clashing(name, clash, first, second) from None
    message = f"the column `{name}` of `{part.path}` does not go together with the files before"
    raise SchemaError(message)


def _first_item(part: Part, name: str) -> int:
    """Give the position of the first item with a value in a column."""
    start = 0
    with part.opened() as found:
        for table in tables_in(found):
            valid = arrow("compute").index(table.column(name).is_valid(), value=True).as_py()
            if valid >= 0:
                return part.item_at(found, start + valid)
            start += table.num_rows
    return part.batch.first


def fitted_rows(part: Part, schema: Any) -> Iterator[Any]:
    """Give the rows of a part as tables with the columns of all.

    Raises
    ------
    SchemaError
        A value would lose digits.
    MergeError
        The file can't be read.
    """
    pyarrow, start = arrow(), 0
    with part.opened() as found:
        for table in tables_in(found):
            arrays = {name: table.column(name) for name in table.schema.names}
            columns = []
            for field in schema:
                array = arrays.get(field.name)
                if array is None:
                    array = pyarrow.nulls(table.num_rows, field.type)
                try:
                    columns.append(fitted(array, field.type))
                except pyarrow.ArrowException:
                    _tell_lost(part, found, start, array, field)
            start += table.num_rows
            yield pyarrow.table(columns, schema=schema)


def _tell_lost(part: Part, found: Any, start: int, array: Any, field: Any) -> NoReturn:
    for row in range(len(array)):
        position = part.item_at(found, start + row)
        see_fitted(field.name, array.slice(row, 1), field.type, position)
    message = f"the column `{field.name}` of `{part.path}` can't be merged"
    raise SchemaError(message)
