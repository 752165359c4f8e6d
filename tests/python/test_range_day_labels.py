"""Days whose labels come before or after the midnights that a caller writes are all there."""

import logging

import pandas as pd
import pytest
from range_vendor import Frame, Vendor, cache_of, same

WINDOWS = (
    ("2024-02-01", "2024-02-10"),
    ("2024-02-05", "2024-02-20"),
    ("2024-01-21", "2024-02-21"),
    ("2024-03-10", "2024-03-12"),
    ("2024-03-25", "2024-04-05"),
    ("2024-03-20", "2024-04-10"),
)
# Whose labels, who asks, and what the cache is told.
PLACES = (
    ("Asia/Tokyo", "UTC", {"calendar": "XTKS"}),
    ("Asia/Tokyo", "UTC", {"zone": "Asia/Tokyo"}),
    ("Asia/Tokyo", "UTC", {}),
    ("Europe/London", "UTC", {"zone": "Europe/London"}),
    ("Europe/Berlin", "America/New_York", {"zone": "Europe/Berlin"}),
    ("UTC", "America/New_York", {}),
    ("UTC", "Asia/Tokyo", {}),
    ("America/New_York", "Asia/Tokyo", {"calendar": "XNYS"}),
)


def business_days(zone: str) -> pd.DatetimeIndex:
    labels = pd.bdate_range("2024-01-01", "2024-06-28", tz=zone, name="time").as_unit("ns")
    return pd.DatetimeIndex([one for one in labels if str(one.date()) != "2024-02-12"], name="time")


def of_dates(vendor: Vendor, first: str, stop: str) -> Frame:
    """Give the bars of dates from one on and before another."""
    dates = pd.DatetimeIndex(vendor.bars.index).strftime("%Y-%m-%d")
    return vendor.bars[(dates >= first) & (dates < stop)]


@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize(("zone", "caller", "options"), PLACES)
def test_every_day_of_a_request_is_there(zone, caller, options, closed, caplog) -> None:
    vendor = Vendor(business_days(zone), closed)
    vendor.bars.index = vendor.bars.index.tz_convert(zone)
    cache = cache_of(vendor, **options)
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        for window in WINDOWS:
            times = [pd.Timestamp(day, tz=caller) for day in window]
            same(cache.get("7203", "1D", *times), of_dates(vendor, *window))
            calls = len(vendor.asked)
            again = cache_of(vendor, **options)
            same(again.get("7203", "1D", *times), of_dates(vendor, *window))
            assert len(vendor.asked) == calls
    assert not caplog.records
    # There are eight gaps; once it is known when days are labelled, each is one call.
    assert len(vendor.asked) <= 9


@pytest.mark.parametrize("closed", ["left", "both"])
def test_each_day_by_itself_is_there(closed) -> None:
    vendor = Vendor(business_days("Asia/Tokyo"), closed)
    cache = cache_of(vendor, calendar="XTKS")
    found = []
    for day in pd.date_range("2024-03-01", "2024-03-15", tz="UTC"):
        cache.get("7203", "1D", day, day + pd.Timedelta("1D"))
        found = cache.get("7203", "1D", pd.Timestamp("2024-03-01", tz="UTC"), day)
    assert len(found) == 10
    calls = len(vendor.asked)
    cache.get("7203", "1D", pd.Timestamp("2024-03-01", tz="UTC"), day)
    assert len(vendor.asked) == calls <= 13


@pytest.mark.parametrize(
    ("frame", "begins", "windows"),
    [
        ("1W", "W-MON", (("2024-04-01", "2024-07-01"), ("2024-02-05", "2024-08-05"))),
        ("1M", "MS", (("2024-04-01", "2024-07-01"), ("2024-02-01", "2024-09-01"))),
    ],
)
def test_the_first_week_or_month_of_a_request_is_there(frame, begins, windows) -> None:
    labels = pd.date_range("2024-01-01", "2024-12-01", freq=begins, tz="Europe/Berlin")
    vendor = Vendor(labels.as_unit("ns"))
    vendor.bars.index = labels.as_unit("ns").rename("time")
    cache = cache_of(vendor, zone="Europe/Berlin")
    for window in windows:
        times = [pd.Timestamp(day, tz="UTC") for day in window]
        same(cache.get("BMW", frame, *times), of_dates(vendor, *window))


def test_a_vendor_that_goes_by_dates_is_not_asked_from_a_day_earlier_on() -> None:
    vendor = Vendor(business_days("Asia/Tokyo"))
    vendor.bars.index = vendor.bars.index.tz_convert("Asia/Tokyo")

    def by_dates(symbol: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp) -> Frame:
        vendor.asked.append((start, end))
        return of_dates(vendor, str(start.date()), str(end.date()))

    vendor.load = by_dates
    cache = cache_of(vendor)
    for window in WINDOWS:
        times = [pd.Timestamp(day, tz="UTC") for day in window]
        same(cache.get("7203", "1D", *times), of_dates(vendor, *window))
    assert vendor.spans == [
        ("2024-02-01", "2024-02-10"),
        ("2024-02-10", "2024-02-20"),
        ("2024-01-21", "2024-02-01"),
        ("2024-02-20", "2024-02-21"),
        ("2024-03-10", "2024-03-12"),
        ("2024-03-25", "2024-04-05"),
        ("2024-03-20", "2024-03-25"),
        ("2024-04-05", "2024-04-10"),
    ]
