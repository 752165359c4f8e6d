"""What files of batches are written with, where it is installed."""

from __future__ import annotations

import importlib
from typing import Any


def arrow(module: str = "") -> Any:
    """Import pyarrow, or a module of it, such as "parquet".

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        return importlib.import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ImportError as error:
        message = f"files of batches need pyarrow ({error}): pip install 'afml-cache[sweeps]'"
        raise ImportError(message, name="pyarrow") from error
