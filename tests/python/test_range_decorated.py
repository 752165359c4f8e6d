"""Functions, of all kinds and with parameters of any name, under `range_cached`."""

import asyncio
import functools
import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from range_vendor import Clock, Vendor, days, hours, same, told

from afml_cache import CachedDataEngine, range_cached
from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
ENDS = ("2024-01-01", "2024-01-31")
VENDOR = Vendor(YEAR, "both")


def right(given: pd.DataFrame) -> None:
    same(given, VENDOR.between(*ENDS, "both"))


# Names that mean something else to the cache


def with_output(symbol, start, end, timeframe, output="csv"):
    return output, VENDOR.between(start, end, "both")


def with_partial(symbol, start, end, timeframe, allow_partial=False):
    return allow_partial, VENDOR.between(start, end, "both")


def with_loader(symbol, start, end, timeframe, *, loader="fast"):
    return loader, VENDOR.between(start, end, "both")


def with_owner(symbol, start, end, timeframe, owner="me"):
    return owner, VENDOR.between(start, end, "both")


def with_others(symbol, start, end, timeframe, *, series=1, child=2, how=3, key=4):
    return (series, child, how, key), VENDOR.between(start, end, "both")


NAMED = {
    with_output: {"output": "json"},
    with_partial: {"allow_partial": True},
    with_loader: {"loader": "slow"},
    with_owner: {"owner": "you"},
    with_others: {"series": 5, "child": 6, "how": 7, "key": 8},
}


@pytest.mark.parametrize("function", NAMED, ids=lambda one: one.__name__)
def test_parameters_named_as_options_are_parts_of_the_key(function: Any) -> None:
    seen = []

    @functools.wraps(function)
    def load(*args: Any, **kwargs: Any) -> pd.DataFrame:
        value, frame = function(*args, **kwargs)
        seen.append(value)
        return frame

    class Engine:
        get_bars = staticmethod(load)

    get_bars = range_cached(load, clock=Clock(), retries=0)
    named = NAMED[function]
    for ask in (get_bars, CachedDataEngine(Engine(), clock=Clock(), retries=0).get_bars):
        seen.clear()
        for more in ({}, named, {}, named):
            right(ask("A", *ENDS, "1D", **more))
        values = tuple(named.values())
        assert len(seen) == 2
        assert seen[1] == (values if len(values) > 1 else values[0])


def test_a_coroutine_function_may_have_them_too() -> None:
    @range_cached(clock=Clock())
    async def get_bars(symbol, start, end, timeframe, *, output="csv", loader=None):
        return VENDOR.between(start, end, "both")

    right(asyncio.run(get_bars("A", *ENDS, "1D", output="json")))


def test_derived_bars_may_have_them_too() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-31 23:00"), "both")

    @range_cached(clock=Clock(), derive={"4h": "1h"})
    def get_bars(symbol, start, end, timeframe, *, loader="fast", how="well"):
        return vendor.load(symbol, timeframe, start, end)

    assert len(get_bars("A", "2024-01-01", "2024-01-28", "4h")) == 28 * 6


# The key


def test_a_key_names_the_parameters_that_tell_series_apart() -> None:
    vendor = Vendor(YEAR, "both")

    @range_cached(key=("timeframe", "symbol"), clock=Clock())
    def get_bars(symbol, start, end, timeframe="1D", pause=0.1, *rest, **more):
        return vendor.load(symbol, timeframe, start, end)

    right(get_bars("A", *ENDS))
    right(get_bars("A", *ENDS, "1D", 0.1))
    assert len(vendor.asked) == 1
    assert get_bars.cache.key == ("timeframe", "symbol")
    for args, kwargs, name in (
        (("1D", 0.2), {}, "pause"),
        (("1D", 0.1, 1), {}, "rest"),
        ((), {"feed": "sip"}, "more"),
    ):
        with pytest.raises(CacheConfigError) as caught:
            get_bars("A", *ENDS, *args, **kwargs)
        told(caught.value, f"`{name}`", "add it to key")


DEFAULT = np.array([1, 2])


def with_array(symbol, start, end, timeframe="1D", *, session=None, weights=DEFAULT):
    return VENDOR.load(symbol, timeframe, start, end)


class OfArrays:
    get_bars = staticmethod(with_array)


def test_values_without_one_truth_may_be_left_out_of_a_key() -> None:
    options: Any = {"key": ("symbol", "timeframe"), "clock": Clock(), "retries": 0}
    decorated = range_cached(with_array, name="arrays", **options)
    for ask in (decorated, CachedDataEngine(OfArrays(), **options).get_bars):
        right(ask("A", *ENDS))
        right(ask("A", *ENDS, weights=DEFAULT))
        for name, value in (
            ("session", DEFAULT),
            ("weights", DEFAULT + 1),
            ("session", VENDOR.bars),
            ("session", pd.NA),
        ):
            with pytest.raises(CacheConfigError) as caught:
                ask("A", *ENDS, **{name: value})
            told(caught.value, f"`{name}`", "add it to key")


def test_a_key_that_can_not_be_is_refused_where_the_function_is_decorated() -> None:
    def get_bars(symbol, feed, start, end, timeframe="1D"): ...

    for key, parts in (
        (("symbol", "timeframe"), ("get_bars`", "`feed`", "key", "add it")),
        (("symbol", "feed"), ("get_bars`", "timeframe", 'timeframe="1D"')),
        (("symbol", "feed", "venue"), ("get_bars`", "`venue`", "symbol, feed, timeframe")),
        ("symbol", ("`key`", "'symbol'")),
    ):
        with pytest.raises(CacheConfigError) as caught:
            range_cached(get_bars, key=key)
        told(caught.value, *parts)


# Methods


def class_of_feeds() -> Any:
    class Feeds:
        def __init__(self, feed: str) -> None:
            self.feed = feed

        @range_cached(clock=Clock())
        def get_bars(self, symbol, start, end, timeframe="1D"):
            return VENDOR.load(symbol, timeframe, start, end) if self.feed else None

        @range_cached(clock=Clock())
        async def aget_bars(self, symbol, start, end, timeframe="1D"):
            return VENDOR.load(symbol, timeframe, start, end) if self.feed else None

        @classmethod
        @range_cached(clock=Clock())
        def of_class(cls, symbol, start, end, timeframe="1D"):
            return VENDOR.load(symbol, timeframe, start, end) if cls.__name__ else None

    return Feeds


LATER = ("A", "1D", "2024-02-01", "2024-02-05")
FETCHING = {
    "get": lambda cache: cache.get(*LATER),
    "get_many": lambda cache: cache.get_many(["A", "B"], *LATER[1:]),
    "prefetch": lambda cache: cache.prefetch(*LATER),
    "refresh": lambda cache: cache.refresh(*LATER),
    "aprefetch": lambda cache: asyncio.run(cache.aprefetch(*LATER)),
}


@pytest.mark.parametrize("way", FETCHING)
def test_the_cache_of_a_method_says_that_it_can_not_fetch(way: str) -> None:
    Feeds = class_of_feeds()  # noqa: N806 - a class
    feeds = Feeds("sip")
    right(feeds.get_bars("A", *ENDS))
    right(asyncio.run(feeds.aget_bars("A", *ENDS)))
    right(Feeds.of_class("A", *ENDS))
    for method, name in (
        (Feeds.get_bars, "self"),
        (Feeds.aget_bars, "self"),
        (Feeds.of_class, "cls"),
    ):
        if method is Feeds.aget_bars and way != "aprefetch":
            continue
        with pytest.raises(CacheConfigError) as caught:
            FETCHING[way](method.cache)
        told(caught.value, "is a method", f"no `{name}`", "call the method")
        right(method.cache.get("A", "1D", *ENDS))
    feeds.get_bars("A", *LATER[2:])
    assert len(Feeds.get_bars.cache.get(*LATER)) == 5


# What is no plain function


class Called:
    def __call__(self, symbol, start, end, timeframe="1D"):
        return VENDOR.load(symbol, timeframe, start, end)


class Awaited:
    async def __call__(self, symbol, start, end, timeframe="1D"):
        return VENDOR.load(symbol, timeframe, start, end)


def two_parts(feed, symbol, start, end, timeframe="1D"):
    return VENDOR.between(start, end, "both")


def test_what_has_no_name_needs_one() -> None:
    partial = functools.partial(two_parts, "sip")
    for function, kind in ((partial, "functools.partial"), (Called(), "Called")):
        with pytest.raises(CacheConfigError) as caught:
            range_cached(function)
        told(caught.value, kind, "name=")
        right(range_cached(function, name=f"a {kind}", clock=Clock())("A", *ENDS))
    awaited = range_cached(Awaited(), name="awaited", clock=Clock())
    assert inspect.iscoroutinefunction(awaited)
    right(asyncio.run(awaited("A", *ENDS)))


def test_errors_name_what_has_no_name_by_what_it_calls() -> None:
    for function, name in (
        (functools.partial(two_parts, "sip"), "two_parts"),
        (Called(), "Called"),
    ):
        with pytest.raises(CacheConfigError) as caught:
            range_cached(function, start="since", name="any")
        told(caught.value, f"`{name}`", "`since`")
    for function in (5, dict.update):
        with pytest.raises(CacheConfigError):
            range_cached(function)


# Pickles


@range_cached(clock=Clock())
def decorated(symbol, start, end, timeframe="1D"):
    return VENDOR.between(start, end, "both")


class Source:
    @range_cached(timeframe="1D", clock=Clock())
    def get_bars(self, symbol, start, end):
        return VENDOR.load(symbol, "1D", start, end)


undecorated = range_cached(two_parts, name="two parts", clock=Clock())


@pytest.mark.parametrize(
    ("cache", "key"),
    [
        (decorated.cache, ("A", "1D")),
        (Source.get_bars.cache, ("A",)),
        (undecorated.cache, ("sip", "A", "1D")),
    ],
    ids=["function", "method", "under another name"],
)
def test_the_cache_of_a_function_can_be_pickled(cache: Any, key: tuple[str, ...]) -> None:
    fetched = cache is Source.get_bars.cache
    if fetched:
        Source().get_bars(*key, *ENDS)
    copied = pickle.loads(pickle.dumps(cache))
    assert (copied.name, copied.key) == (cache.name, cache.key)
    right(copied.get(*key, *ENDS))
    right(cache.get(*key, *ENDS))
    assert cache.stats()["api_calls"] == fetched
    assert copied.stats()["api_calls"] == 1 - fetched
