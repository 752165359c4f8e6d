"""The clock of a cache: what it may give, and that it may be set back."""

from __future__ import annotations

import numpy as np
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, same, told, utc

from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
DAY = "A", "1h", "2024-01-02", "2024-01-03"
BEFORE = ("A", "1D", "2024-01-02", "2024-01-10")


@pytest.mark.parametrize("now", [1.7e9, None, utc("2024-01-01"), 2**70])
@pytest.mark.parametrize("method", ["get", "prefetch", "plan", "gaps"])
def test_a_clock_that_gives_no_nanoseconds_is_refused(method: str, now: object) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, clock=lambda: now)
    for _ in range(2):
        with pytest.raises(CacheConfigError) as refused:
            getattr(cache, method)(*BEFORE)
        told(refused.value, "`clock`", "nanoseconds", repr(now))
    assert vendor.asked == []


def test_a_clock_may_give_an_integer_of_numpy() -> None:
    vendor = Vendor(YEAR)
    for _ in range(2):
        cache = cache_of(vendor, clock=lambda: np.int64(utc("2024-02-01").value))
        same(cache.get(*BEFORE), vendor.between(*BEFORE[2:]))
    assert len(vendor.asked) == 1


def test_a_clock_that_is_set_back_has_its_forming_bar_answered() -> None:
    vendor, clock = Vendor(hours("2024-01-01", "2024-01-02T06:00")), Clock("2024-01-02T06:00")
    cache = cache_of(vendor, clock=clock)
    for time, last in (("06:00", 6), ("03:30", 3), ("03:59", 3), ("04:01", 4), ("06:30", 6)):
        clock.set(f"2024-01-02T{time}")
        assert cache.get(*DAY).index.hour.tolist() == list(range(last + 1)), time
