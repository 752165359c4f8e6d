"""Whose frame a value is."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

from afml_cache.artifacts.formats.model import WHOLE, refusal

LIBRARIES: Final = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "Table"}


def library_of(value: Any, libraries: tuple[str, ...]) -> str:
    """Give the name of the library that a frame is of.

    Raises
    ------
    ArtifactError
        It is no frame of these.
    """
    for name in libraries:
        module = sys.modules.get(name)
        if module is not None and isinstance(value, getattr(module, LIBRARIES[name])):
            return name
    known = " or ".join(f"`{name}.{LIBRARIES[name]}`" for name in libraries)
    remedy = f"return a {known}"
    if hasattr(value, "to_frame"):
        remedy = "write `.to_frame()` of it"
    raise refusal(WHOLE, f"a `{type(value).__qualname__}`, which is no table,", remedy)


def imported(name: str) -> Any:
    """Import a library that a file is read with.

    Raises
    ------
    ImportError
        It is not installed.
    """
    return importlib.import_module(name)


def first_imported(libraries: tuple[str, ...]) -> str:
    """Give the first of some libraries that the program has imported, else the last of them."""
    return next((name for name in libraries if name in sys.modules), libraries[-1])
