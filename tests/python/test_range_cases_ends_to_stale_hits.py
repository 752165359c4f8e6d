"""What breaks caches of bars by time range: ends, empty answers, forming and stale bars."""

import itertools

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, same, utc

from afml_cache import CachedDataEngine, RangeCache
from afml_cache.exceptions import LoaderError, PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
WEEK = hours("2024-01-01", "2024-01-08")
AXES = {
    "1D": (YEAR, ("2024-01-02", "2024-01-05", "2024-01-09", "2024-01-03", "2024-01-20")),
    "1h": (WEEK, ("2024-01-01T10", "2024-01-01T14", "2024-01-02", "2024-01-01T12", "2024-01-03")),
}


# 1. Inclusive ends


@pytest.mark.parametrize("timeframe", ["1D", "1h"])
@pytest.mark.parametrize("loader_closed", ["left", "both"])
@pytest.mark.parametrize("closed", ["left", "both"])
def test_an_inclusive_end_does_not_fetch_the_boundary_twice(
    closed: str, loader_closed: str, timeframe: str
) -> None:
    times, texts = AXES[timeframe]
    first, second, third, inside, last = map(utc, texts)
    vendor = Vendor(times, loader_closed)
    cache = cache_of(vendor, closed=closed)
    steps = itertools.pairwise([first, second, third])
    for start, end in [*steps, (inside, last), (first, last), (second, third)]:
        same(cache.get("A", timeframe, start, end), vendor.between(start, end, closed))
    assert vendor.given_twice == []
    assert len(vendor.asked) == 3


def test_a_gap_sent_to_an_inclusive_loader_ends_at_its_last_bars_label() -> None:
    vendor = Vendor(WEEK, "both")
    cache = cache_of(vendor)
    cache.get("A", "1h", utc("2024-01-01T10:00"), utc("2024-01-01T14:00"))
    cache.get("A", "1h", utc("2024-01-01T08:00"), utc("2024-01-01T16:00"))
    day = "2024-01-01"
    assert vendor.spans == [
        (f"{day} 10:00", f"{day} 13:00"),
        (f"{day} 08:00", f"{day} 09:00"),
        (f"{day} 14:00", f"{day} 15:00"),
    ]


def test_an_exclusive_loader_is_asked_up_to_where_the_next_bar_begins() -> None:
    vendor = Vendor(WEEK)
    cache_of(vendor, closed="both").get("A", "1h", utc("2024-01-01T10:00"), utc("2024-01-01T14:00"))
    assert vendor.spans == [("2024-01-01 10:00", "2024-01-01 15:00")]


def test_an_engine_that_is_asked_for_now_to_now_gives_one_whole_bar() -> None:
    vendor = Vendor(YEAR, "both")

    class Engine:
        def get_bars(self, symbol, start, end, timeframe):
            return vendor.load(symbol, timeframe, start, end)

    engine = CachedDataEngine(Engine(), clock=Clock())
    for day in ("2024-03-04", "2024-03-05", "2024-03-04"):
        now = pd.Timestamp(day)
        same(engine.get_bars("A", now, now, "D"), vendor.bars.loc[[utc(day)]])
    assert vendor.spans == [("2024-03-04", "2024-03-04"), ("2024-03-05", "2024-03-05")]


def test_a_row_at_an_excluded_end_is_told_and_the_rows_before_it_are_kept() -> None:
    vendor = Vendor(YEAR, "both")
    cache = RangeCache("bars", vendor.load, clock=Clock())
    with pytest.raises(LoaderError, match=r"2024-01-02 \.\. 2024-01-04") as told:
        cache.get("A", "1D", "2024-01-02", "2024-01-05")
    assert 'loader_closed="both"' in str(told.value)
    assert "bars A 1D" in str(told.value)
    same(
        cache.get("A", "1D", "2024-01-02", "2024-01-05"), vendor.between("2024-01-02", "2024-01-05")
    )
    assert len(vendor.asked) == 1


def test_bars_that_a_loader_gives_beyond_what_it_was_asked_for_are_left_out() -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda _: vendor.bars["2024-02-05":"2024-02-11"]
    cache = cache_of(vendor)
    same(
        cache.get("A", "1D", "2024-02-10", "2024-02-12"), vendor.between("2024-02-10", "2024-02-12")
    )
    vendor.answer = None
    cache.get("A", "1D", "2024-02-08", "2024-02-12")
    assert vendor.spans[1:] == [("2024-02-08", "2024-02-10")]


# 2. Empty answers and outages


def test_an_empty_answer_is_asked_for_again_after_an_hour_a_day_a_week_and_never_more() -> None:
    clock = Clock("2024-06-01")
    vendor = Vendor(YEAR[100:])
    cache = cache_of(vendor, clock=clock)
    asked = []
    for pause in ("0h", "59min", "2min", "23h", "2h", "6D", "2D", "9D", "900D"):
        clock.move(pause)
        assert cache.get("A", "1D", "2024-01-01", "2024-01-08").empty
        asked.append(len(vendor.asked))
    assert asked == [1, 1, 2, 2, 3, 3, 4, 4, 4]
    (known,) = cache.coverage("A", "1D")
    assert (known.state, known.reason, known.recheck_after) == ("empty", "vendor-empty", None)


def test_a_recheck_that_finds_bars_at_last_has_them() -> None:
    clock = Clock("2024-06-01")
    vendor = Vendor(YEAR)
    vendor.answer = lambda frame: frame[:0]
    cache = cache_of(vendor, clock=clock)
    cache.get("A", "1D", "2024-01-01", "2024-01-08")
    vendor.answer = None
    clock.move("1h")
    wanted = vendor.between("2024-01-01", "2024-01-08")
    same(cache.get("A", "1D", "2024-01-01", "2024-01-08"), wanted)
    clock.move("900D")
    same(cache.get("A", "1D", "2024-01-01", "2024-01-08"), wanted)
    assert len(vendor.asked) == 2


def test_of_many_that_are_due_a_request_asks_for_sixteen_and_asked_again_for_none() -> None:
    clock, vendor = Clock("2024-06-01"), Vendor(YEAR[YEAR.day_of_week < 5])
    vendor.bars = vendor.bars[vendor.bars.index.day_of_week != 2]
    cache = cache_of(vendor, clock=clock, calendar="XNYS")
    asked, span = [], ("A", "1D", "2024-01-01", "2024-05-31")
    cache.get(*span)
    for pause in ("1h", "0s", "59s", "1s", "0s", "1min"):
        clock.move(pause)
        calls = len(vendor.asked)
        cache.get(*span)
        asked.append(len(vendor.asked) - calls)
    assert asked == [16, 0, 0, 6, 0, 0]


def test_a_bar_of_a_minute_that_is_late_is_not_given_up_within_minutes() -> None:
    clock = Clock("2024-01-11T00:01")
    minutes = pd.date_range("2024-01-10", "2024-01-12", freq="min", tz="UTC")
    vendor = Vendor(minutes)
    vendor.answer = lambda frame: frame[frame.index < utc("2024-01-11")]
    cache = cache_of(vendor, clock=clock)
    for _ in range(90):
        cache.get("A", "1min", "2024-01-10T23:00", "2024-01-11T00:01")
        clock.move("1min")
    assert 3 <= len(vendor.asked) <= 10
    vendor.answer = None
    clock.move("2h")
    found = cache.get("A", "1min", "2024-01-10T23:00", "2024-01-11T00:01")
    assert found.index[-1] == utc("2024-01-11")


def test_asking_again_on_purpose_does_not_make_an_empty_answer_final() -> None:
    clock = Clock("2024-06-01")
    vendor = Vendor(YEAR)
    vendor.answer = lambda frame: frame[:0]
    cache = cache_of(vendor, clock=clock)
    cache.get("A", "1D", "2024-01-01", "2024-01-08")
    for _ in range(5):
        cache.refresh("A", "1D", "2024-01-01", "2024-01-08")
    vendor.answer = None
    clock.move("1h")
    assert len(cache.get("A", "1D", "2024-01-01", "2024-01-08")) == 7


@pytest.mark.parametrize("error", [ConnectionError("down"), TimeoutError("slow"), OSError("503")])
def test_an_outage_is_never_remembered_as_empty(error: Exception) -> None:
    vendor = Vendor(YEAR)

    def out(*_: object) -> None:
        raise error

    vendor.answer = out
    cache = cache_of(vendor)
    for _ in range(2):
        with pytest.raises(PartialCoverageError, match=str(error)) as told:
            cache.get("A", "1D", "2024-01-01", "2024-01-08")
        assert told.value.__cause__ is error
        assert len(cache.coverage("A", "1D")) == 0
    vendor.answer = None
    same(
        cache.get("A", "1D", "2024-01-01", "2024-01-08"), vendor.between("2024-01-01", "2024-01-08")
    )


def test_an_exception_that_means_empty_is_remembered_as_an_empty_answer() -> None:
    vendor = Vendor(YEAR)

    def no_data(*_: object) -> None:
        message = "no data for this range"
        raise LookupError(message)

    vendor.answer = no_data
    told = {"no data for this range": "empty"}
    cache = cache_of(vendor, classify=lambda error: told.get(str(error)))
    for _ in range(2):
        assert len(cache.get("A", "1D", "2024-01-01", "2024-01-08")) == 0
    assert len(vendor.asked) == 1
    vendor.answer = None
    cache.get("A", "1D", "2024-02-01", "2024-02-08")
    empty = cache.get("A", "1D", "2024-01-01", "2024-01-08")
    same(empty, vendor.bars[:0])


def test_a_holiday_is_never_asked_for() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, calendar="XNYS")
    for _ in range(2):
        assert len(cache.get("A", "1D", "2024-03-29", "2024-04-01")) == 0  # Good Friday, a weekend
    assert vendor.asked == []
    assert {(one.reason, one.recheck_after) for one in cache.coverage("A", "1D")} == {
        ("calendar", None)
    }
    assert cache.explain_gap("A", "1D", "2024-03-29").kind == "holiday"


def test_what_is_before_the_listing_or_after_the_last_day_is_never_asked_for() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, listing=lambda **_: ("2024-03-01", "2024-03-10"))
    for _ in range(2):
        assert len(cache.get("A", "1D", "2024-01-01", "2024-06-01")) == 10
    assert vendor.spans == [("2024-03-01", "2024-03-11")]
    assert [one.reason for one in cache.coverage("A", "1D")] == ["fetched"]
    days_told = "2024-02-29", "2024-03-01", "2024-03-10", "2024-03-11"
    kinds = [cache.explain_gap("A", "1D", one).kind for one in days_told]
    assert kinds == ["pre-listing", "bar", "bar", "delisted"]
    assert cache.gaps("A", "1D", "2024-01-01", "2024-06-01") == []


# 3. The forming bar


def test_a_forming_bar_is_answered_and_never_stored() -> None:
    clock = Clock("2024-03-05T15:00")
    vendor = Vendor(days("2024-01-01", "2024-03-05"))
    final = vendor.bars.copy()
    vendor.bars.loc[utc("2024-03-05"), "close"] = 1.0  # as the bar stands at three o'clock
    cache = cache_of(vendor, clock=clock)
    same(cache.get("A", "1D", "2024-03-01", "2024-03-06"), vendor.bars["2024-03-01":])
    assert cache.coverage("A", "1D").rows == 4
    assert [str(one.end) for one in cache.coverage("A", "1D")] == ["2024-03-05"]
    vendor.bars = final
    same(
        cache_of(vendor, clock=clock).get("A", "1D", "2024-03-01", "2024-03-06"),
        final["2024-03-01":],
    )
    clock.set("2024-03-06T01:00")
    same(cache.get("A", "1D", "2024-03-01", "2024-03-06"), final["2024-03-01":])
    clock.move("500D")
    same(cache.get("A", "1D", "2024-03-01", "2024-03-06"), final["2024-03-01":])
    assert vendor.spans[1:] == [("2024-03-05", "2024-03-06")] * 2


def test_a_forming_bar_is_asked_for_again_once_a_bar_or_as_often_as_one_says() -> None:
    for ttl, most in ((None, 1), ("10min", 5)):
        clock = Clock("2024-01-05T15:05")
        vendor = Vendor(WEEK)
        cache = cache_of(vendor, clock=clock, volatile_ttl=ttl, source=str(ttl))
        for _ in range(50):
            cache.get("A", "1h", "2024-01-05T12:00", "2024-01-05T16:00")
            clock.move("1min")
        assert len(vendor.asked) == most


def test_a_bar_that_closed_is_asked_for_again_until_it_is_settled() -> None:
    clock = Clock("2024-03-05T00:30")
    vendor = Vendor(days("2024-01-01", "2024-03-04"))
    final = vendor.bars.copy()
    vendor.bars.loc[utc("2024-03-04"), "volume"] = 1
    cache = cache_of(vendor, clock=clock, settle="6h")
    asked = ("A", "1D", "2024-03-01", "2024-03-05")
    assert cache.get(*asked)["volume"].iloc[-1] == 1
    assert [one.state for one in cache.coverage("A", "1D")] == ["data", "volatile"]
    assert cache_of(vendor, clock=clock, settle="6h").get(*asked)["volume"].iloc[-1] == 1
    assert len(vendor.asked) == 1  # it is stored for now, so that a new process need not ask
    vendor.bars = final
    clock.set("2024-03-05T06:00")
    for _ in range(2):
        same(cache.get(*asked), final["2024-03-01":])
        clock.move("500D")
    assert vendor.spans[1:] == [("2024-03-04", "2024-03-05")]
    assert [one.state for one in cache.coverage("A", "1D")] == ["data", "data"]


def test_bars_that_have_not_begun_are_not_asked_for() -> None:
    clock = Clock("2024-01-05T15:05")
    vendor = Vendor(WEEK)
    cache = cache_of(vendor, clock=clock)
    cache.get("A", "1h", "2024-01-05T12:00", "2024-01-07")
    assert vendor.spans == [("2024-01-05 12:00", "2024-01-05 16:00")]
    assert len(cache.get("A", "1h", "2024-01-06", "2024-01-07")) == 0
    assert len(vendor.asked) == 1


# 4. A full hit hides staleness


def test_a_full_hit_asks_again_for_what_may_have_changed() -> None:
    clock = Clock("2024-03-05T00:30")
    vendor = Vendor(days("2024-01-01", "2024-03-04"))
    cache = cache_of(vendor, clock=clock, settle="3D", volatile_ttl="1h")
    asked = ("A", "1D", "2024-02-01", "2024-03-05")
    for _ in range(5):
        cache.get(*asked)
    vendor.bars.loc[utc("2024-03-03"), "close"] = 7.0
    cache.get(*asked)
    assert len(vendor.asked) == 1
    clock.move("1h")
    same(cache.get(*asked), vendor.bars["2024-02-01":])
    assert vendor.spans[1:] == [("2024-03-02", "2024-03-05")]
    assert cache.stats()["restated"] == 0


def test_a_hit_on_settled_bars_asks_nobody_however_late_it_is() -> None:
    clock = Clock("2024-06-01")
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, clock=clock)
    for _ in range(20):
        cache.get("A", "1D", "2024-02-01", "2024-03-05")
        clock.move("77D")
    assert len(vendor.asked) == 1


def test_months_of_nights_without_bars_are_no_storm_of_calls() -> None:
    clock, index = Clock("2024-03-01"), hours("2023-01-01", "2023-03-31")
    vendor = Vendor(index[(index.hour >= 9) & (index.hour < 16)])
    cache = cache_of(vendor, clock=clock)
    for start in pd.date_range("2023-01-01", "2023-03-30", tz="UTC"):
        cache.get("A", "1h", start, start + pd.Timedelta("1D"))
    asked = ("A", "1h", utc("2023-01-01"), utc("2023-03-31"))
    wanted, calls = cache.get(*asked), len(vendor.asked)
    clock.move("2h")
    same(cache.get(*asked), wanted)
    assert 0 < len(vendor.asked) - calls <= 16
