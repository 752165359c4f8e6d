"""Which sweeps there are, and how they stand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, overload

from afml_cache._native import default_store
from afml_cache.exceptions import CacheConfigError
from afml_cache.store import checked_store
from afml_cache.sweeping.journal import Journal, SweepStatus

if TYPE_CHECKING:
    import os

    from afml_cache._native import Store

__all__ = ["status", "sweeps"]


def sweeps(*, store: Store | str | os.PathLike[str] | None = None) -> list[SweepStatus]:
    """List the sweeps of a store, the one that was called last at the end.

    Parameters
    ----------
    store : Store, str or os.PathLike, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    list of SweepStatus
        Without their failures, which `sweep.status` has.

    Raises
    ------
    CacheStoreError
        The store can't be opened.

    Examples
    --------
    >>> from afml_cache import sweep, sweeps
    >>> _ = sweep(abs, [-1, 2], desc="Absolute", progress=False)
    >>> sweeps()[-1].name, sweeps()[-1].done
    ('Absolute', 2)
    """
    journal = Journal(checked_store(store) or default_store())
    return [_as_it_stands(journal, found) for found in journal.sweeps()]


@overload
def status(name: str, *, store: Store | str | os.PathLike[str] | None = None) -> SweepStatus: ...


@overload
def status(
    name: None = None, *, store: Store | str | os.PathLike[str] | None = None
) -> SweepStatus | None: ...


def status(
    name: str | None = None, *, store: Store | str | os.PathLike[str] | None = None
) -> SweepStatus | None:
    """Tell how a sweep stands, with the items that failed; from any process.

    Parameters
    ----------
    name : str, optional
        Its `desc`, its function or its id; by default the one that was called last.
    store : Store, str or os.PathLike, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    SweepStatus or None
        The last one of that name; `None` where no name is given and there was none at all.

    Raises
    ------
    CacheConfigError
        There is none of that name.
    CacheStoreError
        The store can't be opened.
    """
    journal = Journal(checked_store(store) or default_store())
    found = journal.sweeps()
    named = [one for one in found if name in {None, one.name, one.id, one.function}]
    if not named:
        if name is None:
            return None
        known = ", ".join(dict.fromkeys(f"`{one.name}`" for one in found)) or "none at all"
        message = f"there is no sweep {name!r}; there are {known}"
        raise CacheConfigError(message)
    last = _as_it_stands(journal, named[-1])
    return replace(last, failures=tuple(journal.failures_of(last.id)))


def _as_it_stands(journal: Journal, found: SweepStatus) -> SweepStatus:
    """Say of one whose process is gone that it was interrupted."""
    if found.state == "running" and not journal.is_running(found.id):
        return replace(found, state="interrupted")
    return found
