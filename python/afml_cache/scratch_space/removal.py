"""Letting go of scratch folders, and saying what that freed."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import ScratchError, warn
from afml_cache.scratch_space.context import Budget, budget_of_context
from afml_cache.scratch_space.folders import (
    REMOVED,
    Hold,
    descended,
    is_owned,
    opened_root,
    size_of,
)
from afml_cache.scratch_space.locks import locked
from afml_cache.scratch_space.marker import MARKER, read_marker
from afml_cache.scratch_space.records import record
from afml_cache.scratch_space.trees import allocated, clear, entries
from afml_cache.sizes import as_text

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache.scratch_space.places import Place

_log: Final = logging.getLogger("afml_cache.scratch")


def let_go(held: Hold, folder_name: str | None = None, owner: str = "") -> int | None:
    """Remove a folder, and tell what that freed; parameters and what is returned as of `remove`."""
    budget = _budget_of(held.place.root)
    if budget is not None:
        budget.note_size(held.place.path, size_of(held.place))
    freed = remove(held, folder_name, owner)
    if freed:
        record(held.place.root, held.place.name, freed)
        _log.info("scratch `%s` removed, %s freed", held.place.name, as_text(freed))
    return freed


def note_peak(root: Path) -> None:
    """Have the budget, if there is one of this root, measure what is in use."""
    budget = _budget_of(root)
    if budget is not None:
        budget.note()


def _budget_of(root: Path) -> Budget | None:
    budget = budget_of_context()
    return budget if budget is not None and budget.root == root else None


def remove(held: Hold, folder_name: str | None = None, owner: str = "") -> int | None:
    """Remove a folder and let go of it.

    What can't be removed is told by a warning.

    Parameters
    ----------
    held
        The folder; its lock is closed whatever happens.
    folder_name
        What it is called now, if a removal was cut short.
    owner
        The consumer that keeps it for as long as it lives.

    Returns
    -------
    int or None
        The bytes that were freed; `None` where others still use it, or nothing could be removed.
    """
    place = held.place
    try:
        with opened_root(place.root) as root:
            parts = tuple(place.name.split("/"))
            with descended(root, parts) as parent:
                moved = _move_away(held, root, parent, folder_name or place.identity, owner)
                return None if moved is None else _clear(held, parent, moved)
    except FileNotFoundError:
        return 0  # somebody else removed it
    except (OSError, ScratchError) as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return 0
        warn("SweepWarning", f"scratch `{place.path}` could not be removed: {error}")
        return None
    finally:
        held.lock.close()


def _move_away(held: Hold, root: int, parent: int, identity: str, owner: str) -> str | None:
    """Give a folder a name that nobody opens; `None` where others use it."""
    with locked(root), descended(parent, (identity,)) as folder:
        if not held.lock.is_at(MARKER, folder):
            if read_marker(folder) is None and entries(folder):
                message = "its marker is gone, so it may be another's by now; remove it yourself"
                raise ScratchError(message)
            return None
        if is_owned(root, owner) or not held.lock.take():
            return None
        moved = f"{REMOVED}{held.place.identity}-{secrets.token_hex(4)}"
        os.rename(identity, moved, src_dir_fd=parent, dst_dir_fd=parent)
        return moved


def _clear(held: Hold, parent: int, moved: str) -> int:
    with descended(parent, (moved,)) as folder:
        before = allocated(folder)
        error = clear(folder, MARKER)
        if error is not None:
            left = allocated(folder)
            path = held.place.path.parent / moved
            message = (
                f"not all of scratch `{held.place.name}` could be removed: {error}; what is left "
                f"is in `{path}`"
            )
            warn("SweepWarning", message)
            return before - left
        # The marker goes last, so that what is left of a removal cut short is known as ours.
        os.unlink(MARKER, dir_fd=folder)
    os.rmdir(moved, dir_fd=parent)
    _remove_empty(held.place)
    return before


def _remove_empty(place: Place) -> None:
    """Remove the folders of a name that nothing is in any more."""
    parts = tuple(place.name.split("/"))
    with contextlib.suppress(OSError, ScratchError), opened_root(place.root) as root, locked(root):
        for count in range(len(parts), 0, -1):
            with descended(root, parts[: count - 1]) as folder:
                os.rmdir(parts[count - 1], dir_fd=folder)
