# ruff: noqa: DTZ001 - naive times are among what is read
"""What loaders are asked for: the caller's own types, units and zones."""

import contextlib
import datetime as dt
import zoneinfo

import dateutil.tz
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from range_axes import DAY, MINUTE, SECOND, at, axis, date

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.axes import InstantAxis
from afml_cache.ranges.timeframes import timeframe

# Zones of other packages; pandas before 3 brings the first.
FOREIGN = {"dateutil": dateutil.tz.gettz}
with contextlib.suppress(ImportError):
    import pytz

    FOREIGN["pytz"] = pytz.timezone

NY = zoneinfo.ZoneInfo("America/New_York")
KOLKATA = zoneinfo.ZoneInfo("Asia/Kolkata")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
NOW = at("2025-01-01")
seconds = st.integers(at("2011-01-01") // SECOND, at("2025-01-01") // SECOND)


def asked(series, start, end, closed, *, first=None, stop=None):
    """What a loader is asked for that is to fetch a request, or another part of the series."""
    request = series.request(start, end, "left", NOW)
    first, stop = request.first if first is None else first, request.stop if stop is None else stop
    return series.for_loader(first, stop, request.caller, closed)


def written_by(position, kind, zone):
    """An instant as a caller could write it."""
    stamp = pd.Timestamp(position, unit="ns", tz="UTC").tz_convert(zone)
    wall = stamp.tz_localize(None)
    return {
        "aware": stamp.to_pydatetime(warn=False),
        **{
            name: stamp.to_pydatetime(warn=False).astimezone(zone_of(zone))
            for name, zone_of in FOREIGN.items()
        },
        "offset": stamp.to_pydatetime(warn=False).astimezone(dt.timezone(stamp.utcoffset())),
        "naive": wall.to_pydatetime(warn=False).replace(fold=stamp.fold),
        "date": wall.date(),
        "text": str(wall),
        "minutes": str(wall)[:16],
        "days": str(wall)[:10],
        "months": str(wall)[:7],
        "quarter": f"{wall.year}Q{wall.quarter}",
        "compact": wall.strftime("%Y%m%d"),
        "iso": stamp.isoformat(),
        "Z": str(stamp.tz_convert("UTC").tz_localize(None)) + "Z",
        "D": np.datetime64(wall, "D"),
        "M": np.datetime64(wall, "M"),
        **{f"datetime64[{unit}]": np.datetime64(wall, unit) for unit in ("m", "s", "ns")},
        **{f"stamp[{unit}]": stamp.as_unit(unit) for unit in ("s", "ms", "us", "ns")},
        **{f"wall[{unit}]": wall.as_unit(unit) for unit in ("s", "us", "ns")},
    }[kind]


KINDS = [
    *FOREIGN,
    *("aware", "offset", "naive", "date", "text", "minutes", "days", "months", "quarter"),
    *("compact", "iso", "Z", "D", "M", "datetime64[m]", "datetime64[s]", "datetime64[ns]"),
    *("stamp[s]", "stamp[ms]", "stamp[us]", "stamp[ns]", "wall[s]", "wall[us]", "wall[ns]"),
]
WITHOUT_FOLD = {"text", "minutes", "datetime64[m]", "datetime64[s]", "datetime64[ns]"} | {
    *("days", "months", "quarter", "compact", "date", "D", "M")
}


def is_second(position, zone):
    return pd.Timestamp(position, unit="ns", tz="UTC").tz_convert(zone).fold == 1


@given(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    st.sampled_from(ZONES),
    st.sampled_from(["1s", "1min", "1h", "1D", "1W", "1M"]),
    st.lists(seconds, min_size=4, max_size=4).map(sorted),
    st.sampled_from(["left", "both"]),
)
def test_what_a_loader_is_asked_for_reads_as_the_interval_to_fetch(
    kinds, zone, written, moments, closed
):
    series, (first_kind, last_kind) = axis(written, naive=zone), kinds
    low, high = moments[0] * SECOND, moments[3] * SECOND
    start, end = written_by(low, first_kind, zone), written_by(high, last_kind, zone)
    first, stop = series.floor(moments[1] * SECOND), series.ceil(moments[2] * SECOND)
    if series.timeframe.is_dates:
        first, stop = series.floor(first // DAY * DAY), series.ceil(-(-stop // DAY) * DAY)
    assume(first < stop)
    last = stop if closed == "left" else stop - (series.timeframe.step or 0)
    assume(first_kind not in WITHOUT_FOLD or not is_second(first, zone))
    assume(last_kind not in WITHOUT_FOLD or not is_second(last, zone))
    caller = series.request(start, None, "left", NOW).caller._replace(end=end)
    given_start, given_end = series.for_loader(first, stop, caller, closed)
    request = series.request(given_start, given_end, closed, NOW)
    assert (request.first, request.stop) == (first, stop)
    for mine, theirs in ((start, given_start), (end, given_end)):
        assert type(theirs) is type(mine) or type(theirs) is dt.datetime
        assert getattr(theirs, "tzinfo", None) is None or str(theirs.tzinfo) == str(mine.tzinfo)


@pytest.mark.parametrize(
    ("start", "end", "left", "both"),
    [
        (dt.date(2024, 10, 1), dt.date(2024, 10, 4), dt.date(2024, 10, 4), dt.date(2024, 10, 3)),
        ("2024-10-01", "2024-10-04", "2024-10-04", "2024-10-03"),
        ("2024-10", "2024-11", "2024-11", "2024-10-31"),
        ("20241001", "20241004", "20241004", "20241003"),
        ("2024Q4", "2025-Q1", "2025-Q1", "2024-12-31"),
        (
            dt.datetime(2024, 10, 1, tzinfo=NY),
            dt.datetime(2024, 10, 4, tzinfo=NY),
            dt.datetime(2024, 10, 4, tzinfo=NY),
            dt.datetime(2024, 10, 3, tzinfo=NY),
        ),
        (
            "2024-10-01T00:00:00+05:30",
            "2024-10-04T00:00+05:30",
            "2024-10-04T00:00+05:30",
            "2024-10-03T00:00+05:30",
        ),
        *(
            (np.datetime64("2024-10-01"), end, end, np.datetime64("2024-10-03"))
            for end in [np.datetime64("2024-10-04")]
        ),
    ],
)
def test_daily_bars_are_asked_for_as_the_caller_does(start, end, left, both):
    series = axis("1D")
    for closed, expected in (("left", left), ("both", both)):
        given_start, given_end = asked(series, start, end, closed)
        assert given_start == start
        assert given_end == expected
        assert type(given_end) is type(expected)


@pytest.mark.parametrize(
    ("end", "left", "both"),
    [
        ("2024-10-04", "2024-10-04", "2024-10-03T23:59:00"),
        ("2024-10-04 00:00", "2024-10-04 00:00", "2024-10-03 23:59"),
        ("2024-10-04 00:00:00 UTC", "2024-10-04 00:00:00 UTC", "2024-10-03 23:59:00 UTC"),
        ("2024-11", "2024-11", "2024-10-31T23:59:00"),
        (dt.date(2024, 10, 4), dt.date(2024, 10, 4), dt.datetime(2024, 10, 3, 23, 59)),
        (np.datetime64("2024-11"), np.datetime64("2024-11"), np.datetime64("2024-10-31T23:59:00")),
    ],
)
def test_an_included_end_is_the_last_bar_and_never_a_whole_day(end, left, both):
    assert repr(asked(axis("1min"), "2024-10-01", end, "left")[1]) == repr(left)
    assert repr(asked(axis("1min"), "2024-10-01", end, "both")[1]) == repr(both)


def test_an_included_end_at_midnight_is_a_time():
    series, stop = axis("1min"), at("2024-10-04 00:01")
    asked_for = asked(series, "2024-10-01", "2024-10-05", "both", stop=stop)
    assert asked_for == ("2024-10-01", "2024-10-04T00:00:00")
    asked_for = asked(series, dt.date(2024, 10, 1), None, "both", stop=stop)
    assert asked_for == (dt.date(2024, 10, 1), dt.datetime(2024, 10, 4))


def test_an_open_end_is_written_like_the_start():
    start = pd.Timestamp("2024-10-01", tz="America/New_York").as_unit("s")
    given_start, given_end = asked(axis("1min"), start, None, "left")
    assert given_end == pd.Timestamp(NOW + MINUTE, unit="ns", tz="UTC")
    assert given_start.unit == given_end.unit == "s"
    assert str(given_end.tz) == "America/New_York"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_keeps_its_unit_while_that_tells_the_time(unit):
    series = axis("tick")
    start = pd.Timestamp("2024-10-01", tz="America/New_York").as_unit(unit)
    whole, exact = at("2024-10-02"), at("2024-10-02") + 1
    for position, expected in ((whole, unit), (exact, "ns")):
        for value in asked(series, start, start, "left", first=position, stop=position):
            assert value.unit == expected
            assert value.value == position


def test_ticks_are_asked_for_up_to_the_last_moment_before_an_excluded_end():
    series, stop = axis("tick"), at("2024-10-02")
    times = dt.datetime(2024, 10, 1), dt.datetime(2024, 10, 2)
    assert asked(series, *times, "both")[1] == times[1] - dt.timedelta(microseconds=1)
    stamps = [pd.Timestamp(each) for each in times]
    assert asked(series, *stamps, "both")[1].value == stop - 1
    assert asked(series, "2024-10-01", "2024-10-02", "both")[1] == "2024-10-01T23:59:59.999999999"
    loose = InstantAxis(timeframe("1h"), anchor=None)
    assert asked(loose, *times, "both")[1] == times[1] - dt.timedelta(microseconds=1)


def test_nanoseconds_are_rounded_outward_where_the_type_has_none():
    series = axis("tick")
    low, high = at("2024-10-01") + 1500, at("2024-10-01") + 2500
    for zone in (None, dt.timezone.utc, KOLKATA):
        start = dt.datetime(2024, 10, 1, tzinfo=zone)
        given_start, given_end = asked(series, start, None, "left", first=low, stop=high)
        assert given_start.microsecond == 1
        assert given_end.microsecond == 3
        assert asked(series, start, None, "both", first=low, stop=high)[1].microsecond == 2


def test_dates_are_midnights_of_the_callers_zone():
    series = axis("1D", "XNYS")
    start = dt.datetime(2024, 10, 1, 12, tzinfo=KOLKATA)
    end = pd.Timestamp("2024-11-08", tz="America/New_York")
    given_start, given_end = asked(
        series, start, end, "left", first=date(2024, 11, 1), stop=date(2024, 11, 5)
    )
    assert given_start.isoformat() == "2024-11-01T00:00:00+05:30"
    assert given_end.isoformat() == "2024-11-05T00:00:00-05:00"


def test_a_midnight_that_the_clock_skips_is_still_the_date():
    zone = zoneinfo.ZoneInfo("America/Sao_Paulo")
    series = axis("1D")
    for like in (
        dt.datetime(2018, 11, 1, tzinfo=zone),
        pd.Timestamp("2018-11-01", tz=zone),
        *(
            dt.datetime(2018, 11, 1, 3, tzinfo=dt.timezone.utc).astimezone(
                each("America/Sao_Paulo")
            )
            for each in FOREIGN.values()
        ),
    ):
        start, _ = asked(axis("1D"), like, None, "left", first=date(2018, 11, 4))
        assert start.date() == dt.date(2018, 11, 4)
    series = axis("1D", zone="America/Sao_Paulo")
    assert series.settles_at(date(2018, 11, 3)) == at("2018-11-04 03:00")


def test_the_loaders_end_is_declared():
    series = axis("1D")
    request = series.request("2024", None, "left", NOW)
    with pytest.raises(CacheConfigError, match="`closed` takes"):
        series.for_loader(request.first, request.stop, request.caller, "right")
