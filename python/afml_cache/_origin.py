"""Whose code a module is: the user's, an installed package's, or Python's own."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import sysconfig
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from afml_cache._native import digest
from afml_cache._values import attribute

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Origin = Literal["user", "package", "standard"]

_PATHS: Final = sysconfig.get_paths()
_INSTALLED: Final = tuple(PurePath(_PATHS[key]) for key in ("purelib", "platlib"))
_STANDARD: Final = tuple(
    PurePath(path)
    for path in (_PATHS["stdlib"], _PATHS["platstdlib"], str(PurePath(os.__file__).parent))
)
_COMPREHENSION: Final = re.compile(r"<(list|set|dict)comp>\.(<locals>\.)?")
_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})


def module_name(name: object) -> str:
    """Give a module's name, the same in the parent process and in a spawned worker."""
    if type(name) is not str:
        return "<unknown>"
    return "__main__" if name == "__mp_main__" else name


def namespace_name(namespace: dict[str, object]) -> str:
    """Give the name of the module whose globals these are."""
    return module_name(namespace.get("__name__"))


def file_name(namespace: dict[str, object]) -> str:
    """Give the base name of a module's file, or the module's name where there is no file."""
    file = namespace.get("__file__")
    return PurePath(file).name if isinstance(file, str) else namespace_name(namespace)


def qualified_name(value: object) -> str:
    """Give a function's or class's qualified name, without the comprehensions that it stands in.

    Since Python 3.12 these are no functions of their own.
    """
    name = attribute(value, "__qualname__")
    return _COMPREHENSION.sub("", name) if type(name) is str else type(value).__qualname__


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


def compiled(module: str) -> str | None:
    """Give the digest of the file of an extension, whose code can't be read; `None` for others."""
    file = _file(module) or ""
    if not file.endswith(tuple(EXTENSION_SUFFIXES)):
        return None
    try:
        state = Path(file).stat()
        return _digest_of(file, state.st_mtime_ns, state.st_size)
    except OSError:
        return ""


def public(module: str, name: str, value: object) -> str:
    """Give `module:name`, the module being the outermost package that offers this very object.

    Libraries move their classes between inner modules: `pathlib._local`, `pandas.core.frame`.
    """
    packages = module.split(".")
    outers = (".".join(packages[:length]) for length in range(1, len(packages)))
    for outer in ("builtins", module.lstrip("_"), *outers):
        if _resolve(outer, name) is value:
            return f"{outer}:{name}"
    return f"{module}:{name}"


def offered(value: object, name: str, own: str) -> str | None:
    """Give `module:name` under which a module that is not the user's offers this very object."""
    owner = type(attribute(value, "__self__"))
    modules = (attribute(value, "__module__"), type(value).__module__, owner.__module__)
    names = (attribute(value, "__qualname__"), attribute(value, "__name__"), name)
    for module in modules:
        if type(module) is not str or origin(module, own) == "user":
            continue
        for candidate in names:
            if type(candidate) is str and _resolve(module, candidate) is value:
                return public(module, candidate, value)
    return None


def _resolve(module: str, path: str) -> object:
    value: object = sys.modules.get(module)
    for name in path.split("."):
        # what a module would make up for a name is no such thing
        space = vars(value) if type(value) is ModuleType else None
        value = space.get(name) if space is not None else attribute(value, name)
    return value


@lru_cache(maxsize=4096)
def _digest_of(file: str, _changed: int, _size: int) -> str:
    return digest(Path(file).read_bytes())


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
