"""Packages of the extra `bars`, each imported where an option needs it."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from afml_cache.exceptions import CacheConfigError


def require(option: str, package: str) -> None:
    """See that a package is there, without importing it.

    Raises
    ------
    CacheConfigError
        It is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise _missing(option, package)


def load(option: str, package: str) -> Any:
    """Import the package that an option needs.

    Raises
    ------
    CacheConfigError
        It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise _missing(option, package) from error


def _missing(option: str, package: str) -> CacheConfigError:
    name = package.replace("_", "-")
    return CacheConfigError(f"`{option}` needs {name}: pip install 'afml-cache[bars]'")
