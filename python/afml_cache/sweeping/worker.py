"""A worker process: gets chunks, works through them, and tells of each item."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from typing import Any, Final

from afml_cache.sweeping.channel import receive, send
from afml_cache.sweeping.progress import keep_quiet
from afml_cache.sweeping.shipping import Parcel, pickled
from afml_cache.sweeping.slot import NOTHING, Slot

__all__ = ["Stopped", "main"]

_DIE_WITH_PARENT: Final = 1
_STATUS_OF_STOPPED: Final = 128 + signal.SIGTERM
# `F_SETSIG` of Linux, which the standard library does not name.
_SIGNAL_OF_DESCRIPTOR: Final = 10


class Stopped(BaseException):
    """The process is asked to stop."""


def main(channel: int, life: int, slot: int, parcel: int, *, by_kernel: bool) -> None:
    """Work until the channel says that it is over, or is closed.

    Parameters
    ----------
    channel, life, slot, parcel
        Descriptors: for chunks and messages; for nothing, until the parent is gone; for what runs;
        and the task.
    by_kernel
        Whether the kernel can tell of the end of the parent: the thread that started this process
        goes on as long.
    """
    for descriptor in (channel, life, slot, parcel):
        os.set_inheritable(descriptor, False)
    # What an item forks does not speak for its worker.
    os.register_at_fork(after_in_child=lambda: _let_go(channel))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(life, by_kernel=by_kernel)
    keep_quiet()
    worker = _Worker(channel, Slot(slot))
    task = worker.begun(parcel)
    if task is not None:
        worker.work(task)


class _Worker:
    def __init__(self, channel: int, slot: Slot) -> None:
        self._channel = channel
        self._slot = slot
        self._lock = threading.Lock()
        self._main = threading.get_ident()
        self._is_sending = False
        self._is_asked = False

    def begun(self, parcel: int) -> Any:
        """Give the task; `None` where it can't be made here, which is told."""
        try:
            task = Parcel(parcel).open()
        except Exception:  # noqa: BLE001 - whatever its modules do when they are imported
            self._send(("failed", 0, traceback.format_exc()))
            return None
        signal.signal(signal.SIGTERM, self._stop)
        self._send(("ready", 0, b""))
        return task

    def work(self, task: Any) -> None:
        """Work through chunks, and let the task end."""
        status = 0
        try:
            self._work_through(task)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except EOFError:
            pass
        except Stopped:
            status = _STATUS_OF_STOPPED
        close = getattr(task, "close", None)
        if close is not None:
            close()
        sys.stdout.flush()
        sys.stderr.flush()
        # What ran is blamed where nobody but itself, or a stranger, had asked to stop.
        sys.exit(status)

    def _work_through(self, task: Any) -> None:
        while True:
            content = receive(self._channel)
            try:
                chunk = pickle.loads(content)  # noqa: S301 - of the parent
            except Exception as error:  # noqa: BLE001 - whatever items do when they are made again
                self._send(("unread", 0, f"{type(error).__name__}: {error}"))
                continue
            if chunk is None:
                return
            task(chunk, self._emit, self._slot.note)
            self._slot.note(NOTHING)
            self._send(("finished", 0, b""))

    def _emit(self, message: Any) -> None:
        """Tell of items; which one it is stands beside a message that may be unreadable."""
        self._send(("emitted", getattr(message, "number", NOTHING), pickled(message)))

    def _send(self, message: tuple[str, int, bytes | str]) -> None:
        content = pickle.dumps(message, protocol=5)
        is_main = threading.get_ident() == self._main
        if is_main:
            self._is_sending = True
        try:
            with self._lock:
                send(self._channel, content)
        finally:
            if is_main:
                self._is_sending = False
                self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._is_asked:
            self._is_asked = False
            raise Stopped

    def _stop(self, _number: int, _frame: Any) -> None:
        """Stop what runs, but behind a message that is half sent: others would not be read."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._is_asked = self._is_sending
        if not self._is_asked:
            raise Stopped


def _let_go(channel: int) -> None:
    with contextlib.suppress(OSError):
        os.close(channel)


def _end_with(life: int, *, by_kernel: bool) -> None:
    """End when the parent does, with all that was started here, whatever runs."""
    if by_kernel:
        _die_with_parent()
    try:
        _be_signalled(life)
    except (ImportError, AttributeError, OSError):
        threading.Thread(target=_watch, args=(life,), daemon=True).start()


def _be_signalled(life: int) -> None:
    """Have the kernel kill the group: native code may hold the interpreter for long.

    A thread would do so as well, but what an item forks is sound only where there is none.
    """
    import fcntl

    if sys.platform != "linux":
        raise OSError
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, _SIGNAL_OF_DESCRIPTOR, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        _watch(life)  # it was over before


def _watch(life: int) -> None:
    os.read(life, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _die_with_parent() -> None:
    """Have the kernel do so even where a stranger holds what `life` is the end of."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
