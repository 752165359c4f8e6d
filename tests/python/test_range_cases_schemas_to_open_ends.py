"""What breaks caches of bars by time range: schemas, keys, open ends."""

import json
import threading

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, same, utc

from afml_cache import RangeCache, as_of
from afml_cache.exceptions import (
    CacheConfigError,
    PartialCoverageError,
    SchemaError,
)

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
MARCH = pd.bdate_range("2024-03-01", "2024-03-20", tz="UTC", name="time").as_unit("ns")


def states(cache: RangeCache, *key: str) -> list[tuple[str, str, str]]:
    return [(str(one.start), str(one.end), one.state) for one in cache.coverage(*key)]


class RefusedError(Exception):
    """What a vendor's client raises."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers = status, headers


# 20. Schemas


def test_a_column_that_comes_later_is_empty_before() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    vendor.bars["trades"] = 1.5
    cache.get("A", "1D", "2024-02-01", "2024-03-01")
    for each in (cache, cache_of(vendor)):
        given = each.get("A", "1D", "2024-01-30", "2024-02-03")
        assert given["trades"].isna().tolist() == [True, True, False, False]
        assert given["trades"].tolist()[2:] == [1.5, 1.5]
        assert list(given.columns) == ["open", "close", "volume", "trades"]


def test_a_column_that_no_longer_comes_is_empty_after() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    del vendor.bars["open"]
    cache.get("A", "1D", "2024-02-01", "2024-03-01")
    given = cache.get("A", "1D", "2024-01-31", "2024-02-02")
    assert given["open"].isna().tolist() == [False, True]
    assert list(given.columns) == ["open", "close", "volume"]


def test_whole_numbers_never_become_others_in_silence() -> None:
    vendor = Vendor(YEAR)
    vendor.bars["volume"] = 2**60 + 1
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    vendor.bars["volume"] = 0.5
    with pytest.raises(PartialCoverageError, match="volume") as raised:
        cache.get("A", "1D", "2024-02-01", "2024-03-01")
    assert isinstance(raised.value.__cause__, SchemaError)
    given = cache.get("A", "1D", *JANUARY)
    assert given["volume"].tolist() == [2**60 + 1] * 31


def test_a_column_that_changes_its_kind_is_refused_by_name() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    vendor.bars["volume"] = "many"
    with pytest.raises(PartialCoverageError, match="volume") as raised:
        cache.get("A", "1D", "2024-02-01", "2024-03-01")
    assert isinstance(raised.value.__cause__, SchemaError)


# 22. Where bars are from


def told(cache: RangeCache, *key: str) -> list[dict]:
    """What the segments of a series say of themselves."""
    return [json.loads(text) for *_, text in cache._series.of(key).native.segments()]


def test_every_segment_knows_where_its_bars_are_from() -> None:
    clock = Clock("2024-07-01")
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, source="a vendor", clock=clock)
    cache.get("A", "1D", *JANUARY)
    [about] = told(cache, "A", "1D")
    assert about["source"] == "a vendor"
    assert about["rows"] == 31
    assert about["asked"] == [utc(day).value for day in JANUARY]
    assert about["fetched"] == clock.now
    assert [one.fetched_at for one in cache.coverage("A", "1D")] == [utc("2024-07-01")]


def test_a_segment_made_of_others_knows_all_of_them() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, source="a vendor", compact=False)
    for day in days("2024-01-01", "2024-01-20"):
        cache.get("A", "1D", day, day + pd.Timedelta("1D"))
    cache.compact()
    [about] = told(cache, "A", "1D")
    assert len(about["made_of"]) == 20
    assert {one["source"] for one in about["made_of"]} == {"a vendor"}


# 23. Tiny holes


def test_gaps_that_are_close_are_one_call() -> None:
    for merge_gaps, calls in (("3D", 1), (0, 3)):
        vendor = Vendor(YEAR)
        cache = cache_of(vendor, merge_gaps=merge_gaps, source=str(merge_gaps))
        cache.get("A", "1D", "2024-01-05", "2024-01-06")
        cache.get("A", "1D", "2024-01-10", "2024-01-13")
        same(cache.get("A", "1D", *JANUARY), vendor.between(*JANUARY))
        assert len(vendor.asked) - 2 == calls


def test_gaps_further_apart_are_calls_of_their_own() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, merge_gaps="3D")
    cache.get("A", "1D", "2024-01-10", "2024-01-14")
    cache.get("A", "1D", *JANUARY)
    assert vendor.spans[1:] == [("2024-01-01", "2024-01-10"), ("2024-01-14", "2024-02-01")]


# 24. Keys


def test_a_key_that_forgets_the_feed_is_refused() -> None:
    def load(symbol, timeframe, feed, start, end):
        raise AssertionError

    with pytest.raises(CacheConfigError, match=r"`feed`.*`key`"):
        RangeCache("bars", load)


def test_what_is_in_the_key_parts_the_series() -> None:
    asked = []

    def load(start, end, **key):
        asked.append((key["feed"], key["session"]))
        return bars(days(start, "2024-01-31"))

    key = ("symbol", "timeframe", "feed", "session")
    cache = RangeCache("bars", load, key=key, clock=Clock())
    for feed, session in [("sip", "all"), ("iex", "all"), ("sip", "day"), ("sip", "all")]:
        cache.get("A", "1D", feed, session, *JANUARY)
    assert asked == [("sip", "all"), ("iex", "all"), ("sip", "day")]


@pytest.mark.parametrize("option", ["source", "adjustment"])
def test_bars_of_another_vendor_or_adjustment_are_other_bars(option: str) -> None:
    vendor = Vendor(YEAR)
    for value in ("one", "other", "one"):
        cache_of(vendor, **{option: value}).get("A", "1D", *JANUARY)
    assert len(vendor.asked) == 2


def test_a_renamed_ticker_is_not_asked_for_outside_of_its_listing() -> None:
    vendor = Vendor(YEAR)
    listed = {"META": ("2024-03-01", None), "FB": (None, "2024-02-29")}
    cache = cache_of(vendor, listing=lambda symbol, **_: listed[symbol])
    for symbol in listed:
        assert len(cache.get(symbol, "1D", "2024-02-20", "2024-03-11")) == 10
    assert vendor.spans == [("2024-03-01", "2024-03-11"), ("2024-02-20", "2024-03-01")]
    assert cache.explain_gap("META", "1D", "2024-02-21").kind == "pre-listing"
    assert cache.explain_gap("FB", "1D", "2024-03-04").kind == "delisted"
    cache.get("META", "1D", "2024-01-01", "2024-03-11")
    assert len(vendor.asked) == 2


# 25. Prefetches


def test_a_prefetch_leaves_alone_for_a_while_what_failed() -> None:
    clock = Clock("2024-07-01")
    vendor = Vendor(YEAR)

    def refuse(_):
        raise RefusedError(400)

    vendor.answer = refuse
    cache = cache_of(vendor, clock=clock)
    asked = ("A", "1D", *JANUARY)
    with pytest.raises(PartialCoverageError):
        cache.prefetch(*asked)
    assert cache.prefetch(*asked) == 0
    clock.move("59s")
    assert cache.prefetch(*asked) == 0
    with pytest.raises(PartialCoverageError):  # somebody waits for this one
        cache.get(*asked)
    vendor.answer = None
    clock.move("2min")
    assert cache.prefetch(*asked) == 1
    assert len(vendor.asked) == 3


def test_a_request_waits_for_what_a_prefetch_fetches() -> None:
    vendor = Vendor(YEAR)
    began, go_on = threading.Event(), threading.Event()

    def answer(found):
        began.set()
        assert go_on.wait(30)
        return found

    vendor.answer = answer
    cache = cache_of(vendor)
    given = []
    asked = ("A", "1D", *JANUARY)
    ahead = threading.Thread(target=cache.prefetch, args=asked)
    ahead.start()
    assert began.wait(30)
    behind = threading.Thread(target=lambda: given.append(cache.get(*asked)))
    behind.start()
    go_on.set()
    ahead.join()
    behind.join()
    same(given[0], vendor.between(*JANUARY))
    assert len(vendor.asked) == 1


def test_a_prefetch_of_what_is_there_makes_no_call() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    assert [cache.prefetch("A", "1D", *JANUARY) for _ in range(3)] == [1, 0, 0]


# 26. Open ends


def test_a_request_without_an_end_is_up_to_now_and_asks_once_a_bar() -> None:
    clock = Clock("2024-01-10T12:30")
    vendor = Vendor(hours("2024-01-01", "2024-02-01"))
    cache = cache_of(vendor, clock=clock)
    given = cache.get("A", "1h", "2024-01-10")
    assert given.index[-1] == utc("2024-01-10T12:00")  # it is still forming
    assert vendor.spans == [("2024-01-10", "2024-01-10 13:00")]
    clock.move("10min")
    cache.get("A", "1h", "2024-01-10")
    assert len(vendor.asked) == 1
    clock.move("1h")
    assert len(cache.get("A", "1h", "2024-01-10")) == 14
    assert vendor.spans[1:] == [("2024-01-10 12:00", "2024-01-10 14:00")]


def test_now_is_one_time_within_a_request() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-02-01"))
    clock = Clock("2024-01-10T12:59")

    def answer(found):
        clock.move("5min")  # the next bar begins while the vendor answers
        return found

    vendor.answer = answer
    cache = cache_of(vendor, clock=clock)
    assert len(cache.get("A", "1h", "2024-01-10")) == 13
    assert len(vendor.asked) == 1


def test_a_simulation_ends_a_request_where_its_own_now_is() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    with as_of("2024-03-01"):
        assert cache.get("A", "1D", "2024-02-01").index[-1] == utc("2024-02-29")
        with as_of(pd.Timestamp("2024-02-15")):
            assert cache.get("A", "1D", "2024-02-01").index[-1] == utc("2024-02-14")
        assert cache.get("A", "1D", "2024-02-01", None).index[-1] == utc("2024-02-29")
    assert len(vendor.asked) == 1
    assert {state for *_, state in states(cache, "A", "1D")} == {"data"}


SIMULATED = {
    ("1h", "2024-03-10T12:30Z"): "2024-03-10T11:00",
    ("1h", "2024-03-10T13:00Z"): "2024-03-10T12:00",
    ("1D", "2024-03-10T23:59Z"): "2024-03-09",
    ("1D", "2024-03-11T00:00Z"): "2024-03-10",
    ("1W", "2024-03-13T12:30Z"): "2024-03-04",
    ("1W", "2024-03-13"): "2024-03-04",
    ("1M", "2024-03-31"): "2024-02-01",
}


@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize(("asked", "last"), SIMULATED.items())
def test_a_simulation_sees_no_bar_that_is_not_closed_yet(closed, asked, last) -> None:
    (timeframe, now), frequency = asked, {"1h": "h", "1D": "D", "1W": "W-MON", "1M": "MS"}
    times = pd.date_range("2024-01-01", "2024-06-01", freq=frequency[asked[0]], tz="UTC")
    vendor = Vendor(times.rename("time"), closed=closed)
    cache = cache_of(vendor, closed=closed, loader_closed=closed)
    with as_of(now):
        assert cache.get("A", timeframe, "2024-01-01").index[-1] == utc(last)


def test_a_simulation_sees_a_session_from_its_close_on() -> None:
    vendor = Vendor(days("2024-03-01", "2024-03-20"))
    cache = cache_of(vendor, calendar="XNYS")
    for now, last in (("2024-03-12T19:59Z", "2024-03-11"), ("2024-03-12T20:00Z", "2024-03-12")):
        with as_of(now):
            assert cache.get("A", "1D", "2024-03-01").index[-1] == utc(last)


def test_what_a_simulation_takes_for_now_does_not_make_its_bars_change() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, closed="both", settle="7D")
    for day in days("2024-01-01", "2024-01-10"):
        with as_of(day):
            cache.get("A", "1D", "2024-01-01")
    assert vendor.given_twice == []
