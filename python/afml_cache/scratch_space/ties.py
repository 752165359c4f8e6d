"""What is of use only while scratch folders are there, and those are told from later ones."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import digest
from afml_cache.exceptions import CacheError
from afml_cache.scratch_space.consumers import consumers
from afml_cache.scratch_space.context import open_folders
from afml_cache.scratch_space.folders import opened_root
from afml_cache.scratch_space.marker import read_marker
from afml_cache.scratch_space.reaching import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Ties", "are_there", "has_ties", "named_folders", "tied_by", "ties_to"]

# So many values are looked through for paths, numbers left out.
_MOST: Final = 100_000
# Scratch folders, each with what it is told by from one that is made in its place later.
Ties = tuple[tuple[str, str], ...]


def has_ties() -> bool:
    """Whether there may be something here that has been written for what is made around."""
    return bool(open_folders.get()) or any(each.names for each in consumers())


def tied_by() -> str:
    """Name what scratch is kept for here: the outermost artifact or sweep that keeps any."""
    return next((each.key for each in consumers() if each.names), "")


def ties_to(folders: Iterable[Path]) -> Ties | None:
    """Tell folders from those that are made in their place later; `None` if one is gone."""
    told = [(str(folder), _told(folder)) for folder in sorted(folders)]
    found = tuple((path, made) for path, made in told if made is not None)
    return found if len(found) == len(told) else None


def are_there() -> Callable[[Ties], bool]:
    """Give what says whether folders are those that they were; it looks at each once."""
    told = functools.cache(_told)
    return lambda ties: all(told(Path(path)) == made for path, made in ties)


def _told(folder: Path) -> str | None:
    try:
        with opened_root(folder) as opened:
            found = read_marker(opened)
    except (CacheError, OSError):
        return None
    if found is None or found.identity != folder.name:
        return None
    return digest((found.host, found.pid, found.created))


def named_folders(values: Iterable[Any]) -> set[Path]:
    """Give the scratch folders that are open here and that paths, or texts, lie in.

    They are looked for in containers, objects, and what functions reach, too. Where that is too
    much to go through, it counts as naming all of them.
    """
    opened = open_folders.get()
    if not opened:
        return set()
    found: set[Path] = set()
    for number, value in enumerate(reached(values)):
        if number > _MOST:
            return set(opened)
        if isinstance(value, str | os.PathLike):
            text = os.fspath(value)
            if isinstance(text, str):
                path = Path(os.path.normpath(text))
                found.update(folder for folder in opened if path.is_relative_to(folder))
    return found
