"""A function with all that it needs, on its way to other processes: once, whatever its size.

Large arrays lie behind the pickle, each on its own, so that a worker maps them: they are in memory
once, and what a worker writes to them is its own.

```text
u64      length of the pickle
u64      how many buffers there are
u64 u64  where each begins, and its length
...      the pickle, and the buffers, each at a multiple of 64
```
"""

from __future__ import annotations

import hashlib
import importlib
import mmap
import os
import pickle
import struct
import tempfile
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping.events import UnsentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.sweeping.events import Chunk

__all__ = ["Parcel", "dumps", "pack", "pickled", "sendable"]

_is_opening: ContextVar[bool] = ContextVar("afml_cache_opens_a_parcel", default=False)
_NUMBER: Final = struct.Struct("<Q")
_ALIGNED: Final = 64


class Parcel:
    """A packed object, in a file that nobody else finds.

    Parameters
    ----------
    descriptor : int
        Of the file; closed with the parcel.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._is_open = True

    @classmethod
    def from_bytes(cls, content: bytes) -> Parcel:
        """Make a parcel of what `to_bytes` gave."""
        descriptor = _unnamed_file()
        _write_all(descriptor, [content])
        return cls(descriptor)

    def to_bytes(self) -> bytes:
        """Give all of it."""
        with mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ) as mapped:
            return mapped[:]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal digits."""
        with mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ) as mapped:
            return hashlib.sha256(mapped).hexdigest()

    def open(self) -> Any:
        """Unpack it; what is large is mapped, and is changed here alone."""
        mapped = memoryview(mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_COPY))
        length, count = (_number(mapped, place) for place in range(2))
        table = [_number(mapped, place) for place in range(2, 2 + 2 * count)]
        start = _NUMBER.size * (2 + 2 * count)
        pairs = zip(table[::2], table[1::2], strict=True)
        buffers = [mapped[first : first + size] for first, size in pairs]
        before = _is_opening.set(True)
        try:
            return pickle.loads(mapped[start : start + length], buffers=buffers)  # noqa: S301 - ours
        finally:
            _is_opening.reset(before)

    def close(self) -> None:
        """Let go of the file."""
        if self._is_open:
            self._is_open = False
            os.close(self.descriptor)

    def __del__(self) -> None:
        self.close()


def pack(value: Any) -> Parcel:
    """Pack an object for other processes; functions that they can't import go as they are.

    Raises
    ------
    CacheConfigError
        Something in it can't be sent, or there is no room for it in the folder of temporary files;
        or a module asks that another process imports for its task, which would have no end.
    ImportError
        cloudpickle is not installed.
    """
    if _is_opening.get():
        message = (
            "a module sweeps in processes when it is imported, and these import it again; have it "
            'sweep in a function, or behind `if __name__ == "__main__":`'
        )
        raise CacheConfigError(message)
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = dumps(value, buffers)
    except ImportError:
        raise
    except Exception as error:
        message = (
            f"the function, or what its items share, can't be sent to other processes: {error}; "
            'make it inside of the function, or use `executor="threads"`'
        )
        raise CacheConfigError(message) from error
    raws = [buffer.raw() for buffer in buffers]
    place = _aligned(_NUMBER.size * (2 + 2 * len(raws)) + len(head))
    numbers = [len(head), len(raws)]
    for raw in raws:
        numbers += [place, raw.nbytes]
        place = _aligned(place + raw.nbytes)
    descriptor = _unnamed_file()
    try:
        _write_all(descriptor, [b"".join(map(_NUMBER.pack, numbers)), head])
        for raw, first in zip(raws, numbers[2::2], strict=True):
            os.lseek(descriptor, first, os.SEEK_SET)
            _write_all(descriptor, [raw])
    except OSError as error:
        os.close(descriptor)
        message = (
            f"what items share ({place:,} bytes) can't be written to `{tempfile.gettempdir()}` for "
            f"other processes: {error.strerror}; `$TMPDIR` names another folder"
        )
        raise CacheConfigError(message) from error
    return Parcel(descriptor)


def dumps(value: Any, buffers: list[pickle.PickleBuffer] | None = None) -> bytes:
    """Pickle with `cloudpickle`: what can't be imported elsewhere goes as it is.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        importlib.import_module("cloudpickle")
    except ImportError as error:
        message = "processes need cloudpickle: pip install 'afml-cache[sweeps]'"
        raise ImportError(message, name="cloudpickle") from error
    from afml_cache.sweeping.pickler import dump

    return dump(value, None if buffers is None else buffers.append)


def pickled(value: Any) -> bytes:
    """Pickle a message: as usual, or by value where that can't name a class or function."""
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001 - the other way says better what is wrong
        return dumps(value)


def sendable(chunk: Chunk) -> bytes:
    """Pickle items for a worker.

    Raises
    ------
    UnsentError
        One of them can't be sent.
    """
    try:
        return dumps(chunk)
    except ImportError:
        raise
    except Exception as error:
        message = (
            f"an item can't be sent to other processes: {error}; make what can't be sent inside of "
            'the function, or use `executor="threads"`'
        )
        raise UnsentError(message) from error


def _unnamed_file() -> int:
    """Open a file that has no name any more."""
    descriptor, path = tempfile.mkstemp(prefix="afml-sweep-")
    os.unlink(path)  # noqa: PTH108 - as it was given
    return descriptor


def _write_all(descriptor: int, contents: Sequence[bytes | memoryview]) -> None:
    for content in contents:
        view = memoryview(content).cast("B") if len(content) else memoryview(b"")
        while view:
            view = view[os.write(descriptor, view[: 1 << 30]) :]


def _number(mapped: memoryview, place: int) -> int:
    found: int = _NUMBER.unpack_from(mapped, _NUMBER.size * place)[0]
    return found


def _aligned(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED
