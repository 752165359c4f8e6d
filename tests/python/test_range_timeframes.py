"""Timeframes: every way of writing one, and what each means."""

import datetime as dt
import enum

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.timeframes import Timeframe, timeframe

SPELLINGS = {
    "1D": ["D", "1D", "1d", "d", "day", "days", "daily", "Daily", "1day", "1 day", "D1", "B"],
    "1W": ["W", "1W", "1w", "weekly", "week", "W1", "W-SUN", "W-FRI"],
    "1M": ["M", "1M", "MS", "ME", "monthly", "1mo", "1month", "MN1", "1 month", "BME"],
    "1min": ["m", "1m", "1min", "1Min", "1MIN", "T", "minute", "M1", "60s", "1 min", "MINUTE_1"],
    "5min": ["5m", "5min", "5T", "M5", "5 mins", "5minutes", "PERIOD_M5", "TIMEFRAME_M5", "300s"],
    "15min": ["15minute", "M15", "15m"],
    "30min": ["M30", "30T"],
    "1h": ["h", "H", "1h", "1H", "60min", "60m", "hour", "hourly", "H1", "3600s", "M60"],
    "4h": ["4hour", "H4", "4h", "240min"],
    "24h": ["24h", "1440min", "24H"],
    "90min": ["90min"],
    "1s": ["s", "1s", "1S", "second", "S1"],
    "30s": ["30S", "30s", "30sec"],
    "tick": ["tick", "ticks", "Tick", "1tick"],
    "3M": ["Q", "q", "quarter", "quarterly", "QE-DEC", "QS-JAN", "3mo", "3M", "1Q"],
    "12M": ["Y", "A", "year", "yearly", "annual", "YE-DEC", "1y", "12mo", "4Q"],
    "7D": ["7D", "7d"],
    "2W": ["2W", "2 weeks", "2W-SUN"],
}


@pytest.mark.parametrize(
    ("written", "text"), [(each, text) for text, group in SPELLINGS.items() for each in group]
)
def test_each_spelling_has_one_canonical_form(written, text):
    assert timeframe(written).text == text


@pytest.mark.parametrize("text", SPELLINGS)
def test_the_canonical_form_is_read_as_itself(text):
    assert timeframe(text).text == text
    assert timeframe(timeframe(text)) == timeframe(text)


def test_lower_m_is_minutes_and_capital_m_months_but_for_metatrader():
    assert timeframe("m") == timeframe("1m") == timeframe("M1") == Timeframe(1, "min")
    assert timeframe("M") == timeframe("1M") == timeframe("MN1") == Timeframe(1, "M")
    assert timeframe("15m") == timeframe("M15") != timeframe("15M")


@pytest.mark.parametrize(
    "unknown",
    [
        "",
        "x",
        "1x",
        "ms",
        "500ms",
        "0min",
        "-1D",
        "1.5h",
        "100ticks",
        "W-WED",
        "QE-JAN",
        "QS-DEC",
        "YE-JUN",
        "M_1",
        5,
        1.0,
        None,
        True,
        b"1D",
        ("1", "D"),
        dt.timedelta(0),
        dt.timedelta(days=-1),
        dt.timedelta(milliseconds=5),
        pd.NaT,
        pd.Timedelta(5, "ns"),
        pd.offsets.Milli(5),
        pd.DateOffset(months=1),
    ],
)
def test_anything_else_is_refused_with_the_list(unknown):
    with pytest.raises(CacheConfigError) as refusal:
        timeframe(unknown)
    assert repr(unknown) in str(refusal.value)
    assert '"15minute"' in str(refusal.value)


class ByValue(enum.Enum):
    ONE = "1min"
    DAY = dt.timedelta(days=1)


class ByName(enum.IntEnum):
    TIMEFRAME_M1 = 1
    TIMEFRAME_H4 = 16388
    MINUTE_5 = 5


class Text(str, enum.Enum):
    HOUR = "H1"


def test_a_member_of_an_enumeration_is_read_by_its_value_and_then_by_its_name():
    assert [timeframe(each).text for each in ByValue] == ["1min", "1D"]
    assert [timeframe(each).text for each in ByName] == ["1min", "4h", "5min"]
    assert timeframe(Text.HOUR).text == "1h"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (dt.timedelta(minutes=5), "5min"),
        (dt.timedelta(hours=1), "1h"),
        (dt.timedelta(hours=36), "36h"),
        (dt.timedelta(days=1), "1D"),
        (dt.timedelta(weeks=1), "7D"),
        (pd.Timedelta("30s"), "30s"),
        (pd.Timedelta(1, "D"), "1D"),
        (pd.offsets.Day(), "1D"),
        (pd.offsets.BDay(), "1D"),
        (pd.offsets.Hour(24), "24h"),
        (pd.offsets.Minute(5), "5min"),
        (pd.offsets.Second(30), "30s"),
        (pd.offsets.Week(), "1W"),
        (pd.offsets.Week(weekday=6), "1W"),
        (pd.offsets.MonthEnd(), "1M"),
        (pd.offsets.MonthBegin(3), "3M"),
        (pd.offsets.QuarterEnd(startingMonth=12), "3M"),
        (pd.offsets.YearBegin(), "12M"),
    ],
)
def test_timedeltas_and_offsets_of_pandas_are_read(length, text):
    assert timeframe(length).text == text


def test_steps_are_nanoseconds_where_there_is_one():
    assert timeframe("tick").step == 1
    assert timeframe("30s").step == 30 * 10**9
    assert timeframe("1h").step == 3600 * 10**9
    assert timeframe("1D").step == timeframe("24h").step == 86_400 * 10**9
    assert timeframe("2W").step == 14 * 86_400 * 10**9
    assert timeframe("1M").step is None


def test_a_day_of_hours_is_no_session():
    assert timeframe("24h") != timeframe("1D")
    assert [timeframe(each).is_dates for each in ("tick", "30s", "24h", "1D", "1W", "1M")] == [
        *[False] * 3,
        *[True] * 3,
    ]


@given(st.integers(1, 10_000), st.sampled_from(["s", "min", "h", "D", "W", "M"]))
def test_every_count_of_every_unit_keeps_its_length(count, unit):
    read = timeframe(f"{count}{unit}")
    assert read.step == Timeframe(count, unit).step
    assert timeframe(read.text) == read
    assert read.is_dates == (unit in "DWM")
