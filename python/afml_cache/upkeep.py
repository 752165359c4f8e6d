"""Keeping a store sound and small: `verify`, `gc`, `pin`."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Runs, Store, default_store
from afml_cache.entries import EntryInfo, function_name
from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import length_of
from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Collection", "Problem", "Verification", "gc", "pin", "unpin", "verify"]

_log = logging.getLogger("afml_cache")
_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class Problem:
    """A stored result that fails its checks.

    Attributes
    ----------
    function : str
        `module.qualname`.
    key : str
        32 hexadecimal digits.
    reason : str
        What is wrong with it.
    """

    function: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of a whole store found; true where nothing is wrong.

    Attributes
    ----------
    checked : int
        How many results were checked.
    bytes : int
        Their size.
    problems : list of Problem
        Those that are wrong.
    rebuilt
        How often the index of the store was damaged or gone, and was made anew from the results
        that have files.
    lost
        How many results up to 16 KiB, which lie in the index itself, were lost then; those of an
        index that could not be read any more are not known, and not counted.
    """

    checked: int
    bytes: int
    problems: list[Problem]
    rebuilt: int
    lost: int

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Collection:
    """What was let go.

    Attributes
    ----------
    entries : int
        How many results.
    bytes : int
        Their size.
    files : int
        How many files, and folders of runs, that nothing named, as killed processes leave them.
    """

    entries: int
    bytes: int
    files: int


def verify(store: Store | None = None, *, fix: bool = False) -> Verification:
    """Check every stored result, byte by byte.

    A hit checks a large result only when its file is not the one that was checked last, on this
    machine and since its last start. What a disk does to it meanwhile is found here.

    Parameters
    ----------
    store : Store, optional
        Which store; the default store if it is left out.
    fix : bool, default False
        Move what is wrong to the folder `quarantine`, so that it is computed again.

    Returns
    -------
    Verification
        How much was checked, and what is wrong.

    Raises
    ------
    CacheStoreError
        The store can't be opened, or changed.

    Examples
    --------
    >>> from afml_cache import verify
    >>> found = verify()
    >>> bool(found), found.problems
    (True, [])
    """
    place = default_store() if store is None else store
    checked, size, problems, rebuilt, lost = place.verify(fix=fix)
    found = Verification(checked, size, [Problem(*wrong) for wrong in problems], rebuilt, lost)
    if problems:
        _log.warning("%d of %d results in `%s` are damaged", len(problems), checked, place.path)
    return found


def gc(
    store: Store | None = None,
    *,
    max_age: Any = None,
    max_size: int | str | None = None,
    function: str | Callable[..., Any] | None = None,
) -> Collection:
    """Let go of results that are old or too many, and of what killed processes have left.

    A store keeps to its own `max_size` without this. What is pinned stays.

    Parameters
    ----------
    store : Store, optional
        Which store; the default store if it is left out.
    max_age : timedelta, float or str, optional
        Let go of results that were computed longer ago than this, as a timedelta, in seconds, or
        as a text of pandas such as "30D".
    max_size : int or str, optional
        Let go of those that save the least time for their size, until the others take no more
        bytes; a number, or a text such as "5 GiB".
    function : callable or str, optional
        Have `max_size` limit the results of this function alone: itself, or its `module.qualname`.

    Returns
    -------
    Collection
        What was let go.

    Raises
    ------
    CacheConfigError
        A limit has a value that can't be right, or a function is named without `max_size`.
    CacheStoreError
        The store can't be opened or changed.

    Examples
    --------
    >>> from afml_cache import gc, robust_cacheable
    >>> @robust_cacheable
    ... def half(x):
    ...     return x / 2
    >>> half(3)
    1.5
    >>> gc(max_age="30D", max_size="10 GiB").entries
    0
    """
    place = default_store() if store is None else store
    limit = None if max_size is None else as_bytes("max_size", max_size)
    name = function_name(function)
    if name is not None and limit is None:
        message = "`function` says whose results `max_size` limits, and there is no `max_size`"
        raise CacheConfigError(message)
    since = None if max_age is None else time.time_ns() - length_of("max_age", max_age)
    entries, size, files = place.collect(since, limit, name)
    return Collection(entries, size, files + Runs(place).collect())


def pin(entry: str | EntryInfo, *, store: Store | None = None) -> bool:
    """Keep a stored result whatever room is needed; `clear`, `invalidate` and `refresh` still act.

    Parameters
    ----------
    entry : str or EntryInfo
        A key, as `f.cache_key(...)` gives it, or one of `entries()`.
    store : Store, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    bool
        Whether there is such a result.

    Raises
    ------
    CacheConfigError
        It is no key.
    CacheStoreError
        The store can't be opened or changed.

    Examples
    --------
    >>> from afml_cache import pin, robust_cacheable, unpin
    >>> @robust_cacheable
    ... def cube(x):
    ...     return x**3
    >>> cube(2)
    8
    >>> pin(cube.cache_key(2)), unpin(cube.cache_key(2)), pin("0" * 32)
    (True, True, False)
    """
    return _pin(entry, store, pinned=True)


def unpin(entry: str | EntryInfo, *, store: Store | None = None) -> bool:
    """Let a stored result go again when room is needed.

    See `pin` for parameters, what is returned, and what is raised.
    """
    return _pin(entry, store, pinned=False)


def _pin(entry: object, store: Store | None, *, pinned: bool) -> bool:
    key = entry.key if isinstance(entry, EntryInfo) else entry
    if not isinstance(key, str) or len(key) != _KEY or not set(key) <= set("0123456789abcdef"):
        message = f"a key is {_KEY} hexadecimal digits, as `f.cache_key(...)` gives it, not {key!r}"
        raise CacheConfigError(message)
    place = default_store() if store is None else store
    return place.pin(key, pinned)
