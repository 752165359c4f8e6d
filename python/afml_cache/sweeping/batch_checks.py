"""Whether the file of a batch is done: whole, recorded, and of this list."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from afml_cache.sweeping.column_types import ClashError, ForeignError, joined, plain, word
from afml_cache.sweeping.parquet_files import (
    DamagedError,
    batch_of,
    begun,
    opened_parquet,
    rows_of_items_in,
)
from afml_cache.sweeping.whole_files import UnusableError, digest_of, opened, stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from afml_cache.sweeping.batch_files import Batch, Recorded

State = Literal["done", "absent", "unrecorded", "damaged", "of another list", "of other columns"]

# Threads beyond the cores: some wait for the disk.
_MORE: Final = 4


@dataclass(frozen=True)
class Checked:
    """What there is of the file of a batch.

    Attributes
    ----------
    path : Path
        Of the file.
    state : str
        "done"; "absent"; "unrecorded" for a sound file that nobody recorded; "damaged" for one
        that is cut, was changed, or is no regular file that can be read; "of another list"; or "of
        other columns".
    reason : str
        Why it is not done, in words; empty where it is.
    stamp : tuple of int
        What tells whether the file was touched since.
    """

    path: Path
    state: State
    reason: str = ""
    stamp: tuple[int, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the batch need not be computed."""
        return self.state == "done"


def check_batch(
    path: Path, batch: Batch, recorded: Recorded | None, columns: Any = None
) -> Checked:
    """See whether the file of a batch is done.

    Whatever lies at the path is told, and nothing of it is raised: links are not followed, and
    files are looked at before pyarrow reads them. Where the content is the recorded one, pyarrow
    is not needed at all.

    Parameters
    ----------
    path : Path
        Of the file.
    batch : Batch
        What it is to be of.
    recorded : Recorded or None
        What was recorded of it.
    columns : pyarrow.Schema, optional
        Those of other batches; a file whose columns do not go together with them is not done.

    Returns
    -------
    Checked
        Its state, and why.

    Raises
    ------
    ImportError
        A file is not as recorded, and pyarrow, which says why, is not installed.
    """
    try:
        with opened(path) as file:
            stamp = stamp_of(file)
            return Checked(path, *_looked_at(file, batch, recorded, columns), stamp)
    except FileNotFoundError:
        return Checked(path, "absent", "there is no such file")
    except (UnusableError, DamagedError) as error:
        return Checked(path, "damaged", str(error))
    except (OSError, MemoryError) as error:
        return Checked(path, "damaged", f"it can't be read ({error or 'out of memory'})")


def _looked_at(
    file: BinaryIO, batch: Batch, recorded: Recorded | None, columns: Any
) -> tuple[State, str]:
    if recorded is not None and _is_as_recorded(file, recorded):
        if recorded.batch_id != batch.id:
            return "of another list", "it was recorded for other items, data or code"
        return ("done", "") if columns is None else _fits(begun(file), columns)
    found = opened_parquet(file)
    named = batch_of(found)
    if named is not None and named != batch.id:
        return "of another list", "it says that it is of other items, data or code"
    if recorded is not None:
        return "damaged", _unlike(file, recorded)
    rows_of_items_in(found, len(batch.item_ids))
    fits: tuple[State, str] = ("done", "") if columns is None else _fits(found, columns)
    if fits[0] != "done":
        return fits
    maker = "of another tool" if named is None else "which may be of a run that was killed"
    return "unrecorded", f"nobody recorded it, {maker}; `adopt_existing=True` takes it as it is"


def _is_as_recorded(file: BinaryIO, recorded: Recorded) -> bool:
    size = os.fstat(file.fileno()).st_size
    return size == recorded.size and digest_of(file) == recorded.digest


def _unlike(file: BinaryIO, recorded: Recorded) -> str:
    size = os.fstat(file.fileno()).st_size
    if size == recorded.size:
        return "its content is not what was recorded: it was changed"
    return f"it has {size:,} bytes, and {recorded.size:,} were recorded: it was cut or replaced"


def _fits(found: Any, columns: Any) -> tuple[State, str]:
    try:
        for name, kind in columns_in(found).items():
            at = columns.get_field_index(name)
            if at >= 0:
                joined(plain(columns.field(at).type), kind, name)
    except ClashError as clash:
        these = f"{word(clash.second)}, and {word(clash.first)} in others"
        return "of other columns", f"its column `{clash.path}` is {these}"
    except ForeignError as error:
        return "of other columns", f"it has a column of the type `{error}`"
    return "done", ""


def columns_in(found: Any) -> dict[str, Any]:
    """Give the types of an open file's columns, by name.

    Raises
    ------
    DamagedError
        What it says of them can't be read, or two share a name.
    ForeignError
        Files of batches do not have one of these types.
    """
    try:
        fields = list(found.schema_arrow)
    except Exception as error:
        message = f"it is damaged: what it says of its columns can't be read ({error})"
        raise DamagedError(message) from error
    columns = {field.name: plain(field.type) for field in fields}
    if len(columns) < len(fields):
        message = "two of its columns have one name"
        raise DamagedError(message)
    return columns


def check_batches(
    files: Sequence[tuple[Path, Batch, Recorded | None]],
    columns: Any = None,
    *,
    threads: int | None = None,
) -> list[Checked]:
    """See whether the files of batches are done, several at a time.

    Parameters
    ----------
    files : sequence of (Path, Batch, Recorded or None)
        As `check_batch` takes them.
    columns : pyarrow.Schema, optional
        As `check_batch` takes them.
    threads : int, optional
        How many threads look at files; by default four more than there are cores.

    Returns
    -------
    list of Checked
        In the order of `files`.
    """

    def look(file: tuple[Path, Batch, Recorded | None]) -> Checked:
        path, batch, recorded = file
        return check_batch(path, batch, recorded, columns)

    most = max(1, threads or (os.cpu_count() or 1) + _MORE)
    if most == 1 or len(files) <= 1:
        return [look(each) for each in files]
    with ThreadPoolExecutor(min(most, len(files)), "afml-cache-files") as pool:
        return [*pool.map(look, files)]
