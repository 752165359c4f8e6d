"""Where scratch folders are: a root, a name, and what tells the folders of a name apart."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache import config
from afml_cache.exceptions import ScratchError

if TYPE_CHECKING:
    from collections.abc import Iterable

DEEPEST: Final = 16
PLAIN: Final = "default"
_LONGEST: Final = 255  # what file systems take
_IDENTITY: Final = re.compile(r"[0-9a-f]{16}")
# What users have of a folder: beside its marker, which they need not see.
FILES: Final = "files"
_TAKES: Final = 'a relative path such as "labels" or "labels/long"'

chosen_root: ContextVar[Path | None] = ContextVar("chosen_root", default=None)
"""The root of the process that this one works for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scratch folder is.

    Attributes
    ----------
    root : pathlib.Path
        Absolute.
    name : str
        Parts with slashes between.
    identity : str
        Name of the folder itself.
    """

    root: Path
    name: str
    identity: str

    @property
    def path(self) -> Path:
        """The folder, with its marker."""
        return self.root / self.name / self.identity

    @property
    def files(self) -> Path:
        """The folder in it that users have for themselves."""
        return self.path / FILES


def root_of(given: str | os.PathLike[str] | None) -> Path:
    """Give a root as an absolute path: the given one, else the setting, else beside the store.

    Raises
    ------
    ScratchError
        It is no path.
    """
    if given is None:
        found = chosen_root.get() or config.settings().get("scratch_dir")
        return Path(found or config.cache_dir() / "scratch").absolute()
    text: Any = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        message = f"`root` is the path of a folder, not {given!r}"
        raise ScratchError(message)
    return Path(text).expanduser().absolute()


def name_of(given: str | os.PathLike[str]) -> str:
    """Check the name of a scratch folder.

    Raises
    ------
    ScratchError
        It is no relative path of plain parts.
    """
    text: Any = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str):
        message = f"the name of a scratch folder is {_TAKES}, not {given!r}"
        raise ScratchError(message)
    reason = _wrong(text)
    if reason:
        message = f"{text!r} can't be the name of a scratch folder: {reason}; take {_TAKES}"
        raise ScratchError(message)
    return text.rstrip("/")


def names_of(given: Iterable[str]) -> frozenset[str]:
    """Check the names that a consumer lets go of.

    Raises
    ------
    ScratchError
        One is no relative path of plain parts, or they are a single text.
    """
    if isinstance(given, str):
        message = f"names of scratch folders are a list such as [{given!r}], not {given!r}"
        raise ScratchError(message)
    return frozenset(map(name_of, given))


def _wrong(text: str) -> str | None:
    parts = text.rstrip("/").split("/")
    reasons = (
        (not text, "it is empty"),
        ("\0" in text, "it has a null character"),
        (text.startswith("/"), "it is an absolute path, and scratch lies in the root"),
        (".." in parts, "`..` leads out of the root"),
        (len(parts) > DEEPEST, f"it has more than {DEEPEST} parts"),
        *((True, reason) for reason in map(_wrong_part, parts) if reason),
        (PLAIN in parts[1:], f"`{PLAIN}` is what a folder of a name is called"),
    )
    return next((reason for wrong, reason in reasons if wrong), None)


def _wrong_part(part: str) -> str | None:
    if not part or part.startswith("."):
        return "a part is empty or begins with a dot"
    if _IDENTITY.fullmatch(part):
        return f"`{part}` is what a folder of a name is called"
    if len(os.fsencode(part)) > _LONGEST:
        return f"a part is longer than {_LONGEST} bytes"
    return None
