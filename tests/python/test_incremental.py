"""Long frames period by period: the same as the whole, and only what is new is computed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bodies import Bodies, counted
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_bars import BY_PERIODS, HOURLY, assert_same, bars_of, days, monthly, rises

from afml_cache import entries, invalidate, time_aware_cacheable
from afml_cache.incremental.periods import make_calendar


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


@pytest.mark.parametrize("name", BY_PERIODS)
@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_periods_put_together_are_the_whole(name: str, by: str) -> None:
    function, lookback, lookahead = BY_PERIODS[name]
    cached = time_aware_cacheable(by=by, lookback=lookback, lookahead=lookahead)(function)
    bars = bars_of(HOURLY)
    for _ in range(2):
        assert_same(cached(bars), function(bars))
    assert cached.check(bars, rtol=0, atol=0)


ZONES = (None, "UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe")
# Hours between bars: mostly one, now and then a night, a weekend or two months.
GAPS = st.lists(st.sampled_from([1] * 12 + [2, 5, 14, 62, 1500]), min_size=1, max_size=60)
STARTS = st.sampled_from(["2024-03-29 21:00", "2024-10-26 22:00", "2023-12-30", "1969-12-30"])


@given(
    gaps=GAPS,
    start=STARTS,
    zone=st.sampled_from(ZONES),
    unit=st.sampled_from(["s", "us", "ns"]),
    by=st.sampled_from(["day", "week", "W-FRI", "month", "quarter", "Q-JAN", "year"]),
    name=st.sampled_from(["triple_barrier", "events", "future", "ahead_in_time"]),
)
@settings(max_examples=60)
def test_random_frames_are_the_same_by_periods(
    gaps: list[int], start: str, zone: str | None, unit: str, by: str, name: str
) -> None:
    function, lookback, lookahead = BY_PERIODS[name]
    cached = time_aware_cacheable(by=by, lookback=lookback, lookahead=lookahead)(function)
    hours = pd.to_timedelta(np.cumsum([0, *gaps]), unit="h")
    index = (pd.Timestamp(start, tz="UTC") + hours).as_unit(unit).tz_convert(zone).rename("time")
    bars = bars_of(index)
    assert_same(cached(bars), function(bars))
    half = bars.iloc[: len(bars) // 2 + 1]
    assert_same(cached(half), function(half))


PANDAS = ["D", "W", "W-SUN", "W-WED", "M", "Q", "Q-JAN", "Q-NOV", "Y", "Y-JUN"]


@pytest.mark.parametrize("by", PANDAS)
def test_periods_are_those_of_pandas(by: str) -> None:
    index = pd.date_range("1968-01-01", "1973-12-31")
    wanted = index.to_period(by)
    calendar = make_calendar(by)
    found = calendar.ordinals(np.asarray(index.as_unit("s").asi8 // 86_400))
    changes = np.flatnonzero(np.diff(found))
    assert np.array_equal(changes, np.flatnonzero(wanted[1:] != wanted[:-1]))
    assert set(np.diff(found)) <= {0, 1}
    if "-" not in by or by == "W-WED":
        assert [calendar.name(one) for one in found] == wanted.astype(str).tolist()


def test_names_of_shifted_periods_are_their_months() -> None:
    calendar = make_calendar("Q-JAN")
    assert calendar.name(calendar.ordinal(0)) == "1969-11/1970-01"


def test_new_bars_compute_new_periods_alone(bodies: Bodies) -> None:
    cached = monthly(rises)
    cached(days("2024-01-01", "2024-04-30"))
    assert len(bodies) == 4
    bodies.ran.clear()
    cached(days("2024-01-01", "2024-04-30"))
    assert bodies.ran == []
    cached(days("2024-01-01", "2024-05-20"))
    assert bodies.ran == ["04-01 to 05-07", "05-01 to 05-20"]
    bodies.ran.clear()
    whole = days("2024-01-01", "2024-05-31")
    assert_same(cached(whole), rises(whole))
    assert bodies.ran == ["05-01 to 05-31", "01-01 to 05-31"]


def test_earlier_bars_compute_the_periods_that_look_back_at_them(bodies: Bodies) -> None:
    cached = monthly(rises, lookback="3D", lookahead=0)
    cached(days("2024-03-01", "2024-05-31"))
    bodies.ran.clear()
    cached(days("2024-02-01", "2024-05-31"))
    assert bodies.ran == ["02-01 to 02-29", "02-27 to 03-29"]


CORRECTED = {
    "2024-03-14": ["02-28 to 04-05"],
    "2024-03-04": ["01-30 to 03-07", "02-28 to 04-05"],
    "2024-03-29": ["02-28 to 04-05", "03-28 to 05-07"],
}


@pytest.mark.parametrize("day", CORRECTED)
def test_a_corrected_bar_computes_the_periods_that_saw_it(day: str, bodies: Bodies) -> None:
    cached = monthly(rises, lookback=2, lookahead=5)
    bars = days("2024-01-01", "2024-06-28")
    cached(bars)
    bodies.ran.clear()
    corrected = bars.copy()
    corrected.loc[day, "close"] += 1
    cached(corrected)
    assert bodies.ran == CORRECTED[day]
    assert_same(cached(corrected), rises(corrected))


def test_bars_that_are_appended_are_new_bars(bodies: Bodies) -> None:
    cached = monthly(rises, lookahead=0)
    bars = days("2024-01-01", "2024-03-29")
    cached(bars)
    bodies.ran.clear()
    cached(pd.concat([bars, days("2024-04-01", "2024-04-19")]))
    assert bodies.ran == ["04-01 to 04-19"]


def test_a_column_more_or_another_argument_is_another_call(bodies: Bodies) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-03-29")
    cached(bars), cached(bars, 5), cached(bars=bars, ahead=5)
    assert len(bodies) == 3
    cached(bars, ahead=4)
    assert len(bodies) == 6


def test_equal_rows_are_one_call_however_the_frame_was_made(bodies: Bodies) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-06-28")
    bars.index.freq = None
    cached(bars)
    bodies.ran.clear()
    march = pd.DataFrame(
        {name: list(bars[name]) for name in bars}, pd.DatetimeIndex(list(bars.index))
    )
    march.index = march.index.as_unit(bars.index.unit)
    march = march.astype(bars.dtypes)
    cached(march), cached(march.loc["2024-02":"2024-05"])
    assert bodies.ran == ["05-01 to 05-31"]


def test_the_end_is_kept_in_memory_alone(default_cache: Any) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-05-03")  # three bars of May, and April looks at five
    cached(bars)
    assert cached.is_cached(bars)
    ends = [f"{entry.end:%m-%d}" for entry in entries(function=cached)]
    assert ends == ["02-07", "03-07", "04-05"]
    cached(days("2024-01-01", "2024-05-08"))
    assert len(entries(function=cached)) == 4
    assert cached.cache_info().misses == 5 + 2
    assert cached.cache_clear() == 4
    assert not cached.is_cached(bars)


COMPLETE = {
    "bars, not all there": (13, "2024-05-06 12:00", False, "left"),
    "bars, all there": (13, "2024-05-07 00:00", True, "left"),
    "time, not all there": ("36h", "2024-05-01 12:00", False, "left"),
    "time, and the next bar is beyond": ("36h", "2024-05-02 00:00", True, "left"),
    "none, and the period goes on": (0, "2024-04-30 00:00", False, "left"),
    "none, and the last bar ends with it": (0, "2024-04-30 12:00", True, "left"),
    "none, and the next bar may be labelled with its end": (0, "2024-04-30 12:00", False, "right"),
}


@pytest.mark.parametrize("case", COMPLETE)
def test_a_period_is_complete_when_no_later_bar_is_seen(case: str) -> None:
    lookahead, last, is_complete, label = COMPLETE[case]
    cached = monthly(rises, lookahead=lookahead, label=label)
    index = pd.date_range("2024-04-01", last, freq="12h")
    explained = cached.explain(bars_of(index))
    assert explained.periods[0].is_complete == is_complete
    cached(bars_of(index))
    assert len(entries(function=cached)) == is_complete


def test_a_restated_range_is_invalidated_with_the_periods_that_saw_it() -> None:
    cached = monthly(rises, lookahead=0)
    bars = days("2024-01-01", "2024-05-31", tz="America/New_York")
    cached(bars)
    gone = invalidate(("2024-03-30", "2024-05-02"), function=cached)
    assert [f"{entry.start:%m}" for entry in gone] == ["04", "05"]
    explained = cached.explain(bars)
    assert [one.period for one in explained.missing] == ["2024-04", "2024-05"]
    assert not explained.cached
    assert "2 of 5 periods are not cached: 2024-04" in repr(explained)
