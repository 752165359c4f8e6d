"""The file of a batch: written whole, the same for the same rows, and vouched for by a record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping.batch_columns import table_of
from afml_cache.sweeping.batch_rows import rows_of
from afml_cache.sweeping.parquet_files import told, write_groups, writer
from afml_cache.sweeping.whole_files import digest_of, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME: Final = re.compile(r"results_batch_(0|[1-9][0-9]*)\.parquet", re.ASCII)


@dataclass(frozen=True)
class Batch:
    """Items of a list that follow each other.

    Attributes
    ----------
    id : str
        Of the batch: a digest of the ids of its items, in their order.
    first : int
        Position of the first of its items in the list, from 0.
    item_ids : tuple of str
        Of its items.
    """

    id: str
    first: int
    item_ids: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    digest : str
        Of the file's content.
    rows, size : int
        How many rows there are, and bytes.
    """

    digest: str
    rows: int
    size: int


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a file when it was written or adopted.

    Attributes
    ----------
    batch_id : str
        The batch that it was written for.
    digest : str
        Of the file's content.
    rows, size : int
        How many rows there are, and bytes.
    """

    batch_id: str
    digest: str
    rows: int
    size: int


def name_of(number: int) -> str:
    """Give the name of the file of a batch, by its number from 0.

    Examples
    --------
    >>> name_of(3)
    'results_batch_3.parquet'
    """
    return f"results_batch_{number}.parquet"


def number_of(name: str) -> int | None:
    """Give the number of a batch by the name of its file; `None` for any other name.

    Examples
    --------
    >>> number_of("results_batch_3.parquet")
    3
    """
    found = _NAME.fullmatch(name)
    return None if found is None else int(found[1])


def write_batch(path: Path, batch: Batch, rows_of_items: Sequence[Any]) -> Written:
    """Write what the items of a batch gave as rows of a Parquet file.

    The same rows give the same bytes, whenever and wherever pyarrow of that version writes them.

    Parameters
    ----------
    path : Path
        Of the file; what is there is replaced once the new one is whole.
    batch : Batch
        Whose items they are.
    rows_of_items : sequence
        What each of its items gave, in their order: a mapping of names to plain values, a list of
        such mappings, a dataclass or a named tuple, a Series or a DataFrame of pandas, a DataFrame
        of polars, a table of pyarrow, or `None` for no rows. A row without columns is none, an
        empty dictionary in a cell is null.

    Returns
    -------
    Written
        To be recorded.

    Raises
    ------
    SchemaError
        What an item gave can't be rows, or its columns do not go together with those of others.
    CacheConfigError
        There is not one of them for each item.
    ImportError
        pyarrow is not installed.
    OSError
        The file can't be written; what was there stays.

    Notes
    -----
    Columns come in the order in which they come up. Whole numbers and floats make a column of
    floats, where numbers beyond 2**53 are refused, since they would lose digits. Times of several
    zones make a column in UTC.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), name_of(0))
    >>> batch = Batch("b0", 0, ("fast", "slow"))
    >>> write_batch(path, batch, [{"sharpe": 1}, {"sharpe": 0.5, "note": "x"}]).rows
    2
    >>> import pyarrow.parquet
    >>> pyarrow.parquet.read_table(path).to_pylist()
    [{'sharpe': 1.0, 'note': None}, {'sharpe': 0.5, 'note': 'x'}]
    """
    if len(rows_of_items) != len(batch.item_ids):
        message = (
            f"`write_batch` takes what each of the {len(batch.item_ids)} items of the batch gave, "
            f"not {len(rows_of_items)} results; pass None for an item without rows"
        )
        raise CacheConfigError(message)
    items = [rows_of(given, batch.first + at) for at, given in enumerate(rows_of_items)]
    table = table_of(items, batch.first)
    with replacing(path) as file:
        with writer(file, table.schema, "lz4") as parquet:
            write_groups(parquet, table)
            parquet.add_key_value_metadata(told(batch.id, [rows.count for rows in items]))
        file.flush()
        return Written(digest_of(file), table.num_rows, file.tell())
