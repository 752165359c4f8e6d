"""Longer bars made of shorter: what a request, a refresh and a plan of them take and tell."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, same, utc

from afml_cache import PartialCoverageError, mode
from afml_cache.ranges.calendars import sessions_of

LATE = "2024-10-14T00:00"
DERIVED: dict[str, dict[str, Any]] = {
    "at once": {"1D": "15min"},
    "by a chain": {"1D": "30min", "30min": "15min"},
}


def open_quarters(first: str, last: str) -> pd.DatetimeIndex:
    """Give the quarters of an hour in which New York's exchange is open."""
    found = pd.date_range(first, last, freq="15min", tz="UTC", name="time").as_unit("ns")
    spans = sessions_of("XNYS").trading_spans(found[0].value, found[-1].value + 1)
    return found[[any(begin <= at.value < end for begin, end in spans) for at in found]]


@pytest.fixture
def listed_late() -> Vendor:
    """A vendor whose bars begin within a month."""
    return Vendor(open_quarters(LATE, "2024-11-30"))


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
@pytest.mark.parametrize("partial", [False, True])
def test_what_only_makes_a_month_whole_may_be_missing(listed_late, derive, partial) -> None:
    cache = cache_of(listed_late, calendar="XNYS", align="month", derive=derive)
    for _ in range(2):
        found = cache.get("A", "1D", "2024-10-21", "2024-10-26", allow_partial=partial)
        if partial:
            found, missing = found
            assert not missing
        assert found.index.day.tolist() == [21, 22, 23, 24, 25]


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
@pytest.mark.parametrize("align", [None, "month"])
def test_what_is_missing_of_what_was_asked_for_is_told_with_the_rest(
    listed_late, derive, align
) -> None:
    cache = cache_of(listed_late, calendar="XNYS", align=align, derive=derive)
    asked = "A", "1D", "2024-10-10", "2024-10-18"
    with pytest.raises(PartialCoverageError) as refused:
        cache.get(*asked)
    found, missing = cache.get(*asked, allow_partial=True)
    first, again = cache_of(listed_late, calendar="XNYS", align=align, derive=derive).get(
        "B", *asked[1:], allow_partial=True
    )
    for data in (refused.value.data, found, first):
        assert data.index.day.tolist() == [14, 15, 16, 17]
    for gaps in (refused.value.missing, missing, again):
        assert [(begin.day, end.day) for begin, end in gaps] == [
            (10, 12)
        ]  # of the weekend nothing is missing


def test_days_whose_parts_were_fetched_are_given_where_a_call_for_others_failed() -> None:
    vendor = Vendor(open_quarters("2024-10-28", "2024-11-09"))

    def down(found: pd.DataFrame) -> pd.DataFrame:
        if found.index[0].day == 6:
            raise ConnectionError
        return found

    vendor.answer = down
    cache = cache_of(vendor, calendar="XNYS", derive={"1D": "15min"}, max_rows=26)
    found, missing = cache.get("A", "1D", "2024-11-04", "2024-11-09", allow_partial=True)
    assert found.index.day.tolist() == [4, 5, 7, 8]
    assert [(begin.day, end.day) for begin, end in missing] == [(6, 7)]
    vendor.answer = None
    calls = len(vendor.asked)
    whole = cache.get("A", "1D", "2024-11-04", "2024-11-09")
    assert whole.index.day.tolist() == [4, 5, 6, 7, 8]
    assert len(vendor.asked) == calls + 1


DAYS = ("2024-11-04", "2024-11-09")


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_a_refresh_of_longer_bars_fetches_the_shorter_again(derive, calendar) -> None:
    vendor = Vendor(open_quarters("2024-10-28", "2024-11-12"))
    cache = cache_of(vendor, derive=derive, calendar=calendar)
    before = cache.get("A", "1D", *DAYS)
    calls = len(vendor.asked)
    assert cache.refresh("A", "1D", *DAYS) == 0
    assert len(vendor.asked) == calls + 1
    for hour in (15, 16, 17):
        vendor.bars.loc[utc(f"2024-11-05T{hour}:00"), "volume"] += 1
    vendor.bars.loc[utc("2024-11-07T15:00"), "volume"] += 1
    assert cache.refresh("A", "1D", *DAYS) == 4
    found = cache.get("A", "1D", *DAYS)
    assert (found - before)["volume"].tolist() == [0, 3, 0, 1, 0]
    for frame in derive:
        assert not cache.gaps("A", frame, *DAYS)
    assert len(cache.restated("A", "15min")) == 1
    assert not cache.restated("A", "1D")


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_a_sample_of_longer_bars_is_made_of_what_the_vendor_gives_now(derive) -> None:
    vendor = Vendor(open_quarters("2024-10-28", "2024-11-12"))
    cache = cache_of(vendor, derive=derive, calendar="XNYS")
    before = cache.get("A", "1D", *DAYS)
    calls = len(vendor.asked)
    assert not cache.verify("A", "1D", sample=2).differences
    assert len(vendor.asked) == calls + 2
    vendor.bars.loc[utc("2024-11-05T15:00"), "volume"] += 1
    vendor.bars.loc[utc("2024-11-05T17:00"), "volume"] += 1
    found = cache.verify("A", "1D", sample=5).differences
    assert [(start.day, end.day, count) for start, end, count in found] == [(5, 6, 2)]
    assert (cache.get("A", "1D", *DAYS) - before)["volume"].tolist() == [0, 2, 0, 0, 0]


def test_a_request_in_mode_fresh_fetches_the_shorter_bars_again() -> None:
    vendor = Vendor(open_quarters("2024-10-28", "2024-11-12"))
    cache = cache_of(vendor, derive=DERIVED["by a chain"], calendar="XNYS")
    before = cache.get("A", "1D", *DAYS)
    vendor.bars["volume"] += 1
    with mode("fresh"):
        planned = len(cache.plan("A", "1D", *DAYS).calls)
        calls = len(vendor.asked)
        found = cache.get("A", "1D", *DAYS)
    assert len(vendor.asked) == calls + planned
    assert (found - before)["volume"].tolist() == [26] * 5


@pytest.mark.parametrize("derive", [{"4h": "15min"}, {"4h": "30min", "30min": "15min"}])
@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize("hour", [14, 16, 20, 21])
def test_the_first_request_for_bars_counted_from_the_open_takes_the_calls_of_its_plan(
    derive, closed, hour
) -> None:
    vendor = Vendor(open_quarters("2024-03-04", "2024-04-12"), closed)
    cache = cache_of(vendor, calendar="XNYS", derive=derive)
    asked = "A", "4h", f"2024-03-20T{hour:02}:00Z", f"2024-03-28T{hour:02}:00Z"
    plan = cache.plan(*asked)
    found = cache.get(*asked)
    assert [(call.start, call.end) for call in plan.calls] == vendor.asked
    assert len(vendor.asked) == 1
    assert not cache.plan(*asked).calls
    again = cache_of(vendor, calendar="XNYS", derive=derive)
    assert again.get(*asked).equals(found)
    assert len(vendor.asked) == 1


def test_a_bar_that_waits_for_late_parts_is_made_of_what_there_is_in_two_steps() -> None:
    minutes = pd.date_range("2024-03-07", "2024-03-14", freq="min", tz="UTC", inclusive="left")
    at = minutes.as_unit("ns")
    lacks = (at >= utc("2024-03-10 12:00")) & (at < utc("2024-03-10 12:05"))
    asked = "A", "4h", utc("2024-03-10 12:00"), utc("2024-03-10 16:00")
    straight = cache_of(Vendor(at[~lacks]), derive={"4h": "1min"}).get(*asked)
    for steps in ({"1h": "1min", "4h": "1h"}, {"2h": "1min", "4h": "2h"}):
        cache = cache_of(Vendor(at[~lacks]), derive=steps)
        same(cache.get(*asked), straight)
        same(cache.get(*asked), straight)
