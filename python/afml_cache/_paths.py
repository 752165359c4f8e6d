"""Arguments that name a file, and so may stand for more than their text."""

from __future__ import annotations

import os
from pathlib import Path


def names_a_file(value: object) -> bool:
    """Whether a path, or a text that looks like one, names a file that exists."""
    if isinstance(value, str):
        looks = os.sep in value or bool(Path(value).suffix)
        return looks and _is_file(value)
    if hasattr(type(value), "__cache_key__"):  # it says itself what counts, as `File` does
        return False
    return isinstance(value, os.PathLike) and _is_file(value)


def _is_file(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # such as a text with a zero in it
        return False
