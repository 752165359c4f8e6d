# ruff: noqa: DTZ001, DTZ901 - naive times are among what is read
"""Requests and limits in positions, against models that go through the bars one by one."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_axes import DAY, at, axis, date, day, instant_of

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.axes import DateAxis, InstantAxis, axis_of
from afml_cache.ranges.timeframes import timeframe

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Europe/London")
UNITS = ("s", "ms", "us", "ns")
NOW = at("2024-10-04 15:00")
zones = st.sampled_from(ZONES)
steps = st.sampled_from(["tick", "1s", "30s", "1min", "5min", "1h", "4h", "24h"])
walls = st.datetimes(dt.datetime(2011, 1, 1), dt.datetime(2025, 12, 31))


def bounds(request):
    return request[:4]


@given(steps, zones, walls, st.timedeltas(dt.timedelta(0), dt.timedelta(days=9)), st.booleans())
def test_a_request_of_instants_is_clipped_exactly_and_widened_to_bars(
    written, zone, start, length, both
):
    end = start + length
    first, stop = instant_of(start, zone), instant_of(end, zone)
    if stop < first:  # the clock went back between them
        return
    series = axis(written, naive=zone)
    request = series.request(start, end, "both" if both else "left", NOW)
    stop += both
    if first == stop:
        assert request.first == request.stop
        return
    step = series.timeframe.step
    assert request[2:4] == (first, stop)
    assert request.first == first // step * step
    exact = step if step > 1 else request.caller.precision  # the next start can't be told better
    assert request.stop == -(-stop // exact) * exact


@given(walls, zones, st.sampled_from(UNITS), st.sampled_from(["1min", "1D"]))
def test_every_type_that_names_an_instant_is_the_same_request(wall, zone, unit, written):
    wall = wall.replace(microsecond=0)
    series = axis(written, zone=zone)
    aware = wall.replace(tzinfo=ZoneInfo(zone))
    utc = aware.astimezone(dt.timezone.utc)
    stamp = pd.Timestamp(aware).as_unit(unit)
    same = [aware, stamp, aware.isoformat()]
    if written == "1min":
        same += [utc, np.datetime64(utc.replace(tzinfo=None), unit), utc.isoformat(" "), stamp]
    requests = {bounds(series.request(each, stamp, "both", NOW)) for each in same}
    requests |= {bounds(series.request(aware, each, "both", NOW)) for each in same}
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("end", "left", "both"),
    [
        ("2024-05-03", "2024-05-03", "2024-05-04"),
        ("2024-05", "2024-05-01", "2024-06-01"),
        ("2024Q2", "2024-04-01", "2024-07-01"),
        ("2024", "2024-01-01", "2025-01-01"),
        ("20240503", "2024-05-03", "2024-05-04"),
        (dt.date(2024, 5, 3), "2024-05-03", "2024-05-04"),
        (np.datetime64("2024-05-03"), "2024-05-03", "2024-05-04"),
        (np.datetime64("2024-05"), "2024-05-01", "2024-06-01"),
    ],
)
@pytest.mark.parametrize("zone", ZONES)
def test_an_end_that_names_a_whole_period_covers_it_where_it_is_included(end, left, both, zone):
    instants, dates = axis("1min", naive=zone), axis("1D", naive=zone)
    for closed, text in (("left", left), ("both", both)):
        assert instants.request("2023-12-31", end, closed, NOW).clip_stop == at(text, zone)
        assert dates.request("2023-12-31", end, closed, NOW).clip_stop == at(text)


def test_a_text_with_a_time_of_day_is_an_instant():
    request = axis("1s").request("2024-05-03 14:30", "2024-05-03 14:31", "both", NOW)
    assert request.clip_stop == at("2024-05-03 14:31") + 1


def test_one_day_to_itself_is_nothing_or_one_bar():
    now = dt.datetime(2012, 10, 26, tzinfo=dt.timezone.utc)
    series = axis("1D", "XNYS")
    nothing = series.request(now, now, "left", NOW)
    assert nothing.first == nothing.stop == nothing.clip_first == nothing.clip_stop
    assert (
        bounds(series.request(now, now, "both", NOW))
        == (date(2012, 10, 26), date(2012, 10, 27)) * 2
    )


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (dt.datetime(2024, 10, 1), (2024, 10, 1)),
        (dt.datetime(2024, 10, 1, tzinfo=dt.timezone.utc), (2024, 10, 1)),
        (dt.datetime(2024, 10, 1, 3, tzinfo=dt.timezone.utc), (2024, 9, 30)),
        (dt.datetime(2024, 10, 1, 4, tzinfo=dt.timezone.utc), (2024, 10, 1)),
        (dt.datetime(2024, 10, 1, tzinfo=ZoneInfo("Asia/Kolkata")), (2024, 10, 1)),
        (dt.datetime(2024, 10, 1, 9, tzinfo=ZoneInfo("Asia/Kolkata")), (2024, 9, 30)),
        (dt.datetime(2024, 10, 1, 3), (2024, 9, 30)),
        (pd.Timestamp("2024-10-01", tz="America/New_York"), (2024, 10, 1)),
        (pd.Timestamp("2024-10-01 23:59", tz="America/New_York"), (2024, 10, 1)),
        ("2024-10-01T23:59-04:00", (2024, 10, 1)),
        ("2024-10-01T00:00+09:00", (2024, 10, 1)),
        (np.datetime64("2024-10-01T02"), (2024, 9, 30)),
    ],
)
def test_midnight_anywhere_is_its_date_and_another_time_the_date_at_the_exchange(time, expected):
    assert axis("1D", "XNYS").request(time, None, "left", NOW).first == date(*expected)


def test_a_naive_time_in_the_zone_of_the_axis_keeps_its_date():
    series = axis("1D", "XNYS", naive="America/New_York")
    assert series.request(dt.datetime(2024, 10, 1, 3), None, "left", NOW).first == date(2024, 10, 1)


@given(st.integers(0, 9000), st.integers(0, 400), st.sampled_from(["1W", "2W", "1M", "3M", "12M"]))
def test_weeks_and_months_widen_to_every_period_that_overlaps(first, length, written):
    start, end = (dt.date(1990, 1, 1) + dt.timedelta(days=each) for each in (first, first + length))
    request = axis(written).request(start, end, "both", NOW)
    assert request[:2] == request[2:4]
    count = int(written[:-1])

    def period(position):
        each = day(position)
        if written[-1] == "W":
            return (each - dt.date(1970, 1, 5)).days // 7 // count
        return ((each.year - 1970) * 12 + each.month - 1) // count

    overlapped = {period(date(*start.timetuple()[:3]) + each * DAY) for each in range(length + 1)}
    assert {period(each) for each in range(request.first, request.stop, DAY)} == overlapped
    assert period(request.first - DAY) not in overlapped
    assert period(request.stop) not in overlapped


@pytest.mark.parametrize("end", [dt.datetime(2012, 1, 1), "2012", dt.date(2012, 1, 1)])
def test_a_start_after_the_end_is_refused_showing_both(end):
    for written in ("1min", "1D"):
        with pytest.raises(CacheConfigError, match=r"2013-05-01.*2012"):
            axis(written).request("2013-05-01", end, "left", NOW)


def test_an_open_end_is_up_to_now_and_never_before_the_start():
    for written in ("tick", "1min", "1D", "1W"):
        series = axis(written)
        request = series.request("2024-01-01", None, "left", NOW)
        assert request.clip_stop == request.stop == series.limits(NOW, 0).future
        nothing = series.request("2025-01-01", None, "left", NOW)
        assert nothing.first == nothing.stop


@pytest.mark.parametrize(
    "wrong", [1_727_740_800, 1.5, True, None, "yesterday", pd.NaT, b"2024", np.datetime64("NaT")]
)
def test_what_is_no_time_is_refused(wrong):
    for written in ("1min", "1D"):
        with pytest.raises(CacheConfigError, match="`start` takes a datetime"):
            axis(written).request(wrong, None, "left", NOW)


def test_naive_times_are_refused_where_that_is_chosen():
    for naive in (dt.datetime(2024, 1, 1), pd.Timestamp("2024-01-01 12:00"), "2024-01-01 12:00"):
        for written in ("1min", "1D"):
            with pytest.raises(CacheConfigError, match="has no time zone"):
                axis(written, naive="raise").request(naive, None, "left", NOW)
    with pytest.raises(CacheConfigError, match="has no time zone"):
        axis("1min", naive="raise").request("2024-01-01", None, "left", NOW)
    for whole in (dt.date(2024, 1, 1), "2024", np.datetime64("2024-01-01")):
        request = axis("1D", naive="raise").request(whole, None, "left", NOW)
        assert request.first == date(2024, 1, 1)


def test_times_beyond_nanoseconds_are_taken_for_the_bounds():
    for written in ("1min", "1D", "1M"):
        for low, high in (
            (dt.datetime.min, dt.datetime.max),
            (dt.date.min, dt.date.max),
            ("0001-01-01", "9999-12-31"),
            (pd.Timestamp("0001-01-01"), pd.Timestamp("9999-12-31").as_unit("s")),
            (np.datetime64("0001-01-01"), np.datetime64("9999-12-31")),
        ):
            request = axis(written).request(low, high, "both", NOW)
            assert request.first == at("1678-01-01")
            assert request.stop in {at("2261-01-01"), at("2261-01-01 00:01")}


def test_unknown_options_are_refused():
    for written in ("1min", "1D"):
        with pytest.raises(CacheConfigError, match="`closed` takes"):
            axis(written).request("2024", None, "right", NOW)
        with pytest.raises(CacheConfigError, match="`naive` names no time zone"):
            axis(written, naive="America/Gotham")
    with pytest.raises(CacheConfigError, match="`zone` names no time zone"):
        axis("1D", zone="Nowhere")


def test_the_axis_is_chosen_by_the_timeframe():
    assert isinstance(axis_of(timeframe("24h")), InstantAxis)
    assert isinstance(axis_of(timeframe("1D")), DateAxis)
