"""The loader gets the parts of a key as whoever asks has written them."""

import enum

import pandas as pd
from range_vendor import Clock, Vendor, bars, cache_of, days, told

from afml_cache import RangeCache

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")


class Feed(enum.Enum):
    SIP = 2.0
    IEX = 1.0


class Feeds:
    """A vendor that takes what it does not know for its cheaper feed."""

    def __init__(self) -> None:
        self.feeds: list[object] = []

    def load(self, feed, start, end, **_) -> pd.DataFrame:
        self.feeds.append(feed)
        price = 2.0 if feed is Feed.SIP else 1.0
        times = pd.date_range(start, end, inclusive="left", tz="UTC", name="time")
        return pd.DataFrame({"close": price}, index=times)

    def cache(self) -> RangeCache:
        key = ("symbol", "feed", "timeframe")
        return RangeCache("feeds", self.load, key=key, clock=Clock())


def test_a_series_that_only_the_disk_names_is_not_sampled() -> None:
    vendor = Feeds()
    series = ("A", Feed.SIP, "1D")
    vendor.cache().get(*series, *JANUARY)
    vendor.feeds.clear()
    cache = vendor.cache()
    found = cache.verify(sample=4)
    assert (found.segments, found.rows, found.differences, vendor.feeds) == (1, 31, [], [])
    told(Exception(found.problems), "feeds A Feed.SIP 1D", "name the key", "symbol, feed")
    assert vendor.cache().verify(*series, sample=4).problems == []
    assert vendor.feeds == [Feed.SIP] * 4
    assert set(cache.get(*series, *JANUARY)["close"]) == {2.0}
    assert cache.verify(sample=1).problems == []
    assert vendor.feeds == [Feed.SIP] * 5


def test_a_series_whose_key_the_disk_tells_exactly_is_sampled() -> None:
    vendor = Vendor(YEAR)

    def load(symbol, start, end):
        return vendor.load(symbol, "1D", start, end)

    def cache():
        return RangeCache("daily", load, key=["symbol"], timeframe="1D", clock=Clock())

    cache().get("A", *JANUARY)
    assert cache().verify(sample=3).problems == []
    assert len(vendor.asked) == 4


def test_each_request_calls_the_loader_as_its_own_caller_writes_the_key() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    ends = iter(YEAR[30::30])
    for timeframe in ("1D", "day", "1D", "D", "1D"):
        cache.get("A", timeframe, "2024-01-01", next(ends))
    assert [one for _, one in vendor.series] == ["1D", "day", "1D", "D", "1D"]


def test_a_listing_and_who_is_told_of_restatements_get_the_key_as_it_is_written() -> None:
    vendor = Vendor(YEAR)
    seen = []

    def listing(symbol, timeframe):
        seen.append(timeframe)
        return None, None

    cache = cache_of(vendor, listing=listing, on_restated=lambda key, *_: seen.append(key))
    cache.get("A", "1D", *JANUARY)
    cache.get("A", "day", *JANUARY)
    vendor.bars = bars(YEAR) + 1
    seen.clear()
    cache.refresh("A", "1D", *JANUARY)
    assert seen[-1] == {"symbol": "A", "timeframe": "1D"}
    assert set(seen[:-1]) == {"1D"}


def test_a_sample_is_asked_for_by_the_key_that_the_loader_has_answered() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    assert cache.coverage("A", "1d").rows == 0
    cache.get("A", "day", *JANUARY)
    cache.verify(sample=1)
    assert vendor.series == [("A", "day"), ("A", "day")]
