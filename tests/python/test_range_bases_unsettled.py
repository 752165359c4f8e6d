"""Adjusted series: bars that are forming, and those that are given no more."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, same, told, utc

from afml_cache.exceptions import BasisChangedError

SPANS = pytest.mark.parametrize("max_span", [None, "5D"])


def halve(vendor: Vendor) -> None:
    vendor.bars[["open", "close"]] /= 2


def is_given(vendor: Vendor, cache: Any, timeframe: str, *asked: str) -> None:
    """See that an answer is what the vendor gives now."""
    same(cache.get("A", timeframe, *asked), vendor.between(*asked))


# Bars that are forming, and in memory alone

NIGHT = ("2024-02-09", "2024-02-10T11:00")


def of_hours() -> tuple[Vendor, Clock]:
    return Vendor(hours("2024-02-01", "2024-02-29")), Clock("2024-02-10T10:05")


@pytest.mark.parametrize("later", [("2024-02-08", "2024-02-09T12:00"), ("2024-02-08", NIGHT[1])])
def test_a_forming_bar_is_asked_for_again_after_a_rebuild(later: tuple[str, str]) -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    is_given(vendor, cache, "1h", *later)
    is_given(vendor, cache, "1h", *NIGHT)
    vendor.asked.clear()
    is_given(vendor, cache, "1h", *NIGHT)
    assert vendor.spans == []


def test_a_forming_bar_that_a_rebuild_has_given_is_not_asked_for_again() -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    clock.set("2024-02-10T11:30")
    later = "2024-02-09", "2024-02-10T12:00"
    is_given(vendor, cache, "1h", *later)
    vendor.asked.clear()
    is_given(vendor, cache, "1h", *later)
    assert vendor.spans == []


def test_a_forming_bar_is_asked_for_again_after_a_rebuild_by_another_cache() -> None:
    vendor, clock = of_hours()
    cache, other = (cache_of(vendor, adjustment="all", clock=clock) for _ in range(2))
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    is_given(vendor, other, "1h", "2024-02-08", "2024-02-09T12:00")
    is_given(vendor, cache, "1h", *NIGHT)


def test_a_forming_bar_stays_where_the_basis_does() -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    cache.get("A", "1h", *NIGHT)
    vendor.asked.clear()
    cache.get("A", "1h", "2024-02-08", NIGHT[1])
    assert vendor.spans == [("2024-02-08", "2024-02-10")]


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
