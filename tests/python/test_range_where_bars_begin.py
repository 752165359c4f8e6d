"""Loaders with inclusive ends, and bars that begin elsewhere than on the hour or at midnight."""

from __future__ import annotations

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, hours, same, utc

from afml_cache import CachedDataEngine

NEW_YORK = "America/New_York"
HALF_PAST = pd.DatetimeIndex(
    [
        utc(f"2024-03-{day:02} 14:30") + pd.Timedelta(hours=hour)
        for day in (4, 5, 6, 7, 8)
        for hour in range(7)
    ]
)


def engine_of(vendor, **options):
    class Engine:
        def get_bars(self, symbol, start, end, timeframe):
            return vendor.load(symbol, timeframe, start, end)

    return CachedDataEngine(Engine(), clock=Clock(), **options)


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_now_to_now_is_one_whole_bar_where_hours_begin_at_half_past(calendar) -> None:
    vendor = Vendor(HALF_PAST, "both")
    engine = engine_of(vendor, calendar=calendar)
    for now in HALF_PAST[7:]:
        same(engine.get_bars("A", now, now, "1h"), vendor.bars.loc[[now]])
        week = engine.get_bars("A", now - pd.Timedelta("30h"), now, "1h")
        same(week, vendor.between(now - pd.Timedelta("30h"), now, "both"))
    assert vendor.given_twice == []
    calls = len(vendor.asked)
    chart = engine.get_bars("A", HALF_PAST[8], HALF_PAST[-1], "1h")
    same(chart, vendor.bars.iloc[8:])
    assert len(vendor.asked) == calls


def test_an_empty_first_answer_says_nothing_of_instants_that_were_not_asked_for() -> None:
    vendor = Vendor(HALF_PAST, "both")
    cache = cache_of(vendor)
    for start, end in (("2024-03-04 14:00", "2024-03-04 14:20"), ("2024-03-04 14:30",) * 2):
        empty = cache.get("A", "1h", utc(start), utc(end))
        assert len(empty) == 0
    found = cache.get("A", "1h", utc("2024-03-04 14:10"), utc("2024-03-04 14:45"))
    same(found, vendor.bars.iloc[:1])


def test_an_empty_answer_that_is_stored_does_not_tell_a_second_cache_where_bars_begin() -> None:
    vendor = Vendor(HALF_PAST, "both")
    at = utc("2024-03-03 14:30"), utc("2024-03-03 14:30")
    assert len(cache_of(vendor, closed="both").get("A", "1h", *at)) == 0
    again = cache_of(vendor, closed="both")
    now = HALF_PAST[0]
    same(again.get("A", "1h", now, now), vendor.bars.iloc[:1])
    assert vendor.spans[-1] == ("2024-03-04 14:00", "2024-03-04 14:30")


def test_four_hours_of_new_york_are_all_there_after_its_clocks_were_set_forward() -> None:
    days = pd.date_range("2024-03-08", "2024-03-13", tz=NEW_YORK)
    walls = [pd.Timedelta(hours=hour) for hour in range(0, 24, 4)]
    labels = [
        (day.tz_localize(None) + wall).tz_localize(NEW_YORK) for day in days for wall in walls
    ]
    vendor = Vendor(pd.DatetimeIndex(labels).tz_convert("UTC").as_unit("ns"), "both")
    engine = engine_of(vendor)
    at = vendor.bars.index
    for now in at[6:]:
        start = now - pd.Timedelta("1D")
        same(engine.get_bars("A", start, now, "4h"), vendor.between(start, now, "both"))
    calls = len(vendor.asked)
    same(engine.get_bars("A", at[0], at[-1], "4h"), vendor.bars)
    assert len(vendor.asked) <= calls + 1
    assert vendor.given_twice == []


@pytest.mark.parametrize("loader_closed", ["left", "both"])
@pytest.mark.parametrize("closed", ["left", "both"])
@pytest.mark.parametrize("ends", [("14:00", "19:00"), ("14:10", "18:50"), ("14:30", "19:30")])
def test_a_request_that_shows_where_bars_begin_makes_no_call_when_it_is_repeated(
    loader_closed, closed, ends
) -> None:
    vendor = Vendor(HALF_PAST, loader_closed)
    cache = cache_of(vendor, closed=closed)
    asked = tuple(utc(f"2024-03-04 {end}") for end in ends)
    first = cache.get("A", "1h", *asked)
    same(first, vendor.between(*asked, closed))
    calls = len(vendor.asked)
    same(cache.get("A", "1h", *asked), first)
    same(cache_of(vendor, closed=closed).get("A", "1h", *asked), first)
    assert len(vendor.asked) == calls


def test_hours_on_the_hour_are_asked_for_up_to_their_last_label() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-05"), "both")
    engine = engine_of(vendor)
    for now in vendor.bars.index[24:28]:
        engine.get_bars("A", now - pd.Timedelta("2h"), now, "1h")
    assert vendor.spans[1:] == [
        (f"2024-01-02 {hour:02}:00", f"2024-01-02 {hour:02}:00") for hour in (1, 2, 3)
    ]


def midnights_of_new_york(first, last):
    days = pd.bdate_range(first, last, tz=NEW_YORK)
    return days.tz_convert("UTC").as_unit("ns")


@pytest.mark.parametrize("options", [{}, {"calendar": "XNYS"}, {"zone": NEW_YORK}])
@pytest.mark.parametrize("after", ["0h", "16h"])
def test_days_labelled_at_midnight_in_new_york_are_all_there_for_a_caller_in_utc(
    options, after
) -> None:
    vendor = Vendor(midnights_of_new_york("2024-02-20", "2024-03-22"), "both")
    engine = engine_of(vendor, **options)
    at = vendor.bars.index
    for start, now in zip(at[:-8], at[8:], strict=True):
        for first in (now, start):
            ends = [time + pd.Timedelta(after) for time in (first, now)]
            same(engine.get_bars("A", *ends, "D"), vendor.between(first, now, "both"))
    assert vendor.given_twice == []
    calls = len(vendor.asked)
    engine.get_bars("A", at[8], at[-1], "D")
    assert len(vendor.asked) == calls


@pytest.mark.parametrize("label", ["05:00", "21:00"])
def test_a_day_is_its_bar_at_whatever_time_it_is_labelled(label) -> None:
    days = pd.bdate_range("2024-03-01", "2024-03-20", tz="UTC")
    vendor = Vendor((days + pd.Timedelta(f"{label}:00")).as_unit("ns"), "both")
    engine = engine_of(vendor)
    for day in days:
        assert len(engine.get_bars("A", day, day, "D")) == 1
    calls = len(vendor.asked)
    assert calls == len(days) + 1
    another = engine_of(vendor)  # it reads in what is stored when days are labelled
    following = days[-1] + pd.Timedelta("1D")
    assert len(another.get_bars("A", days[-1], following, "D")) == 1
    assert len(vendor.asked) == calls + 1


def test_days_labelled_at_the_callers_midnight_are_asked_for_up_to_that() -> None:
    vendor = Vendor(midnights_of_new_york("2024-02-20", "2024-03-22"), "both")
    engine = engine_of(vendor, calendar="XNYS")
    for now in vendor.bars.index.tz_convert(NEW_YORK):
        engine.get_bars("A", now, now, "D")
    assert all(start == end for start, end in vendor.asked)
    assert len(vendor.asked) == len(vendor.bars)
