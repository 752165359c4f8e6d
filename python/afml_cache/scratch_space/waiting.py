"""Who waits for room: those who hold scratch meanwhile free none, which the others must know."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.scratch_space.consumers import consumers
from afml_cache.scratch_space.context import open_folders
from afml_cache.scratch_space.folders import descended, opened_root, told
from afml_cache.scratch_space.locks import Lock, is_free, locked
from afml_cache.scratch_space.trees import entries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from afml_cache.scratch_space.holders import Found

_WAITING: Final = ".waiting"
_LONGEST: Final = 1_000_000


class Own(NamedTuple):
    """What whoever asks for room holds, and so can't wait for."""

    keys: dict[str, list[str]]
    """Of its consumers, with the names that they keep."""
    paths: list[str]
    """Of the folders that it has open."""

    def has(self, found: Found) -> bool:
        """Whether it holds a folder.

        What another worker of the same consumer has open goes when that is done with it, unless
        the consumer keeps it.
        """
        said = found.marker
        kept = said.consumer in self.keys and (
            not found.is_open or said.name in self.keys[said.consumer]
        )
        return kept or str(found.path) in self.paths


def own() -> Own:
    """Give what this context holds."""
    keys = {each.key: sorted(each.names) for each in consumers() if not each.committed}
    return Own(keys, sorted(map(str, open_folders.get())))


def others_of(found: list[Found]) -> list[Found]:
    """Give the folders that others hold, and may let go of."""
    mine = own()
    return [each for each in found if each.alive and not mine.has(each)]


class Queue:
    """The place of one who waits, seen by the others while it is entered."""

    def __init__(self, root: Path, own: Own) -> None:
        self._root, self._own = root, own
        self._name = secrets.token_hex(8)
        self._lock: Lock | None = None

    def is_worth_it(self, others: Iterable[Found]) -> bool:
        """Enter, and tell whether one of those who hold scratch does not wait itself.

        Were it otherwise, everybody would wait for everybody; whoever sees that leaves.
        """
        with (
            opened_root(self._root) as root,
            told(self._root),
            locked(root),
            descended(root, (_WAITING,), make=True) as folder,
        ):
            waiting = _waiting(folder, self._name)
            if all(any(one.has(found) for one in waiting) for found in others):
                self._leave(folder)
                return False
            if self._lock is None:
                # On a full disk nobody sees who waits, and a circle ends with `wait` alone.
                with contextlib.suppress(OSError):
                    self._enter(folder)
        return True

    def close(self) -> None:
        """Leave."""
        if self._lock is not None:
            with (
                contextlib.suppress(OSError, ValueError),
                opened_root(self._root) as root,
                locked(root),
                descended(root, (_WAITING,)) as folder,
            ):
                self._leave(folder)

    def _enter(self, folder: int) -> None:
        self._lock = Lock(self._name, folder)
        try:
            self._lock.take()
            text = json.dumps(self._own).encode()
            os.pwrite(self._lock.file, text, 0)
        except BaseException:
            self._leave(folder)
            raise

    def _leave(self, folder: int) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=folder)
            self._lock.close()
            self._lock = None


def _waiting(folder: int, own: str) -> list[Own]:
    """Read what those hold who wait; what killed processes have left is removed."""
    found = []
    for name in entries(folder):
        if name == own:
            continue
        if is_free(name, folder):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
            continue
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(_read(name, folder))
    return found


def _read(name: str, folder: int) -> Own:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        said: Any = json.loads(os.read(file, _LONGEST))
        return Own(*said)
    finally:
        os.close(file)
