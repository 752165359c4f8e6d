"""Files of earlier tools, vouched for by the user: `adopt_existing=True`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import MergeError, SchemaError
from afml_cache.sweeping.batch_checks import columns_in
from afml_cache.sweeping.batch_files import Written
from afml_cache.sweeping.column_types import ClashError, ForeignError, joined, plain, word
from afml_cache.sweeping.installed import arrow
from afml_cache.sweeping.parquet_files import (
    DamagedError,
    batch_of,
    begun,
    opened_parquet,
    rows_of_items_in,
    tables_in,
)
from afml_cache.sweeping.whole_files import UnusableError, digest_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from afml_cache.sweeping.batch_files import Batch


def adopt_batch(path: Path, batch: Batch, columns: Any = None) -> Written:
    """Take a file that is there as that of a batch, as it is.

    All of it is read once. A file of another tool has one row for each item of the batch; one that
    `write_batch` has written says how many rows each has.

    Parameters
    ----------
    path : Path
        Of the file, which is not changed.
    batch : Batch
        What the user says that it is of.
    columns : pyarrow.Schema, optional
        Those of the other files: a file of another tool has the same, and of types that go
        together.

    Returns
    -------
    Written
        To be recorded.

    Raises
    ------
    MergeError
        There is no such file, it is no Parquet file that can be read, it is of another list, or
        has other numbers of rows than there are items.
    SchemaError
        Its columns are not those of the others.
    ImportError
        pyarrow is not installed.
    """
    try:
        with opened(path) as file:
            found = opened_parquet(file)
            _see_rows(path, found, batch)
            _see_columns(path, found, columns)
            rows = sum(table.num_rows for table in tables_in(found))
            digest = digest_of(file)
            return Written(digest, rows, file.tell())
    except (UnusableError, DamagedError, OSError, MemoryError) as error:
        raise _refused(path, str(error) or "out of memory") from error


def columns_of(paths: Iterable[Path]) -> Any:
    """Give the columns of files, joined; `None` where there are no files.

    A file that can't be read, or whose columns do not go together with those before, adds none:
    who merges it says so.
    """
    columns: dict[str, Any] = {}
    for path in paths:
        with contextlib.suppress(UnusableError, DamagedError, ForeignError, ClashError, OSError):
            with opened(path) as file:
                own = columns_in(begun(file))
            columns.update(
                {name: joined(columns.get(name, kind), kind, name) for name, kind in own.items()}
            )
    return arrow().schema(list(columns.items())) if columns else None


def _refused(path: Path, reason: str) -> MergeError:
    return MergeError(f"`{path}` can't be adopted: {reason}")


def _see_rows(path: Path, found: Any, batch: Batch) -> None:
    named = batch_of(found)
    if named is not None and named != batch.id:
        reason = "it says that it is of another list of items; leave it to be computed again"
        raise _refused(path, reason)
    items, rows = len(batch.item_ids), found.metadata.num_rows
    if rows_of_items_in(found, items) is None and rows != items:
        reason = (
            f"it has {rows:,} rows and the batch has {items:,} items, and nothing says which row "
            "is whose; set the batch size of the tool that wrote it, or have it computed again"
        )
        raise _refused(path, reason)


def _see_columns(path: Path, found: Any, columns: Any) -> None:
    try:
        own = columns_in(found)
    except ForeignError as error:
        message = f"`{path}` can't be adopted: it has a column of the type `{error}`"
        raise SchemaError(message) from error
    if columns is None:
        return
    others = {field.name: plain(field.type) for field in columns}
    missing = [name for name in others if name not in own]
    added = [name for name in own if name not in others]
    if batch_of(found) is None and (missing or added):
        these = [
            f"{what} {', '.join(f'`{name}`' for name in names)}"
            for what, names in (("lacks", missing), ("has besides", added))
            if names
        ]
        message = (
            f"`{path}` can't be adopted: of the columns of the others it {' and '.join(these)}"
        )
        raise SchemaError(message)
    try:
        for name in own.keys() & others.keys():
            joined(others[name], own[name], name)
    except ClashError as clash:
        message = (
            f"`{path}` can't be adopted: its column `{clash.path}` is {word(clash.second)}, and "
            f"{word(clash.first)} in others"
        )
        raise SchemaError(message) from None
