"""Parquet that is the same, byte for byte, for the same rows; and what such a file says of itself.

Batches are compressed with LZ4, since files so compressed are looked at by `check_parquet` before
anything believes what they say. Files for other tools are compressed with Zstandard.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache._native import check_parquet
from afml_cache.sweeping.installed import arrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Rows of each row group but the last.
GROUP: Final = 65_536
_BATCH: Final = b"afml_cache.batch"
_ROWS: Final = b"afml_cache.rows_of_items"


class DamagedError(Exception):
    """A file is no Parquet file that can be read; `str` of it says why."""


def writer(file: BinaryIO, schema: Any, compression: str) -> Any:
    """Begin a file; it is whole once the writer is closed."""
    return arrow("parquet").ParquetWriter(
        file,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression=compression,
        use_dictionary=True,
        write_statistics=True,
        write_page_checksum=True,
        store_schema=True,
    )


def write_groups(file: Any, table: Any) -> None:
    """Write rows as groups of `GROUP`, each in one piece.

    Where pieces end is where pages end, which would be seen in the bytes.
    """
    for start in range(0, table.num_rows, GROUP):
        file.write_table(table.slice(start, GROUP).combine_chunks(), row_group_size=GROUP)


def told(batch_id: str, rows_of_items: Sequence[int]) -> dict[bytes, bytes]:
    """Give what a file of a batch says: of which list it is, and how many rows each item has."""
    runs = [[count, len([*each])] for count, each in groupby(rows_of_items)]
    return {_BATCH: batch_id.encode(), _ROWS: json.dumps(runs).encode()}


def opened_parquet(file: BinaryIO) -> Any:
    """Open a Parquet file that may hold anything.

    Raises
    ------
    DamagedError
        It is none, it is cut, or says of itself what can't be.
    """
    file.seek(0)
    content = file.read()
    failed: Exception | None = None
    try:
        check_parquet(content)
    except Exception as error:  # noqa: BLE001 - the core's, or of memory
        failed = error
    del content
    found = begun(file)
    # What other tools compress otherwise does not pass, and is no worse for it.
    if failed is not None and batch_of(found) is not None:
        message = f"it is damaged: {failed}"
        raise DamagedError(message)
    return found


def begun(file: BinaryIO) -> Any:
    """Open a Parquet file whose content is known.

    Raises
    ------
    DamagedError
        It has no footer that can be read.
    """
    file.seek(0)
    try:
        return arrow("parquet").ParquetFile(file, page_checksum_verification=True)
    except ImportError:
        raise
    except Exception as error:
        message = f"it is no whole Parquet file ({error}): it was cut short, or never was one"
        raise DamagedError(message) from error


def tables_in(found: Any) -> Iterator[Any]:
    """Give the rows of an open file, at most `GROUP` of them at a time.

    Raises
    ------
    DamagedError
        They can't be read, or are not as many as the file says.
    """
    seen = 0
    try:
        for batch in found.iter_batches(batch_size=GROUP, use_threads=False):
            seen += batch.num_rows
            yield batch
    except Exception as error:
        message = f"it is damaged: its rows can't be read ({error})"
        raise DamagedError(message) from error
    if seen != found.metadata.num_rows:
        message = f"it is damaged: it has {seen} rows, and says {found.metadata.num_rows}"
        raise DamagedError(message)


def batch_of(found: Any) -> str | None:
    """Give the id of the batch that a file says it is of; `None` for a file of another tool."""
    text = (found.metadata.metadata or {}).get(_BATCH)
    return None if text is None else str(text.decode(errors="replace"))


def rows_of_items_in(found: Any, items: int) -> list[int] | None:
    """Give how many rows each item has, as a file says; `None` where it says nothing.

    Raises
    ------
    DamagedError
        What it says does not fit its items or its rows.
    """
    text = (found.metadata.metadata or {}).get(_ROWS)
    if text is None:
        return None
    try:
        runs = json.loads(text)
        sound = all(
            isinstance(count, int) and isinstance(times, int) and count >= 0 < times <= items
            for count, times in runs
        )
        sound = sound and sum(times for _, times in runs) == items
        sound = sound and sum(count * times for count, times in runs) == found.metadata.num_rows
    except (TypeError, ValueError, RecursionError):
        sound = False
    if not sound:
        message = f"it is damaged: what it says of the rows of its {items} items can't be"
        raise DamagedError(message)
    return [count for count, times in runs for _ in range(times)]
