"""Days whose labels come before or after the midnights that a caller writes are all there."""

import itertools
import logging

import pandas as pd
import pytest
from range_vendor import Frame, Vendor, cache_of, same

from afml_cache import PartialCoverageError, RangeCache

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


# Whose labels, how long after midnight, who asks, and what the cache is told.
BESIDE = (
    ("Europe/London", "0h", "UTC", {"zone": "Europe/London"}),
    ("Europe/London", "0h", "UTC", {}),
    ("Europe/London", "0h", "Europe/Berlin", {"zone": "Europe/London"}),
    ("UTC", "0h", "Europe/London", {"zone": "UTC"}),
    ("America/New_York", "16h", "Asia/Tokyo", {"zone": "America/New_York"}),
    ("America/New_York", "16h", "Asia/Tokyo", {}),
    ("America/New_York", "19h", "UTC", {"zone": "America/New_York"}),
    ("America/New_York", "20h", "UTC", {"zone": "America/New_York"}),
    ("Pacific/Auckland", "10h", "Europe/Berlin", {"zone": "Pacific/Auckland"}),
)


def labelled(zone: str, after: str, closed: str, shown: str | None = None) -> Vendor:
    """A vendor of business days with labels so long after the midnights of a zone."""
    days = pd.bdate_range("2024-01-01", "2024-12-31") + pd.Timedelta(after)
    vendor = Vendor(pd.DatetimeIndex(days.tz_localize(zone), name="time").as_unit("ns"), closed)
    vendor.bars.index = vendor.bars.index.tz_convert(shown or zone)
    vendor.dates = days.strftime("%Y-%m-%d")
    return vendor


def of(vendor: Vendor, first: str, stop: str) -> Frame:
    return vendor.bars[(vendor.dates >= first) & (vendor.dates < stop)]


@pytest.mark.parametrize("season", ["2024-03-18", "2024-10-14"])
@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize("beside", [one for one in BESIDE if one[3] or one[0] == "Europe/London"])
def test_each_day_is_there_when_clocks_change(beside, closed, season, caplog) -> None:
    zone, after, caller, options = beside
    vendor = labelled(zone, after, closed)
    cache = cache_of(vendor, closed=closed, **options)
    days = pd.date_range(season, periods=30, tz=caller)
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        for first, stop in itertools.pairwise(days):
            found = cache.get("BARC", "1D", first, first if closed == "both" else stop)
            same(found, of(vendor, str(first.date()), str(stop.date())))
    assert not caplog.records
    calls = len(vendor.asked)
    whole = cache.get("BARC", "1D", days[0], days[-2] if closed == "both" else days[-1])
    same(whole, of(vendor, season, str(days[-1].date())))
    assert len(vendor.asked) == calls


@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize(("zone", "after", "caller", "options"), BESIDE)
def test_who_asks_loses_nothing_for_others(zone, after, caller, options, closed) -> None:
    vendor = labelled(zone, after, closed)
    cache = cache_of(vendor, **options)
    for window in (("2024-02-05", "2024-02-08"), ("2024-02-08", "2024-02-14")):
        cache.get("BARC", "1D", *(pd.Timestamp(day, tz=caller) for day in window))
    calls = len(vendor.asked)
    own = (pd.Timestamp(day, tz=zone) for day in ("2024-02-05", "2024-02-14"))
    same(cache.get("BARC", "1D", *own), of(vendor, "2024-02-05", "2024-02-14"))
    assert len(vendor.asked) == calls


@pytest.mark.parametrize("closed", ["left", "both"])
def test_no_day_is_given_twice_whose_labels_are_midnights_in_utc(closed) -> None:
    vendor = labelled("UTC", "0h", closed)
    cache = cache_of(vendor, closed=closed, zone="Europe/London")
    for day in pd.date_range("2024-01-08", "2024-05-31", tz="UTC"):
        cache.get("BARC", "1D", day, day + pd.Timedelta(days=int(closed == "left")))
    # In summer their labels might have been midnights in London, until the first shows it.
    assert len(vendor.given_twice) <= 1


def test_who_writes_dates_says_nothing_of_who_writes_times() -> None:
    vendor = labelled("Asia/Tokyo", "0h", "left")

    def load(symbol: str, timeframe: str, start: object, end: object) -> Frame:
        times = (pd.Timestamp(one) for one in (start, end))
        first, stop = (one if one.tzinfo else one.tz_localize("Asia/Tokyo") for one in times)
        return vendor.load(symbol, timeframe, first, stop)

    cache = RangeCache("bars", load)
    same(
        cache.get("7203", "1D", "2024-02-01", "2024-02-10"), of(vendor, "2024-02-01", "2024-02-10")
    )
    times = (pd.Timestamp(day, tz="UTC") for day in ("2024-03-04", "2024-03-09"))
    same(cache.get("7203", "1D", *times), of(vendor, "2024-03-04", "2024-03-09"))


@pytest.mark.parametrize("closed", ["left", "both"])
def test_a_vendor_that_goes_by_dates_is_not_asked_for_a_day_more(closed, caplog) -> None:
    vendor = labelled("America/New_York", "16h", closed)

    def load(symbol: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp) -> Frame:
        stop = end.normalize() + pd.Timedelta("1D") if closed == "both" else end
        vendor.asked.append((start, end))
        return of(vendor, str(start.date()), str(stop.date()))

    options = {"loader_closed": closed, "zone": "America/New_York"}
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        for _ in range(2):  # the second has what is stored, and not how it was given
            cache = RangeCache("bars", load, **options)
            for window in WINDOWS:
                times = [pd.Timestamp(day, tz="Asia/Tokyo") for day in window]
                same(cache.get("7203", "1D", *times), of(vendor, *window))
            cache.get(
                "7203",
                "1D",
                *(pd.Timestamp(day, tz="Asia/Tokyo") for day in ("2024-05-01", "2024-06-01")),
            )
    assert not caplog.records


@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize(("zone", "after", "caller", "options"), BESIDE)
def test_weeks_are_there_when_clocks_change(zone, after, caller, options, closed) -> None:
    vendor = labelled(zone, after, closed)
    mondays = pd.DatetimeIndex(vendor.dates).day_of_week == 0
    vendor.bars, vendor.dates = vendor.bars[mondays], vendor.dates[mondays]
    cache = cache_of(vendor, **options)
    weeks = pd.date_range("2024-03-04", periods=10, freq="7D", tz=caller)
    for first, stop in itertools.pairwise(weeks):
        same(cache.get("BARC", "1W", first, stop), of(vendor, str(first.date()), str(stop.date())))
    same(
        cache.get("BARC", "1W", weeks[0], weeks[-1]),
        of(vendor, "2024-03-04", str(weeks[-1].date())),
    )


def test_a_row_at_an_excluded_end_is_told_before_any_day_was_seen() -> None:
    vendor = labelled("UTC", "0h", "left")
    last = vendor.bars.index[2]
    vendor.answer = lambda found: vendor.bars.loc[[last]] if len(vendor.asked) == 1 else found
    cache = cache_of(vendor, calendar="XNYS")
    times = (pd.Timestamp(day, tz="UTC") for day in ("2024-01-02", last.date()))
    with pytest.raises(PartialCoverageError, match="at the end of the range, which is excluded"):
        cache.get("BARC", "1D", *times)
