"""Classes of bars, of every kind that people write."""

import dataclasses
import datetime as dt
import enum
import functools
from typing import NamedTuple

import attrs
import pydantic


class Side(enum.Enum):
    BUY = "b"
    SELL = "s"


def never(*_: object) -> None:
    message = "checks don't run when bars come back"
    raise AssertionError(message)


@dataclasses.dataclass
class Plain:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None

    @functools.cached_property
    def twice(self) -> float:
        return 2 * self.close


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None


@dataclasses.dataclass
class Checked:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None
    made: dataclasses.InitVar[bool] = False

    def __post_init__(self, made: bool) -> None:
        if not made:
            never()


class Named(NamedTuple):
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None


class Model(pydantic.BaseModel):
    time: dt.datetime
    close: float = pydantic.Field(alias="c")
    volume: int | None = None
    side: Side | None = None

    model_config = pydantic.ConfigDict(populate_by_name=True, validate_assignment=True)


class Frugal(pydantic.BaseModel, frozen=True, extra="allow"):
    time: dt.datetime


@attrs.define
class Defined:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None


@attrs.frozen(slots=False)
class Fixed:
    time: dt.datetime
    close: float
    volume: int | None = None
    side: Side | None = None


class Bare:
    time: dt.datetime
    side: Side | None

    def __init__(self, time, close, volume=None, side=None):
        self.time, self.close, self.volume, self.side = time, close, volume, side

    def __eq__(self, other):
        return type(other) is type(self) and vars(self) == vars(other)

    __hash__ = None


class Slots:
    __slots__ = ("__hidden", "close", "side", "time", "volume")
    side: Side | None

    def __init__(self, time, close, volume=None, side=None):
        self.time, self.close, self.volume, self.side = time, close, volume, side
        self.__hidden = 1

    def __eq__(self, other):
        names = [name for name in (*Slots.__slots__[1:], "_Slots__hidden") if hasattr(self, name)]
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None
