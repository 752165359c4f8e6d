"""A format within a compressed file: the same content gives the same bytes."""

from __future__ import annotations

import importlib
import importlib.util
import io
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.artifacts.formats.model import Format, Written

    Codec = Callable[[Any, str], Any]


def _gzip(file: Any, mode: str) -> Any:
    import gzip

    return gzip.GzipFile(filename="", mode=mode, fileobj=file, mtime=0)


def _bz2(file: Any, mode: str) -> Any:
    return importlib.import_module("bz2").BZ2File(file, mode)


def _xz(file: Any, mode: str) -> Any:
    return importlib.import_module("lzma").LZMAFile(file, mode)


def _zstd(file: Any, mode: str) -> Any:
    if has("compression.zstd"):
        return importlib.import_module("compression.zstd").ZstdFile(file, mode)
    pyarrow = importlib.import_module("pyarrow")
    inner = pyarrow.PythonFile(file, mode[0])
    kind = pyarrow.CompressedOutputStream if mode == "wb" else pyarrow.CompressedInputStream
    return kind(inner, "zstd")


def has(module: str) -> bool:
    """Whether a module is installed."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


_CODECS: Final[dict[str, tuple[Codec, tuple[str, ...]]]] = {
    "gz": (_gzip, ("zlib",)),
    "bz2": (_bz2, ("_bz2",)),
    "xz": (_xz, ("_lzma",)),
    "zst": (_zstd, ("compression.zstd", "pyarrow")),
}


def checked_codec(suffix: str, name: str) -> Codec:
    """Give what compresses by a suffix.

    Raises
    ------
    CacheConfigError
        Nothing that is installed does.
    """
    codec, modules = _CODECS[suffix]
    if not any(map(has, modules)):
        needed = " or ".join(f"`{module}`" for module in modules)
        message = (
            f"`{name}` can't be compressed as `.{suffix}`: that takes {needed}, which this Python "
            "does not have; name it `.gz`"
        )
        raise CacheConfigError(message)
    return codec


class _Lent(io.RawIOBase):
    """A file that stays open when what compresses it is closed, as pyarrow closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return self._file.readable()

    def writable(self) -> bool:
        return self._file.writable()

    def seekable(self) -> bool:
        return self._file.seekable()

    def read(self, size: int | None = -1) -> bytes:
        return self._file.read(-1 if size is None else size)

    def write(self, content: Any) -> int:
        return self._file.write(content)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


class Compressed:
    """Another format, compressed."""

    def __init__(self, inner: Format, codec: Codec) -> None:
        self._inner = inner
        self._codec = codec

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a value as the other format does."""
        with self._codec(_Lent(file), "wb") as packed:
            return self._inner.write(value, packed)

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:
        """Read it."""
        with self._codec(_Lent(file), "rb") as packed:
            return self._inner.read(packed, reads_as)

    def check(self, file: BinaryIO) -> None:
        """Read it: nothing less tells whether it is whole."""
        with self._codec(_Lent(file), "rb") as packed:
            self._inner.check(packed)
