"""Where a run was made: the commit that was checked out, the machine."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import time
from typing import Any, Final, NamedTuple

# How long what git said is taken for known, and how long it may take, in seconds.
_FRESH: Final = 60.0
_PATIENCE: Final = 2.0


class Commit(NamedTuple):
    """What is checked out.

    Attributes
    ----------
    commit : str
        Its 40 hexadecimal digits.
    dirty : bool
        Whether files that git knows differ from it.
    """

    commit: str
    dirty: bool


_known: dict[str, tuple[float, Commit | None]] = {}


def checked_out(folder: str) -> Commit | None:
    """Ask git what is checked out around a folder; at most once a minute."""
    now = time.monotonic()
    known = _known.get(folder)
    if known is None or now - known[0] > _FRESH:
        known = _known[folder] = (now, _asked(folder))
    return known[1]


def folder_of(function: Any) -> str | None:
    """Give the folder of a function's code; the working directory for what has no file."""
    code = getattr(function, "__code__", None)
    file = getattr(code, "co_filename", "")
    folder = os.path.dirname(file)  # noqa: PTH120 - of notebooks too, whose files are no paths
    return folder if folder and os.path.isdir(folder) else working_folder()  # noqa: PTH112


def working_folder() -> str | None:
    """Give the working directory; `None` where it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text, as the folder of a function's code
    except OSError:
        return None


@functools.cache
def host() -> str:
    """Give the name of this machine."""
    return platform.node()


@functools.cache
def _git() -> str | None:
    return shutil.which("git")


def _asked(folder: str) -> Commit | None:
    command = _git()
    if command is None:
        return None
    # Neither a lock nor a hook of the repository's own.
    asked = (
        *(command, "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", folder),
        *("status", "--porcelain=v2", "--branch", "--untracked-files=no"),
    )
    try:
        told = subprocess.run(  # noqa: S603 - git, and a folder
            asked, capture_output=True, text=True, timeout=_PATIENCE, check=True
        ).stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    begin = "# branch.oid "
    commit = next((line.removeprefix(begin) for line in told if line.startswith(begin)), "")
    if len(commit) not in {40, 64}:  # of SHA-1 or SHA-256: a new repository has none
        return None
    return Commit(commit, any(not line.startswith("#") for line in told))
