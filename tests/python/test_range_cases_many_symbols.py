"""What breaks caches of bars by time range: many symbols in one call."""

import asyncio
import datetime as dt
import functools
from collections.abc import Callable

import pandas as pd
import pyrate_limiter
import pytest
import tenacity
from range_vendor import Clock, Vendor, cache_of, days, same, shown

from afml_cache import RangeCache
from afml_cache.exceptions import PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")


def states(cache: RangeCache, *key: str) -> list[tuple[str, str, str]]:
    return [(str(one.start), str(one.end), one.state) for one in cache.coverage(*key)]


# 21. Many symbols


class ManyVendor(Vendor):
    """Gives the bars of several symbols at once, too."""

    def __init__(self, times: pd.DatetimeIndex) -> None:
        super().__init__(times)
        self.together: list[tuple[list[str], str, str]] = []
        self.unknown: set[str] = set()
        self.before_many: Callable[[list[str]], None] = lambda _: None

    def load_many(self, symbols, timeframe, start, end):
        assert timeframe == "1D"
        self.before_many(sorted(symbols))
        self.together.append((sorted(symbols), shown(start), shown(end)))
        parts = [self.between(start, end).assign(symbol=one) for one in symbols]
        return pd.concat([part for part in parts if part["symbol"].iloc[0] not in self.unknown])


def of_many(vendor: ManyVendor, **options: object) -> RangeCache:
    return cache_of(vendor, many=vendor.load_many, **options)


def test_symbols_that_lack_the_same_bars_are_one_call() -> None:
    vendor = ManyVendor(YEAR)
    cache = of_many(vendor)
    cache.get("C", "1D", "2024-01-01", "2024-01-16")
    given = cache.get_many(["A", "B", "C", "D"], "1D", *JANUARY, shape="dict")
    assert vendor.together == [
        (["A", "B", "D"], "2024-01-01", "2024-02-01"),
        (["C"], "2024-01-16", "2024-02-01"),
    ]
    for symbol in "ABCD":
        same(given[symbol], vendor.between(*JANUARY))


def test_what_came_together_is_known_of_each_symbol() -> None:
    vendor = ManyVendor(YEAR)
    of_many(vendor).get_many(["A", "B"], "1D", *JANUARY)
    cache = of_many(vendor)
    assert states(cache, "B", "1D") == [("2024-01-01", "2024-02-01", "data")]
    same(cache.get("B", "1D", *JANUARY), vendor.between(*JANUARY))
    cache.get_many(["B", "A"], "1D", *JANUARY)
    assert len(vendor.together) == 1
    assert vendor.asked == []


def test_an_absent_symbol_is_not_taken_for_one_without_bars() -> None:
    vendor = ManyVendor(YEAR)
    vendor.unknown = {"B"}
    cache = of_many(vendor)
    given = cache.get_many(["A", "B"], "1D", *JANUARY, shape="dict")
    assert len(vendor.together) == 1
    assert vendor.spans == [("2024-01-01", "2024-02-01")]  # the other loader is asked for it
    same(given["B"], vendor.between(*JANUARY))


def test_a_loader_of_many_is_called_with_the_key_as_this_caller_has_written_it() -> None:
    vendor = ManyVendor(YEAR)
    cache = of_many(vendor)
    cache.get("A", "D", "2024-01-01", "2024-01-11")
    cache.get("B", "D", "2024-01-01", "2024-01-11")
    cache.get_many(["A", "B"], "1D", *JANUARY)  # the vendor knows no other timeframe for many
    assert vendor.together == [(["A", "B"], "2024-01-11", "2024-02-01")]


def test_a_loader_of_one_is_asked_for_each_of_many() -> None:
    vendor = Vendor(YEAR)
    given = cache_of(vendor).get_many(["A", "B"], "1D", *JANUARY)
    assert len(vendor.asked) == 2
    assert given["symbol"].tolist() == ["A"] * 31 + ["B"] * 31
    same(given[given["symbol"] == "B"].drop(columns="symbol"), vendor.between(*JANUARY))


def test_many_symbols_side_by_side_are_one_row_a_bar() -> None:
    vendor = ManyVendor(YEAR)
    wide = of_many(vendor).get_many(["A", "B"], "1D", *JANUARY, shape="wide")
    assert len(wide) == 31
    assert wide["close"].columns.tolist() == ["A", "B"]
    assert wide["close"]["B"].tolist() == vendor.between(*JANUARY)["close"].tolist()


def test_a_coroutine_loader_of_many_is_awaited_once() -> None:
    vendor = ManyVendor(YEAR)

    async def load_many(symbols, timeframe, start, end):
        return vendor.load_many(symbols, timeframe, start, end)

    cache = RangeCache("bars", vendor.aload, many=load_many, clock=Clock())
    given = asyncio.run(cache.aget_many(["A", "B"], "1D", *JANUARY, shape="dict"))
    assert len(vendor.together) == 1
    assert vendor.asked == []
    for symbol in "AB":
        same(given[symbol], vendor.between(*JANUARY))


async def aload_many(vendor: ManyVendor, *args, **kwargs):
    return vendor.load_many(*args, **kwargs)


def ask_many(way: str, vendor: ManyVendor, **options: object) -> tuple[RangeCache, Callable]:
    """Make a cache, and what asks it for several symbols."""
    options = {"clock": Clock(), "retries": 0, **options}
    if way == "tasks":
        many = functools.partial(aload_many, vendor)
        cache = RangeCache("bars", vendor.aload, many=many, concurrency=4, **options)
        return cache, lambda *asked, **how: asyncio.run(cache.aget_many(*asked, **how))
    concurrency = 4 if way == "threads" else 1
    many = vendor.load_many
    cache = RangeCache("bars", vendor.load, many=many, concurrency=concurrency, **options)
    return cache, cache.get_many


WAYS = ("one after the other", "threads", "tasks")


@pytest.mark.parametrize("way", WAYS)
def test_a_call_for_many_takes_one_token_and_counts_once(way: str) -> None:
    vendor = ManyVendor(YEAR)
    bucket = pyrate_limiter.InMemoryBucket([pyrate_limiter.Rate(100, pyrate_limiter.Duration.DAY)])
    cache, ask = ask_many(way, vendor, rate_limit=pyrate_limiter.Limiter(bucket))
    ask(["A", "B", "C"], "1D", *JANUARY)
    assert (vendor.together, vendor.asked) == ([(["A", "B", "C"], "2024-01-01", "2024-02-01")], [])
    assert bucket.count() == 1
    stats = cache.stats()
    assert (stats["api_calls"], stats["total_requests"], stats["cache_hits"]) == (1, 3, 0)
    assert stats["total_bars_from_api"] == 93
    vendor.unknown = {"F"}
    ask(["D", "E", "F"], "1D", *JANUARY)
    assert (bucket.count(), cache.stats()["api_calls"]) == (3, 3)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_for_many_is_tried_again_as_one(way: str) -> None:
    vendor = ManyVendor(YEAR)
    tries = []

    def fail_once(symbols: list[str]) -> None:
        tries.append(symbols)
        if len(tries) == 1:
            raise ConnectionError

    vendor.before_many = fail_once
    again = tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())
    cache, ask = ask_many(way, vendor, retries=again)
    given = ask(["A", "B", "C"], "1D", *JANUARY, shape="dict")
    assert tries == [["A", "B", "C"]] * 2
    assert vendor.asked == []
    assert cache.stats()["api_calls"] == 2
    for symbol in "ABC":
        same(given[symbol], vendor.between(*JANUARY))


@pytest.mark.parametrize("way", WAYS)
def test_a_call_for_many_that_fails_does_so_for_all_of_them(way: str) -> None:
    vendor = ManyVendor(YEAR)
    tries = []

    def fail(symbols: list[str]) -> None:
        tries.append(symbols)
        raise ValueError

    vendor.before_many = fail
    cache, ask = ask_many(way, vendor)
    january = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
    _, missing = ask(["A", "B", "C"], "1D", *JANUARY, allow_partial=True, shape="dict")
    assert missing == [(symbol, *january) for symbol in "ABC"]
    with pytest.raises(PartialCoverageError) as caught:
        ask(["A", "B", "C"], "1D", *JANUARY)
    assert isinstance(caught.value.__cause__, ValueError)
    assert tries == [["A", "B", "C"]] * 2
    assert vendor.asked == []
    assert cache.stats()["api_calls"] == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_error_that_means_that_there_are_no_bars_says_so_of_no_symbol_among_many(
    way: str,
) -> None:
    vendor = ManyVendor(YEAR)

    def fail(_: list[str]) -> None:
        raise KeyError

    vendor.before_many = fail
    cache, ask = ask_many(way, vendor, classify=lambda _: "empty")
    ask(["A", "B"], "1D", *JANUARY, shape="dict")
    assert [states(cache, symbol, "1D") for symbol in "AB"] == [
        [("2024-01-01", "2024-02-01", "data")]
    ] * 2
    assert (len(vendor.asked), cache.stats()["api_calls"]) == (2, 3)
