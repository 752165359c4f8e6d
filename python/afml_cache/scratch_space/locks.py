"""Locks on files, which a forked child closes without unlocking."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT_LOCK: Final = ".lock"
ADMISSION_LOCK: Final = ".admission"
_PRIVATE: Final = 0o600
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class _Held:
    """The descriptors that carry locks in this process."""

    def __init__(self) -> None:
        self.files = set[int]()
        # Held while a file is opened and entered, and across a fork. A handler of a signal may
        # fork while its thread holds it.
        self.busy = threading.RLock()


_held = _Held()


def _in_child() -> None:
    global _held  # noqa: PLW0603 - its lock is held by the thread that forked
    for file in _held.files:
        os.close(file)
    _held = _Held()


def _before() -> None:
    _held.busy.acquire()


def _after() -> None:
    _held.busy.release()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)


class Lock:
    """An open file to lock.

    A lock belongs to the open file, which a forked child shares with its parent. Did the child
    keep it open, it would keep the lock of a parent that was killed.
    """

    def __init__(self, name: str, folder: int, *, make: bool = True) -> None:
        flags = _FLAGS if make else _FLAGS & ~os.O_CREAT
        with _held.busy:
            self.file = os.open(name, flags, _PRIVATE, dir_fd=folder)
            self._at = _held
            _held.files.add(self.file)
        if make and stat.S_IMODE(os.fstat(self.file).st_mode) != _PRIVATE:
            os.fchmod(self.file, _PRIVATE)  # made under another mask

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock the file; whether it is locked.

        Without success, a lock that this had before may be lost.
        """
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.file, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_at(self, name: str, folder: int) -> bool:
        """Whether the file is still the one of that name."""
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return self.is_ours and os.path.samestat(there, os.fstat(self.file))

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it, and has not closed it."""
        return self._at is _held and self.file in _held.files

    def close(self) -> None:
        """Unlock and close it, once."""
        if not self.is_ours:
            return
        with _held.busy:
            _held.files.discard(self.file)
            # A child that is being started may keep the descriptor, and must not the lock.
            with contextlib.suppress(OSError):
                fcntl.flock(self.file, fcntl.LOCK_UN)
            os.close(self.file)


@contextlib.contextmanager
def locked(root: int, name: str = ROOT_LOCK) -> Iterator[None]:
    """Hold the lock of a root: whoever makes, removes or probes folders does so by itself.

    It is held for moments, never while files are measured or removed; the lock of admission, which
    is taken before it, while there is room for what its holder is about to make.
    """
    while True:
        lock = Lock(name, root)
        try:
            lock.take(wait=True)
            if lock.is_at(name, root):
                yield
                return
        finally:
            lock.close()


def is_free(name: str, folder: int) -> bool:
    """Whether nobody holds the lock of a file; asked under the lock of the root."""
    try:
        lock = Lock(name, folder, make=False)
    except OSError:
        return True
    try:
        return lock.take()
    finally:
        lock.close()
