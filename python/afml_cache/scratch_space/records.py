"""How large the folders of a name have been: what the next one is expected to take."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheError
from afml_cache.scratch_space.folders import opened_root
from afml_cache.scratch_space.locks import locked

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = ".sizes.json"
_NEW: Final = ".sizes.new"
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC


def largest(root: Path, name: str) -> int:
    """Give the bytes of the largest folder of a name so far; 0 where none is known."""
    try:
        with opened_root(root) as folder:
            return _read(folder).get(name, 0)
    except (CacheError, OSError):
        return 0


def record(root: Path, name: str, size: int) -> None:
    """Note how large a folder was, if it was the largest; best effort."""
    with contextlib.suppress(CacheError, OSError), opened_root(root) as folder:
        if size <= _read(folder).get(name, 0):
            return
        with locked(folder):
            sizes = _read(folder)
            sizes[name] = max(size, sizes.get(name, 0))
            _write(folder, sizes)


def _read(folder: int) -> dict[str, int]:
    try:
        file = os.open(_NAME, os.O_RDONLY | _NO_LINK, dir_fd=folder)
        with os.fdopen(file, encoding="utf-8") as opened:
            said: Any = json.load(opened)
        return {name: size for name, size in said.items() if isinstance(size, int) and size >= 0}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _write(folder: int, sizes: dict[str, int]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_LINK
    file = os.open(_NEW, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            json.dump(sizes, opened)
        os.rename(_NEW, _NAME, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(_NEW, dir_fd=folder)
        raise
