"""Whole days and months are fetched, each once, so that neighbours find them there."""

import pandas as pd
import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, days, hours, same

from afml_cache.exceptions import LoaderError, PartialCoverageError

KEY = ("AAPL", "1D")


def test_a_month_is_fetched_whole_once_and_serves_its_other_days() -> None:
    vendor = Vendor(days("2024-01-01", "2024-06-30"))
    cache = cache_of(vendor, align="month")
    for day in range(10, 30):
        span = "2024-02-07", f"2024-02-{day}"
        same(cache.get(*KEY, *span), vendor.between(*span))
    assert vendor.spans == [("2024-02-01", "2024-03-01")]
    cache.get(*KEY, "2024-01-31", "2024-03-02")
    assert vendor.spans[1:] == [("2024-01-01", "2024-02-01"), ("2024-03-01", "2024-04-01")]
    assert not vendor.given_twice


def test_a_day_is_fetched_whole_once() -> None:
    vendor = Vendor(hours("2024-02-01", "2024-03-01"))
    cache = cache_of(vendor, align="day")
    for hour in range(8, 14):
        cache.get("AAPL", "1h", "2024-02-07 06:00", f"2024-02-07 {hour:02}:00")
    assert vendor.spans == [("2024-02-07", "2024-02-08")]


def test_what_is_known_within_a_month_is_not_fetched_again() -> None:
    vendor = Vendor(days("2024-01-01", "2024-06-30"))
    cache_of(vendor).get(*KEY, "2024-02-07", "2024-02-10")
    cache = cache_of(vendor, align="month")
    plan = cache.plan(*KEY, "2024-02-09", "2024-02-12")
    cache.get(*KEY, "2024-02-09", "2024-02-12")
    assert vendor.spans[1:] == [("2024-02-01", "2024-02-07"), ("2024-02-10", "2024-03-01")]
    assert len(plan.calls) == 2
    assert not vendor.given_twice


def test_of_the_month_that_is_not_over_what_is_closed_is_fetched_once() -> None:
    clock, vendor = Clock("2024-02-10T12:00"), Vendor(days("2024-01-01", "2024-06-30"))
    cache = cache_of(vendor, clock=clock, align="month")
    cache.get(*KEY, "2024-02-03", "2024-02-05")
    assert vendor.spans == [("2024-02-01", "2024-02-10")]
    clock.set("2024-02-12T12:00")
    cache.get(*KEY, "2024-02-03", "2024-02-12")
    assert vendor.spans[1:] == [("2024-02-10", "2024-02-12")]
    assert not vendor.given_twice


def test_days_without_trading_are_not_asked_for_to_make_a_month_whole() -> None:
    vendor = Vendor(days("2024-01-01", "2024-12-31"))
    vendor.bars = vendor.bars[pd.DatetimeIndex(vendor.bars.index).day_of_week < 5]
    cache_of(vendor, calendar="XNYS").get(*KEY, "2024-06-03", "2024-06-28")
    cache = cache_of(vendor, calendar="XNYS", align="month")
    cache.get(*KEY, "2024-06-27", "2024-06-29")  # the 1st, 2nd, 29th and 30th are weekends
    assert vendor.spans[1:] == [("2024-06-28", "2024-06-29")]


def test_an_outage_beyond_the_request_is_no_failure_of_it() -> None:
    vendor = Vendor(days("2024-01-01", "2024-06-30"))

    def down_in_late_february(found: Frame) -> Frame:
        if len(found) and found.index[-1] >= pd.Timestamp("2024-02-20", tz="UTC"):
            raise ConnectionError
        return found

    vendor.answer = down_in_late_february
    cache = cache_of(vendor, align="month", max_span="5D")
    span = "2024-02-07", "2024-02-10"
    same(cache.get(*KEY, *span), vendor.between(*span))
    calls = len(vendor.asked)
    same(cache.get(*KEY, *span), vendor.between(*span))
    assert len(vendor.asked) == calls
    with pytest.raises(PartialCoverageError):
        cache.get(*KEY, "2024-02-07", "2024-02-22")


def test_a_row_at_an_excluded_end_is_told_though_what_is_left_was_not_asked_for() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-06-30"))

    def half_a_month_and_the_end(found: Frame) -> Frame:
        return pd.concat([found[: len(found) // 2], vendor.bars["2024-03-01":][:1]])

    vendor.answer = half_a_month_and_the_end
    cache = cache_of(vendor, align="month")
    span = "2024-02-03", "2024-02-06"
    with pytest.raises(LoaderError, match="excluded"):
        cache.get("AAPL", "1h", *span)
    same(cache.get("AAPL", "1h", *span), vendor.between(*span))
    assert vendor.spans == [("2024-02-01", "2024-03-01")]
