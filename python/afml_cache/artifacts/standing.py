"""What stands at an artifact's place, and whether it is what was written there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afml_cache.artifacts import reading, sidecar
from afml_cache.artifacts.placing import alone_in
from afml_cache.exceptions import warn

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache._native import Store
    from afml_cache.artifacts.sidecar import Metadata

__all__ = ["Standing", "look", "remove"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at a path.

    Attributes
    ----------
    exists : bool
        Whether anything does.
    metadata : Metadata or None
        What genuinely stands beside it.
    wrong : str or None
        Why it is not what was written there.
    """

    exists: bool
    metadata: Metadata | None = None
    wrong: str | None = None


def look(path: Path, store: Store) -> Standing:
    """Look at what stands at a path.

    Raises
    ------
    CacheStoreError
        The store can't be opened, so that nothing says what is genuine.
    """
    if not os.path.lexists(path):
        return Standing(exists=False)
    try:
        metadata = sidecar.read(path, store)
    except sidecar.NotGenuineError as error:
        return Standing(exists=True, wrong=str(error))
    if metadata is None:
        return Standing(exists=True, wrong="nothing beside it says what it was made from")
    return Standing(exists=True, metadata=metadata, wrong=reading.damage(path, metadata))


def remove(path: Path, store: Store, function: str | None = None) -> bool:
    """Remove an artifact and what stands beside it.

    A file that somebody else wrote or edited is left, which is told; and one that another function
    than that of the given name has made.

    Returns
    -------
    bool
        Whether it was there and is gone.

    Raises
    ------
    OSError
        It can't be removed.
    CacheStoreError
        The store can't be opened, so that nothing says whose it is.
    """
    if not path.parent.is_dir():
        return False
    with alone_in(path.parent):
        return _removed(path, store, function)


def _removed(path: Path, store: Store, function: str | None) -> bool:
    try:
        metadata = sidecar.read(path, store)
        reason = "" if metadata else "nothing beside it says that an artifact was written there"
    except sidecar.NotGenuineError as error:
        metadata, reason = None, str(error)
    existed = os.path.lexists(path)
    if metadata is not None and existed:
        reason = reading.damage(path, metadata) or ""
    if metadata is not None and not reason:
        if function not in {None, metadata.function}:
            return False
        place = sidecar.place_of(path)
        path.unlink(missing_ok=True)
        place.unlink(missing_ok=True)
        return existed
    if existed:
        warn("ArtifactWarning", f"`{path}` is not removed: {reason}; remove it by hand")
    return False
