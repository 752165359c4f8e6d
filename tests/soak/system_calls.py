"""Stand between a process and the disk: stop it at any system call that changes something.

A forked child runs under a seccomp filter that reports every such call to its parent before it
happens. The parent lets it happen, fails it with an error of its choice, or kills the child there
and then, if asked to after a part of what was to be written. It needs Linux 5.5 or later on x86-64
or arm64, and no privileges.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import platform
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Numbers of the calls: x86-64, arm64. Where arm64 has none, C libraries use the call with `at`.
_NUMBERS = {
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "pwritev": (296, 70),
    "copy_file_range": (326, 285),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "utimensat": (280, 88),
    "msync": (26, 227),
    "creat": (85, None),
}
# Calls that change something only with these flags, and the place of the flags among arguments.
OPENS = {"open": ((2, None), 1), "openat": ((257, 56), 2)}
_CHANGING = os.O_CREAT | os.O_TRUNC
_ARCHITECTURES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}

PATIENCE = 60  # seconds, after which a child hangs

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REPORT = 0x7FFF0000, 0x7FC00000
_NO_NEW_PRIVILEGES, _SET_FILTER, _NEW_LISTENER = 38, 1, 8
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")


@dataclass(frozen=True)
class Call:
    """A system call that is about to change something; the first has the number 1."""

    number: int
    name: str
    thread: int
    arguments: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How many bytes it is to write, where it may come to write a part of them."""
        return self.arguments[2] if self.name in {"write", "pwrite64"} else 0


@dataclass(frozen=True)
class Kill:
    """Kill the process at a call, after that many bytes of what it was to write."""

    written: int = 0


Decision = None | int | Kill
"""Let the call happen, fail it with this error number, or kill the process."""


@dataclass
class Ended:
    """What became of a child: the calls it made, the lines it noted, and how it ended."""

    calls: list[Call] = field(default_factory=list)
    noted: str = ""
    status: int = 0

    @property
    def lines(self) -> list[str]:
        return self.noted.splitlines()

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


def supported() -> bool:
    """Whether this machine can do it."""
    if not sys.platform.startswith("linux") or platform.machine() not in _ARCHITECTURES:
        return False
    try:
        return watched(lambda _: None, lambda _: None).status == 0
    except OSError:
        return False


def watched(
    work: Callable[[Callable[[str], None]], object], decide: Callable[[Call], Decision]
) -> Ended:
    """Run `work(note)` in a child, and ask `decide` before each call that changes something.

    What the child notes by the time of a call is known here, whether it lives on or not.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _live(work, theirs)
    theirs.close()
    with ours:
        try:
            listener = _receive(ours)
        except OSError:
            os.waitpid(child, 0)
            raise
        return _supervise(child, listener, ours, decide)


def unwatched(work: Callable[[Callable[[str], None]], object]) -> Ended:
    """Run `work(note)` in a child that nobody disturbs."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _do(work, theirs)
    theirs.close()
    with ours:
        noted = _drain(ours)
    return Ended(noted=noted, status=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _live(work: Callable, ours: socket.socket) -> None:
    try:
        listener = _install()
    except OSError as error:
        ours.sendall(struct.pack("=i", error.errno or errno.ENOSYS))
        os._exit(1)
    socket.send_fds(ours, [struct.pack("=i", 0)], [listener])
    os.close(listener)
    _do(work, ours)


def _do(work: Callable, ours: socket.socket) -> None:
    status = 1
    signal.alarm(PATIENCE)
    try:
        work(lambda line: ours.sendall(f"{line}\n".encode()))
        status = 0
    except BaseException:  # noqa: BLE001 - the parent is told, and no other ever catches it
        ours.sendall(traceback.format_exc().encode())
    finally:
        os._exit(status)


def _receive(ours: socket.socket) -> int:
    word, listeners, _, _ = socket.recv_fds(ours, 4, 1)
    (failed,) = struct.unpack("=i", word) if word else (errno.ECHILD,)
    if failed:
        raise OSError(failed, os.strerror(failed))
    return listeners[0]


def _drain(ours: socket.socket) -> str:
    return b"".join(iter(lambda: ours.recv(1 << 16), b"")).decode()


@functools.cache
def _numbers() -> dict[int, str]:
    place, _, _ = _ARCHITECTURES[platform.machine()]
    named = {name: numbers[place] for name, numbers in _NUMBERS.items()}
    named |= {name: numbers[place] for name, (numbers, _) in OPENS.items()}
    return {number: name for name, number in named.items() if number is not None}


def _program() -> bytes:
    """The filter: report the calls that change something, allow all others."""
    _, architecture, _ = _ARCHITECTURES[platform.machine()]

    def step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    allow, report = step(_RETURN, _ALLOW), step(_RETURN, _REPORT)
    steps = [step(_LOAD, 4), step(_EQUAL, architecture, 1, 0), allow, step(_LOAD, 0)]
    for number, name in _numbers().items():
        if name in OPENS:
            flags = 16 + 8 * OPENS[name][1]
            steps += [step(_EQUAL, number, 0, 4), step(_LOAD, flags)]
            steps += [step(_ANY_BIT, _CHANGING, 0, 1), report, allow]
        else:
            steps += [step(_EQUAL, number, 0, 1), report]
    return b"".join([*steps, allow])


def _install() -> int:
    """Put this process under the filter; give what its reports are read from."""
    library = ctypes.CDLL(None, use_errno=True)
    program = _program()
    steps = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    whole = Program(len(program) // 8, ctypes.addressof(steps))
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    _, _, seccomp = _ARCHITECTURES[platform.machine()]
    listener = library.syscall(seccomp, _SET_FILTER, _NEW_LISTENER, ctypes.byref(whole))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def _supervise(
    child: int, listener: int, ours: socket.socket, decide: Callable[[Call], Decision]
) -> Ended:
    ended = Ended()
    noted: list[bytes] = []
    watch = select.poll()
    watch.register(ours, select.POLLIN)
    watch.register(listener, select.POLLIN)
    try:
        while not ended.killed:
            ready = dict(watch.poll())
            if ours.fileno() in ready:
                noted.append(ours.recv(1 << 16))
            if ready.get(listener, 0) & select.POLLIN:
                _attend(child, listener, ended, decide)
            elif listener in ready:
                break  # it hangs up when the last of the child's threads is gone
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(listener)
        ended.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended.noted = b"".join(noted).decode() + _drain(ours)
    return ended


def _attend(child: int, listener: int, ended: Ended, decide: Callable[[Call], Decision]) -> None:
    notice = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, notice)
    except FileNotFoundError:
        return  # the thread is gone
    answer, thread, _, number, _, _, *arguments = _NOTICE.unpack(notice)
    name = _numbers()[number]
    if not _is_of_the_disk(name, thread, arguments[0]):
        _answer(listener, answer, None)
        return
    call = Call(len(ended.calls) + 1, name, thread, tuple(arguments))
    ended.calls.append(call)
    decision = decide(call)
    if isinstance(decision, Kill):
        _write_part(call, decision.written)
        os.kill(child, signal.SIGKILL)
        ended.status = -signal.SIGKILL
    else:
        _answer(listener, answer, decision)


def _is_of_the_disk(name: str, thread: int, handle: int) -> bool:
    """Whether a call is to a file: processes talk, and their threads wake each other, by writes."""
    if name not in {"write", "pwrite64", "writev", "pwritev"}:
        return True
    if handle <= 2:  # what is said
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{thread}/fd/{handle}").readlink().is_absolute()
    return True


def _answer(listener: int, answer: int, failed: int | None) -> None:
    values = (answer, 0, 0, _CONTINUE) if failed is None else (answer, 0, -failed, 0)
    try:
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(*values))
    except FileNotFoundError:
        return  # the thread is gone


def _write_part(call: Call, length: int) -> None:
    """Write the first bytes of what a call was to write, as one that a kill cuts short does."""
    if not length:
        return
    handle, start, _, place, *_ = call.arguments
    with Path(f"/proc/{call.thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(start)
        part = memory.read(length)
    if call.name == "write":
        told = Path(f"/proc/{call.thread}/fdinfo/{handle}").read_text().split()
        place = int(told[told.index("pos:") + 1])
    file = os.open(f"/proc/{call.thread}/fd/{handle}", os.O_WRONLY)
    try:
        os.pwrite(file, part, place)
    finally:
        os.close(file)
