"""Bars that a cached function reads: it has seen up to where the last of them ends."""

import asyncio
from typing import Any

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, utc

from afml_cache import (
    CachedDataEngine,
    LookAheadError,
    PartialCoverageError,
    RangeCache,
    as_of,
    mode,
    range_cached,
    robust_cacheable,
    time_aware_cacheable,
)
from afml_cache._native import is_watching
from afml_cache.look_ahead import watched
from afml_cache.ranges.simulation import simulated_now

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")


def seen_by(read: Any, *arguments: Any, **named: Any) -> tuple[pd.Timestamp | None, bool]:
    with watched() as seen:
        read(*arguments, **named)
    until = None if seen.until is None else pd.Timestamp(seen.until, tz="UTC")
    return until, seen.open_ended


def test_a_function_whose_arguments_hold_no_time_is_refused_by_what_it_read() -> None:
    history = cache_of(Vendor(hours("2024-01-01", "2024-12-31")), clock=Clock("2024-12-01"))

    @robust_cacheable(ignore_deps="history")
    def last(symbol: str) -> float:
        return float(history.get(symbol, "1h", "2024-01-01")["close"].iloc[-1])

    now = last("EURUSD")
    with pytest.raises(LookAheadError) as raised, as_of("2024-03-01"):
        last("EURUSD")
    assert raised.value.seen == utc("2024-12-01")
    assert last("EURUSD") == now


def test_what_was_computed_within_a_simulation_is_no_answer_outside() -> None:
    history = cache_of(Vendor(YEAR), clock=Clock("2024-12-01"))

    @robust_cacheable(ignore_deps="history")
    def count(symbol: str) -> int:
        return len(history.get(symbol, "1D", "2024-01-01"))

    @robust_cacheable(ignore_deps="history")
    def january(symbol: str) -> int:
        return len(history.get(symbol, "1D", *JANUARY)) + 0 * len(symbol)

    for _ in range(2):
        with as_of("2024-03-01"):
            assert (count("A"), january("A")) == (60, 31)
        with as_of("2024-02-11"):
            assert (count("A"), january("A")) == (41, 31)
    assert count.cache_info().misses == 2
    assert january.cache_info().misses == 1  # its end is its own
    assert (count("A"), count("A"), january("A")) == (336, 336, 31)  # with the one that forms
    with as_of("2024-03-01"):
        assert count("A") == 60
        assert january("A") == 31
    with as_of("2024-04-01"), pytest.raises(LookAheadError):
        count("A")
    with as_of("2024-04-01"):
        assert count.refresh("A") == count("A") == 91
    with as_of("2024-01-31T23:59Z"), pytest.raises(LookAheadError):
        january("A")


def test_a_request_tells_the_end_of_the_last_bar_that_it_gives() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for _ in range(2):  # from the vendor, and from memory
        assert seen_by(cache.get, "A", "1D", *JANUARY) == (utc("2024-02-01"), False)
    again = cache_of(vendor)
    assert seen_by(again.get, "A", "1D", "2024-01-05", "2024-01-08") == (utc("2024-01-08"), False)
    assert seen_by(again.get, "A", "1D", "2023-01-05", "2023-01-08") == (None, False)
    assert seen_by(again.get, "A", "1D", "2024-01-05") == (utc("2025-01-01"), True)
    with mode("off"):
        assert seen_by(again.get, "A", "1D", *JANUARY) == (utc("2024-02-01"), False)
    assert seen_by(again.prefetch, "B", "1D", *JANUARY) == (None, False)


def test_every_way_to_ask_for_bars_tells_it() -> None:
    vendor = Vendor(YEAR)

    class Engine:
        def get_bars(self, symbol: str, start: Any, end: Any, timeframe: str) -> pd.DataFrame:
            assert (symbol, timeframe) == ("A", "1D")
            return bars(pd.date_range(start, end, tz="UTC"))

    @range_cached(timeframe="1D", clock=Clock())
    def load(symbol: str, start: Any, end: Any) -> pd.DataFrame:
        return bars(pd.date_range(start, end, tz="UTC"))

    async def later(cache: RangeCache, symbols: Any) -> pd.DataFrame:
        if isinstance(symbols, str):
            return await cache.aget(symbols, "1D", *JANUARY)
        return await cache.aget_many(symbols, "1D", *JANUARY)

    end = utc("2024-02-01")
    many = cache_of(vendor, concurrency=3)
    assert seen_by(many.get_many, ["A", "B", "C"], "1D", *JANUARY) == (end, False)
    assert seen_by(many.get_many, ["A", "B"], "1D", *JANUARY, shape="wide") == (end, False)
    for symbols in ("D", "D", ["D", "E"]):
        assert seen_by(lambda asked=symbols: asyncio.run(later(many, asked))) == (end, False)
    engine = CachedDataEngine(Engine(), clock=Clock())
    for _ in range(2):
        assert seen_by(engine.get_bars, "A", "2024-01-01", "2024-01-31", "1D") == (end, False)
        assert seen_by(load, "A", "2024-01-01", "2024-01-31") == (end, False)


def test_a_session_is_seen_at_its_close_and_a_forming_bar_up_to_now() -> None:
    cache = cache_of(Vendor(days("2024-03-01", "2024-03-20")), calendar="XNYS")
    close = utc("2024-03-12T20:00Z")
    assert seen_by(cache.get, "A", "1D", "2024-03-01", "2024-03-13") == (close, False)
    with as_of(close):
        assert seen_by(cache.get, "A", "1D", "2024-03-01") == (close, True)
    clock = Clock("2024-03-12T12:30")
    hourly = cache_of(Vendor(hours("2024-03-01", "2024-03-20")), clock=clock)
    for _ in range(2):
        assert seen_by(hourly.get, "A", "1h", "2024-03-12") == (utc("2024-03-12T12:30"), True)
    clock.move("1h")
    assert seen_by(hourly.get, "A", "1h", "2024-03-12") == (utc("2024-03-12T13:30"), True)


def test_days_of_a_zone_are_known_in_a_simulation_that_was_given_them() -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> pl.DataFrame:
        return pl.select(date=pl.date_range(start, end, closed="left"), close=pl.lit(1.0))

    cache = RangeCache("days", load, zone="America/New_York", clock=Clock())

    @robust_cacheable(ignore_deps="cache")
    def count(symbol: str) -> int:
        return len(cache.get(symbol, "1D", pd.Timestamp("2024-03-01").date()))

    for _ in range(2):
        with as_of("2024-03-11"):
            assert count("A") == 10
    assert count.cache_info().misses == 1


def test_half_of_an_answer_is_seen_too() -> None:
    vendor = Vendor(YEAR)

    def answer(found: pd.DataFrame) -> pd.DataFrame:
        if found.index[0] >= utc("2024-01-11"):
            raise OSError
        return found

    vendor.answer = answer
    cache = cache_of(vendor, max_span="10D", retries=0)
    with watched() as seen, pytest.raises(PartialCoverageError):
        cache.get("A", "1D", *JANUARY)
    assert pd.Timestamp(seen.until) == pd.Timestamp("2024-01-11")


@pytest.mark.parametrize("way", ["plain", "awaited", "awaited in a thread", "many"])
def test_a_loader_is_called_outside_of_the_simulation(way: str) -> None:
    @time_aware_cacheable
    def fetch(symbol: str, start: Any, end: Any) -> pd.DataFrame:
        return bars(pd.date_range(start, end, tz="UTC", inclusive="left"))

    seen: list[object] = []

    def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
        seen.append(simulated_now())
        return fetch(symbol, start, end)

    async def aload(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
        await asyncio.sleep(0)
        return load(symbol, timeframe, start, end)

    def many(symbols: list[str], timeframe: str, start: Any, end: Any) -> dict[str, pd.DataFrame]:
        return {symbol: load(symbol, timeframe, start, end) for symbol in symbols}

    loader = aload if "awaited" in way else load
    cache = RangeCache("loaded", loader, align="month", clock=Clock(), many=many)
    fetch("A", pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01"))

    def get() -> pd.DataFrame:
        if way == "many":
            return cache.get_many(["A"], "1D", pd.Timestamp("2024-01-02"))
        if way == "awaited":
            return asyncio.run(cache.aget("A", "1D", pd.Timestamp("2024-01-02")))
        return cache.get("A", "1D", pd.Timestamp("2024-01-02"))

    for day, misses in (("2024-01-11", 1), ("2024-01-21", 1), ("2024-02-02", 2)):
        with as_of(day):
            assert seen_by(get) == (utc(day), True)
            assert fetch.cache_info().misses == misses
    assert seen == [None, None]


def test_nobody_is_told_outside_of_a_computation() -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get("A", "1D", *JANUARY)
    assert not is_watching()
