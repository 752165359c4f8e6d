"""Files read as what was written there, and nothing else."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afml_cache._native import digest
from afml_cache.artifacts.formats import format_of
from afml_cache.exceptions import ArtifactError, UncacheableArgumentError
from afml_cache.files import File, content_of
from afml_cache.look_ahead import note_seen, refuse_future

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from afml_cache.artifacts.sidecar import Metadata

__all__ = ["Saved", "damage", "digest_of", "is_file", "read"]


@dataclass(frozen=True)
class Saved:
    """An artifact that was made, of which nothing was read yet.

    Attributes
    ----------
    path : pathlib.Path
        Where its file is.
    metadata : Metadata or None
        What is known of it; `None` for a file that somebody else wrote (`trust="name"`), and where
        nothing was written.
    is_written : bool
        Whether there is a file: not in modes that write nothing, nor where writing failed.
    """

    path: Path
    metadata: Metadata | None = None
    _content: tuple[bytes, Mapping[str, Any]] | None = field(default=None, repr=False)
    _trusted: bool = field(default=False, repr=False)
    _seen_ns: int | None = field(default=None, repr=False)

    @property
    def is_written(self) -> bool:
        """Whether there is a file."""
        return self._content is None

    def __cache_key__(self) -> Any:
        if self._content is not None:
            return str(self.path), self._content[0]
        if self.metadata is None or self._trusted:
            return str(self.path), File(self.path)
        return str(self.path), self.metadata.digest

    def load(self) -> Any:
        """Read it.

        Raises
        ------
        ArtifactError
            The file is no longer what was written.
        LookAheadError
            It has seen beyond the time of the `as_of` around.
        """
        until = self._seen_ns if self.metadata is None else self.metadata.seen_ns
        refuse_future(f"artifact {self.path.name}", until)
        note_seen(until, open_ended=self.metadata is not None and self.metadata.open_ended)
        if self._content is not None:
            content, reads_as = self._content
            return format_of(self.path.name).read(io.BytesIO(content), reads_as)
        return read(self.path, self.metadata, trusted=self._trusted)


def is_file(path: Path) -> bool:
    """Whether there is a regular file, be it behind a link."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def digest_of(path: Path) -> str:
    """Digest the content of a file.

    Raises
    ------
    UncacheableArgumentError
        It can't be read.
    """
    return digest(content_of(path))


def damage(path: Path, metadata: Metadata) -> str | None:
    """Say how a file differs from what was written there; `None` if it does not."""
    try:
        size = path.stat().st_size
        if size != metadata.size:
            return f"it has {size} bytes, and {metadata.size} were written"
        if digest_of(path) != metadata.digest:
            return "it was edited since it was written"
    except (OSError, UncacheableArgumentError) as error:
        return f"it can't be read ({error})"
    return None


def read(path: Path, metadata: Metadata | None, *, trusted: bool = False) -> Any:
    """Read a file, all of it as it was at one time.

    Parameters
    ----------
    path : pathlib.Path
        Where it is.
    metadata : Metadata or None
        What was written there.
    trusted : bool, default False
        Whether the file may be another than that.

    Raises
    ------
    ArtifactError
        It is not what was written, or was replaced meanwhile.
    OSError
        It can't be read.
    Exception
        Of the library that reads it.
    """
    before = _state(path.stat())
    wrong = None if trusted or metadata is None else damage(path, metadata)
    if wrong is None:
        with path.open("rb") as file:
            same = _state(os.fstat(file.fileno())) == before
            value = format_of(path.name).read(file, metadata.reads_as if metadata else {})
            if same and _state(os.fstat(file.fileno())) == before:
                return value
        wrong = "it was replaced while it was read"
    message = f"`{path}` is not what was written there: {wrong}; call the artifact's function again"
    raise ArtifactError(message)


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
