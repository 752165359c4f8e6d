"""Who holds scratch: all folders under a root, and the removal of those whose owner is dead."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheError
from afml_cache.instants import length_of
from afml_cache.scratch_space.folders import (
    REMOVED,
    Hold,
    belongs,
    descended,
    is_owned,
    opened_root,
    told,
)
from afml_cache.scratch_space.identities import short
from afml_cache.scratch_space.locks import Lock, is_free, locked
from afml_cache.scratch_space.marker import MARKER, Marker, read_marker
from afml_cache.scratch_space.places import DEEPEST, Place, root_of
from afml_cache.scratch_space.removal import let_go
from afml_cache.scratch_space.trees import FOLDER, allocated, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Holder", "collect_scratch", "scratch_holders"]


@dataclass(frozen=True, slots=True)
class Holder:
    """A scratch folder, and who has it.

    Attributes
    ----------
    path : pathlib.Path
        The folder with its marker `.afml-scratch`; what `scratch` gives is `files` in it.
    name : str
        As `scratch` was told it.
    what : str
        What it was made for, in words; empty where nobody said.
    bytes : int
        What it takes on the disk.
    alive : bool
        Whether a process uses it, or the artifact or sweep that it belongs to is under way.
    pid : int
        The process that made it.
    host : str
        The machine of that process.
    created : datetime
        When it was made; aware, UTC.
    """

    path: Path
    name: str
    what: str
    bytes: int
    alive: bool
    pid: int
    host: str
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A scratch folder as it was found.

    Attributes
    ----------
    root : pathlib.Path
        Under which root.
    folder : str
        What it is called.
    marker : Marker
        What its marker says.
    is_open : bool
        Whether somebody has it open.
    alive : bool
        Whether somebody does, or its consumer lives.
    used : float
        When it was last opened, in seconds since 1970.
    size : int
        What it takes, in bytes.
    """

    root: Path
    folder: str
    marker: Marker
    is_open: bool
    alive: bool
    used: float
    size: int

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root / self.marker.name / self.folder

    @property
    def claim(self) -> int:
        """What it takes, or was admitted for if that is more and it is still being written."""
        return max(self.size, self.marker.expects) if self.alive else self.size

    @property
    def holder(self) -> Holder:
        """What users are told of it."""
        said = self.marker
        created = dt.datetime.fromisoformat(said.created)
        shown = (said.name, said.what, self.size, self.alive, said.pid, said.host)
        return Holder(self.path, *shown, created)


def scratch_holders(root: str | os.PathLike[str] | None = None) -> list[Holder]:
    """List the scratch folders that there are, largest first.

    Parameters
    ----------
    root : str or os.PathLike, optional
        Under which folder; by default where scratch folders are made (`scratch_dir`).

    Returns
    -------
    list of Holder
        Their sizes are what the disk gives them, a file with several names counted once.

    Raises
    ------
    ScratchError
        The root is a link, or no folder.

    Examples
    --------
    >>> from afml_cache import scratch, scratch_holders
    >>> with scratch("doctest") as folder:
    ...     [(held.name, held.alive) for held in scratch_holders() if held.path == folder.parent]
    [('doctest', True)]
    """
    return [found.holder for found in find(root_of(root))]


def collect_scratch(
    *, root: str | os.PathLike[str] | None = None, older_than: Any = None, dry_run: bool = False
) -> list[Holder]:
    """Remove the scratch folders whose owner is dead or has failed.

    What they hold would spare a resume the work; `older_than` leaves what is recent.

    Parameters
    ----------
    root : str or os.PathLike, optional
        Under which folder; by default where scratch folders are made (`scratch_dir`).
    older_than : timedelta, float or str, optional
        Only those that were last opened longer ago than this: a timedelta, seconds, or a text of
        pandas such as "30D".
    dry_run : bool, default False
        Remove nothing.

    Returns
    -------
    list of Holder
        Those that were removed, or would be. What is in use stays.

    Raises
    ------
    CacheConfigError
        `older_than` is no length of time.
    ScratchError
        The root is a link, or no folder.

    Examples
    --------
    >>> from afml_cache import collect_scratch
    >>> collect_scratch(older_than=86_400)
    []
    """
    age = None if older_than is None else length_of("older_than", older_than) / 1e9
    before = None if age is None else time.time() - age

    def old(found: Found) -> bool:
        return before is None or found.used < before

    return [found.holder for found in collect(root_of(root), old, dry_run=dry_run)]


def collect(root: Path, wanted: Callable[[Found], bool], *, dry_run: bool = False) -> list[Found]:
    """Remove folders that nobody uses; give those that were."""
    dead = [found for found in find(root) if not found.alive and wanted(found)]
    return [found for found in dead if dry_run or _remove(found)]


def _remove(found: Found) -> bool:
    place = Place(found.root, found.marker.name, found.marker.identity)
    try:
        with opened_root(found.root) as root, _opened(root, found) as folder:
            held = Hold(place, Lock(MARKER, folder, make=False))
    except (OSError, CacheError):
        return False  # somebody else removed it
    return let_go(held, found.folder, short(found.marker.consumer)) is not None


def _opened(root: int, found: Found) -> Any:
    return descended(root, (*found.marker.name.split("/"), found.folder))


def find(root: Path) -> list[Found]:
    """Find all scratch folders under a root, largest first."""
    if not os.path.lexists(root):
        return []
    seen = set[tuple[int, int]]()
    with opened_root(root) as opened:
        marked = list(_marked(opened, ()))
        if not marked:
            return []
        with told(root), locked(opened):
            states = [_state(opened, parts, said) for parts, said in marked]
        found = [
            _measured(root, opened, parts, said, state, seen)
            for (parts, said), state in zip(marked, states, strict=True)
        ]
    return sorted(filter(None, found), key=lambda each: (-each.size, each.path))


def claim_of(place: Place) -> int:
    """Give what a folder claims of the disk by now; 0 if it is not there."""
    parts = (*place.name.split("/"), place.identity)
    try:
        with opened_root(place.root) as root:
            with descended(root, parts) as folder:
                said = read_marker(folder)
            if said is None:
                return 0
            with locked(root):
                state = _state(root, parts, said)
            found = _measured(place.root, root, parts, said, state, set())
            return 0 if found is None else found.claim
    except (OSError, CacheError):
        return 0


def _marked(folder: int, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Marker]]:
    for name in sorted(entries(folder)):
        if name.startswith(".") and not name.startswith(REMOVED):
            continue
        try:
            inner = os.open(name, FOLDER, dir_fd=folder)
        except OSError:
            continue  # a file, a link, or gone
        try:
            said = read_marker(inner)
            if said is not None and belongs(said, "/".join(parts), name):
                yield (*parts, name), said
            elif len(parts) < DEEPEST:
                yield from _marked(inner, (*parts, name))
        except FileNotFoundError:
            continue
        finally:
            os.close(inner)


def _state(root: int, parts: tuple[str, ...], said: Marker) -> tuple[bool, bool]:
    """Tell whether somebody has a folder open, and whether it is in use; under the root's lock."""
    try:
        with descended(root, parts) as folder:
            is_open = not is_free(MARKER, folder)
    except OSError:
        return False, False
    return is_open, is_open or is_owned(root, short(said.consumer))


def _measured(
    root: Path,
    opened: int,
    parts: tuple[str, ...],
    said: Marker,
    state: tuple[bool, bool],
    seen: set[tuple[int, int]],
) -> Found | None:
    try:
        with descended(opened, parts) as folder:
            used = os.stat(MARKER, dir_fd=folder, follow_symlinks=False).st_mtime
            return Found(root, parts[-1], said, *state, used, allocated(folder, seen))
    except OSError:
        return None  # removed meanwhile
