"""Which files the batches of a list have, what was recorded of each, and which are done."""

from __future__ import annotations

import contextlib
import itertools
import operator
import os
import stat
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError, CacheError, warn
from afml_cache.sweeping.batch_adopting import adopt_batch, columns_of
from afml_cache.sweeping.batch_checks import check_batch, check_batches
from afml_cache.sweeping.batch_files import Batch, Recorded, name_of, write_batch
from afml_cache.sweeping.whole_files import UnusableError, digest_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from afml_cache.sweeping.batch_checks import Checked
    from afml_cache.sweeping.batch_files import Written
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
        whole = whole_number(size)
        if whole is None or whole < 1:
            message = f"`batch_size` must be a whole number from 1, not {size!r}"
            raise CacheConfigError(message)
        self.folder = folder
        # Names of folders may be no text.
        self._place = os.fsencode(folder.resolve()).decode(errors="backslashreplace")
        self._journal = journal
        # What can't be keyed is like nothing else, and its batch is never done before.
        ids = [key or uuid.uuid4().hex for key in items.listed_keys()]
        self.batches = [_batch(ids, first, whole) for first in range(0, len(ids), whole)]
        self.paths = [folder / name_of(number) for number in range(len(self.batches))]

    def span(self, number: int) -> tuple[int, int]:
        """Give the positions of the items of a batch, from 0, the last one excluded."""
        batch = self.batches[number]
        return batch.first, batch.first + len(batch.item_ids)

    def is_of(self, number: int, keys: Sequence[str | None]) -> bool:
        """Whether a batch is of items with these keys; those without one are taken to be it."""
        known = self.batches[number].item_ids
        return all(key in (None, own) for key, own in zip(keys, known, strict=True))

    def set_apart(self, number: int) -> None:
        """Make a batch like no other, since nobody can tell of what its items are results."""
        batch = self.batches[number]
        ids = tuple(uuid.uuid4().hex for _ in batch.item_ids)
        self.batches[number] = Batch(_id_of(ids), batch.first, ids)

    def recorded(self) -> list[Recorded | None]:
        """Give what was recorded of the files."""
        numbers = range(len(self.batches))
        own, others = self._own(numbers), self._others(numbers)
        return [own[number] or others[number] for number in numbers]

    def _own(self, numbers: Iterable[int]) -> dict[int, Recorded | None]:
        """Give what was recorded of files in this folder."""
        return self._found({number: self._name(number) for number in numbers})

    def _others(self, numbers: Iterable[int]) -> dict[int, Recorded | None]:
        """Give what was recorded last of files of these batches in any folder."""
        return self._found({number: self.batches[number].id for number in numbers})

    def _name(self, number: int) -> str:
        return digest((self.batches[number].id, self._place))

    def _found(self, names: dict[int, str]) -> dict[int, Recorded | None]:
        found = self._journal.get(_KIND, [*names.values()])
        records = {number: found.get(name) for number, name in names.items()}
        return {
            number: None if record is None else Recorded(**record)
            for number, record in records.items()
        }

    def recorded_at(self, paths: Iterable[Path]) -> dict[Path, Recorded]:
        """Give what was recorded of files in this folder, of whichever list."""
        rows = self._journal.owned(_KIND, self._place).values()
        records = {record.digest: record for record in (Recorded(**row) for row in rows)}
        digests = {path: _digest_at(path) for path in paths}
        return {path: records[found] for path, found in digests.items() if found in records}

    def check(self) -> list[Checked]:
        """See which files are done, several at a time."""
        return self._check(range(len(self.batches)))

    def check_one(self, number: int) -> Checked:
        """See whether the file of a batch is done."""
        return self._check([number])[0]

    def _check(self, numbers: Sequence[int]) -> list[Checked]:
        own, others = self._own(numbers), self._others(numbers)
        checked = check_batches([self._file(one, own[one] or others[one]) for one in numbers])
        # A record of another folder may vouch for a file that was moved here, and blames none.
        return [
            check_batch(*self._file(number, None))
            if found.state == "damaged" and own[number] is None and others[number] is not None
            else found
            for number, found in zip(numbers, checked, strict=True)
        ]

    def _file(self, number: int, record: Recorded | None) -> tuple[Path, Batch, Recorded | None]:
        return self.paths[number], self.batches[number], record

    def adopt(self, numbers: Sequence[int], done: Sequence[int]) -> dict[int, str]:
        """Take files of another tool as they are; give why some could not be taken.

        Their columns are those of the batches that are done, else those of the first of them.
        """
        columns = columns_of([self.paths[number] for number in done])
        refused: dict[int, str] = {}
        for number in numbers:
            try:
                written = adopt_batch(self.paths[number], self.batches[number], columns)
            except CacheError as error:
                refused[number] = str(error)
                continue
            self._record(number, written)
            columns = columns or columns_of([self.paths[number]])
        return refused

    def write(self, number: int, rows_of_items: list[Any]) -> None:
        """Write the file of a batch, and record it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._sparing(number):
            written = write_batch(self.paths[number], self.batches[number], rows_of_items)
        self._record(number, written)

    def _record(self, number: int, written: Written) -> None:
        batch = self.batches[number]
        record = asdict(Recorded(batch.id, written.digest, written.rows, written.size))
        names = (self._name(number), batch.id)
        self._journal.put(_KIND, [(name, self._place, record) for name in names])

    @contextlib.contextmanager
    def _sparing(self, number: int) -> Iterator[None]:
        """Move a file aside that nobody recorded, while another takes its place."""
        path = self.paths[number]
        aside = self._moved(number, path)
        try:
            yield
        except BaseException:
            if aside is not None and not path.exists():
                aside.rename(path)
            raise
        if aside is not None and _is_same(aside, path):  # of a run that was killed
            aside.unlink()
        elif aside is not None:
            message = (
                f"`{path}` was recorded by nobody, and another is made in its place; it is now "
                f"`{aside.name}` (adopt_existing=True takes files of another tool as they are)"
            )
            warn("SweepWarning", message)

    def _moved(self, number: int, path: Path) -> Path | None:
        if self._own([number])[number] is not None or not _has_content(path):
            return None
        if self.check_one(number).state not in {"unrecorded", "damaged"}:
            return None
        aside = next(name for name in _names_aside(path) if not name.exists())
        with contextlib.suppress(OSError):
            return path.rename(aside)
        return None


def whole_number(given: Any) -> int | None:
    """Give a whole number of Python or NumPy; `None` for anything else."""
    if isinstance(given, bool):
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None


def _is_same(first: Path, second: Path) -> bool:
    return _digest_at(first) == _digest_at(second) is not None


def _digest_at(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnusableError), opened(path) as file:
        return digest_of(file)
    return None


def _has_content(path: Path) -> bool:
    with contextlib.suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size > 0
    return False


def _batch(ids: list[str], first: int, size: int) -> Batch:
    own = tuple(ids[first : first + size])
    return Batch(_id_of(own), first, own)


def _id_of(item_ids: tuple[str, ...]) -> str:
    return digest(("afml-cache batch", item_ids))


def _names_aside(path: Path) -> Iterator[Path]:
    for count in itertools.count(1):
        yield path.with_name(f"{path.name}.before-{count}")
