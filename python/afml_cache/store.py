"""Stores, and what can be asked of them."""

from __future__ import annotations

import os

from afml_cache._native import Store
from afml_cache.exceptions import CacheConfigError

__all__ = ["Store"]


def make_store(
    path: str,
    allow_pickle: bool,
    sizes: tuple[int | None, int | None],
    network: bool | None,
) -> Store:
    """Make a store anew in the process that unpickles it."""
    max_size, memory = sizes
    return Store(path, allow_pickle=allow_pickle, max_size=max_size, memory=memory, network=network)


def checked_store(store: object) -> Store | None:
    """Give the store that an option names, `None` for the default one.

    Raises
    ------
    CacheConfigError
        It is neither a store nor a path.
    """
    if isinstance(store, str | os.PathLike) and os.fspath(store):
        return Store(store)
    if store is None or isinstance(store, Store):
        return store
    message = f"`store` must be a Store or a path, not {store!r}"
    raise CacheConfigError(message)
