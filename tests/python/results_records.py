"""Results that are instances: dataclasses, named tuples, and what only a pickle can hold."""

import collections
import dataclasses
import enum
import functools
import re
import types
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd

T = TypeVar("T")
Pair = collections.namedtuple("Pair", ["left", "right"])  # noqa: PYI024 - the old way counts too


@dataclasses.dataclass
class Fit:
    weights: np.ndarray
    score: float = 0.5
    notes: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.score, float):
            message = "a hit does not run this"
            raise TypeError(message)


@dataclasses.dataclass
class Better(Fit):
    hidden: Any = dataclasses.field(default=None, init=False, repr=False, compare=False)

    @functools.cached_property
    def total(self) -> float:
        return float(self.weights.sum())


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: Any = None


@dataclasses.dataclass(frozen=True)
class Key(Generic[T]):
    name: str
    part: T


@dataclasses.dataclass(slots=True)
class Wide:
    x: Any
    y: Any


class Bar(NamedTuple):
    open: float
    extra: Any = None


class Named(Pair):
    """A named tuple with room for attributes."""


class Slotted(Pair):
    __slots__ = ()

    def total(self) -> Any:
        return self.left + self.right


class Color(enum.Enum):
    RED = 1


class Side(enum.IntFlag):
    LONG = 1
    SHORT = 2


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Items(list):
    pass


class Ticks(pd.DataFrame):
    _metadata = ["symbol"]  # noqa: RUF012 - as pandas has it

    @property
    def _constructor(self) -> type:
        return Ticks


@dataclasses.dataclass
class Reduced:
    """Pickles in a way of its own."""

    a: int

    def __reduce__(self) -> tuple:
        return Reduced, (self.a,)


@dataclasses.dataclass
class Stateful:
    a: int

    def __getstate__(self) -> dict:
        return {"a": self.a}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)


def better() -> Better:
    made = Better(np.arange(4.0), 0.25, ["a"])
    made.hidden = {"more": 1}
    made.unknown = "beside the fields"  # type: ignore[attr-defined]
    assert made.total == 6
    return made


def unset() -> Better:
    made = Better(np.arange(2.0))
    del made.notes
    return made


def named() -> Named:
    made = Named(1, [2])
    made.remark = "an attribute"  # type: ignore[attr-defined]
    return made


def ticks() -> Ticks:
    made = Ticks({"a": [1.0, 2.0]}, index=pd.date_range("2024", periods=2, freq="h"))
    made.symbol = "EURUSD"
    made.attrs = {"a": 1}
    return made


def shared() -> dict:
    weights, notes = np.arange(5.0), ["a"]
    first = Fit(weights, 1.0, notes)
    return {"first": first, "again": first, "weights": weights, "notes": [notes]}


def cycle() -> Fit:
    made = Fit(np.arange(3.0))
    made.notes.append(made)  # type: ignore[arg-type]
    return made


def records() -> dict[str, Callable[[], Any]]:
    """Instances that need no pickle."""
    return {
        "dataclass": lambda: Fit(np.arange(3.0), 0.5, ["a", "b"]),
        "dataclass with more": better,
        "large dataclass": lambda: Fit(np.arange(600_000.0), 0.5),
        "dataclass of a frame": lambda: Wide(pd.DataFrame({"a": [1.0]}), np.float32(1)),
        "frozen dataclass with slots": lambda: Frozen(1, [np.arange(2)]),
        "generic dataclass": lambda: Key("a", 1),
        "dataclasses as keys": lambda: {Key("a", 1): {Key("b", (2,))}, Frozen(1, 2): None},
        "dataclasses in dataclasses": lambda: [Frozen(n, Key(str(n), Bar(n))) for n in range(300)],
        "named tuple": lambda: Bar(1.5, [2]),
        "old named tuple": lambda: Pair(1, np.arange(3)),
        "named tuples in a frame": lambda: pd.DataFrame(
            {"a": pd.Series([Bar(1.0), Pair(1, 2)], dtype=object)}
        ),
        "a subclass of a named tuple": lambda: [Slotted(1, 2), Named(3, 4)],
        "a shared dataclass": shared,
    }


def lasting() -> dict[str, Any]:
    part, weights = [1], np.arange(300.0)
    model = types.SimpleNamespace(part=part, weights=weights)
    return {"model": model, "part": part, "again": model, "weights": [weights]}


def opaque() -> dict[str, Callable[[], Any]]:
    """What needs a pickle, and is what it was all the same."""
    return {
        "enum": lambda: [Color.RED, Side.LONG | Side.SHORT],
        "subclasses of plain types": lambda: [Text("a"), Whole(5), Items([1, [2]])],
        "ordered dict": lambda: collections.OrderedDict(b=1, a=[2]),
        "default dict": lambda: collections.defaultdict(list, a=[1]),
        "counter": lambda: collections.Counter("aab"),
        "deque": lambda: collections.deque([1, [2]], 3),
        "a subclass of a frame": ticks,
        "a dataclass with its own reduce": lambda: Reduced(1),
        "a dataclass with its own state": lambda: Stateful(1),
        "a dataclass without one of its fields": unset,
        "a named tuple with attributes": named,
        "a dataclass that holds itself": cycle,
        "pattern": lambda: re.compile("a.b", re.DOTALL),
        "parts that a pickle shares with others": lasting,
        "a pickle in an object column": lambda: {
            "frame": pd.DataFrame({"o": [Color.RED, None], "f": [1.5, 2.5]}),
            "index": pd.date_range("2024", periods=3, freq="h", tz="Europe/Berlin"),
        },
        "a pickle in an array of objects": lambda: np.array([Color.RED, {"a": np.arange(3)}, 1]),
    }
