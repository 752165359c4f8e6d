"""How the cache is set up: `configure`, and the folders of the default store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import platformdirs

from afml_cache import _native, _settings
from afml_cache._native import Store, default_store, set_default_store
from afml_cache.exceptions import CacheConfigError

__all__ = ["CACHE_DIRS", "cache_dir", "configure", "initialize_cache_system"]


def cache_dir() -> Path:
    """Give the folder of the default store.

    Returns
    -------
    pathlib.Path
        The one of `configure`, else `$AFML_CACHE`, else the one of `pyproject.toml`, else the
        platform's cache folder for "afml".
    """
    chosen: Path | None = settings().get("cache_dir")
    return chosen or Path(platformdirs.user_cache_dir("afml", appauthor=False))


def configure(given: Mapping[str, Any] | None = None, /, **settings: Any) -> None:
    """Choose how functions that name no store are cached; takes effect at their next call.

    What is left out, or `None`, stays as it is. What is not chosen here comes from the environment
    (`AFML_CACHE` for the folder, `AFML_CACHE_MAX_SIZE` and so on for the others), and what is not
    there from the table `[tool.afml-cache]` of the nearest `pyproject.toml`.

    Parameters
    ----------
    given : mapping, optional
        Settings as a dictionary, such as the `CACHE_CONFIG` of existing scripts, with its switches
        among them: `enabled` turns the cache off, and on again, `cache_labeling` and the like a
        group of sweeps and artifacts, and `skip_existing_universes` and the like have those of a
        group made anew.
    cache_dir : str or os.PathLike
        The folder; made when it is first needed.
    max_size : int or str
        Bytes that it may take, or a text such as "20 GiB". By default the smaller of 20 GiB and
        half of the disk's free space and the folder's own.
    memory : int or str
        Bytes of results that each process keeps in memory; by default the smaller of 512 MiB and a
        tenth of its memory.
    allow_pickle : bool
        Whether results that nothing but pickle can hold are stored and loaded; true by default.
    network : bool
        Whether the folder is on a network file system; found out by default.
    mode : str
        As in `mode`, for all that is in no `with` statement; "normal" by default.
    scratch_dir : str or os.PathLike
        Where scratch folders are made; by default `scratch` in the folder.
    checkpoint_interval : int
        After how many items a sweep commits what it has; 10 by default.
    skip_existing : bool
        Whether artifacts and files of batches that are there are used; true by default.
    force_rerun : bool
        Whether artifacts, batches and sweeps are computed whatever is there; false by default.

    Raises
    ------
    CacheConfigError
        There is no such setting, or its value can't be right.

    Examples
    --------
    >>> import tempfile
    >>> from afml_cache import CACHE_DIRS, configure
    >>> folder = tempfile.mkdtemp()
    >>> configure(cache_dir=folder)
    >>> str(CACHE_DIRS["base"]) == folder
    True
    """
    for name, value in {**_mapping(given), **settings}.items():
        if value is not None:
            _chosen.update(_settings.read(name, value))
            if name == "enabled" and value and _chosen.get("mode") == "off":
                del _chosen["mode"]
    _native.set_process_mode(_mode())
    set_default_store(None)


def _mapping(given: Any) -> Mapping[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        message = f"configure takes a dictionary of settings, or settings by name, not {given!r}"
        raise CacheConfigError(message)
    return {} if given is None else given


_chosen: dict[str, Any] = {}


def settings() -> dict[str, Any]:
    """Give all that is chosen, by `configure`, the environment, or `pyproject.toml`."""
    return {**_settings.of_project(), **_settings.of_environment(), **_chosen}


def _mode() -> str:
    named: str = {**_settings.of_environment(), **_chosen}.get("mode", "normal")
    return named


_native.set_process_mode(_mode())


def make_default_store() -> Store:
    """Make the store that the configuration names; it opens when it is first needed."""
    chosen = settings()
    return Store(
        cache_dir(),
        allow_pickle=chosen.get("allow_pickle", True),
        max_size=chosen.get("max_size"),
        memory=chosen.get("memory"),
        network=chosen.get("network"),
    )


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
