"""One worker process, as its parent sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Final

from afml_cache.sweeping.channel import Channel
from afml_cache.sweeping.slot import NOTHING, SIZE, Running, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.sweeping.events import Chunk
    from afml_cache.sweeping.shipping import Parcel

__all__ = ["Process"]

_CODE: Final = (
    "import sys; sys.path[:] = {path!r}; "
    "from afml_cache.sweeping.worker import main; main(*{descriptors!r}, by_kernel={by_kernel})"
)
# How long a process may go on behind its last word, in seconds.
_LEFT: Final = 1.0


class Process:
    """A worker.

    Parameters
    ----------
    parcel : Parcel
        Its task.
    environment : mapping
        All of its variables.
    """

    _is_closed = True

    def __init__(self, parcel: Parcel, environment: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as opened:
            ours, theirs = socket.socketpair()
            opened.enter_context(theirs)
            life, self._life = os.pipe()
            opened.callback(os.close, life)
            slot = _slot_file()
            opened.callback(os.close, slot)
            self._slot = Slot(slot)
            self._slot.note(NOTHING)
            self.channel = Channel(ours)
            try:
                inherited = (theirs.fileno(), life, slot, parcel.descriptor)
                self.process = _started(inherited, environment)
            except BaseException:
                self.channel.close()
                os.close(self._life)
                raise
        self._is_closed = False
        self._is_silent = False
        self._left: float | None = None
        self._watched = _watched(self.process.pid)
        self.chunk: Chunk | None = None
        self.has_worked = False

    @property
    def descriptors(self) -> list[int]:
        """Give what can be waited for: its words, and its end."""
        words = [] if self.channel.is_over else [self.channel.fileno()]
        return words if self._watched is None else [*words, self._watched]

    @property
    def is_certain(self) -> bool:
        """Whether its end is seen by waiting for its descriptors."""
        return self._watched is not None

    def running(self) -> Running | None:
        """Give the item that runs; `None` where none does, or that can't be told now."""
        found = self._slot.read()
        return None if found is None or found.number == NOTHING else found

    def has_ended(self) -> bool:
        """Whether the process is gone; one that will not go behind its last word is killed."""
        if self.process.poll() is not None:
            return True
        if self.channel.is_over:
            self._left = self._left or time.monotonic() + _LEFT
            if time.monotonic() >= self._left:
                self._is_silent = True
                self.signal(signal.SIGKILL)
        return False

    def signal(self, number: int) -> None:
        """Send a signal to it, or SIGKILL to it and all that it has started."""
        if self._is_closed:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def kill(self) -> None:
        """End it, and all that it has started; its last words can still be taken."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Let go of what belongs to it."""
        if self._is_closed:
            return
        self._is_closed = True
        self.channel.close()
        os.close(self._life)
        if self._watched is not None:
            os.close(self._watched)

    def __del__(self) -> None:
        if not self._is_closed:
            self.kill()
            self.close()

    def abandon(self) -> None:
        """Let go of it in a forked process, whose worker it is not."""
        self.close()
        self.process.returncode = 0

    def reason(self) -> str:
        """Say how it ended."""
        code = self.process.returncode
        if self._is_silent:
            return "killed here, since it had closed what it is spoken to by"
        if code >= 0:
            return f"ended with exit status {code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"killed by signal {-code}"

    def memory(self) -> int:
        """Give its resident bytes; 0 where `psutil` is not installed."""
        try:
            import psutil
        except ImportError:
            return 0
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.process.pid).memory_info().rss)
        return 0


def _started(inherited: tuple[int, ...], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - links as they are
    # The kernel takes a parent for gone when the thread is that started a worker.
    is_main = threading.current_thread() is threading.main_thread()
    code = _CODE.format(path=path, descriptors=inherited, by_kernel=is_main)
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        pass_fds=inherited,
        env=environment,
        start_new_session=True,
    )


def _watched(process: int) -> int | None:
    """Give a descriptor that tells of the end of a process, where there is such a thing."""
    opened: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
    if opened is not None:
        with contextlib.suppress(OSError):
            return opened(process)
    return None


def _slot_file() -> int:
    descriptor, path = tempfile.mkstemp(prefix="afml-sweep-")
    os.unlink(path)  # noqa: PTH108 - as it was given
    os.write(descriptor, bytes(SIZE))  # a page that the disk had no room for would end the process
    return descriptor
