"""Where the cache lives: `configure`, the environment, the platform's folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypedDict

import platformdirs

from afml_cache._native import Store, default_store, set_default_store
from afml_cache.exceptions import CacheConfigError

__all__ = ["CACHE_DIRS", "cache_dir", "configure", "initialize_cache_system"]


class _Chosen(TypedDict, total=False):
    cache_dir: Path
    allow_pickle: bool


_chosen = _Chosen()


def cache_dir() -> Path:
    """Give the folder of the default store.

    Returns
    -------
    pathlib.Path
        The one of `configure`, else `$AFML_CACHE`, else the platform's cache folder for "afml".
    """
    chosen = _chosen.get("cache_dir") or os.environ.get("AFML_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("afml", appauthor=False))


def configure(
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    allow_pickle: bool | None = None,
) -> None:
    """Choose the store of functions that name none; takes effect at their next call.

    Parameters
    ----------
    cache_dir
        The folder; made when it is first needed. `None` leaves it as it is.
    allow_pickle
        Whether results that nothing but pickle can hold are stored and loaded. `None` leaves it
        as it is; the default is true.

    Raises
    ------
    CacheConfigError
        A setting is of another type than it should be.
    """
    if cache_dir is not None:
        _chosen["cache_dir"] = _path(cache_dir)
    if allow_pickle is not None:
        _chosen["allow_pickle"] = _flag(allow_pickle)
    set_default_store(None)


def _path(given: object) -> Path:
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        message = f"`cache_dir` must be a path, not {given!r}"
        raise CacheConfigError(message)
    return Path(given).expanduser()


def _flag(given: object) -> bool:
    if not isinstance(given, bool):
        message = f"`allow_pickle` must be true or false, not {given!r}"
        raise CacheConfigError(message)
    return given


def make_default_store() -> Store:
    """Make the store that the configuration names; it opens when it is first needed."""
    return Store(cache_dir(), allow_pickle=_chosen.get("allow_pickle", True))


def secret_source() -> tuple[str | None, str]:
    """Give the secret in `$AFML_CACHE_KEY`, if there is one, and the file that else holds it."""
    folder = Path(platformdirs.user_config_dir("afml", appauthor=False))
    return os.environ.get("AFML_CACHE_KEY"), str(folder / "cache.key")


class _Folders(Mapping[str, Path]):
    """Names to folders under the cache's root, as `afml.cache` has them."""

    _NAMES: Final = {"base": "", "joblib": "v1", "numba": "numba", "backtest": "v1/runs"}

    def __getitem__(self, name: str) -> Path:
        return cache_dir() / self._NAMES[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)

    def __repr__(self) -> str:
        return repr(dict(self))


CACHE_DIRS: Final[Mapping[str, Path]] = _Folders()
"""Folders of the default store: `base`, `joblib` (entries), `numba`, `backtest` (runs)."""


def initialize_cache_system() -> None:
    """Make the folders of `CACHE_DIRS`, and have numba compile into its one.

    `NUMBA_CACHE_DIR` is set unless it is set already or numba has been imported.

    Raises
    ------
    CacheStoreError
        The folder can't be made, or is not safe to use.
    """
    len(default_store())
    for folder in CACHE_DIRS.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE_DIRS["numba"]))
