"""Files that are there as a whole or not at all, and files that are looked at where they lie."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from afml_cache._native import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE: Final = 64 * 1024 * 1024


class UnusableError(Exception):
    """What lies at a path is no regular file, or can't be read; `str` of it says why."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name beside its own, and rename it once it is whole.

    Its permissions are those of any new file. What a writer that was killed has left under such a
    name is removed. A link at the path is replaced, and what it leads to stays.

    Parameters
    ----------
    path : Path
        Where it is to be; its folder is made where there is none.

    Yields
    ------
    file
        Open for writing and reading.

    Raises
    ------
    OSError
        It can't be written; what was at the path is as it was.
    """
    if path.is_dir() and not path.is_symlink():
        message = "a folder is where a file is to be written; move it"
        raise IsADirectoryError(errno.EISDIR, message, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    temporary, file = _begun(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # of a disk that is full, which says nothing of where
        raise
    _sync_folder(path.parent)


def _begun(path: Path) -> tuple[Path, BinaryIO]:
    """Make a temporary file that is locked as long as its writer lives."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.fdopen(os.open(temporary, flags, 0o666), "w+b")
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else it was removed before it was locked
            return temporary, file
        file.close()


def _remove_left(path: Path) -> None:
    with os.scandir(path.parent) as entries:
        start = f".{path.name}."
        names = [one.name for one in entries if one.name.startswith(start)]
    for name in names:
        if name.endswith(".tmp") and len(name) == len(start) + len(".tmp") + 16:
            with contextlib.suppress(OSError, UnusableError), opened(path.with_name(name)) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.with_name(name).unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some file systems know no such thing
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file that lies at a path itself.

    Raises
    ------
    FileNotFoundError
        There is none.
    UnusableError
        It is a link, which is not followed, no regular file, or can't be opened.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from error
    except OSError as error:
        raise UnusableError(_why(path, error)) from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = "it is no regular file; move it away"
            raise UnusableError(message)
        yield file


def _why(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP or path.is_symlink():
        return "it is a link, which is not followed; put the file itself there"
    if isinstance(error, IsADirectoryError):
        return "it is a folder; move it away"
    return f"it can't be read ({error.strerror}); see its permissions"


def digest_of(file: BinaryIO) -> str:
    """Digest all content of a file, from its beginning.

    Raises
    ------
    OSError
        It can't be read.
    """
    file.seek(0)
    return digest(tuple(digest(piece) for piece in iter(lambda: file.read(_PIECE), b"")))


def stamp_of(file: BinaryIO) -> tuple[int, ...]:
    """Give what tells whether a file is another than before, or was touched."""
    status = os.fstat(file.fileno())
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
