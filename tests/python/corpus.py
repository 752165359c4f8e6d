"""Functions of every kind, for comparing their description under every Python."""

import asyncio
import contextlib
import dataclasses
import enum
import functools
import helpers_of_corpus
import math
import pathlib
import re
import typing
from helpers_of_corpus import smooth as soften
from typing import Any, NamedTuple

PIP = 0.0001
NAMES = ("open", "close")
PATTERN = re.compile("a+", re.IGNORECASE)
MINUTES = 24 * 60


def plain(x, y=2, *rest, z=3, **others):
    """Say what it does."""
    return x + y * PIP + math.sin(z) - MINUTES, rest, others, -0.0, not x


def make(k):
    def closure(x):
        return x * k + plain(x)

    return closure


closure = make(3)
loop = [lambda x, k=k: x * k for k in (1, 2)][1]
first, second = lambda x: x + 1, lambda x: x + 2


def lambdas(x):
    return first(x), second(x), loop(x)


def comprehensions(x):
    total = [i * PIP for i in x if i]
    pairs = {i: [j for j in range(i)] for i in x}
    return total, pairs, {i for i in x}, sum(i for i in x), [k := 1, k]


def strings(x, width=3):
    a, b = "literal", "secondhalf"
    return f"{x!r:>{width}} {{}} and {x=}tail{PIP:.2f}", a, b, "%s" % x, f"only"


def doubled(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return wrapper


@doubled
def decorated(x: int, y: "str | None" = None) -> float:
    return x


@functools.lru_cache(maxsize=None)
def remembered(x):
    return plain(x)


@contextlib.contextmanager
def manager():
    yield helpers_of_corpus.LEVEL


class Base:
    """Words."""

    rate: float = 0.5
    __private = 1

    def scale(self, x):
        return x * self.rate * self.__private

    @property
    def double(self):
        return self.scale(2)

    @staticmethod
    def still(x):
        return soften(x)

    @classmethod
    def build(cls, *args):
        return cls(*args)


class Strategy(Base):
    __slots__ = ("a", "b")

    def signal(self, x):
        def inner():
            return super(Strategy, self).scale(x)

        return inner() + super().scale(x)


def classes(x):
    return Strategy.build().signal(x), Base.still(x)


@dataclasses.dataclass(frozen=True, order=True)
class Bar:
    close: float
    tags: tuple = dataclasses.field(default_factory=tuple, metadata={"unit": "pips"})
    side: typing.Optional[int] = None

    def mid(self):
        return self.close / 2


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self):
        return 1 if self is Side.BUY else -1


class Flags(enum.IntFlag):
    LOW = enum.auto()
    HIGH = 2


class Row(NamedTuple):
    a: int
    b: str = "b"


class Settings(typing.TypedDict, total=False):
    window: int


class Has(typing.Protocol):
    name: str

    def go(self) -> int: ...


def records(x):
    return Bar(x).mid(), Side.BUY.sign, Row(1), Settings(window=1), Flags.LOW | Flags.HIGH, Has


def caught(x):
    try:
        with open(x) as file, manager() as level:
            return file.read(), level
    except (KeyError, ValueError) as error:
        raise RuntimeError("no") from error
    except OSError:
        pass
    else:
        return 1
    finally:
        assert x, "said"


def matched(x):
    match x:
        case {"kind": "a", **rest} if rest:
            return rest
        case [1, -1.5, *others] | (1, *others):
            return others
        case Bar(close=1.0, side=None):
            return NAMES
        case _:
            return None


def imports(x):
    import helpers_of_corpus as h
    from helpers_of_corpus import LEVEL, smooth

    import os.path

    return h.smooth(x), smooth(LEVEL), os.path.join("a", x)


async def waits(x):
    async with asyncio.Lock():
        return [await y async for y in x if await y]


def generates(x):
    global PIP
    count: int = 0
    while True:
        count += (yield x) or 1
        if count > 10:
            del x
            return
        elif count == 5:
            continue
        else:
            break
    yield from (1, 2)


def nested(x):
    total = 0

    def add(y: int = PIP, /, *, z: Any = 2) -> int:
        nonlocal total
        total += y + z
        return total

    class Inner:
        kind: int = 1

        def move(self):
            self.high = self.low = 1

    return add, Inner, lambda *a, **k: (a, k, x[1:2, ::3], *a, {**k})


def documented():
    """
    Read by others.

        Indented.
    """
    return plain.__doc__, documented.__doc__, [c.__doc__ for c in (Base, Strategy)]


def chained(x):
    return (
        helpers_of_corpus.inner.deep(x) if 1 < x <= 3 != 4 else getattr(helpers_of_corpus, "smooth")
    )


def constants():
    return 1 + 2, "a" * 3, (1, 2, 3), {"x", "y"} & {1}, 10**50, 1j, b"b", ..., pathlib.Path, PATTERN


def long(x):
    return (
        x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
        + x
    )


partial = functools.partial(plain, 1, y=3)
method = Strategy.build
ALL = (
    *(plain, closure, lambdas, comprehensions, strings, decorated, remembered, manager, classes),
    *(records, caught, matched, imports, waits, generates, nested, documented, chained),
    *(constants, partial, method, Bar, Side, Row, Strategy, Settings, first, second, long),
)
