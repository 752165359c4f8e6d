"""Scratch folders on disk: made, opened, and removed, without a link on the way."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import CacheStoreError, DiskBudgetError, ScratchError
from afml_cache.scratch_space.locks import Lock, is_free, locked
from afml_cache.scratch_space.marker import MARKER, Marker, is_torn, marker, read_marker
from afml_cache.scratch_space.places import FILES
from afml_cache.scratch_space.trees import FOLDER, allocated, entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from afml_cache.scratch_space.places import Place

OWNERS: Final = ".consumers"
REMOVED: Final = ".removed-"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_LED: Final = (errno.ELOOP, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Hold:
    """A folder that is in use until this is closed, or removed.

    Attributes
    ----------
    place : Place
        Which.
    lock : Lock
        Of its marker, shared with others who use it.
    """

    place: Place
    lock: Lock


def make_root(root: Path) -> None:
    """Make a root, and what is missing above it, for the user alone.

    Raises
    ------
    CacheStoreError
        It can't be made.
    DiskBudgetError
        There is no space for it.
    """
    missing = [each for each in (root, *root.parents) if not os.path.lexists(each)]
    with told(root):
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                each.chmod(0o700)


@contextlib.contextmanager
def opened_root(root: Path) -> Iterator[int]:
    """Open a root that is there.

    Raises
    ------
    ScratchError
        It is a link, or no folder.
    CacheStoreError
        It can't be opened.
    """
    with told(root):
        file = os.open(root, FOLDER)
    try:
        yield file
    finally:
        os.close(file)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Say what a failure of the system means for a path."""
    try:
        yield
    except OSError as error:
        if isinstance(error, DiskBudgetError | CacheStoreError):
            raise
        raise _failure(path, error) from error


def _failure(path: Path, error: OSError) -> Exception:
    if error.errno in _LED:
        return ScratchError(
            f"`{path}` is a link or no folder, and scratch never follows a link; name the folder "
            "itself as root or `scratch_dir`, or move what is there away"
        )
    if error.errno in _FULL:
        return DiskBudgetError(
            f"the scratch folder `{path}` can't be made: the disk is full; free some, or see "
            "scratch_holders() and collect_scratch()"
        )
    return CacheStoreError(f"the scratch folder `{path}` can't be used: {error}; see its owner")


@contextlib.contextmanager
def descended(root: int, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """Open a folder below an open root, part by part.

    Raises
    ------
    OSError
        A part is not there, a link or no folder.
    ScratchError
        A part belongs to another user.
    """
    current = os.dup(root)
    try:
        for part in parts:
            if make:
                _make(part, current)
            inner = os.open(part, FOLDER, dir_fd=current)
            os.close(current)
            current = inner
            if make:
                _make_private(current, part)
        yield current
    finally:
        os.close(current)


def _make(part: str, folder: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, 0o700, dir_fd=folder)
        # Whatever the mask says.
        os.chmod(part, 0o700, dir_fd=folder)


def _make_private(folder: int, part: str) -> None:
    found = os.fstat(folder)
    if found.st_uid != os.geteuid():
        message = f"the scratch folder `{part}` belongs to another user; choose another root"
        raise ScratchError(message)
    if stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004 - the user's own
        os.fchmod(folder, 0o700)


def size_of(place: Place) -> int:
    """Give the bytes that a folder takes; 0 if it is not there."""
    try:
        parts = (*place.name.split("/"), place.identity)
        with opened_root(place.root) as root, descended(root, parts) as folder:
            return allocated(folder)
    except (OSError, ScratchError):
        return 0


def hold(place: Place, consumer: str, what: str, expects: int) -> Hold:
    """Open a scratch folder, made if it is not there, and so is the one in it for users.

    Raises
    ------
    ScratchError
        There is a link on the way, or a folder that this library did not make.
    CacheStoreError
        It can't be made or opened.
    DiskBudgetError
        There is no space for its marker.
    """
    make_root(place.root)
    parts = tuple(place.name.split("/"))
    said = marker(place.name, place.identity, consumer, what, expects)
    with (
        opened_root(place.root) as root,
        told(place.path),
        locked(root),
        descended(root, parts, make=True) as parent,
    ):
        new = place.identity not in entries(parent)
        try:
            with descended(parent, (place.identity,), make=True) as folder:
                return Hold(place, _marked(place, folder, said))
        except OSError as error:
            if new and (error.errno in _FULL or isinstance(error, DiskBudgetError)):
                _unmake(place.identity, parent)
            raise


def _marked(place: Place, folder: int, said: Marker) -> Lock:
    """Lock the marker of an open folder, written if there is none; under the root's lock."""
    found = read_marker(folder)
    if found is None or not belongs(found, place.name, place.identity):
        if not is_torn(folder):
            message = (
                f"`{place.path}` is a folder that the library did not make, as it has no marker "
                f"`{MARKER}` of this place; move it away, or take another name or root"
            )
            raise ScratchError(message)
        found = None
    lock = Lock(MARKER, folder)
    try:
        if found is None:
            said.write(lock.file)
        os.utime(lock.file)  # when it was last used
        taken = lock.take(shared=True)
        with told(place.files), descended(folder, (FILES,), make=True):
            pass
    except BaseException:
        lock.close()
        raise
    if not taken:
        lock.close()
        message = f"the marker of `{place.path}` is locked by another program; see what holds it"
        raise CacheStoreError(message)
    return lock


def _unmake(identity: str, parent: int) -> None:
    """Remove a folder that there was no space to mark."""
    with contextlib.suppress(OSError), descended(parent, (identity,)) as folder:
        if is_torn(folder):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(MARKER, dir_fd=folder)
            os.rmdir(identity, dir_fd=parent)


def is_owned(root: int, owner: str) -> bool:
    """Whether a consumer lives; asked under the lock of the root."""
    if not owner:
        return False
    try:
        with descended(root, (OWNERS,)) as folder:
            return not is_free(owner, folder)
    except OSError:
        return False


def belongs(found: Marker, name: str, identity: str) -> bool:
    """Whether a marker was written for the folder of that name; those on their way out too."""
    removed = identity.startswith(f"{REMOVED}{found.identity}-")
    return found.name == name and (removed or found.identity == identity)
