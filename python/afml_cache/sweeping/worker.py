"""A worker process: gets chunks, works through them, and tells of each item."""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, Final

from afml_cache.sweeping.progress import keep_quiet
from afml_cache.sweeping.shipping import Parcel, pickled

__all__ = ["NOTHING", "SLOT", "Stopped", "main"]

# The number of the item that runs, and since when, by a clock that all processes share.
SLOT: Final = struct.Struct("<qd")
NOTHING: Final = -1
_DIE_WITH_PARENT: Final = 1


class Stopped(BaseException):
    """The process is asked to stop."""


def main(channel: int, life: int, slot: int, parcel: int, parent: int) -> None:
    """Work until the channel says that it is over, or is closed.

    Parameters
    ----------
    channel, life, slot, parcel
        Descriptors: for chunks and messages; for nothing, until the parent is gone; for what runs;
        and the task.
    parent
        The process that gives chunks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    keep_quiet()
    threading.Thread(target=_watch, args=(life,), daemon=True).start()
    worker = _Worker(Connection(channel), mmap.mmap(slot, SLOT.size))
    task = worker.begun(parcel)
    if task is not None:
        worker.work(task)


class _Worker:
    def __init__(self, connection: Connection[Any, Any], slot: mmap.mmap) -> None:
        self._connection = connection
        self._slot = slot
        self._lock = threading.Lock()

    def begun(self, parcel: int) -> Any:
        """Give the task; `None` where it can't be made here, which is told."""
        try:
            task = Parcel(parcel).open()
        except Exception:  # noqa: BLE001 - whatever its modules do when they are imported
            self._send(("failed", 0, traceback.format_exc()))
            return None
        signal.signal(signal.SIGTERM, _stop)
        self._send(("ready", 0, b""))
        return task

    def work(self, task: Any) -> None:
        """Work through chunks."""
        try:
            while True:
                chunk = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - of the parent
                if chunk is None:
                    break
                task(chunk, self._emit, self._begin)
                self._note(NOTHING)
                self._send(("finished", 0, b""))
        except (Stopped, EOFError):
            pass
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._note(NOTHING)
        task.close()
        sys.stdout.flush()
        sys.stderr.flush()

    def _begin(self, number: int) -> None:
        self._note(number)

    def _note(self, number: int) -> None:
        SLOT.pack_into(self._slot, 0, number, time.monotonic())

    def _emit(self, message: Any) -> None:
        """Tell of an item, whose number comes first in the message."""
        self._send(("emitted", message[0], pickled(message)))

    def _send(self, message: tuple[str, int, bytes | str]) -> None:
        content = pickle.dumps(message, protocol=5)
        with self._lock:
            self._connection.send_bytes(content)


def _stop(_number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped


def _watch(life: int) -> None:
    """End with the parent, whatever runs here."""
    os.read(life, 1)
    os.killpg(os.getpid(), signal.SIGKILL)


def _die_with(parent: int) -> None:
    """Have the kernel do the same, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
