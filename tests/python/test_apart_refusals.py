"""What stands for something outside of it is refused, with the reason and what to do."""

import csv
import io
import itertools
import mmap
import pathlib
import socket
import sys
import tempfile
import threading
import weakref

import numpy as np
import pytest

from afml_cache import UncacheableArgumentError, digest


class Reader:
    def read(self): ...
    def seek(self): ...
    def close(self): ...


class Loop:
    """An iterator that claims to have a key."""

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def __cache_key__(self):
        return 1


class Asynchronous:
    def __anext__(self): ...


class Plain:
    pass


async def awaited(): ...


async def asynchronous():
    yield 1


def released():
    view = memoryview(b"abc")
    view.release()
    return view


def closed(thing):
    thing.close()
    return thing


READ_ONCE = {
    "list iterator": lambda: iter([1]),
    "dict iterator": lambda: iter({1: 2}),
    "generator": lambda: (x for x in [1]),
    "asynchronous generator": asynchronous,
    "map": lambda: map(str, [1]),
    "zip": lambda: zip([1], [2], strict=True),
    "enumerate": lambda: enumerate([1]),
    "reversed": lambda: reversed([1]),
    "count": itertools.count,
    "csv reader": lambda: csv.reader([]),
    "flat array": lambda: np.zeros(2).flat,
    "iterator of the user's": Loop,
    "asynchronous iterator": Asynchronous,
    "entries of a folder": lambda: pathlib.Path().glob("*"),
}
FILES = {
    "text": lambda: io.StringIO("a"),
    "bytes": lambda: io.BytesIO(b"a"),
    "file": lambda: open(__file__),  # noqa: PTH123, SIM115
    "raw file": lambda: open(__file__, "rb", buffering=0),  # noqa: PTH123, SIM115
    "reader of the user's": Reader,
}
OF_THIS_PROCESS = {
    "lock": threading.Lock,
    "recursive lock": threading.RLock,
    "condition": threading.Condition,
    "semaphore": threading.Semaphore,
    "event": threading.Event,
    "barrier": lambda: threading.Barrier(2),
    "thread": threading.Thread,
    "local": threading.local,
    "socket": socket.socket,
    "frame": sys._getframe,
}
OTHERS = {
    "object": (object, "an Enum member"),
    "weak reference": (lambda: weakref.ref(Plain), "pass what it refers to"),
    "weak proxy": (lambda: weakref.proxy(Plain), "pass what it refers to"),
    "super": (lambda: super(Loop, Loop()), "pass that object"),
    "released memory": (released, "pass the bytes"),
    "closed map": (lambda: closed(mmap.mmap(-1, 8)), "pass the path"),
    "ufunc of a lambda": (lambda: np.frompyfunc(lambda x: x, 1, 1), "the Python function"),
}


def refused(value) -> str:
    try:
        with pytest.raises(UncacheableArgumentError) as caught:
            digest({"model": [value]})
    finally:
        if hasattr(type(value), "close"):
            value.close()
    message = str(caught.value)
    assert "value['model'][0]" in message
    return message


@pytest.mark.parametrize("name", READ_ONCE)
def test_what_is_used_up_by_reading_is_refused(name: str) -> None:
    message = refused(READ_ONCE[name]())
    assert "read only once" in message
    assert "pass a list" in message


@pytest.mark.parametrize("name", FILES)
def test_an_open_file_is_refused(name: str) -> None:
    assert "afml_cache.File(path)" in refused(FILES[name]())


@pytest.mark.parametrize("name", OF_THIS_PROCESS)
def test_what_belongs_to_a_process_is_refused(name: str) -> None:
    assert "__cache_key__" in refused(OF_THIS_PROCESS[name]())


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_content_is_refused(name: str) -> None:
    make, remedy = OTHERS[name]
    value = make()
    with pytest.raises(UncacheableArgumentError) as caught:
        digest([value])
    assert remedy in str(caught.value)


def test_a_coroutine_is_refused() -> None:
    coroutine = awaited()
    with pytest.raises(UncacheableArgumentError, match="pass its result"):
        digest(coroutine)
    coroutine.close()


def test_a_temporary_file_is_refused() -> None:
    with (
        tempfile.NamedTemporaryFile() as file,
        pytest.raises(UncacheableArgumentError, match="File"),
    ):
        digest(file)


def test_what_raises_when_it_is_looked_at_is_refused() -> None:
    class Hidden:
        def __getattribute__(self, name):
            raise RuntimeError(name)

    with pytest.raises(UncacheableArgumentError, match="Hidden") as caught:
        digest(Hidden())
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_what_pickle_refuses_is_refused_with_its_reason() -> None:
    class Refusing:
        def __reduce_ex__(self, protocol):
            message = "not today"
            raise TypeError(message)

    with pytest.raises(UncacheableArgumentError, match=r"not today.*register_hasher"):
        digest(Refusing())
