"""A reader of MessagePack, the format in which polars writes plans and expressions."""

from __future__ import annotations

import struct
from typing import Final, cast

# What a code stands for: a kind, and a value, a length, or the form in which one follows.
_CODES: Final[dict[int, tuple[str, object]]] = {
    **{code: ("constant", code) for code in range(0x80)},
    **{0x80 + length: ("map", length) for length in range(0x10)},
    **{0x90 + length: ("array", length) for length in range(0x10)},
    **{0xA0 + length: ("text", length) for length in range(0x20)},
    0xC0: ("constant", None),
    0xC2: ("constant", False),
    0xC3: ("constant", True),
    **{0xC4 + place: ("bytes", form) for place, form in enumerate((">B", ">H", ">I"))},
    **{0xCA + place: ("number", form) for place, form in enumerate((">f", ">d"))},
    **{0xCC + place: ("number", form) for place, form in enumerate((">B", ">H", ">I", ">Q"))},
    **{0xD0 + place: ("number", form) for place, form in enumerate((">b", ">h", ">i", ">q"))},
    **{0xD9 + place: ("text", form) for place, form in enumerate((">B", ">H", ">I"))},
    **{0xDC + place: ("array", form) for place, form in enumerate((">H", ">I"))},
    **{0xDE + place: ("map", form) for place, form in enumerate((">H", ">I"))},
    **{0x100 + number: ("constant", number) for number in range(-0x20, 0)},
}
_LONG: Final = 16
_DEEPEST: Final = 400
_LARGE: Final = b"\xcc"
_HIGH: Final = bytes(range(0x80, 0x100))


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
        if code not in _CODES:
            message = f"unexpected code {code:#x}"
            raise ValueError(message)
        kind, form = _CODES[code]
        if kind == "constant":
            return form
        following = self._number(form) if isinstance(form, str) else form
        return following if kind == "number" else self._sized(kind, cast("int", following), depth)

    def _sized(self, kind: str, length: int, depth: int) -> object:
        if kind == "bytes":
            return self._take(length)
        if kind == "text":
            return self._take(length).decode()
        if kind == "map":
            return Mapping((self.value(depth + 1), self.value(depth + 1)) for _ in range(length))
        packed = self._packed(length) if length >= _LONG else None
        return packed or [self.value(depth + 1) for _ in range(length)]

    def _packed(self, length: int) -> bytes | None:
        """Read numbers below 256 at once: small ones are one byte, the others stand behind 0xCC."""
        start, end, grown = self.position, self.position, self.position + length
        while grown != end:
            end = grown
            doubled = self._data.count(_LARGE * 2, start, end)
            grown = start + length + self._data.count(_LARGE, start, end) - doubled
        # two in a row are the number 0xCC: no number before it ends with one
        pieces = self._data[start:end].split(_LARGE * 2)
        marks = sum(piece.count(_LARGE) for piece in pieces)
        high = sum(len(piece) - len(piece.translate(None, _HIGH)) for piece in pieces)
        read = _LARGE.join(piece.replace(_LARGE, b"") for piece in pieces)
        if high != 2 * marks or len(read) != length:
            return None
        self.position = end
        return read

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
