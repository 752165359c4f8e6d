"""The files of batches as one: in the order of the list, and the same however it was cut."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError, MergeError
from afml_cache.sweeping.batch_checks import Checked, check_batches
from afml_cache.sweeping.batch_parts import Part, fitted_rows, joined_columns
from afml_cache.sweeping.installed import arrow
from afml_cache.sweeping.parquet_files import GROUP, write_groups, writer
from afml_cache.sweeping.whole_files import digest_of, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from afml_cache.sweeping.batch_files import Batch, Recorded

# So many holes are told.
_FEW: Final = 5


@dataclass(frozen=True)
class Merged:
    """What was merged.

    Attributes
    ----------
    path : Path
        Of the merged file.
    rows : int
        How many there are.
    digest : str
        Of the file's content.
    """

    path: Path
    rows: int
    digest: str


def merge_batches(
    files: Sequence[tuple[Path, Batch]],
    output: Path,
    recorded: Sequence[Recorded | None] | None = None,
    *,
    threads: int | None = None,
) -> Merged:
    """Write the rows of all batches as one Parquet file.

    Rows are in the order of the list, and in groups of 65,536. What the file holds, byte for byte,
    depends on the rows alone, and not on how the list was cut into batches. Memory holds about one
    group at a time.

    Parameters
    ----------
    files : sequence of (Path, Batch)
        In the order of the list.
    output : Path
        Where the merged file is to be; what is there is replaced once the new one is whole.
    recorded : sequence of (Recorded or None), optional
        What was recorded of each file; one that nobody recorded is a hole. By default files are
        taken by what they say of themselves.
    threads : int, optional
        How many threads look at the files before; by default four more than there are cores.

    Returns
    -------
    Merged
        The file.

    Raises
    ------
    MergeError
        A batch has no file, or none that is whole and of this list; the message has the number of
        the batch, from 1, its file, and why. Nothing is written.
    SchemaError
        Columns of two batches do not go together, or a whole number would lose digits as a float;
        the message names the column and the items.
    CacheConfigError
        `output` is one of the files, or there is not a record for each.
    ImportError
        pyarrow is not installed.
    OSError
        The file can't be written.
    """
    _check_arguments(files, output, recorded)
    records = [None] * len(files) if recorded is None else list(recorded)
    checked = check_batches(
        [(*file, record) for file, record in zip(files, records, strict=True)], threads=threads
    )
    _see_whole(checked, is_recorded=recorded is not None)
    parts = [
        Part(number, *file, one.stamp, None if record is None else record.digest)
        for number, (file, one, record) in enumerate(zip(files, checked, records, strict=True), 1)
    ]
    schema = joined_columns(parts)
    with replacing(output) as file:
        rows = 0
        with writer(file, schema, "zstd") as parquet:
            for group in _groups(parts, schema):
                rows += group.num_rows
                write_groups(parquet, group)
        file.flush()
        return Merged(output, rows, digest_of(file))


def _check_arguments(
    files: Sequence[tuple[Path, Batch]],
    output: Path,
    recorded: Sequence[Recorded | None] | None,
) -> None:
    if recorded is not None and len(recorded) != len(files):
        message = f"`recorded` has {len(recorded)} records of {len(files)} files; give one of each"
        raise CacheConfigError(message)
    if os.path.realpath(output) in {os.path.realpath(path) for path, _ in files}:
        message = f"`{output}` is the file of a batch; merge into another"
        raise CacheConfigError(message)


def _see_whole(checked: list[Checked], *, is_recorded: bool) -> None:
    taken = {"done"} if is_recorded else {"done", "unrecorded"}
    holes = [(at, one) for at, one in enumerate(checked, 1) if one.state not in taken]
    if not holes:
        return
    (number, first), *others = holes
    nor = ", ".join(str(at) for at, _ in others[:_FEW])
    if len(others) > _FEW:
        nor += f" and {len(others) - _FEW} more"
    message = (
        f"batch {number} of {len(checked)} can't be merged{f' (nor can {nor})' if nor else ''}: "
        f"`{first.path}` is {first.state}: {first.reason}; run the batch again"
    )
    raise MergeError(message)


def _groups(parts: list[Part], schema: Any) -> Iterator[Any]:
    """Give the rows of all parts in tables of `GROUP`, the last of them of what is left."""
    tables: list[Any] = []
    held = 0
    for part in parts:
        for table in fitted_rows(part, schema):
            tables.append(table)
            held += table.num_rows
            if held >= GROUP:
                whole = arrow().concat_tables(tables)
                yield whole.slice(0, GROUP)
                tables = [whole.slice(GROUP)]
                held -= GROUP
    if held:
        yield arrow().concat_tables(tables)
