"""Stores, and what can be asked of them."""

from __future__ import annotations

from afml_cache._native import Store

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
