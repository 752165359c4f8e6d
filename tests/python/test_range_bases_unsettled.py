"""Adjusted series: bars that are given no more."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, days, same, told, utc

from afml_cache.exceptions import BasisChangedError

SPANS = pytest.mark.parametrize("max_span", [None, "5D"])


def halve(vendor: Vendor) -> None:
    vendor.bars[["open", "close"]] /= 2


def is_given(vendor: Vendor, cache: Any, timeframe: str, *asked: str) -> None:
    """See that an answer is what the vendor gives now."""
    same(cache.get("A", timeframe, *asked), vendor.between(*asked))


# Final bars that are given no more

JANUARY = ("2024-01-01", "2024-02-01")
LONGER = ("2024-01-01", "2024-02-05")
GONE = {
    "one": (["2024-01-15"], "2024-01-15;"),
    "some": ([f"2024-01-{day}" for day in range(10, 21)], "2024-01-10 .. 2024-01-20;"),
    "the first": (["2024-01-01", "2024-01-02"], "2024-01-01 .. 2024-01-02;"),
    "the last": (["2024-01-30", "2024-01-31"], "2024-01-30 .. 2024-01-31;"),
    "two parts": (["2024-01-10", "2024-01-20"], "2024-01-10; 2024-01-20;"),
    "every other": (
        [f"2024-01-{day:02}" for day in range(2, 26, 2)],
        "2024-01-02; 2024-01-04; 2024-01-06 and of 9 parts more;",
    ),
}


@SPANS
@pytest.mark.parametrize(("dates", "shown"), GONE.values(), ids=GONE)
def test_a_series_that_lacks_final_bars_is_not_put_on_another_basis_however_calls_are_cut(
    dates: list[str], shown: str, max_span: str | None
) -> None:
    vendor = Vendor(days("2024-01-01", "2024-12-31"))
    cache = cache_of(vendor, adjustment="all", max_span=max_span)
    before, known = cache.get("A", "1D", *JANUARY), cache.coverage("A", "1D")
    vendor.bars = vendor.bars.drop([utc(one) for one in dates])
    halve(vendor)
    with pytest.raises(BasisChangedError) as changed:
        cache.get("A", "1D", *LONGER)
    told(changed.value, "bars A 1D", f"is stored of {shown}", "invalidate")
    assert cache.coverage("A", "1D") == known
    same(cache.get("A", "1D", *JANUARY), before)
    for one in dates:
        cache.invalidate("A", "1D", one, str((utc(one) + pd.Timedelta("1D")).date()))
    is_given(vendor, cache, "1D", *LONGER)


def test_lost_bars_with_none_between_them_are_told_as_one() -> None:
    weekdays = days("2024-01-01", "2024-12-31")
    vendor = Vendor(weekdays[weekdays.day_of_week < 5])
    cache = cache_of(vendor, adjustment="all")
    cache.get("A", "1D", *JANUARY)
    vendor.bars = vendor.bars.drop([utc("2024-01-12"), utc("2024-01-15")])
    halve(vendor)
    with pytest.raises(BasisChangedError) as changed:
        cache.get("A", "1D", *LONGER)
    told(changed.value, "is stored of 2024-01-12 .. 2024-01-15;")
