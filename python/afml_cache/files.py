"""Files as arguments: `File`."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["File", "file_key"]

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Stamp = tuple[object, ...]

_PIECE: Final = 64 * 1024 * 1024
# Nanoseconds: two writes within one tick of a file system's clock leave one time of change.
_TICK: Final = 2_000_000_000
_REMEMBERED: Final = 4096
_known: dict[Stamp, tuple[str, ...]] = {}
_now = time.time_ns


class File:
    """A path that counts by the content of its file.

    The path counts as well, as it was given, since a function can see it: the same file under
    another name is another argument, and so is a relative path for an absolute one. What was read
    is remembered in this process by path, size, time of change and inode, for files that were
    last changed two seconds ago or earlier. A program that changes a file without a trace in any
    of these is not noticed.

    Parameters
    ----------
    path
        Of a regular file, which is looked for at each call.

    Raises
    ------
    CacheConfigError
        `path` is no path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from afml_cache import File, digest
    >>> path = pathlib.Path(tempfile.mkdtemp(), "bars.csv")
    >>> _ = path.write_text("1.1")
    >>> before = digest(File(path))
    >>> _ = path.write_text("1.2")
    >>> digest(File(path)) == before
    False
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        given: object = path
        if not isinstance(given, str | bytes | os.PathLike):
            message = f"`File` takes a path, not {path!r}"
            raise CacheConfigError(message)
        self._path = path

    @property
    def path(self) -> Path:
        """The path as it was given."""
        return self._path

    def __fspath__(self) -> str | bytes:
        return os.fspath(self._path)

    def __repr__(self) -> str:
        return f"File({self._path!r})"


def file_key(value: object) -> Any:
    """Give what stands for an argument that names files: a `File` for each path.

    Parameters
    ----------
    value
        A path or `None`, or a list, tuple, set, deque or mapping of these.

    Returns
    -------
    object
        A `File`; a list, tuple or dictionary with a `File` for each path; for any other container
        its class beside these.

    Raises
    ------
    UncacheableArgumentError
        It is neither: a file behind it would be left out of the key without a word.
    """
    if value is None or isinstance(value, File):
        return value
    if isinstance(value, str | bytes | os.PathLike):
        return File(value)
    found: Any
    if isinstance(value, Mapping):
        found = {name: file_key(path) for name, path in value.items()}
    elif isinstance(value, list | tuple | deque):
        found = type(value)(map(file_key, value)) if type(value) is tuple else _each(value)
    elif isinstance(value, AbstractSet):
        found = frozenset(map(file_key, value))
    else:
        raise UncacheableArgumentError(_nameless(value))
    return found if type(found) is type(value) else (type(value), found)


def _each(paths: Iterable[object]) -> list[Any]:
    return [file_key(path) for path in paths]


def _nameless(value: object) -> str:
    return (
        f"a `{type(value).__qualname__}`, which names no file; pass a path, or a list, tuple, set "
        "or dictionary of paths"
    )


def names_a_file(value: object) -> bool:
    """Whether a path, or a text that looks like one, names a file that exists."""
    if isinstance(value, str):
        looks = os.sep in value or bool(os.path.splitext(value)[1])  # noqa: PTH122 - a text
        return looks and os.path.isfile(value)  # noqa: PTH113
    declared = isinstance(value, File) or hasattr(type(value), "__cache_key__")
    return isinstance(value, os.PathLike) and not declared and os.path.isfile(value)  # noqa: PTH113


def content_of(path: Path) -> tuple[str, ...]:
    """Digest a file's content, unless it is known and the file has not been touched.

    Returns
    -------
    tuple of str
        Digests of the file's pieces of 64 MiB.

    Raises
    ------
    UncacheableArgumentError
        There is no such file, it is none that holds content, or it can't be read.
    """
    name = os.path.abspath(os.fspath(path))  # noqa: PTH100 - links may change, and bytes are paths
    try:
        before = _stamp(name, os.stat(name))  # noqa: PTH116
        found = _known.get(before)
        if found is not None:
            return found
        began = _now()
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - bytes are paths, too
            if _stamp(name, os.fstat(file.fileno())) != before:
                began = 0
            content = tuple(map(digest, _read(file, before[3])))
            settled = _stamp(name, os.fstat(file.fileno())) == before
    except OSError as error:
        raise UncacheableArgumentError(_reason(name, error)) from error
    if settled and began - max(before[-2:]) > _TICK:
        _remember(before, content)
    return content


def digest_pieces(view: memoryview) -> tuple[str, ...]:
    """Digest memory piece by piece, so that no more than one is copied at a time."""
    return tuple(digest(bytes(piece)) for piece in _pieces(view.cast("B")))


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Give a file's pieces up to the size that it had, however it grows."""
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        yield piece
        size -= len(piece)


def _pieces(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]


def _stamp(name: str | bytes, status: os.stat_result) -> tuple[Any, ...]:
    """Give what tells whether a file was touched; the last two are nanoseconds."""
    if stat.S_ISDIR(status.st_mode):
        reason = f"the folder {_shown(name)}; pass its files, as a list of `afml_cache.File`"
        raise UncacheableArgumentError(reason)
    if not stat.S_ISREG(status.st_mode):
        reason = f"{_shown(name)}, which is no regular file; pass what was read from it"
        raise UncacheableArgumentError(reason)
    place = (name, status.st_dev, status.st_ino)
    return (*place, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _remember(stamp: Stamp, content: tuple[str, ...]) -> None:
    if len(_known) >= _REMEMBERED:
        _known.clear()
    _known[stamp] = content


def _reason(name: str | bytes, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no file {_shown(name)}; make it before the call"
    return f"the file {_shown(name)}, which can't be read ({error.strerror})"


def _shown(name: str | bytes) -> str:
    return f"`{os.fsdecode(name)}`"
