"""`CachedDataEngine` is the engine that it is around, in all but its bars; also in copies."""

import asyncio
import copy
import inspect
import pickle
from typing import Any

import pytest
from range_vendor import Clock, Vendor, days, same

from afml_cache import CachedDataEngine

YEAR = days("2024-01-01", "2024-12-31")
ENDS = ("2024-01-01", "2024-01-31")
LONGER = ("2024-01-01", "2024-02-10")
RIGHT = Vendor(YEAR).between(*ENDS, "both")


class Engine:
    venue = "anywhere"

    def __init__(self) -> None:
        self.feed = "iex"
        self.cache = ["the engine's own"]
        self.asked = 0

    @property
    def pace(self) -> int:
        return 7

    def connect(self) -> str:
        return f"connected to {self.feed} at {self.venue}"

    def get_bars(self, symbol, start, end, timeframe):  # noqa: ARG002
        self.asked += 1
        return Vendor(YEAR, "both").between(start, end, "both")


class AsyncEngine(Engine):
    async def get_bars(self, symbol, start, end, timeframe):
        return super().get_bars(symbol, start, end, timeframe)


class Careful(Engine):
    """Says itself how it is copied."""

    def __deepcopy__(self, memo: object) -> "Careful":
        other = Careful()
        other.feed = self.feed + ", copied"
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {"feed": self.feed + ", pickled", "asked": 0}


def around(engine: Any, cls: type = CachedDataEngine, **options: Any) -> Any:
    return cls(engine, clock=Clock(), retries=0, **options)


# Classes of users


class Marked(CachedDataEngine):
    limit = 3

    def __init__(self, engine: Any, **options: Any) -> None:
        self.early = "before there is an engine"
        super().__init__(engine, **options)
        self.notes: list[str] = []

    def get_bars(self, symbol, start, end, timeframe):
        self.notes.append(symbol)
        return super().get_bars(symbol, start, end, timeframe).assign(marked=1)


class AsyncMarked(CachedDataEngine):
    async def get_bars(self, symbol, start, end, timeframe):
        found = await super().get_bars(symbol, start, end, timeframe)
        return found.assign(marked=1)


def test_a_class_of_engines_may_have_its_own_get_bars() -> None:
    inner = Engine()
    engine = around(inner, Marked)
    for _ in range(2):
        same(engine.get_bars("A", *ENDS, "1D").drop(columns="marked"), RIGHT)
    assert (engine.notes, engine.early, inner.asked) == (["A", "A"], "before there is an engine", 1)
    engine.limit = 4
    assert (engine.limit, Marked.limit, vars(inner).keys() & {"notes", "early", "limit"}) == (
        4,
        3,
        set(),
    )
    same(engine.cache.get("A", "1D", *ENDS), RIGHT)


def test_a_class_of_engines_of_coroutines_may_too() -> None:
    engine = around(AsyncEngine(), AsyncMarked)
    assert asyncio.run(engine.get_bars("A", *ENDS, "1D"))["marked"].tolist() == [1] * 31


@pytest.mark.parametrize("kind", [Engine, AsyncEngine])
def test_get_bars_is_a_coroutine_function_where_the_engines_is(kind: type) -> None:
    engine = around(kind())
    assert inspect.iscoroutinefunction(engine.get_bars) == (kind is AsyncEngine)


# Attributes


def test_an_attribute_of_the_engine_is_set_there() -> None:
    inner = Engine()
    engine = around(inner)
    engine.feed = "sip"
    engine.venue = "XNYS"
    assert (inner.feed, engine.feed, engine.connect()) == ("sip", "sip", "connected to sip at XNYS")
    inner.feed = "otc"
    assert engine.feed == "otc"
    with pytest.raises(AttributeError, match="pace"):
        engine.pace = 8
    del engine.feed
    assert not hasattr(inner, "feed")


def test_what_the_engine_does_not_have_is_the_wrappers_own() -> None:
    inner = Engine()
    engine = around(inner)
    engine.remark = "mine"
    assert (engine.remark, hasattr(inner, "remark")) == ("mine", False)
    del engine.remark
    with pytest.raises(AttributeError, match="remark"):
        _ = engine.remark
    assert engine.cache.stats()["api_calls"] == 0
    assert inner.cache == ["the engine's own"]


# Copies


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda engine: pickle.loads(pickle.dumps(engine)),
}


@pytest.mark.parametrize("cls", [CachedDataEngine, Marked])
@pytest.mark.parametrize("kind", [Engine, Careful])
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_asks_its_own_engine(way: str, kind: type, cls: type) -> None:
    inner = kind()
    engine = around(inner, cls, name=f"{way} {kind.__name__} {cls.__name__}")
    engine.get_bars("A", *ENDS, "1D")
    inner.asked = 0
    copied = COPIES[way](engine)
    assert type(copied) is cls
    assert len(copied.get_bars("A", *ENDS, "1D")) == 31
    assert len(copied.get_bars("A", *LONGER, "1D")) == 41
    is_same = way == "copy"
    assert (inner.asked, copied.asked) == ((1, 1) if is_same else (0, 1))
    copied.feed = "sip"
    assert engine.connect().startswith("connected to " + ("sip" if is_same else "iex"))
    assert copied.connect() == "connected to sip at anywhere"
