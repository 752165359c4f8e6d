"""Messages between a process and its worker: the length of each, and then itself.

The worker waits until a message is through. The process never does: it has other workers, a clock,
and a Ctrl-C to look after.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

__all__ = ["Channel", "receive", "send"]

_LENGTH: Final = struct.Struct("<Q")
_PIECE: Final = 1 << 20
# So many pieces are taken at once: one worker that tells much does not keep others waiting.
_PIECES: Final = 64
# Shorter ones are sent with their length in one go.
_SHORT: Final = 1 << 14


class Channel:
    """The end of a channel that never waits.

    Parameters
    ----------
    end : socket.socket
        Of a pair.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._received = bytearray()
        self._outgoing: deque[memoryview] = deque()
        self.is_over = False

    def fileno(self) -> int:
        """Give the descriptor; -1 once it is closed."""
        return self._end.fileno()

    @property
    def is_sending(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._outgoing)

    def put(self, content: bytes) -> None:
        """Send a message, as much of it as goes now; `flush` sends the rest."""
        self._outgoing += (memoryview(_LENGTH.pack(len(content))), memoryview(content))
        self.flush()

    def flush(self) -> None:
        """Send what goes now; where nobody is left to read it, it is dropped."""
        while self._outgoing:
            try:
                sent = self._end.send(self._outgoing[0])
            except BlockingIOError:
                return
            except OSError:
                self._outgoing.clear()
                return
            rest = self._outgoing.popleft()[sent:]
            if rest:
                self._outgoing.appendleft(rest)

    def take(self) -> list[bytes]:
        """Give the messages that are there as a whole."""
        for _ in range(_PIECES):
            try:
                piece = self._end.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            if not piece:
                self.is_over = True
                break
            self._received += piece
        return self._whole()

    def _whole(self) -> list[bytes]:
        messages, place, size = [], 0, len(self._received)
        while place + _LENGTH.size <= size:
            first = place + _LENGTH.size
            end = first + _LENGTH.unpack_from(self._received, place)[0]
            if end > size:
                break
            messages.append(bytes(memoryview(self._received)[first:end]))
            place = end
        del self._received[:place]
        return messages

    def close(self) -> None:
        """Close this end."""
        self._end.close()
        self._outgoing.clear()


def send(descriptor: int, content: bytes) -> None:
    """Send a message, and wait until it is through."""
    length = _LENGTH.pack(len(content))
    if len(content) <= _SHORT:
        _write(descriptor, length + content)
    else:
        _write(descriptor, length)
        _write(descriptor, content)


def receive(descriptor: int) -> bytes:
    """Wait for a message.

    Raises
    ------
    EOFError
        The other end is closed.
    """
    return _read(descriptor, _LENGTH.unpack(_read(descriptor, _LENGTH.size))[0])


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        try:
            piece = os.read(descriptor, min(_PIECE, size - len(content)))
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)
