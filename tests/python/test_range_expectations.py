"""What the calendar lets one expect, against models that go bar by bar."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_axes import DAY, HOUR, MINUTE, at, axis, date, day

from afml_cache.ranges.axes import InstantAxis
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.timeframes import timeframe

calendars = st.sampled_from(["XNYS", "XHKG", "24/7", "CMES", "XASX"])
starts = st.integers(at("2012-10-20") // (5 * MINUTE), at("2012-12-01") // (5 * MINUTE)).map(
    lambda count: count * 5 * MINUTE
)
lengths = st.integers(0, 9 * 288).map(lambda count: count * 5 * MINUTE)
dates = st.integers(date(2012, 9, 1) // DAY, date(2013, 3, 1) // DAY).map(lambda count: count * DAY)
days = st.integers(0, 60).map(lambda count: count * DAY)


def traded(calendar, first, stop):
    return sum(high - low for low, high in sessions_of(calendar).trading_spans(first, stop))


@given(calendars, st.sampled_from(["5min", "1h", "4h", "24h"]), starts, lengths)
def test_bars_that_may_be_are_those_with_trading_inside(calendar, written, first, length):
    series = axis(written, calendar)
    step, stop = series.timeframe.step, first + length
    labels = range(series.ceil(first), stop, step)
    there = [each for each in labels if traded(calendar, each, each + step)]
    assert series.expected(first, stop) == len(there)
    assert axis(written).expected(first, stop) == -(-length // step)
    assert series.is_closed(first, stop) == (not there)
    assert not axis(written).is_closed(first, stop)


@given(calendars, starts, lengths)
def test_trading_time_is_the_calendars_or_weekdays(calendar, first, length):
    stop = first + length
    assert axis("5min", calendar).trading_time(first, stop) == traded(calendar, first, stop)
    weekdays = sum(5 * MINUTE for each in range(first, stop, 5 * MINUTE) if day(each).weekday() < 5)
    assert axis("5min").trading_time(first, stop) == weekdays


@given(calendars, dates, days)
def test_sessions_are_counted_by_date(calendar, first, length):
    stop = first + length
    there = len(sessions_of(calendar).dates(first, stop))
    series = axis("1D", calendar)
    assert series.expected(first, stop) == there
    assert series.trading_time(first, stop) == there * DAY
    assert series.is_closed(first, stop) == (there == 0)
    assert axis("3D", calendar).expected(first, stop) == -(-there // 3)
    assert axis("1D").expected(first, stop) == length // DAY
    weekdays = sum(day(each).weekday() < 5 for each in range(first, stop, DAY))
    assert axis("1D").trading_time(first, stop) == weekdays * DAY
    assert not axis("1D").is_closed(first, stop)


@given(st.sampled_from(["1W", "1M", "3M"]), st.sampled_from(["XSHG", "XNYS", None]), dates, days)
def test_periods_are_counted_that_have_a_session(written, calendar, first, length):
    series = axis(written, calendar)
    first, stop = series.floor(first), series.ceil(first + length)
    sessions = range(first, stop, DAY)
    if calendar:
        sessions = sessions_of(calendar).dates(first, stop).tolist()
    there = {series.floor(each) for each in sessions}
    assert series.expected(first, stop) == len(there)
    assert series.is_closed(first, stop) == (calendar is not None and not there)
    if calendar:
        missing = [
            each
            for low, high in series.sessions_missing(first, stop, np.array([], "i8"))
            for each in range(low, high, DAY)
        ]
        assert there <= set(missing)


def test_ticks_are_not_counted():
    assert axis("tick").expected(0, DAY) == 0
    assert axis("tick", "XNYS").expected(0, DAY) == 0


def test_what_no_calendar_knows_is_expected_as_without_one():
    assert axis("1D", "XTKS").expected(date(1996, 12, 1), date(1997, 1, 8)) == 31 + 2
    assert axis("1h", "XTKS").expected(at("1990-01-01"), at("1990-01-03")) == 48
    assert axis("1D", "XTKS").trading_time(date(1996, 12, 2), date(1997, 1, 8)) == (22 + 2) * DAY
    assert not axis("1D", "XTKS").is_closed(date(1996, 1, 1), date(1996, 1, 2))
    assert not axis("1min", "XTKS").is_closed(at("1996-01-01"), at("1996-01-02"))
    assert axis("1D", "XTKS").is_closed(date(1997, 1, 1), date(1997, 1, 6))
    assert (
        axis("1D", "XTKS").sessions_missing(date(1990, 1, 1), date(1991, 1, 1), np.array([], "i8"))
        == []
    )


@pytest.mark.parametrize("written", ["1min", "1D"])
def test_the_storm_is_known_to_be_closed(written):
    storm = at("2012-10-27"), at("2012-10-31")
    assert axis(written, "XNYS").is_closed(*storm)
    assert axis(written, "XNYS").expected(*storm) == 0
    assert not axis(written, "XNYS").is_closed(storm[0], storm[1] + DAY)


@pytest.mark.parametrize("written", ["1min", "1D"])
def test_a_saturday_that_may_have_been_a_session_is_not_known_to_be_closed(written):
    series = axis(written, "XBOM")  # it is one for pandas before 3
    assert not series.is_closed(at("2024-01-20"), at("2024-01-21"))
    assert series.is_closed(at("2024-01-28"), at("2024-01-29"))
    assert sessions_of("XBOM").reason_closed(date(2024, 1, 20)) is None
    assert sessions_of("XBOM").reason_closed(date(2024, 1, 28)) == "weekend"


def test_an_hourly_bar_before_the_open_may_have_trades():
    series = axis("1h", "XNYS")
    assert not series.is_closed(at("2024-10-04 13:00"), at("2024-10-04 13:30"))
    assert series.is_closed(at("2024-10-04 12:00"), at("2024-10-04 13:00"))
    loose = InstantAxis(timeframe("1h"), sessions_of("XNYS"), anchor=None)
    assert not loose.is_closed(at("2024-10-04 12:00"), at("2024-10-04 13:00"))
    assert loose.is_closed(at("2024-10-04 12:00"), at("2024-10-04 12:30"))


@given(
    calendars,
    st.sampled_from(["5min", "1h", "tick"]),
    starts,
    lengths,
    st.tuples(st.lists(st.integers(0, 9 * 288), max_size=4), st.integers(1, 400)),
)
def test_runs_without_bars_are_missing_that_have_half_of_a_session(
    calendar, written, first, length, lacking
):
    series = axis(written, calendar)
    step, stop = series.timeframe.step, first + length
    kept, (cuts, every) = range(first, stop, max(step, 5 * MINUTE)), lacking
    holes = [(first + cut * 5 * MINUTE, first + (cut + every) * 5 * MINUTE) for cut in cuts]
    labels = [each for each in kept if not any(low <= each < high for low, high in holes)]
    runs = zip([first, *(each + step for each in labels)], [*labels, stop], strict=True)
    expected = []
    for low, high in runs:
        opens, closes = sessions_of(calendar).opens_closes(first - 3 * DAY, stop + 3 * DAY)
        for begin, end in zip(opens.tolist(), closes.tolist(), strict=True):
            cut = traded(calendar, max(low, begin), min(high, end))
            if (
                low < high
                and max(low, begin) < min(high, end)
                and 2 * cut >= traded(calendar, begin, end)
            ):
                expected.append((low, high))
                break
    assert series.sessions_missing(first, stop, np.array(labels, "i8")) == expected
    assert axis(written).sessions_missing(first, stop, np.array(labels, "i8")) == []


@given(calendars, dates, days, st.sets(st.integers(0, 59)))
def test_sessions_without_a_label_are_missing(calendar, first, length, kept):
    stop = first + length
    labels = sorted(first + each * DAY for each in kept if each * DAY < length)
    sessions = sessions_of(calendar).dates(first, stop).tolist()
    missing = axis("1D", calendar).sessions_missing(first, stop, np.array(labels, "i8"))
    lacking = [each for each in sessions if each not in labels]
    assert [each for low, high in missing for each in sessions if low <= each < high] == lacking
    assert not [each for low, high in missing for each in labels if low <= each < high]
    for (_, high), (low, _) in itertools.pairwise(missing):
        assert [each for each in labels if high <= each < low]
    for low, high in missing:
        assert low in lacking
        assert high - DAY in lacking


def test_sessions_that_lack_a_bar_are_one_interval_over_the_weekend():
    labels = np.array([date(2012, 11, 20), date(2012, 11, 27)], "i8")
    missing = axis("1D", "XNYS").sessions_missing(date(2012, 11, 19), date(2012, 11, 29), labels)
    assert missing == [
        (date(2012, 11, 19), date(2012, 11, 20)),
        (date(2012, 11, 21), date(2012, 11, 27)),
        (date(2012, 11, 28), date(2012, 11, 29)),
    ]


def test_bars_of_weeks_may_be_labelled_with_any_of_their_dates():
    labels = np.array([date(2012, 11, 9), date(2012, 11, 18), date(2012, 11, 26)], "i8")
    missing = axis("1W", "XNYS").sessions_missing(date(2012, 11, 5), date(2012, 12, 3), labels)
    assert missing == [(date(2012, 11, 19), date(2012, 11, 26))]
    assert axis("3D", "XNYS").sessions_missing(date(2012, 11, 5), date(2012, 12, 3), labels) == []


@pytest.mark.parametrize("written", ["tick", "5min", "1D", "1W", "1M"])
def test_nothing_is_expected_of_an_empty_interval(written):
    series = axis(written, "XNYS")
    nothing = at("2012-10-01"), at("2012-10-01")
    assert series.expected(*nothing) == series.trading_time(*nothing) == 0
    assert series.sessions_missing(*nothing, np.array([], "i8")) == []
    assert series.is_closed(*nothing)


def test_intervals_are_described_by_dates_or_in_utc():
    assert axis("1D").describe(date(2024, 10, 1), date(2024, 10, 5)) == "2024-10-01 .. 2024-10-04"
    assert axis("1D").describe(date(2024, 10, 1), date(2024, 10, 2)) == "2024-10-01"
    shown = axis("1min").describe(at("2024-10-01 13:30"), at("2024-10-01 20:00:00.5"))
    assert shown == "2024-10-01T13:30:00Z .. 2024-10-01T20:00:00.500000Z"


def test_half_of_a_half_day_is_missing():
    series = axis("5min", "XNYS")
    labels = np.arange(at("2012-11-23 14:30"), at("2012-11-23 16:15"), 5 * MINUTE)
    day_of_it = at("2012-11-23"), at("2012-11-24")
    assert series.sessions_missing(*day_of_it, labels) == [(at("2012-11-23 16:15"), day_of_it[1])]
    longer = np.append(labels, [at("2012-11-23 16:15")])
    assert series.sessions_missing(*day_of_it, longer) == []
    assert series.trading_time(*day_of_it) == 3 * HOUR + 30 * MINUTE
