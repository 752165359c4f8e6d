"""`describe`: what is watched, what is left to each call, and what is not entered."""

import ast
import functools
import operator
import threading
import time
import types

import pytest
from plain import fingerprint, identity, labels, mutables, texts

from afml_cache.code import MISSING, describe

HELPER = "def smooth(x): return x + {}\ndef f(x): return smooth(x)"
STRATEGY = """
class Base:
    def scale(self, x): return x
class Strategy(Base):
    def signal(self, x): return self.scale(x)
    @classmethod
    def build(cls): return cls()
def f(x): return Strategy().signal(x)
"""


def test_swapped_code_is_seen_by_the_watch_and_changes_the_items(module):
    features = module(HELPER.format(1))
    before = identity(features.f)
    watched = describe(features.f).functions
    features.smooth.__code__ = (lambda x: x - 1).__code__
    assert [function for function, code, *_ in watched if function.__code__ is not code] == [
        features.smooth
    ]
    assert identity(features.f) != before


def test_a_rebound_name_is_seen_by_the_watch(module):
    features = module(HELPER.format(1))
    names = describe(features.f).names
    features.smooth = abs
    changed = [name for space, name, bound in names if space.get(name, MISSING) is not bound]
    assert changed == ["smooth"]


@pytest.mark.parametrize("name", ["len", "later"])
def test_a_name_that_is_bound_later_is_seen_by_the_watch(module, name):
    features = module(f"def f(x): return {name}(x)")
    before = identity(features.f)
    assert (vars(features), name, MISSING) in describe(features.f).names
    setattr(features, name, abs)
    assert identity(features.f) != before


def test_a_replaced_attribute_of_a_module_is_seen_by_the_watch(module):
    helpers = module("def smooth(x): return x", "helpers")
    f = module("import helpers\ndef f(x): return helpers.smooth(x)").f
    assert (vars(helpers), "smooth", helpers.smooth) in describe(f).names


def test_a_replaced_method_is_seen_by_the_watch(module):
    features = module(STRATEGY)
    before = identity(features.f)
    classes = dict(describe(features.f).classes)
    assert set(classes) == {features.Strategy, features.Base}
    features.Strategy.scale = lambda _, x: x
    assert len(vars(features.Strategy)) == len(classes[features.Strategy]) + 1
    assert identity(features.f) != before


def test_cells_and_defaults_are_watched(module):
    source = "def make(k):\n    def f(x, y=1, *, z=2): return k\n    return f\nf = make(3)"
    f = module(source).f
    [(function, code, defaults, keywords, cells)] = describe(f).functions
    assert function is f
    assert code is f.__code__
    assert defaults is f.__defaults__
    assert keywords is f.__kwdefaults__
    assert cells == ((f.__closure__[0], 3),)
    assert (f.__kwdefaults__, "z", 2) in describe(f).names


def test_an_empty_cell_is_missing(module):
    source = "def make():\n    def f(): return k\n    if not f: k = 1\n    return f\nf = make()"
    [(*_, cells)] = describe(module(source).f).functions
    assert [held for _, held in cells] == [MISSING]


def test_values_that_can_change_in_place_are_left_to_each_call(module):
    source = """
PIPS = {"EURUSD": 0.0001}
class Account:
    def pay(self): return RATE
    table = {}
RATE = 2
ACCOUNT = Account()
def make(history):
    def g(x, seen=[]): return history, Account.table
    return g
g = make(bytearray(b"1"))
def f(x): return PIPS, ACCOUNT, g
"""
    features = module(source)
    assert mutables(features.f) == {
        "global `PIPS` in features.py": features.PIPS,
        "global `ACCOUNT` in features.py": features.ACCOUNT,
        "class attribute `Account.table` in features.py": features.Account.table,
        "default `seen` of `make.<locals>.g` in features.py": [],
        "closure value `history` of `make.<locals>.g` in features.py": bytearray(b"1"),
    }
    assert "constant `RATE` in features.py" in labels(features.f)


CONSTANTS = """
import datetime as dt, decimal, enum, fractions, operator, pathlib, uuid, zoneinfo
class Side(enum.Enum):
    BUY = 1
UTC = dt.timezone.utc
VALUES = (
    None, True, 1, 10**5000, 1.5, 2j, "s", b"b", ..., (1, ("a", 2.0)), frozenset({1, "a"}),
    range(3), slice(1, None), dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, tzinfo=UTC),
    dt.time(9), dt.timedelta(1), decimal.Decimal("0.1"), uuid.UUID(int=1), UTC,
    pathlib.PurePosixPath("bars"), fractions.Fraction(1, 3), Side.BUY, zoneinfo.ZoneInfo("UTC"),
    NotImplemented, object(), int, Side, abs, str.upper, dict[str, int], int | None,
    operator.attrgetter("a.b"), operator.methodcaller("m", 1, k=2), dt.datetime.now,
)
def f(): return UTC, VALUES
"""


def test_values_that_cannot_change_are_part_of_the_items(module):
    first, second = module(CONSTANTS), module(CONSTANTS)
    assert mutables(first.f) == {}
    assert identity(first.f) == identity(second.f)


def test_a_constant_has_a_short_text(module):
    source = """
A, B, C, D = 0.0001, "x" * 100, frozenset({2, 1}), 10**5000
def make(k):
    def f(x=5): return A, B, C, D, k
    return f
f = make("k")
"""
    assert texts(module(source).f) == {
        "constant `A` in features.py": "0.0001",
        "constant `B` in features.py": "'" + "x" * 59,
        "constant `C` in features.py": "frozenset({1, 2})",
        "constant `D` in features.py": "<int>",
        "default `x` of `make.<locals>.f` in features.py": "5",
        "closure value `k` of `make.<locals>.f` in features.py": "'k'",
    }


def test_recursion_ends_and_the_items_do_not_depend_on_where_the_walk_began(module):
    source = "def f(x): return g(x)\ndef g(x): return h(x) or f(x)\ndef h(x): return h(x)"
    features = module(source)
    assert identity(features.f) == identity(features.g)
    assert labels(features.f) == [
        "function `f`",
        "helper `g` in features.py",
        "helper `h` in features.py",
    ]


def test_a_long_chain_of_helpers_is_walked_to_its_end(module):
    chain = "".join(f"def f{n}(): return f{n + 1}()\n" for n in range(3000))
    seen = [identity(module(f"{chain}def f3000(): return {end}").f0) for end in (1, 2)]
    assert seen[0] != seen[1]


def test_deeply_nested_values_are_left_to_the_digest(module):
    f = module("T = ()\nfor _ in range(5000): T = (T,)\ndef f(): return T").f
    assert list(mutables(f)) == ["global `T` in features.py"]


def test_functions_in_a_container_are_left_to_the_digest_of_the_container(module):
    f = module("def g(): return 1\nL = [{'g': {g}}]\nL.append(L)\ndef f(): return L").f
    assert labels(f) == ["function `f`"]
    assert list(mutables(f)) == ["global `L` in features.py"]


def test_a_cached_function_counts_as_the_function_it_wraps(module):
    cached = type("Function", (), {"__module__": "afml_cache._native", "store": threading.Lock()})
    features = module("def smooth(x): return x and f(x)\ndef f(x): return smooth(x)")
    plain = identity(features.f)
    for name in ("f", "smooth"):
        wrapper = cached()
        wrapper.__wrapped__ = getattr(features, name)
        setattr(features, name, wrapper)
    assert identity(features.f) == identity(features.f.__wrapped__) == plain


@pytest.mark.parametrize("above", ["", "@functools.lru_cache", "@contextlib.contextmanager"])
def test_the_class_of_a_decorated_method_is_part_of_the_items(module, above):
    source = """
import contextlib, functools
class A:
    class B:
        {above}
        def f(self): return self.g()
        def g(self): return {returned}
"""
    first, second = (module(source.format(above=above, returned=n)).A.B.f for n in (1, 2))
    assert identity(first) != identity(second)


@pytest.mark.parametrize(
    "wrap", [staticmethod, classmethod, functools.partial, functools.lru_cache]
)
def test_any_kind_of_callable_can_be_described(module, wrap):
    seen = [identity(wrap(module(HELPER.format(added)).f)) for added in (1, 2, 1)]
    assert seen[0] == seen[2] != seen[1]


def test_builtins_and_bound_methods_can_be_described(module):
    strategy = module(STRATEGY).Strategy
    assert labels(len) == ["function `len`"]
    assert identity(len) != identity(operator.length_hint)
    assert mutables(strategy.build) == {}
    assert len(mutables(strategy().signal)) == 1


def test_a_function_that_was_made_without_a_file_is_followed():
    seen = []
    for added in (1, 2):
        space = {"__name__": "made"}
        exec(HELPER.format(added), space)  # noqa: S102 - that is the case
        seen.append(identity(space["f"]))
    assert seen[0] != seen[1]


def test_an_object_that_lies_about_its_class_does_no_harm(module):
    features = module("def f(): return PROXY")
    features.PROXY = types.SimpleNamespace(__class__=type, __wrapped__=1)
    assert list(mutables(features.f)) == ["global `PROXY` in features.py"]


def test_standard_ways_of_making_classes_leave_nothing_to_refuse(module):
    source = """
import abc, dataclasses, enum, functools, typing
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
class Has(typing.Protocol):
    name: str
class Row(typing.NamedTuple):
    a: int
    b: str = "b"
class Options(typing.TypedDict, total=False):
    a: int
@dataclasses.dataclass(frozen=True, order=True)
class Point(Shape):
    x: int
    y: float = dataclasses.field(default=0.0, metadata={"unit": "pips"})
    z: tuple = dataclasses.field(default_factory=tuple)
    def area(self): return super().area()
class Level(enum.IntFlag):
    LOW = enum.auto()
    HIGH = enum.auto()
    def up(self): return self.HIGH
class Slots:
    __slots__ = ["a", "b"]
    @functools.cached_property
    def c(self): return 1
def f():
    return Shape, Has, Row, Options, Point, Level, Level.LOW | Level.HIGH, Slots
"""
    first, second = module(source), module(source)
    assert [value for value in mutables(first.f).values() if type(value) not in {dict, set}] == []
    assert identity(first.f) == identity(second.f)


def test_annotations_that_cannot_be_resolved_do_no_harm(module):
    source = """
from __future__ import annotations
import typing, collections.abc
T = typing.TypeVar("T")
class A(typing.Generic[T]):
    a: nowhere
    b: typing.Callable[[int], "A"]
def f(x: nowhere, y: typing.Optional[A] = None) -> collections.abc.Callable[[T], int]:
    return A
"""
    resolved = source.replace("from __future__ import annotations", "class nowhere: pass")
    for version in (source, resolved):
        assert identity(module(version).f) == identity(module(version).f)


def test_no_item_tells_where_the_code_is(module, tmp_path):
    items = describe(module(STRATEGY).f).items
    assert str(tmp_path) not in repr(items)
    assert " at 0x" not in repr(items)


STABLE = """
import dataclasses, enum
WORDS = frozenset({"alpha", "beta", "gamma", "delta"})
class Side(enum.Enum):
    BUY, SELL = "buy", "sell"
@dataclasses.dataclass
class Bar:
    close: float
    def move(self):
        self.high = self.low = self.open = 1
def g(x):
    class Inner:
        def move(self):
            self.high = self.low = self.open = 1
    return {"one", "two", "three"}, x in {"one", "two", "three", ("four", 5)}, Inner
def f(x):
    return g(x) in WORDS, Side.BUY, Bar(1.0), __name__, {y for y in x}
from afml_cache.code import describe
def values():
    return [item.value for item in describe(f).items]
"""


def test_items_are_the_same_in_every_process(run_python):
    script = STABLE + "print(str(values()).replace('frozenset(', '('))"
    printed = [ast.literal_eval(run_python(script, hashseed=seed)) for seed in (1, 2, 3)]
    assert printed[0] == printed[1] == printed[2]


def test_a_spawned_worker_gives_the_items_of_its_parent(run_python):
    script = """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(values) == values())
"""
    assert run_python(STABLE + script) == "True\n"


def test_describing_twenty_helpers_takes_less_than_five_milliseconds(module):
    body = "    x = x * y + abs(y)\n" * 10
    helpers = "".join(f"def g{n}(x, y):\n{body}    return x\n" for n in range(20))
    calls = " + ".join(f"g{n}(x, 1)" for n in range(20))
    f = module(f"{helpers}def f(x): return {calls}").f
    durations = []
    for _ in range(20):
        start = time.perf_counter()
        describe(f)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.005


def test_items_hold_plain_values_only(module):
    assert all(fingerprint(item.value) for item in describe(module(CONSTANTS).f).items)
