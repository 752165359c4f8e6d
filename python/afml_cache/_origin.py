"""Whose code a module is: the user's, an installed package's, or Python's own."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Origin = Literal["user", "package", "standard"]

_PATHS: Final = sysconfig.get_paths()
_INSTALLED: Final = tuple(PurePath(_PATHS[key]) for key in ("purelib", "platlib"))
_STANDARD: Final = tuple(
    PurePath(path)
    for path in (_PATHS["stdlib"], _PATHS["platstdlib"], str(PurePath(os.__file__).parent))
)
_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})


def module_name(name: object) -> str:
    """Give a module's name, the same in the parent process and in a spawned worker."""
    if not isinstance(name, str):
        return "<unknown>"
    return "__main__" if name == "__mp_main__" else name


def namespace_name(namespace: dict[str, object]) -> str:
    """Give the name of the module whose globals these are."""
    return module_name(namespace.get("__name__"))


def file_name(namespace: dict[str, object]) -> str:
    """Give the base name of a module's file, or the module's name where there is no file."""
    file = namespace.get("__file__")
    return PurePath(file).name if isinstance(file, str) else namespace_name(namespace)


def top_level(module: str) -> str:
    """Give the top-level package of a module."""
    return module.partition(".")[0]


def origin(module: str, own: str = "") -> Origin:
    """Tell whose code `module` is; the top-level package `own` counts as the user's."""
    top = top_level(module)
    if top == "afml_cache" or module == "afml.cache" or module.startswith("afml.cache."):
        return "standard"
    if top in {own, "__main__"}:
        return "user"
    return _origin_of(top, _file(module))


def origin_of_import(module: str, own: str = "") -> Origin:
    """Tell whose code a module is that may not have been imported yet."""
    top = top_level(module)
    if top in sys.modules:
        return origin(module, own)
    spec = _find(top)
    if spec is None or top == own:
        return "user"
    folders = spec.submodule_search_locations
    return _origin_of(top, spec.origin if spec.has_location else next(iter(folders or ()), None))


def load(module: str) -> object:
    """Give a module of the user's, importing it as the body is about to; `None` if that fails."""
    if module not in sys.modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - the body decides what a failed import means
            return None
    return sys.modules.get(module)


def compiled(module: str) -> bool:
    """Whether a module is an extension, whose code can't be read."""
    return (_file(module) or "").endswith(tuple(EXTENSION_SUFFIXES))


def offered(value: object, name: str, own: str) -> str | None:
    """Give `module:name` under which a module that is not the user's offers this very object."""
    owner = type(getattr(value, "__self__", None))
    modules = (getattr(value, "__module__", None), type(value).__module__, owner.__module__)
    names = (getattr(value, "__qualname__", None), getattr(value, "__name__", None), name)
    for module in modules:
        if not isinstance(module, str) or origin(module, own) == "user":
            continue
        for candidate in names:
            if isinstance(candidate, str) and _resolve(module, candidate) is value:
                return f"{module}:{candidate}"
    return None


def _resolve(module: str, path: str) -> object:
    value: object = sys.modules.get(module)
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _file(module: str) -> str | None:
    while module:
        loaded = sys.modules.get(module)
        if loaded is not None:
            file = getattr(loaded, "__file__", None)
            if isinstance(file, str):
                return file
            path = getattr(loaded, "__path__", None)
            return next(iter(path), None) if path else None
        module = module.rpartition(".")[0]
    return None


def _find(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _origin_of(top: str, file: str | None) -> Origin:
    if file is None:
        return "standard" if top in sys.stdlib_module_names else "user"
    parents = PurePath(file).parents
    if not _FOLDERS.isdisjoint(PurePath(file).parts) or not set(_INSTALLED).isdisjoint(parents):
        return "package"
    return "user" if set(_STANDARD).isdisjoint(parents) else "standard"
