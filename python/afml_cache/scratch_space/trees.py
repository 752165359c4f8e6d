"""Trees of files: what they take, and how they go without a link being followed."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import Final

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 512
# Each level costs a descriptor and frames of the stack.
_DEEPEST: Final = 50
_MEASURED: Final = 200


def entries(folder: int) -> list[str]:
    """Give the names in an open folder."""
    return os.listdir(folder)


def allocated(folder: int, seen: set[tuple[int, int]] | None = None) -> int:
    """Give the bytes that an open folder and all in it take on the disk.

    Parameters
    ----------
    folder
        Its descriptor.
    seen
        Files with several names that are counted already.
    """
    counted = set[tuple[int, int]]() if seen is None else seen
    own = os.fstat(folder)
    return own.st_blocks * _BLOCK + _below(folder, own.st_dev, counted, 0)


def _below(folder: int, device: int, seen: set[tuple[int, int]], depth: int) -> int:
    total = 0
    for name in entries(folder):
        # What others remove meanwhile takes nothing.
        with contextlib.suppress(OSError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            inode = (found.st_dev, found.st_ino)
            if found.st_dev != device or inode in seen:
                continue
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                seen.add(inode)
            total += found.st_blocks * _BLOCK
            if stat.S_ISDIR(found.st_mode) and depth < _MEASURED:
                total += _within(name, folder, device, seen, depth)
    return total


def _within(name: str, folder: int, device: int, seen: set[tuple[int, int]], depth: int) -> int:
    inner = os.open(name, FOLDER, dir_fd=folder)
    try:
        return _below(inner, device, seen, depth + 1)
    finally:
        os.close(inner)


def clear(folder: int, keep: str) -> OSError | None:
    """Remove all that is in an open folder save one file; give what went wrong first.

    A link is removed itself, and what is mounted inside is left alone. Links to a file from
    elsewhere stay.
    """
    return _Clearing(folder, keep).run()


class _Clearing:
    """One removal: the folder it began with, and what went wrong."""

    def __init__(self, top: int, keep: str) -> None:
        self._top = top
        self._keep = keep
        self._device = os.fstat(top).st_dev
        self._error: OSError | None = None

    def run(self) -> OSError | None:
        """Remove until nothing is left, or nothing more goes."""
        while True:
            before = set(entries(self._top))
            for name in before - {self._keep}:
                self._remove(name, self._top, 0)
            # What was moved up from the depths is still there.
            after = set(entries(self._top)) - {self._keep}
            if not after:
                return None
            if after <= before:
                return self._error

    def _remove(self, name: str, folder: int, depth: int) -> None:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=folder)
            elif found.st_dev != self._device:
                message = "something is mounted there"
                raise OSError(message)  # noqa: TRY301 - told like any other
            elif depth == _DEEPEST:
                moved = f".deep-{secrets.token_hex(8)}"
                os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=self._top)
            else:
                self._descend(name, folder, depth)
                os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._error = self._error or error  # what follows from it is said less well

    def _descend(self, name: str, folder: int, depth: int) -> None:
        inner = os.open(name, FOLDER, dir_fd=folder)
        try:
            for each in entries(inner):
                self._remove(each, inner, depth + 1)
        finally:
            os.close(inner)
