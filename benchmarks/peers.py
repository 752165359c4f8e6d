"""Every cache as a decorator, each with a store of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import SUBJECT

Wrap = Any  # a decorator; the packages that make them are not typed

PACKAGES = ("joblib", "diskcache", "cachier", "dask", "cachebox", "moka_py")


def wrapper(who: str, folder: Path) -> Wrap:
    """The decorator of `who`, keeping its entries under `folder`."""
    return FACTORIES[who](folder)


def confirm_hits(cached: Callable[..., Any]) -> None:
    """Raise where a cache that counts says it never hit: its figure would be the function's own."""
    counts: Any = getattr(cached, "cache_info", dict)()
    if getattr(counts, "hits", 1) == 0:
        message = f"no call was a hit: {counts}"
        raise RuntimeError(message)


def afml_cache(folder: Path, **options: Any) -> Wrap:
    """This project, told to raise rather than to run uncached."""
    package = import_module("afml_cache")
    store = package.Store(folder / "afml_cache")
    wrap = package.robust_cacheable
    return functools.partial(wrap, store=store, on_uncacheable="raise", **options)


def joblib(folder: Path, mmap_mode: str | None = None) -> Wrap:
    """A pickle per result, large arrays beside it."""
    memory = import_module("joblib").Memory
    return memory(folder / f"joblib-{mmap_mode}", mmap_mode=mmap_mode, verbose=0).cache


def diskcache(folder: Path) -> Wrap:
    """SQLite; a large result is a pickle in a file."""
    return import_module("diskcache").Cache(folder / "diskcache").memoize()


def cachier(folder: Path) -> Wrap:
    """One pickle per function, its own choice of key."""
    return import_module("cachier").cachier(cache_dir=folder / "cachier")


def cachebox(_: Path) -> Wrap:
    """Rust, in memory."""
    package = import_module("cachebox")
    return package.cached(package.LRUCache(1_000))


def moka_py(_: Path) -> Wrap:
    """Rust, in memory."""
    return import_module("moka_py").cached(maxsize=1_000)


def lru_cache(_: Path) -> Wrap:
    """The standard library's, in memory."""
    return functools.lru_cache(maxsize=1_000)


FACTORIES: dict[str, Callable[[Path], Wrap]] = {
    SUBJECT: afml_cache,
    "joblib.Memory": joblib,
    "joblib.Memory, mmap": functools.partial(joblib, mmap_mode="r"),
    "diskcache.memoize": diskcache,
    "cachier": cachier,
    "cachebox (RAM only)": cachebox,
    "moka_py (RAM only)": moka_py,
    "lru_cache (RAM only)": lru_cache,
}

EVERYBODY = tuple(FACTORIES)
IN_MEMORY = tuple(who for who in EVERYBODY if "RAM only" in who)
ON_DISK = tuple(who for who in EVERYBODY if who not in IN_MEMORY)
