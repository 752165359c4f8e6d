"""What breaks caches of bars by time range: zones, timeframes, times that come twice, ticks."""

import datetime as dt
import logging
import zoneinfo
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, same, utc

from afml_cache import CachedDataEngine, RangeCache
from afml_cache.exceptions import CacheConfigError, LoaderError, PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
NEW_YORK = "America/New_York"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


# 7. Zones and the clock's changes


def test_one_instant_in_any_zone_is_one_bar() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-05"))
    cache = cache_of(vendor)
    noon, night = utc("2024-01-02T12:00"), utc("2024-01-03T06:00")
    wanted = cache.get("A", "1h", noon, night)
    for zone in ("Europe/Berlin", NEW_YORK, "Asia/Kolkata", "Pacific/Auckland"):
        same(cache.get("A", "1h", noon.tz_convert(zone), night.tz_convert(zone)), wanted)
    assert len(vendor.asked) == 1


def test_the_loader_gets_the_type_and_zone_of_the_caller() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-09"))
    cache = cache_of(vendor)
    for given in (
        dt.datetime(2024, 1, 2, 12, tzinfo=BERLIN),
        dt.datetime(2024, 1, 3, 12),  # noqa: DTZ001 - the very case
        pd.Timestamp("2024-01-04T12:00", tz=NEW_YORK),
        "2024-01-05T12:00",
    ):
        later = given.replace("12", "15") if isinstance(given, str) else given + dt.timedelta(0, 9)
        cache.get("A", "1h", given, later)
        start, end = vendor.asked[-1]
        assert start == given
        assert type(start) is type(end) is type(given)
        assert getattr(start, "tzinfo", None) is getattr(given, "tzinfo", None)


@pytest.mark.parametrize(("date", "count"), [("2024-03-10", 23), ("2024-11-03", 25)])
def test_a_day_of_23_or_25_hours_has_each_of_its_hours_once(date: str, count: int) -> None:
    vendor = Vendor(hours(f"{date[:8]}01", f"{date[:8]}20"), naive=NEW_YORK)
    cache = cache_of(vendor, closed="both")
    day = dt.date.fromisoformat(date)
    for _ in range(2):
        found = cache.get("A", "1h", day, day)
        assert len(found) == count
    cache.get("A", "1h", day - dt.timedelta(1), day + dt.timedelta(1))
    assert vendor.given_twice == []
    assert len(vendor.asked) == 3


def test_an_hour_that_the_clock_has_twice_is_two_bars() -> None:
    times = hours("2024-11-03T00:00", "2024-11-03T12:00")
    vendor = Vendor(times.tz_convert(NEW_YORK))
    vendor.answer = lambda frame: frame.tz_localize(None)  # as a vendor of local times gives them
    cache = cache_of(vendor, naive=NEW_YORK)
    for _ in range(2):
        found = cache.get("A", "1h", utc("2024-11-03T04:00"), utc("2024-11-03T08:00"))
        assert found["volume"].tolist() == vendor.bars["volume"].iloc[4:8].tolist()
        assert [time.hour for time in found.index] == [0, 1, 1, 2]
    first = cache.get("A", "1h", utc("2024-11-03T05:00"), utc("2024-11-03T06:00"))
    second = cache.get("A", "1h", utc("2024-11-03T06:00"), utc("2024-11-03T07:00"))
    assert [*first["volume"], *second["volume"]] == vendor.bars["volume"].iloc[5:7].tolist()
    assert len(vendor.asked) == 1


MARCH = pd.date_range("2024-03-20", "2024-04-20", name="time").as_unit("ns")


def loader_of_days(zone: Any, made: Callable = lambda frame: frame) -> Callable:
    """Give a loader of daily bars that are labelled with the midnights of a zone."""
    frame = bars(days("2024-03-20", "2024-04-20")).set_axis(MARCH.tz_localize(zone))

    def load(symbol, timeframe, start, end):
        return made(frame[(pd.Timestamp(start) <= MARCH) & (pd.Timestamp(end) > MARCH)])

    return load


def to_objects(frame: pd.DataFrame) -> list[dict]:
    times = [time.to_pydatetime() for time in frame.index]
    return [
        {"time": time, "close": close} for time, close in zip(times, frame["close"], strict=True)
    ]


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Europe/Berlin", "Pacific/Auckland", None])
@pytest.mark.parametrize("calendar", ["XNYS", "XETR", None])
@pytest.mark.parametrize(
    "made",
    [
        lambda frame: frame,
        lambda frame: pl.from_pandas(frame.reset_index()),
        lambda frame: pa.Table.from_pandas(frame.reset_index(), preserve_index=False),
        to_objects,
    ],
)
def test_a_daily_bar_is_its_session_date_in_whatever_zone_it_is_labelled(
    made: Callable, calendar: str | None, zone: str | None
) -> None:
    load = loader_of_days(zone, made)
    for _ in range(2):  # the second has nothing in memory
        cache = RangeCache("bars", load, calendar=calendar, clock=Clock())
        for asked in (("2024-03-25", "2024-04-05"), ("2024-03-28", "2024-04-10")):
            found, wanted = cache.get("A", "1D", *asked), load("A", "1D", *asked)
            assert len(found) == len(wanted)
        assert cache.coverage("A", "1D").rows == 16
        assert cache.prefetch("A", "1D", "2024-03-25", "2024-04-10") == 0


EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize("made", [lambda frame: frame, to_objects])
def test_midnights_of_a_zone_without_a_name_are_refused_unless_one_says_which(
    made: Callable,
) -> None:
    load = loader_of_days(EAST, made)
    asked = ("A", "1D", "2024-04-02", "2024-04-10")
    with pytest.raises(PartialCoverageError) as refused:
        RangeCache("bars", load, clock=Clock()).get(*asked)
    for part in ("+2 hours", "2024-04-02 would be taken for 2024-04-01", 'zone="Europe/Berlin"'):
        assert part in str(refused.value)
    for told in ({"zone": "Europe/Berlin"}, {"calendar": "XETR"}):
        assert len(RangeCache("bars", load, clock=Clock(), **told).get(*asked)) == 8
    west = loader_of_days(dt.timezone(dt.timedelta(hours=-4)), made)
    assert len(RangeCache("western bars", west, clock=Clock()).get(*asked)) == 8


def test_midnights_of_another_zone_than_before_are_refused() -> None:
    loaders = iter([loader_of_days("Europe/Berlin"), loader_of_days("Asia/Tokyo")])

    def load(*asked: Any) -> pd.DataFrame:
        return next(loaders)(*asked)

    cache = RangeCache("bars", load, clock=Clock())
    assert len(cache.get("A", "1D", "2024-03-25", "2024-04-05")) == 11
    with pytest.raises(PartialCoverageError, match="midnights of a zone that is Asia/Tokyo"):
        cache.get("A", "1D", "2024-03-25", "2024-04-10")


def test_a_start_and_an_end_in_another_zone_are_session_dates_of_the_exchange() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, calendar="XNYS")
    start, end = utc("2024-03-06T03:00"), utc("2024-03-08T03:00")  # the evening before, there
    assert [f"{time:%d}" for time in cache.get("A", "1D", start, end).index] == ["05", "06"]


def test_naive_times_are_refused_where_that_was_chosen() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-05"))
    cache = cache_of(vendor, naive="raise")
    with pytest.raises(CacheConfigError, match=r"2024-01-02T12:00 has no time zone.*`naive`"):
        cache.get("A", "1h", "2024-01-02T12:00", "2024-01-03T12:00")
    assert vendor.asked == []
    assert len(cache.get("A", "1h", "2024-01-02T12:00Z", "2024-01-03T12:00Z")) == 24


def test_naive_times_are_read_in_the_zone_that_was_chosen() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-05"), naive=NEW_YORK)
    cache = cache_of(vendor)
    opens, closes = pd.Timestamp("2024-01-02 09:00"), pd.Timestamp("2024-01-02 16:00")
    found = cache.get("A", "1h", opens, closes)
    same(found, cache.get("A", "1h", utc("2024-01-02T14:00"), utc("2024-01-02T21:00")))
    assert found.index[0] == utc("2024-01-02T14:00")
    assert vendor.asked == [(opens, closes)]


# 8. Timeframe aliases


def test_m_is_minutes_and_capital_m_is_months() -> None:
    seen = []

    def load(symbol, timeframe, start, end):
        seen.append(timeframe)
        step = "min" if timeframe == "1m" else "MS"
        return bars(pd.date_range(start, end, freq=step, tz="UTC", inclusive="left"))

    cache = RangeCache("bars", load, clock=Clock())
    assert len(cache.get("A", "1m", "2024-01-01", "2024-01-02")) == 1440
    assert len(cache.get("A", "1M", "2024-01-01", "2024-04-01")) == 3
    assert len(cache.get("A", "1m", "2024-01-01", "2024-01-02")) == 1440
    assert seen == ["1m", "1M"]


@pytest.mark.parametrize(
    "names",
    [
        ("1h", "60min", "H1", "hourly", "60m", "1hour", pd.Timedelta("1h")),
        ("1D", "D", "daily", "d", "D1", "1day", pd.Timedelta("1D")),
        ("5min", "5m", "M5", "5T", "5Min"),
        ("1W", "W", "weekly", "1wk"),
    ],
)
def test_aliases_of_a_timeframe_share_their_bars(names: tuple) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for name in names:
        cache.get("A", name, "2024-01-01", "2024-01-15")
    assert len(vendor.asked) == 1
    assert vendor.series == [("A", names[0])]


UNKNOWN = ["1x", "fortnight", "", "0min", "-1D", 60, None, "1.5h", "D1h"]
LISTED = ("5min", "1h", "daily", "weekly", "monthly", '"m" is minutes and "M" is months')


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_timeframe_is_refused_with_the_list(name: object) -> None:
    vendor = Vendor(YEAR)

    class Engine:
        def get_bars(self, symbol, start, end, timeframe):
            return vendor.load(symbol, timeframe, start, end)

    engine = CachedDataEngine(Engine(), clock=Clock())
    for asked in (
        lambda: cache_of(vendor).get("A", name, "2024-01-01", "2024-01-15"),
        lambda: engine.get_bars("A", "2024-01-01", "2024-01-15", name),
    ):
        with pytest.raises(CacheConfigError) as told:
            asked()
        assert all(text in str(told.value) for text in (repr(name), *LISTED))
    assert vendor.asked == []


# 10. Times that come twice


def test_a_time_that_comes_twice_is_one_bar_and_the_last_row_counts(caplog) -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda frame: pd.concat([frame, frame.iloc[2:4] * 2]).sort_index(kind="stable")
    cache = cache_of(vendor)
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        found = cache.get("A", "1D", "2024-03-01", "2024-03-08")
    wanted = vendor.between("2024-03-01", "2024-03-08").copy()
    wanted.iloc[2:4] *= 2
    same(found, wanted)
    assert cache.stats()["conflicts"] == 2
    assert "bars A 1D" in caplog.text
    assert "2024-03-03" in caplog.text
    same(cache_of(vendor).get("A", "1D", "2024-03-01", "2024-03-08"), wanted)
    assert len(vendor.asked) == 1


def test_a_row_that_is_repeated_as_it_is_is_no_conflict() -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda frame: pd.concat([frame, frame]).sort_index()
    cache = cache_of(vendor)
    same(
        cache.get("A", "1D", "2024-03-01", "2024-03-08"), vendor.between("2024-03-01", "2024-03-08")
    )
    assert cache.stats()["conflicts"] == 0


def test_the_newest_fetch_of_a_bar_wins() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", "2024-03-01", "2024-03-08")
    vendor.bars.loc[utc("2024-03-04"), "close"] = 9.0
    assert cache.refresh("A", "1D", "2024-03-03", "2024-03-06") == 1
    wanted = vendor.between("2024-03-01", "2024-03-08")
    same(cache.get("A", "1D", "2024-03-01", "2024-03-08"), wanted)
    same(cache_of(vendor).get("A", "1D", "2024-03-01", "2024-03-08"), wanted)
    assert len(vendor.asked) == 2


# 11. Ticks

MORNING = pd.DatetimeIndex(
    [utc("2024-03-01T09:00") + pd.Timedelta(ms, "ms") for ms in (0, 0, 0, 5, 5, 9, 9, 9, 9, 12)],
    name="time",
)


def ticks() -> Vendor:
    vendor = Vendor(MORNING)
    vendor.bars["volume"] = range(len(MORNING))
    return vendor


def at(milliseconds: int) -> pd.Timestamp:
    return MORNING[0] + pd.Timedelta(milliseconds, "ms")


def test_ticks_of_one_instant_are_all_kept_in_their_order() -> None:
    vendor = ticks()
    for cache in (cache_of(vendor), cache_of(vendor)):
        same(cache.get("A", "tick", at(0), at(20)), vendor.bars)
        same(cache.get("A", "tick", at(5), at(9)), vendor.bars.iloc[3:5])
        assert cache.stats()["conflicts"] == 0
    assert len(vendor.asked) == 1


def test_ticks_of_neighbouring_requests_are_each_fetched_once() -> None:
    vendor = ticks()
    cache = cache_of(vendor)
    for first, stop in ((5, 9), (0, 9), (0, 20), (3, 12)):
        same(cache.get("A", "tick", at(first), at(stop)), vendor.between(at(first), at(stop)))
    assert sorted(vendor.given.values()) == [1, 2, 3, 4]


def test_ticks_of_one_instant_that_are_restated_are_told() -> None:
    vendor = ticks()
    cache = cache_of(vendor)
    cache.get("A", "tick", at(0), at(20))
    vendor.bars.iloc[2, 0] += 1
    assert cache.refresh("A", "tick", at(0), at(20)) == 1
    vendor.bars = pd.concat([vendor.bars[:3], vendor.bars[2:]])
    assert cache.refresh("A", "tick", at(0), at(20)) == 1
    same(cache.get("A", "tick", at(0), at(20)), vendor.bars)
    assert cache.refresh("A", "tick", at(0), at(20)) == 0


def test_ticks_that_are_fetched_again_replace_all_of_their_interval() -> None:
    vendor = ticks()
    cache = cache_of(vendor)
    cache.get("A", "tick", at(0), at(20))
    vendor.bars = vendor.bars.drop(at(5))
    cache.refresh("A", "tick", at(3), at(10))
    for again in (cache, cache_of(vendor)):
        same(again.get("A", "tick", at(0), at(20)), vendor.bars)
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("page", [5, 6, 8])
def test_an_instant_that_a_page_cuts_is_fetched_again_whole(page: int) -> None:
    vendor = ticks()
    vendor.answer = lambda frame: frame.iloc[:page]
    cache = cache_of(vendor, max_rows=page)
    for again in (cache, cache_of(vendor, max_rows=page)):
        same(again.get("A", "tick", at(0), at(20)), vendor.bars)


def test_an_instant_with_more_ticks_than_a_page_is_told_and_the_rest_is_kept() -> None:
    vendor = ticks()
    vendor.answer = lambda frame: frame.iloc[:4]
    cache = cache_of(vendor, max_rows=4)
    vendor.bars = pd.concat([vendor.bars, vendor.bars.iloc[-2:-1]]).sort_index()
    with pytest.raises(PartialCoverageError, match="holds no instant whole") as told:
        cache.get("A", "tick", at(0), at(20))
    assert isinstance(told.value.__cause__, LoaderError)
    same(told.value.data, vendor.bars.iloc[:5])


def test_ticks_of_polars_come_back_as_they_were() -> None:
    frame = pl.from_pandas(ticks().bars.reset_index())

    def load(symbol, timeframe, start, end):
        return frame.filter(pl.col("time").is_between(start, end, closed="left"))

    cache = RangeCache("bars", load, clock=Clock())
    for _ in range(2):
        assert cache.get("A", "tick", at(0), at(20)).equals(frame)


def test_hours_that_begin_at_half_past_are_not_taken_for_closed_before_their_end() -> None:
    clock = Clock("2024-03-04T18:05")
    labels = pd.date_range("2024-03-04 14:30", periods=7, freq="h", tz="UTC")

    def load(symbol, timeframe, start, end):
        now = pd.Timestamp(clock(), tz="UTC")
        begun = labels[(labels >= start) & (labels < end) & (labels <= now)]
        return pd.DataFrame({"final": begun + pd.Timedelta("1h") <= now}, index=begun)

    cache = RangeCache("half past", load, clock=clock)
    asked = ("A", "1h", utc("2024-03-04"), utc("2024-03-05"))
    assert cache.get(*asked)["final"].tolist() == [True, True, True, False]
    clock.move("30min")
    assert cache.get(*asked)["final"].tolist() == [True, True, True, True, False]
