"""What requests cost, as it is counted: calls of the vendor, and bars that it gave."""

from __future__ import annotations

from typing import Any

import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, days, hours

from afml_cache import RangeCache, mode
from afml_cache.exceptions import (
    BasisChangedError,
    CacheConfigError,
    CacheMissError,
    PartialCoverageError,
)

ASKED = "2024-01-02", "2024-01-03"


def counted(cache: RangeCache) -> tuple[Any, ...]:
    names = "total_requests", "cache_hits", "api_calls", "total_bars_from_api"
    return tuple(cache.stats()[name] for name in names)


@pytest.mark.parametrize("derive", [{"12h": "1h"}, {"4h": "1h", "12h": "4h"}])
def test_bars_that_are_made_of_others_cost_what_those_do(derive: dict[str, str]) -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-31"))
    cache = cache_of(vendor, derive=derive)
    cache.get("A", "12h", *ASKED)
    assert counted(cache) == (1, 0, len(vendor.asked), 24) == (1, 0, 1, 24)
    assert cache.requests()[-1][1:] == (2, 0, 2, 1)
    cache.get("A", "12h", *ASKED)
    assert counted(cache) == (2, 1, 1, 24)


def test_bars_that_are_made_of_stored_ones_cost_no_call() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-31"))
    cache = cache_of(vendor, derive={"4h": "1h"})
    cache.get("A", "1h", *ASKED)
    assert len(cache.plan("A", "4h", *ASKED).calls) == 0
    assert cache.prefetch("A", "4h", *ASKED) == 0
    assert counted(cache) == (2, 1, 1, 24)
    assert cache.refresh("A", "4h", *ASKED) == 0
    assert counted(cache) == (3, 1, 2, 48)
    assert len(vendor.asked) == 2


def test_what_is_asked_for_in_mode_off_is_counted() -> None:
    vendor = Vendor(days("2024-01-01", "2024-01-31"))
    cache = cache_of(vendor)
    with mode("off"):
        for _ in range(2):
            cache.get("A", "1D", "2024-01-02", "2024-01-12")
    assert counted(cache) == (2, 0, 2, 20)
    assert len(cache.requests()) == 2


def test_a_miss_in_mode_frozen_is_an_error() -> None:
    cache = cache_of(Vendor(days("2024-01-01", "2024-01-31")))
    with mode("frozen"), pytest.raises(CacheMissError):
        cache.get("A", "1D", "2024-01-02", "2024-01-12")
    assert failures(cache) == (1, 0, 0, 1)
    assert len(cache.requests()) == 1


# Requests that fail


def failures(cache: RangeCache) -> tuple[Any, ...]:
    names = "total_requests", "cache_hits", "api_calls", "errors"
    return tuple(cache.stats()[name] for name in names)


@pytest.mark.parametrize("fetches", ["get", "prefetch", "refresh"])
def test_a_request_that_is_refused_is_counted_with_its_calls(fetches: str) -> None:
    vendor = Vendor(days("2024-01-01", "2024-03-31"))
    cache = cache_of(vendor, adjustment="all", on_basis_change="raise")
    cache.get("A", "1D", "2024-01-01", "2024-02-01")
    vendor.bars[["open", "close"]] /= 2
    with pytest.raises(BasisChangedError):
        getattr(cache, fetches)("A", "1D", "2024-01-01", "2024-02-05")
    assert failures(cache) == (2, 0, len(vendor.asked), 1)
    assert cache.requests()[-1].api_calls == len(vendor.asked) - 1


def of_many(many: bool, vendor: Vendor, load: Any, **options: object) -> tuple[RangeCache, Any]:
    """Give a cache with a loader of many, or without one, and what notes its calls."""
    calls = []

    def load_one(symbol: str, timeframe: str, start: Any, end: Any) -> Frame:
        calls.append(symbol)
        return load(symbol, vendor.between(start, end))

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> dict[str, Frame]:
        calls.append(tuple(symbols))
        return {symbol: load(symbol, vendor.between(start, end)) for symbol in symbols}

    options |= {"many": load_many} if many else {}
    return RangeCache("counted", load_one, clock=Clock(), retries=0, **options), calls


@pytest.mark.parametrize("many", [False, True])
def test_symbols_that_are_refused_are_counted_once_each(many: bool) -> None:
    halved: set[str] = set()

    def load(symbol: str, frame: Frame) -> Frame:
        return frame / [2, 2, 1] if symbol in halved else frame

    vendor = Vendor(days("2024-01-01", "2024-03-31"))
    options = {"adjustment": "all", "on_basis_change": "raise"}
    cache, calls = of_many(many, vendor, load, **options)
    cache.get_many([*"ABCD"], "1D", "2024-01-01", "2024-02-01")
    halved |= {"B", "D"}
    with pytest.raises(BasisChangedError):
        cache.get_many([*"ABCD"], "1D", "2024-01-01", "2024-02-05")
    assert failures(cache) == (8, 0, len(calls), 2)


@pytest.mark.parametrize("many", [False, True])
def test_what_only_the_user_can_mend_is_an_error_of_its_symbol(many: bool) -> None:
    def load(symbol: str, frame: Frame) -> Frame:
        return frame.assign(name="x")[["name"]] if symbol == "B" else frame

    vendor = Vendor(days("2024-01-01", "2024-03-31"))
    cache, calls = of_many(many, vendor, load, adjustment="all")
    with pytest.raises(CacheConfigError, match="B"):
        cache.get_many([*"ABC"], "1D", "2024-01-01", "2024-02-01")
    assert failures(cache) == (3, 0, len(calls), 1)
    assert counted(cache) == (3, 0, len(calls), 93)


@pytest.mark.parametrize("many", [False, True])
def test_what_could_not_be_fetched_is_counted_once(many: bool) -> None:
    vendor = Vendor(days("2024-01-01", "2024-03-31"))
    cache, calls = of_many(many, vendor, lambda *_: None)
    with pytest.raises(PartialCoverageError):
        cache.get_many([*"AB"], "1D", "2024-01-01", "2024-02-01")
    assert failures(cache) == (2, 0, len(calls), 2)


def test_a_failure_of_derived_bars_is_one() -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> None:
        raise ValueError(symbol)

    cache = RangeCache("derived", load, derive={"4h": "1h"}, clock=Clock(), retries=0)
    with pytest.raises(PartialCoverageError):
        cache.get("A", "4h", *ASKED)
    assert failures(cache) == (1, 0, 1, 1)
