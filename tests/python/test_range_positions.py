# ruff: noqa: DTZ001 - naive times are among what is read
"""Time columns of frames as positions, against the values one by one."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_axes import DAY, HOUR, MINUTE, SECOND, at, axis, date

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
units = st.sampled_from(["ms", "us", "ns"])
zones = st.sampled_from(ZONES)
# The clocks of New York are set back on 2024-11-03.
NIGHT = at("2024-11-03 04:00")


def column(instants, unit, zone):
    series = pl.Series("time", instants, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    return series.dt.convert_time_zone(zone).cast(pl.Datetime(unit, zone))


def naive(instants, unit, zone):
    return column(instants, unit, zone).dt.replace_time_zone(None)


@given(st.lists(st.integers(0, at("2030-01-01") // SECOND)), units, zones, zones)
def test_times_with_a_zone_are_their_instants_whatever_the_unit(seconds, unit, zone, default):
    instants = [each * SECOND for each in seconds]
    for series in (axis("1min", naive=default), axis("tick", naive="raise")):
        assert series.positions(column(instants, unit, zone)).tolist() == instants


@given(
    st.tuples(st.integers(0, 6 * 60), st.integers(1, 90), st.integers(1, 200)),
    units,
    zones,
    st.booleans(),
)
def test_bars_of_the_night_in_which_clocks_are_set_back_are_told_apart(
    bars, unit, zone, newest_first
):
    begins = at("2024-04-06 13:00") if zone == "Australia/Lord_Howe" else NIGHT
    first, minutes, count = bars
    instants = [begins + (first + minutes * each) * MINUTE for each in range(count)]
    if not both_passes_or_none(instants, zone):
        return
    times = naive(instants, unit, zone)
    if newest_first and abs(instants[0] - instants[-1]) > 6 * HOUR:
        instants, times = instants[::-1], times.reverse()
    assert axis("1min", naive=zone).positions(times).tolist() == instants


def both_passes_or_none(instants, zone):
    """Whether wall times that come twice are there in a way that tells which they are."""
    walls = [pd.Timestamp(each, unit="ns", tz="UTC").tz_convert(zone) for each in instants]
    second = [each.tz_localize(None) for each in walls if each.fold]
    first = [
        each.tz_localize(None)
        for each in walls
        if not each.fold and dt.datetime.utcoffset(each.replace(fold=1)) != each.utcoffset()
    ]
    return not second or (bool(first) and max(first) >= min(second))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_ticks_at_the_same_time_are_not_taken_for_the_second_hour(unit):
    instants = [NIGHT + 90 * MINUTE] * 3 + [NIGHT + 140 * MINUTE] * 2
    times = naive(instants, unit, "America/New_York")
    assert axis("tick", naive="America/New_York").positions(times).tolist() == instants


def test_one_time_that_comes_twice_is_taken_for_the_first():
    times = naive([NIGHT + 150 * MINUTE], "us", "America/New_York")
    assert axis("1min", naive="America/New_York").positions(times).tolist() == [NIGHT + 90 * MINUTE]


def test_times_that_come_twice_in_no_order_are_refused():
    walls = pl.Series(
        "time", [dt.datetime(2024, 11, 3, 1, minute) for minute in (10, 40, 20, 30, 5, 15)]
    )
    with pytest.raises(ValueError, match="'time' has 2024-11-03 01:10:00, which comes twice"):
        axis("1min", naive="America/New_York").positions(walls)


def test_a_time_that_the_clock_skips_is_refused():
    walls = pl.Series("time", [dt.datetime(2024, 3, 10, 2, 30)])
    with pytest.raises(
        ValueError, match="2024-03-10 02:30:00, which the clocks of America/New_York"
    ):
        axis("1min", naive="America/New_York").positions(walls)
    assert axis("1min").positions(walls).tolist() == [at("2024-03-10 02:30")]


def dated(moment, zone):
    midnight = moment.time() == dt.time()
    return date(*(moment if midnight else moment.astimezone(ZoneInfo(zone))).timetuple()[:3])


@given(
    st.lists(st.datetimes(dt.datetime(2011, 1, 1), dt.datetime(2026, 1, 1)), max_size=5),
    st.lists(st.dates(dt.date(2011, 1, 1), dt.date(2026, 1, 1)), max_size=3),
    zones,
    zones,
    units,
)
def test_session_dates_are_those_of_the_times_one_by_one(times, days, own, zone, unit):
    midnights = [dt.datetime.combine(each, dt.time()) for each in days]
    walls = [each.replace(microsecond=0) for each in times] + midnights
    aware = [each.replace(tzinfo=ZoneInfo(own)) for each in walls]
    whole = [each.astimezone(dt.timezone.utc).astimezone(ZoneInfo(own)) == each for each in aware]
    aware = [each for each, there in zip(aware, whole, strict=True) if there and not skipped(each)]
    instants = [at(each.astimezone(dt.timezone.utc).replace(tzinfo=None)) for each in aware]
    expected = [dated(each, zone) for each in aware]
    assert axis("1D", zone=zone).positions(column(instants, unit, own)).tolist() == expected
    local = [each.replace(tzinfo=None) for each in aware]
    series = axis("1D", naive=own, zone=zone)
    assert series.positions(pl.Series(local, dtype=pl.Datetime(unit))).tolist() == expected
    for each, position in zip(local, expected, strict=True):
        assert series.request(each, None, "left", 0).first == position


def skipped(aware):
    back = aware.astimezone(dt.timezone.utc).astimezone(aware.tzinfo)
    return back.replace(tzinfo=None) != aware.replace(tzinfo=None)


def test_dates_are_session_dates_and_midnights():
    days = pl.Series("date", [dt.date(2024, 10, 1), dt.date(1969, 12, 31)])
    assert axis("1D", "XNYS").positions(days).tolist() == [date(2024, 10, 1), -DAY]
    midnights = axis("1min", naive="America/New_York").positions(days).tolist()
    assert midnights == [at("2024-10-01 04:00"), at("1969-12-31 05:00")]


@pytest.mark.parametrize("written", ["1min", "1D"])
def test_empty_columns_have_no_positions(written):
    for dtype in (pl.Date, pl.Datetime("us"), pl.Datetime("ns", "UTC")):
        found = axis(written, naive="America/New_York").positions(pl.Series([], dtype=dtype))
        assert found.dtype == np.int64
        assert len(found) == 0


@pytest.mark.parametrize("written", ["1min", "1D"])
@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (pl.Series("t", ["2024-01-01"]), "'t' is of type String"),
        (pl.Series("t", [1_727_740_800]), "'t' is of type Int64"),
        (pl.Series("t", [dt.date(2024, 1, 1), None]), "'t' has 1 empty values"),
        (pl.Series("t", [dt.datetime(2400, 1, 1)]), "'t' has times outside of 1678 to 2261"),
        (pl.Series("t", [dt.time(12)]), "'t' is of type Time"),
    ],
)
def test_columns_of_no_times_are_refused(written, times, reason):
    with pytest.raises(ValueError, match=reason):
        axis(written).positions(times)


@pytest.mark.parametrize("written", ["1min", "1D"])
def test_naive_columns_are_refused_where_that_is_chosen(written):
    times = pl.Series("t", [dt.datetime(2024, 1, 1, 12)])
    with pytest.raises(ValueError, match="'t' has no time zone"):
        axis(written, naive="raise").positions(times)
