"""Which files the batches of a list have, what was recorded of each, and which are done."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError, CacheError, warn
from afml_cache.sweeping.batch_adopting import adopt_batch
from afml_cache.sweeping.batch_checks import check_batch, check_batches
from afml_cache.sweeping.batch_files import Batch, Recorded, name_of, write_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from afml_cache.sweeping.batch_checks import Checked
    from afml_cache.sweeping.items import Items
    from afml_cache.sweeping.journal import Journal

_KIND: Final = "batch"


class BatchBook:
    """The batches of a list.

    Parameters
    ----------
    items
        The items of the list.
    size
        Of a batch.
    folder
        Where their files are.
    journal
        Where files are recorded.
    """

    def __init__(self, items: Items, size: int, folder: Path, journal: Journal) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            message = f"`batch_size` must be a whole number from 1, not {size!r}"
            raise CacheConfigError(message)
        self.folder = folder
        self._journal = journal
        # What can't be keyed is like nothing else, and its batch is never done before.
        ids = [key or uuid.uuid4().hex for key in items.listed_keys()]
        self.batches = [_batch(ids, first, size) for first in range(0, len(ids), size)]
        self.paths = [folder / name_of(number) for number in range(len(self.batches))]

    def span(self, number: int) -> tuple[int, int]:
        """Give the positions of the items of a batch, from 0, the last one excluded."""
        batch = self.batches[number]
        return batch.first, batch.first + len(batch.item_ids)

    def recorded(self) -> list[Recorded | None]:
        """Give what was recorded of the files."""
        found = self._journal.get(_KIND, [batch.id for batch in self.batches])
        records = [found.get(batch.id) for batch in self.batches]
        return [None if record is None else Recorded(**record) for record in records]

    def check(self) -> list[Checked]:
        """See which files are done, several at a time."""
        files = zip(self.paths, self.batches, self.recorded(), strict=True)
        return check_batches(list(files))

    def check_one(self, number: int) -> Checked:
        """See whether the file of a batch is done."""
        return check_batch(self.paths[number], self.batches[number], self.recorded()[number])

    def adopt(self, numbers: Sequence[int]) -> dict[int, str]:
        """Take files of another tool as they are; give why some could not be taken."""
        refused: dict[int, str] = {}
        for number in numbers:
            try:
                written = adopt_batch(self.paths[number], self.batches[number])
            except CacheError as error:
                refused[number] = str(error)
                continue
            self._record(number, written)
        return refused

    def write(self, number: int, rows_of_items: list[Any]) -> None:
        """Write the file of a batch, and record it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spare(number)
        self._record(number, write_batch(self.paths[number], self.batches[number], rows_of_items))

    def _record(self, number: int, written: Any) -> None:
        batch = self.batches[number]
        record = Recorded(batch.id, written.digest, written.rows, written.size)
        self._journal.put(_KIND, [(batch.id, str(self.folder), asdict(record))])

    def _spare(self, number: int) -> None:
        """Move a file aside that nobody recorded, before another takes its place."""
        path = self.paths[number]
        if self.check_one(number).state != "unrecorded":
            return
        aside = next(name for name in _names_aside(path) if not name.exists())
        with contextlib.suppress(OSError):
            path.rename(aside)
            message = (
                f"`{path}` was recorded by nobody, and another is made in its place; it is now "
                f"`{aside.name}` (adopt_existing=True takes files of another tool as they are)"
            )
            warn("SweepWarning", message)


def _batch(ids: list[str], first: int, size: int) -> Batch:
    own = tuple(ids[first : first + size])
    return Batch(digest(("afml-cache batch", own)), first, own)


def _names_aside(path: Path) -> Iterator[Path]:
    for count in itertools.count(1):
        yield path.with_name(f"{path.name}.before-{count}")
