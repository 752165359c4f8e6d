"""The file of data accesses: a line each, appended whole, and never rewritten."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import default_store
from afml_cache.exceptions import CacheError, CacheStoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from afml_cache._looks import Record
    from afml_cache._native import Store

NAME: Final = "data_access_log.csv"

# Scripts of `afml.cache` read and write files with these columns.
COLUMNS: Final = (
    "timestamp",
    "dataset",
    "start_date",
    "end_date",
    "purpose",
    "data_shape",
    "caller",
)
_REQUIRED: Final = ("timestamp", "dataset", "purpose")
_HEADER: Final = ",".join(COLUMNS).encode()
# What a spreadsheet takes for the begin of a formula, and what we put before it.
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
_GUARD: Final = "'"
_FLAGS: Final = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class AccessLog:
    """The records of one file, and those that could not be written to it yet.

    Attributes
    ----------
    chosen
        Which file; `None` for the one in the folder of the default store.
    """

    def __init__(self, chosen: Path | None) -> None:
        self.chosen = chosen
        self._unwritten: deque[Record] = deque()
        # Making a path takes longer than writing a line.
        self._beside: tuple[Store, Path] | None = None

    @property
    def path(self) -> Path:
        """The file; that of the default store moves with `configure`."""
        if self.chosen is not None:
            return self.chosen
        store = default_store()
        if self._beside is None or self._beside[0] is not store:
            self._beside = store, store.path / NAME
        return self._beside[1]

    def add(self, record: Record) -> None:
        """Write a record, with those that could not be written before.

        Raises
        ------
        CacheStoreError
            The file can't be written; the record is kept for the next time.
        """
        self._unwritten.append(record)
        self.write()

    def write(self, *, safely: bool = False) -> None:
        """Write what is not written yet; `safely` has the medium hold the file as well.

        Raises
        ------
        CacheStoreError
            The file can't be written.
        """
        taken = list(self._taken())
        try:
            if taken:
                self._append([_line(record) for record in taken])
            if safely and self.path.exists():
                _sync(self.path)
        except (CacheError, OSError) as error:
            self._unwritten.extendleft(reversed(taken))
            message = (
                f"the log of data accesses `{self.path}` can't be written ({error}); what is not "
                "in it yet is kept in memory, and written with the next access or by save_log()"
            )
            raise CacheStoreError(message) from error

    def read(self) -> tuple[list[Record], int]:
        """Give every record, and how many lines of the file are none.

        A last line without its end is left alone: somebody may be writing it.

        Raises
        ------
        CacheStoreError
            The file can't be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            message = f"the log of data accesses `{self.path}` can't be read: {error}"
            raise CacheStoreError(message) from error
        lines = (line.removesuffix(b"\r") for line in content.split(b"\n")[:-1])
        found = [_record(line) for line in lines if line and line != _HEADER]
        records = [record for record in found if record is not None]
        return records + list(self._unwritten), len(found) - len(records)

    def forget(self) -> None:
        """Remove the file, and what is not in it yet.

        Raises
        ------
        CacheStoreError
            The file can't be removed.
        """
        self._unwritten.clear()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            message = f"the log of data accesses `{self.path}` can't be removed: {error}"
            raise CacheStoreError(message) from error

    def _taken(self) -> Iterable[Record]:
        while True:  # one by one: another thread may be at it too
            try:
                yield self._unwritten.popleft()
            except IndexError:
                return

    def _append(self, lines: list[bytes]) -> None:
        try:
            _append(self.path, lines)
        except FileNotFoundError:
            if self.chosen is None:
                len(default_store())  # makes the folder, and makes it private
            else:
                self.chosen.parent.mkdir(parents=True, exist_ok=True)
            _append(self.path, lines)


def _line(record: Record) -> bytes:
    """Write a record as a line, without its end."""
    return ",".join(_cell(record[column]) for column in COLUMNS).encode(errors="replace")


def _append(path: Path, lines: Iterable[bytes]) -> None:
    """Append lines in one write, so that those of several processes do not mix.

    A file whose last line a killed process, or a full disk, left without its end is mended first.

    Raises
    ------
    OSError
        It can't be opened, or not be written whole.
    """
    file = os.open(path, _FLAGS, 0o600)
    try:
        size = os.fstat(file).st_size
        whole = [_HEADER] if size == 0 else []
        if size and os.lseek(file, -1, os.SEEK_END) >= 0 and os.read(file, 1) != b"\n":
            whole.append(b"")
        text = b"\n".join([*whole, *lines, b""])
        written = os.write(file, text)
        if written < len(text):
            message = f"only {written} of {len(text)} bytes were written: no space is left"
            raise OSError(message)
    finally:
        os.close(file)


def _sync(path: Path) -> None:
    """Have the medium hold what is in the file."""
    file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _record(line: bytes) -> Record | None:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    cells = _split(text) if '"' in text else text.split(",")
    if len(cells) != len(COLUMNS):
        return None
    values = [_plain(cell) for cell in cells]
    record = dict(zip(COLUMNS, values, strict=True))
    return record if all(record[column] for column in _REQUIRED) else None


def _split(text: str) -> list[str]:
    import csv

    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return []


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    if not text.isprintable():  # a line break or a lone surrogate
        text = "".join(each if each.isprintable() else "?" for each in text)
    if text.startswith(_FORMULA):
        text = _GUARD + text
    if "," in text or '"' in text:
        text = '"' + text.replace('"', '""') + '"'
    return text


def _plain(cell: str) -> str | None:
    guarded = cell.startswith(_GUARD) and cell[1:].startswith(_FORMULA)
    return (cell[1:] if guarded else cell) or None
