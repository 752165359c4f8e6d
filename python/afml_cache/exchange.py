"""Results from one store to another, as one file: `export_entries`, `import_entries`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from afml_cache import _native
from afml_cache._native import Store, default_store
from afml_cache.entries import function_name
from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Exported", "Imported", "export_entries", "import_entries"]

_log = logging.getLogger("afml_cache")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Attributes
    ----------
    entries : int
        How many results are in the file.
    bytes : int
        The size of the file.
    damaged : int
        How many were left out since they fail their checks; `verify(fix=True)` sets them aside.
    pickles : int
        How many were left out since the store has `allow_pickle=False`.
    """

    entries: int
    bytes: int
    damaged: int = 0
    pickles: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the results in a file; their counts add up to all that it holds.

    Attributes
    ----------
    stored : int
        They are in.
    present : int
        There was a result for the call already, which stays.
    foreign : int
        Pickles and classes that were sealed with another secret: somebody else's, which nobody here
        can tell from forged ones.
    refused : int
        Damaged, altered, moved or forged; the first hundred lie in the store's quarantine.
    outdated : int
        They were dropped here, by `cache_clear`, `invalidate` or the like, after their computation
        began.
    too_large : int
        They do not fit into the store's `max_size`.
    pickles : int
        The store has `allow_pickle=False`.
    unwritten : int
        They are sound, and the mode ("readonly", "frozen", "off") has nothing written.
    bytes : int
        The size of those that are in.
    """

    stored: int = 0
    present: int = 0
    foreign: int = 0
    refused: int = 0
    outdated: int = 0
    too_large: int = 0
    pickles: int = 0
    unwritten: int = 0
    bytes: int = 0


def export_entries(
    path: str | os.PathLike[str],
    *,
    function: str | Callable[..., object] | None = None,
    store: Store | None = None,
) -> Exported:
    """Write stored results to one file, for another store of yours or as a backup.

    Each is checked in full on its way. The file appears when it is whole; an earlier export in its
    place is replaced, anything else is not. It is readable by you alone.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    function : str or callable, optional
        Only the results of this function: itself, or its `module.qualname`.
    store : Store, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    Exported
        How much is in the file.

    Raises
    ------
    CacheConfigError
        `path` or `function` is something else.
    CacheStoreError
        The store can't be opened, the file can't be written, or something else is in its place.

    Examples
    --------
    >>> import tempfile
    >>> from afml_cache import Store, export_entries, import_entries, robust_cacheable
    >>> folder = tempfile.mkdtemp()
    >>> here, there = Store(f"{folder}/here"), Store(f"{folder}/there")
    >>> @robust_cacheable(store=here)
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> export_entries(f"{folder}/squares.afml", function=square, store=here).entries
    1
    >>> import_entries(f"{folder}/squares.afml", store=there).stored
    1
    """
    place = default_store() if store is None else store
    name = function_name(function)
    done = Exported(*_native.export_entries(place, str(_path(path).absolute()), name))
    if done.damaged:
        advice = "verify(fix=True) sets them aside"
        _log.warning("%d results in `%s` are damaged; %s", done.damaged, place.path, advice)
    return done


def import_entries(path: str | os.PathLike[str], *, store: Store | None = None) -> Imported:
    """Take in the results of a file that `export_entries` wrote.

    Each keeps when it was computed and how long that took, and gives way to what is stored already.
    What holds a pickle or names a class comes in only with the seal of your secret, and is neither
    unpickled nor imported here; everything else is decoded once, to see that it can be.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    store : Store, optional
        Into which store; the default store if it is left out.

    Returns
    -------
    Imported
        What became of each.

    Raises
    ------
    CacheConfigError
        `path` is something else.
    CacheCorruptError
        The file is damaged, cut short, or no export; nothing of it is taken in.
    CacheStoreError
        The file can't be read, or is of a newer version; the store can't be opened or written. In
        the last case some results are in, and the import can be repeated.

    Examples
    --------
    >>> import tempfile
    >>> from afml_cache import Store, export_entries, import_entries, robust_cacheable
    >>> folder = tempfile.mkdtemp()
    >>> here, there = Store(f"{folder}/here"), Store(f"{folder}/there")
    >>> @robust_cacheable(store=here)
    ... def cube(x):
    ...     return x**3
    >>> cube(2)
    8
    >>> export_entries(f"{folder}/cubes.afml", store=here).entries
    1
    >>> import_entries(f"{folder}/cubes.afml", store=there).stored
    1
    >>> import_entries(f"{folder}/cubes.afml", store=there).present
    1
    """
    place = default_store() if store is None else store
    # A link is followed: what counts is what the file holds.
    real = os.path.realpath(_path(path))
    counts, reason = _native.import_entries(place, real)
    done = Imported(*counts)
    if done.refused:
        _log.warning("%d results of `%s` were refused: %s", done.refused, path, reason)
    return done


def _path(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        message = f"`path` must be a path, not {path!r}"
        raise CacheConfigError(message)
    try:
        found = Path(os.fsdecode(path)).expanduser()
        is_path = b"\0" not in os.fsencode(found)
    except (RuntimeError, ValueError) as error:
        message = f"`path` can't be used: {error}"
        raise CacheConfigError(message) from error
    if not is_path:
        message = f"`path` must hold no null character, as {path!r} does"
        raise CacheConfigError(message)
    return found
