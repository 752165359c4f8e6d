"""Files put in place as a whole: written under another name, synced, renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from typing import TYPE_CHECKING, BinaryIO, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_PREFIX: Final = ".afml-artifact-"
_SUFFIX: Final = ".part"
# Folders in which this process has looked for what killed ones left.
_tidied: set[Path] = set()


class Draft:
    """A file on its way: it is locked for as long as its writer lives, and gone unless placed.

    Parameters
    ----------
    path : pathlib.Path
        Where it is to be; its folder is made.

    Raises
    ------
    OSError
        Nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path.parent)
        self._place, self.file = _opened(path.parent)

    @property
    def place(self) -> Path:
        """Where it is meanwhile."""
        return self._place

    def sync(self) -> int:
        """Have the medium hold what was written, and give how many bytes that is."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return os.fstat(self.file.fileno()).st_size

    def put(self) -> None:
        """Put it in its place, over what is there."""
        self._place.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of bytes that a full disk did not take
            self.file.close()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only one who puts files into a folder, where its file system has locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Processes that were forked meanwhile have the descriptor too, and would keep the lock.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the medium hold which files a folder has, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Move what is at a path to `<name>.before-<n>`, the first that is free, and give that."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.before-{number}")):
        number += 1
    path.rename(aside)
    return aside


def _opened(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        place = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if _lock(descriptor) and _is_at(place, descriptor):
            return place, cast("BinaryIO", os.fdopen(descriptor, "w+b"))
        os.close(descriptor)  # somebody who tidies up was faster


def _is_at(place: Path, descriptor: int) -> bool:
    """Whether a file is still where it was made: who tidies up may take it before it is locked."""
    try:
        return os.path.samestat(place.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody tidies up there
        return True
    return True


def _tidy(folder: Path) -> None:
    """Remove what writers left that were killed: nobody holds its lock."""
    if folder in _tidied:
        return
    _tidied.add(folder)
    for place in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                place.unlink()
            finally:
                os.close(descriptor)
