"""`digest` refuses what it can't key by content, names its place, and never crashes."""

import collections
import datetime as dt
import enum
import itertools
import threading

import numpy as np
import pytest

from afml_cache import CacheError, UncacheableArgumentError, digest


class Plain:
    """A user class, for which nothing says what counts."""


class Colour(enum.Enum):
    RED = 1


class OddInt(int):
    pass


class OddList(list):
    pass


class OddDict(dict):
    pass


class OddStr(str):
    __slots__ = ()


class OddFrozenset(frozenset):
    pass


class OddDate(dt.date):
    pass


class OddArray(np.ndarray):
    pass


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024

NEVER = {
    "list iterator": lambda: iter([1]),
    "dict iterator": lambda: iter({1: 2}),
    "generator": lambda: (x for x in [1]),
    "map": lambda: map(str, [1]),
    "count": itertools.count,
    "object": object,
    "lock": threading.Lock,
    "file": lambda: open(__file__),  # noqa: SIM115, PTH123
}
NOT_YET = {
    "lambda": lambda: lambda: 1,
    "function": lambda: pytest.skip,
    "builtin": lambda: len,
    "class": lambda: Plain,
    "module": lambda: collections,
    "instance": Plain,
    "enum": lambda: Colour.RED,
    "int subclass": lambda: OddInt(1),
    "list subclass": lambda: OddList([1]),
    "dict subclass": lambda: OddDict(a=1),
    "str subclass": lambda: OddStr("a"),
    "frozenset subclass": lambda: OddFrozenset({1}),
    "date subclass": lambda: OddDate(2024, 1, 1),
    "named tuple": lambda: Point(1, 2),
    "ordered dict": lambda: collections.OrderedDict(a=1),
    "default dict": lambda: collections.defaultdict(int, a=1),
    "counter": lambda: collections.Counter("a"),
    "deque": lambda: collections.deque([1]),
    "array subclass": lambda: np.zeros(2).view(OddArray),
    "matrix": lambda: np.zeros((1, 1)).view(np.matrix),
    "masked array": lambda: np.ma.masked_array([1, 2], [True, False]),
    "record array": lambda: np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "generator state": lambda: np.random.default_rng(0),
}


@pytest.mark.parametrize("name", [*NEVER, *NOT_YET])
def test_what_cannot_be_keyed_is_refused_with_its_path(name: str) -> None:
    value = (NEVER | NOT_YET)[name]()
    with pytest.raises(UncacheableArgumentError) as caught:
        digest(value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, CacheError)
    with pytest.raises(UncacheableArgumentError, match=r"\['model'\]\[0\]"):
        digest({"other": 1, "model": (value, 2)})
    with pytest.raises(UncacheableArgumentError, match=r"\[2\]\['a'\]\[1\]"):
        digest([0, 1, {"a": [0, value]}])
    if hasattr(value, "close"):
        value.close()


def test_a_list_that_holds_itself_digests_or_is_refused() -> None:
    def looped() -> list:
        value: list = [1]
        value.append(value)
        return value

    table: dict = {}
    table["self"] = [table]
    array = np.empty(1, object)
    array[0] = array
    for value in (looped(), table, array):
        try:
            assert digest(value) == digest(value)
        except UncacheableArgumentError as error:
            assert "[" in str(error)  # noqa: PT017


@pytest.mark.parametrize("grow", ["x = [x]", "x = (x,)", "x = {'k': x}", "x = [x, {1: (x,)}][:1]"])
@pytest.mark.parametrize("thread", [False, True])
def test_a_value_nested_100_000_deep_never_crashes_the_interpreter(
    run_python, grow: str, thread: bool
) -> None:
    shown = run_python(
        f"""
import sys, threading, afml_cache
x = [1]
for _ in range(100_000):
    {grow}
def attempt():
    try:
        print("digest", len(afml_cache.digest(x)))
    except afml_cache.UncacheableArgumentError as error:
        print("refused", len(str(error)) < 2000)
if {thread}:
    worker = threading.Thread(target=attempt); worker.start(); worker.join()
else:
    attempt()
while type(x) is list and x or type(x) is tuple or type(x) is dict:
    x = x["k"] if type(x) is dict else x[0]
"""
    )
    assert shown.split() in (["digest", "32"], ["refused", "True"])
