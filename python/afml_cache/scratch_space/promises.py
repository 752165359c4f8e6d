"""What sweeps have promised to items that are under way, and others must leave free."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import CacheError
from afml_cache.scratch_space.folders import descended, make_root, opened_root, told
from afml_cache.scratch_space.holders import Found
from afml_cache.scratch_space.locks import Lock, is_free, locked
from afml_cache.scratch_space.marker import marker
from afml_cache.scratch_space.trees import entries

if TYPE_CHECKING:
    from pathlib import Path

_PROMISED: Final = ".promised"
_DIGITS: Final = 20
_WHAT: Final = "items under way"


class Promise:
    """Bytes that others leave free for as long as this process lives and does not close it.

    Attributes
    ----------
    path : pathlib.Path
        Its file. Whoever has it among the folders that are open here is not bound by it.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._name = root, secrets.token_hex(8)
        self._lock: Lock | None = None
        self._size = 0
        self.path = root / _PROMISED / self._name

    def set(self, size: int) -> None:
        """Say how many bytes; on a full disk nobody is told."""
        if size == self._size:
            return
        with contextlib.suppress(OSError, CacheError):
            if self._lock is None:
                self._lock = self._open()
            # Of one length, so that nobody reads the half of it.
            os.pwrite(self._lock.file, f"{size:{_DIGITS}d}".encode(), 0)
            self._size = size

    def _open(self) -> Lock:
        make_root(self._root)
        with (
            opened_root(self._root) as root,
            locked(root),
            descended(root, (_PROMISED,), make=True) as folder,
        ):
            lock = Lock(self._name, folder)
            lock.take()
            return lock

    def close(self) -> None:
        """Take it back."""
        if self._lock is None or not self._lock.is_ours:
            return
        with (
            contextlib.suppress(OSError, CacheError),
            opened_root(self._root) as root,
            locked(root),
            descended(root, (_PROMISED,)) as folder,
        ):
            os.unlink(self._name, dir_fd=folder)
        self._lock.close()


def promised(root: Path) -> list[Found]:
    """Give what others may not have, as if it were folders; what the dead have left is removed."""
    if not os.path.lexists(root / _PROMISED):
        return []
    found = []
    try:
        with (
            opened_root(root) as opened,
            told(root),
            locked(opened),
            descended(opened, (_PROMISED,)) as folder,
        ):
            for name in entries(folder):
                if is_free(name, folder):
                    os.unlink(name, dir_fd=folder)
                else:
                    found.append(_found(root, name, _read(name, folder)))
    except (OSError, CacheError):
        return found  # the root was removed, or is read-only
    return found


def _found(root: Path, name: str, size: int) -> Found:
    said = marker(_PROMISED, name, "", _WHAT, size)
    return Found(root, name, said, is_open=True, alive=True, used=time.time(), size=0)


def _read(name: str, folder: int) -> int:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return int(os.read(file, _DIGITS) or 0)
    except ValueError:
        return 0
    finally:
        os.close(file)


def without_own(found: list[Found], paths: tuple[Path, ...]) -> list[Found]:
    """Leave out promises to oneself."""
    return [each for each in found if each.marker.name != _PROMISED or each.path not in paths]
