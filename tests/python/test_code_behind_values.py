"""The code behind arguments and constants: classes, functions, registries."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import digest, robust_cacheable

STRATEGIES = """
import abc
import dataclasses
import enum
import functools
import typing

SCALE = 2.0
CONFIG = {"spread": 0.5}


def helper(price):
    return price * SCALE


class Base:
    def cost(self):
        return CONFIG["spread"]


class Meta(type):
    def describe(cls):
        return 1


class Strategy(Base, metaclass=Meta):
    limit = 5
    window: int = 3

    def __init__(self, window):
        self.window = window

    def signal(self, price):
        return helper(price) + self.cost()

    @property
    def doubled(self):
        return self.window * 2

    @staticmethod
    def plain(x):
        return x

    @classmethod
    def made(cls):
        return cls(1)


@dataclasses.dataclass
class Order:
    size: int
    price: float = 1.0

    def value(self):
        return self.size * self.price


class Side(enum.Enum):
    LONG = 1
    SHORT = -1

    def sign(self):
        return self.value


class Bar(typing.NamedTuple):
    close: float

    def mid(self):
        return self.close


def smooth(x):
    return helper(x)


nameless = lambda x: smooth(x)


def make(offset):
    def inner(x):
        return x + offset
    return inner


REGISTRY = {"smooth": smooth, "strategy": Strategy}
"""
VALUES: dict[str, Callable[[ModuleType], object]] = {
    "an instance": lambda m: m.Strategy(3),
    "a class": lambda m: m.Strategy,
    "a function": lambda m: m.smooth,
    "a bound method": lambda m: m.Strategy(3).signal,
    "a class method": lambda m: m.Strategy.made,
    "an instance in a list": lambda m: [1, {"model": (m.Strategy(3),)}],
    "a partial": lambda m: m.functools.partial(m.smooth, 1),
    "a registry": lambda m: m.REGISTRY,
    "a function in a set": lambda m: {m.smooth},
    "an instance that holds an instance": lambda m: m.Order(m.Strategy(1)),
    "a lambda": lambda m: m.nameless,
}
EDITS = {
    "the method": ("return helper(price) + self.cost()", "return helper(price) - self.cost()"),
    "a helper": ("price * SCALE", "price / SCALE"),
    "a constant": ("SCALE = 2.0", "SCALE = 3.0"),
    "an entry of a dictionary": ('"spread": 0.5', '"spread": 0.75'),
    "a base class": ('return CONFIG["spread"]', 'return -CONFIG["spread"]'),
    "a property": ("self.window * 2", "self.window * 3"),
    "a static method": ("return x\n\n    @classmethod", "return -x\n\n    @classmethod"),
    "a class attribute": ("limit = 5", "limit = 6"),
    "an annotation": ("window: int = 3", "window: float = 3"),
    "the metaclass": ("return 1\n", "return 2\n"),
    "a function": ("return helper(x)", "return helper(x) + 1"),
}
HELPERS = {"a helper", "a constant"}
OF_FUNCTIONS = HELPERS | {"a function"}
OF_CLASSES = set(EDITS) - {"a function"}
REACHED = {
    "a function": OF_FUNCTIONS,
    "a partial": OF_FUNCTIONS,
    "a function in a set": OF_FUNCTIONS,
    "a lambda": OF_FUNCTIONS,
    "a registry": set(EDITS),
}


@pytest.mark.parametrize("value", VALUES)
def test_an_edit_of_code_behind_a_value_changes_its_digest(module: Callable, value: str) -> None:
    make = VALUES[value]
    before = digest(make(module(STRATEGIES)))
    seen = {}
    for what, (old, new) in EDITS.items():
        assert old in STRATEGIES
        seen[what] = digest(make(module(STRATEGIES.replace(old, new)))) != before
    assert {what for what, changed in seen.items() if changed} == REACHED.get(value, OF_CLASSES)
    assert digest(make(module(f"# moved\n\n{STRATEGIES}"))) == before


OTHERS = {
    "a dataclass's method": (lambda m: m.Order(1), "self.size * self.price", "self.size"),
    "a dataclass's default": (
        lambda m: m.Order(1, 1.0),
        "price: float = 1.0",
        "price: float = 2.0",
    ),
    "an enum's method": (lambda m: m.Side.LONG, "return self.value\n", "return -self.value\n"),
    "an enum's other member": (lambda m: m.Side.LONG, "SHORT = -1", "SHORT = -2"),
    "a named tuple's method": (lambda m: m.Bar(1.0), "return self.close", "return -self.close"),
    "a closure's inside": (lambda m: m.make(1), "return x + offset", "return x - offset"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_edit_of_other_code_does_too(module: Callable, what: str) -> None:
    make, old, new = OTHERS[what]
    before = digest(make(module(STRATEGIES)))
    assert digest(make(module(STRATEGIES.replace(old, new)))) != before
    assert digest(make(module(STRATEGIES))) == before


def test_what_hangs_on_a_function_counts(module: Callable) -> None:
    def tagged(**attributes: object) -> Callable:
        smooth = module(STRATEGIES).smooth
        vars(smooth).update(attributes)
        return smooth

    digests = [digest(tagged()), digest(tagged(tag=1)), digest(tagged(tag=2))]
    assert len(set(digests)) == 3
    assert digest(tagged(tag=1)) == digests[1]


def test_what_a_closure_holds_counts(module: Callable) -> None:
    make = module(STRATEGIES).make
    assert digest(make(1)) == digest(make(1)) != digest(make(2))


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


@robust_cacheable
def run(strategy: object, price: float) -> float:
    """Run a strategy on one price."""
    RAN.warning("run")
    return strategy.signal(price)  # type: ignore[attr-defined]


def test_a_patched_method_of_an_argument_misses_and_hits_when_it_is_put_back(
    module: Callable, bodies: Bodies
) -> None:
    strategies = module(STRATEGIES)
    strategy = strategies.Strategy(3)
    assert run(strategy, 1.0) == 2.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies.Strategy, "signal", lambda _, price: -price)
        assert run(strategy, 1.0) == -1.0
    assert run(strategy, 1.0) == 2.5
    strategies.CONFIG["spread"] = 1.0
    assert run(strategies.Strategy(3), 1.0) == 3.0
    strategies.SCALE = 10.0
    assert run(strategies.Strategy(3), 1.0) == 11.0
    strategies.CONFIG["spread"], strategies.SCALE = 0.5, 2.0
    assert run(strategy, 1.0) == 2.5
    assert len(bodies) == 4


def test_an_edited_class_of_an_argument_is_named_by_explain(module: Callable) -> None:
    run(module(STRATEGIES).Strategy(3), 1.0)
    changed = module(STRATEGIES.replace("price * SCALE", "price / SCALE"))
    said = str(run.explain(changed.Strategy(3), 1.0))
    assert "argument `strategy` changed" in said
    assert "helper `helper` in features.py changed" in said


def test_an_object_that_knows_itself_through_its_methods_is_digested(module: Callable) -> None:
    strategies = module(STRATEGIES)
    one, other = strategies.Strategy(3), strategies.Strategy(3)
    one.callback, other.callback = one.signal, other.signal
    one.registry = other.registry = strategies.REGISTRY
    assert digest(one) == digest(other)
    other.callback = other.cost
    assert digest(one) != digest(other)


def test_assigned_bases_are_seen(bodies: Bodies) -> None:
    class Long:
        def signal(self, price: float) -> float:
            return price

    class Short:
        def signal(self, price: float) -> float:
            return -price

    class Strategy(Long):
        pass

    assert run(Strategy(), 1.0) == 1.0
    Strategy.__bases__ = (Short,)
    assert run(Strategy(), 1.0) == -1.0
    Strategy.__bases__ = (Long,)
    assert run(Strategy(), 1.0) == 1.0
    assert len(bodies) == 2


def test_the_package_of_the_decorated_function_counts_behind_its_arguments_wherever_it_is(
    run_python: Callable, tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "strategies"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from afml_cache import robust_cacheable\n"
        "from strategies.models import Model\n"
        "@robust_cacheable\n"
        "def run(model):\n    return model.signal()\n"
    )
    script = "import strategies; print(strategies.run(strategies.Model()))"
    said = []
    for value in (1, 2, 1):
        code = f"class Model:\n    def signal(self): return {value}\n"
        (package / "models.py").write_text(code)
        shutil.rmtree(package / "__pycache__", ignore_errors=True)
        said.append(
            run_python(
                script, env={"PYTHONPATH": os.pathsep.join([str(package.parent), *sys.path[1:]])}
            )
        )
    assert said == ["1\n", "2\n", "1\n"]
