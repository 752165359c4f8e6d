"""A reader of MessagePack, the format in which polars writes plans and expressions."""

from __future__ import annotations

import re
import struct
from typing import Final

_NUMBERS: Final = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_LENGTHS: Final = {
    0xC4: ">B",
    0xC5: ">H",
    0xC6: ">I",  # bytes
    0xD9: ">B",
    0xDA: ">H",
    0xDB: ">I",  # text
    0xDC: ">H",
    0xDD: ">I",  # arrays
    0xDE: ">H",
    0xDF: ">I",  # maps
}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_LONG: Final = 16
_DEEPEST: Final = 400
_LARGE_BYTE: Final = re.compile(rb"\xcc(.)", re.DOTALL)


class Mapping(tuple[tuple[object, object], ...]):
    """Pairs of a map, in their order: keys may come twice."""

    __slots__ = ()

    def get(self, name: str) -> object:
        """Give the value of the first pair with this key, or `None`."""
        return next((value for key, value in self if key == name), None)


def unpack(data: bytes, start: int) -> object:
    """Read one message that ends where `data` does.

    Long arrays of small numbers, as which polars writes bytes, are read as bytes.

    Raises
    ------
    ValueError
        The data is something else.
    """
    reader = _Reader(data, start)
    value = reader.value(0)
    if reader.position != len(data):
        message = f"{len(data) - reader.position} bytes follow the message"
        raise ValueError(message)
    return value


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def value(self, depth: int) -> object:
        if depth > _DEEPEST:
            message = f"more than {_DEEPEST} levels deep"
            raise ValueError(message)
        code = self._take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 0x100
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self._number(_NUMBERS[code])
        if code < 0xC0:
            length = code & (0x1F if code >= 0xA0 else 0x0F)
        elif code in _LENGTHS:
            length = int(self._number(_LENGTHS[code]))
        else:
            message = f"unexpected code {code:#x}"
            raise ValueError(message)
        return self._sized(code, length, depth)

    def _sized(self, code: int, length: int, depth: int) -> object:
        if code in {0xC4, 0xC5, 0xC6}:
            return self._take(length)
        if 0xA0 <= code < 0xC0 or code in {0xD9, 0xDA, 0xDB}:
            return self._take(length).decode()
        if 0x90 <= code < 0xA0 or code in {0xDC, 0xDD}:
            packed = self._packed(length) if length >= _LONG else None
            return packed or [self.value(depth + 1) for _ in range(length)]
        return Mapping((self.value(depth + 1), self.value(depth + 1)) for _ in range(length))

    def _packed(self, length: int) -> bytes | None:
        """Read numbers below 256 at once."""
        found = re.compile(rb"(?s:[\x00-\x7f]|\xcc.){%d}" % length).match(self._data, self.position)
        if found is None:
            return None
        self.position = found.end()
        return _LARGE_BYTE.sub(rb"\1", found[0])

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _take(self, length: int) -> bytes:
        found = self._data[self.position : self.position + length]
        if len(found) != length:
            message = "the data ends within the message"
            raise ValueError(message)
        self.position += length
        return found
