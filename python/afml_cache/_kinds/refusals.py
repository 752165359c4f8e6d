"""Values that stand for something outside of them, so that no content could tell them apart."""

from __future__ import annotations

import _io
import _thread
import socket
import threading
import types
import weakref
from typing import Final

from afml_cache._kinds.model import defines, refusal

_ONCE: Final = "which can be read only once"
_LIST: Final = "pass a list"
_AWAITED: Final = "which can be awaited only once"
_RESULT: Final = "pass its result"
_FILE: Final = "whose content and position lie outside of it"
_PATH: Final = "pass its path as `afml_cache.File(path)`, or what was read from it"
_LEFT_OUT: Final = "give the class that holds it a `__cache_key__()` that leaves it out"

_READS: Final = ("read", "seek", "close")

_STREAMS: Final[tuple[tuple[type | tuple[type, ...], str, str], ...]] = (
    ((types.GeneratorType, types.AsyncGeneratorType), _ONCE, _LIST),
    (types.CoroutineType, _AWAITED, _RESULT),
    (
        (weakref.ReferenceType, *weakref.ProxyTypes),
        "which is a weak reference",
        "pass what it refers to",
    ),
    (_io._IOBase, _FILE, _PATH),  # noqa: SLF001 - the base without an abstract metaclass
)
_HANDLES: Final[tuple[tuple[type | tuple[type, ...], str, str], ...]] = (
    ((_thread.LockType, _thread.RLock), "which belongs to one process", _LEFT_OUT),
    (
        (threading.Condition, threading.Semaphore, threading.Event, threading.Barrier),
        "which belongs to one process",
        _LEFT_OUT,
    ),
    ((threading.Thread, _thread._local), "which belongs to one process", _LEFT_OUT),  # noqa: SLF001
    (socket.socket, "which is a connection of one process", _LEFT_OUT),
    ((types.FrameType, types.TracebackType), "which is a state of one process", _LEFT_OUT),
    (super, "which is a view of another object", "pass that object"),
)


def refuse_stream(value: object, kind: type) -> None:
    """Refuse what is used up by reading it, whatever its class says about keys.

    Raises
    ------
    UncacheableArgumentError
        It is an iterator, a generator, a coroutine, an open file or a weak reference.
    """
    for classes, why, remedy in _STREAMS:
        if issubclass(kind, classes):
            raise refusal(value, why, remedy)
    if defines(kind, "__next__") and defines(kind, "__iter__"):
        raise refusal(value, f"an iterator, {_ONCE}", _LIST)
    if defines(kind, "__anext__"):
        raise refusal(value, f"an iterator, {_ONCE}", _LIST)


def refuse_handle(value: object, kind: type) -> None:
    """Refuse what belongs to this process, unless somebody has said what counts of it.

    Raises
    ------
    UncacheableArgumentError
        It is a lock, a socket, a bare `object()`, or reads like a file.
    """
    if kind is object:
        raise refusal(
            value,
            "which differs from others in nothing but its address",
            "use `None`, an Enum member, or an instance of a class of its own",
        )
    for classes, why, remedy in _HANDLES:
        if issubclass(kind, classes):
            raise refusal(value, why, remedy)
    if kind.__module__ != "mmap" and all(defines(kind, name) for name in _READS):
        raise refusal(value, _FILE, _PATH)
