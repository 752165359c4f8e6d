"""Functions of all kinds that are decorated, and calls that can't be right."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from range_vendor import Clock, Vendor, days, same, told

from afml_cache import CachedDataEngine, range_cached
from afml_cache.exceptions import CacheConfigError

VENDOR = Vendor(days("2024-01-01", "2024-03-31"), closed="both")
ENDS = "2024-01-05", "2024-01-20"


class Static:
    @range_cached(timeframe="1D", clock=Clock())
    @staticmethod
    def below(symbol: str, start: Any, end: Any) -> Any:
        return VENDOR.load(symbol, "1D", start, end)

    @staticmethod
    @range_cached(timeframe="1D", clock=Clock())
    def above(symbol: str, start: Any, end: Any) -> Any:
        return VENDOR.load(symbol, "1D", start, end)


@pytest.mark.parametrize("name", ["below", "above"])
def test_a_static_method_is_called_by_its_class_and_by_objects(name: str) -> None:
    for owner in (Static, Static()):
        same(getattr(owner, name)("A", *ENDS), VENDOR.between(*ENDS, "both"))
    assert getattr(Static, name).cache.stats()["api_calls"] == 1


def test_a_class_method_is_decorated_below() -> None:
    def get_bars(cls: Any, symbol: str, start: Any, end: Any) -> Any: ...

    with pytest.raises(
        CacheConfigError, match=r"`@classmethod` above `@range_cached` of `.*get_bars`"
    ):
        range_cached(timeframe="1D")(classmethod(get_bars))


def test_start_and_end_are_two_parameters() -> None:
    with pytest.raises(CacheConfigError, match=r"two parameters of `.*get_bars`, not 'start'"):

        @range_cached(start="start", end="start", timeframe="1D")
        def get_bars(symbol: str, start: Any) -> Any: ...


class Engine:
    def get_bars(self, symbol: str, start: Any, end: Any, timeframe: str) -> Any: ...


@pytest.mark.parametrize(
    ("function", "name"),
    [(Static.above, "Static.above"), (CachedDataEngine(Engine()).get_bars, "Engine.get_bars")],
    ids=["function", "engine"],
)
def test_a_call_that_can_not_be_right_names_its_function(function: Callable, name: str) -> None:
    with pytest.raises(TypeError) as refused:
        function("A")
    told(refused.value, name, "missing a required argument: 'start'")


def test_what_is_no_method_is_no_engine() -> None:
    class Counted:
        get_bars = 3

    with pytest.raises(CacheConfigError, match="Counted has no method `get_bars"):
        CachedDataEngine(Counted())


def test_a_decorator_that_hides_that_a_function_is_async_is_told_of() -> None:
    def logged(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    @range_cached(timeframe="1D", clock=Clock())
    @logged
    async def get_bars(symbol: str, start: Any, end: Any) -> Any:
        return VENDOR.load(symbol, "1D", start, end)

    async def main() -> None:
        with pytest.raises(CacheConfigError) as refused:
            get_bars("A", *ENDS)
        told(refused.value, "get_bars` gives a coroutine", "has to give an `async def` too")

    asyncio.run(main())
    same(get_bars("A", *ENDS), VENDOR.between(*ENDS, "both"))
