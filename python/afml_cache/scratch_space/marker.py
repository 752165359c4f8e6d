"""The marker of a scratch folder: whose it is, and the file whose lock its users hold."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
from dataclasses import asdict, dataclass
from typing import Any, Final

from afml_cache.scratch_space.trees import entries

MARKER: Final = ".afml-scratch"
_MADE_BY: Final = "afml-cache"
_LONGEST: Final = 65_536
_WORDS: Final = 1000
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Marker:
    """What the marker of a folder says.

    Attributes
    ----------
    name, identity : str
        Where the folder belongs, below its root.
    consumer, what : str
        Key of the consumer that it was made in, and that in words; empty without one.
    host : str
        Machine of the process that made it.
    pid : int
        That process.
    created : str
        When, in UTC, as ISO 8601 has it.
    expects : int
        How many bytes were admitted for it.
    """

    name: str
    identity: str
    consumer: str
    what: str
    host: str
    pid: int
    created: str
    expects: int

    def write(self, file: int) -> None:
        """Write it whole to an open file, over what is there.

        Raises
        ------
        OSError
            There is no space.
        """
        text = json.dumps({"made_by": _MADE_BY, **asdict(self)}, indent=1).encode() + b"\n"
        os.ftruncate(file, 0)
        written = os.pwrite(file, text, 0)
        if written < len(text):
            os.pwrite(file, text[written:], written)


def marker(name: str, identity: str, consumer: str, what: str, expects: int) -> Marker:
    """Make the marker of a folder that this process makes now."""
    now = dt.datetime.now(dt.timezone.utc).isoformat()
    here = os.uname().nodename, os.getpid()
    return Marker(name, identity, consumer, what[:_WORDS], *here, now, expects)


def read_marker(folder: int) -> Marker | None:
    """Read the marker of an open folder; `None` where there is none of ours."""
    try:
        file = os.open(MARKER, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            return None
        return _parsed(os.read(file, _LONGEST))
    except OSError:
        return None
    finally:
        os.close(file)


def _parsed(text: bytes) -> Marker | None:
    try:
        said: Any = json.loads(text)
        if said.pop("made_by") != _MADE_BY:
            return None
        found = Marker(**said)
        created = dt.datetime.fromisoformat(found.created)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    texts = (found.name, found.identity, found.consumer, found.what, found.host)
    numbers = (found.pid, found.expects)
    sound = all(isinstance(text, str) for text in texts)
    sound &= all(isinstance(number, int) for number in numbers)
    return found if sound and created.tzinfo is not None else None


def is_torn(folder: int) -> bool:
    """Whether an open folder holds nothing, or a marker of ours that was cut short.

    A marker is whole before anything else is in the folder: so its maker was killed, or found the
    disk full.
    """
    if entries(folder) not in ([], [MARKER]):
        return False
    try:
        found = os.stat(MARKER, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
