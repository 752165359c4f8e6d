"""What requests cost, as it is counted: calls of the vendor, and bars that it gave."""

from __future__ import annotations

from typing import Any

import pytest
from range_vendor import Vendor, cache_of, days, hours

from afml_cache import RangeCache, mode
from afml_cache.exceptions import CacheMissError

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
    assert cache.stats()["errors"] == 1
