"""When bars are settled, closed and begun, against models that go through them one by one."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_axes import DAY, HOUR, MINUTE, SECOND, at, axis, date, day, instant_of

from afml_cache.ranges.axes import InstantAxis
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.timeframes import timeframe

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Europe/London")
NOW = at("2024-10-04 15:00")
steps = st.sampled_from(["tick", "1s", "30s", "1min", "5min", "1h", "4h", "24h"])


@given(steps, st.integers(0, 40 * DAY), st.sampled_from([0, 1, SECOND, 15 * MINUTE, 3 * DAY]))
def test_instants_are_settled_closed_and_begun_bar_by_bar(written, since, settle):
    now = NOW + since
    series = axis(written)
    step = series.timeframe.step
    limits = series.limits(now, settle)
    near = {series.floor(each) + near * step for each in limits for near in range(-2, 3)}
    for label in near:
        assert (label < limits.settled) == (label + step + settle <= now)
        assert (label < limits.opened) == (label + step <= now)
        assert (label >= limits.future) == (label > now)
        assert series.settles_at(label) == label + step
    assert series.next_change(now) == min(each + step for each in near if each + step > now)


def test_labels_off_the_grid_are_settled_exactly_where_there_is_none():
    series = InstantAxis(timeframe("1h"), anchor=None)
    limits = series.limits(at("2024-10-04 14:45"), 0)
    assert limits.opened == at("2024-10-04 13:45") + 1
    assert limits.future == at("2024-10-04 14:45") + 1
    assert series.floor(123) == series.ceil(123) == 123
    anchored = InstantAxis(timeframe("1h"), anchor=at("2020-01-01 09:30"))
    assert anchored.limits(at("2024-10-04 14:45"), 0)[1:] == (
        at("2024-10-04 14:30"),
        at("2024-10-04 15:30"),
    )


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2012-10-26 15:00:30", "2012-10-26 15:01"),
        ("2012-10-26 20:00", "2012-10-31 13:31"),
        ("2012-10-28", "2012-10-31 13:31"),
    ],
)
def test_the_next_bar_that_trades_is_waited_for(now, closes):
    assert axis("1min", "XNYS").next_change(at(now)) == at(closes)
    assert axis("1min").next_change(at(now)) == (at(now) // MINUTE + 1) * MINUTE


def closes_of(calendar, label, zone, written):
    """When the bar of a date's period closes, session by session."""
    first = day(label)
    if written == "1W":
        first -= dt.timedelta(days=first.weekday())
        last = first + dt.timedelta(days=6)
    elif written == "1M":
        first = first.replace(day=1)
        last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    else:
        last = first
    for each in range((last - first).days, -1, -1):
        close = calendar and sessions_of(calendar).close_of(
            date(*(first + dt.timedelta(each)).timetuple()[:3])
        )
        if close:
            return close
    return instant_of(dt.datetime.combine(last + dt.timedelta(days=1), dt.time()), zone)


@given(
    st.sampled_from(["1D", "1W", "1M"]),
    st.sampled_from([None, "XNYS", "CMES", "24/7", "XHKG", "XASX"]),
    st.integers(at("2012-01-01"), at("2013-12-01"))
    | st.integers(8400, 8500).map(lambda hour: at("2012-01-01") + hour * HOUR),
    st.sampled_from([0, 15 * MINUTE, 2 * DAY]),
)
def test_dates_are_settled_and_closed_when_their_last_session_is(written, calendar, now, settle):
    series = axis(written, calendar, zone="America/New_York")
    limits = series.limits(now, settle)
    today = now // DAY * DAY
    for label in range(today - 70 * DAY, today + 40 * DAY, DAY):
        closes = closes_of(calendar, label, series.zone, written)
        assert series.settles_at(label) == closes
        assert (label < limits.settled) == (closes + settle <= now)
        assert (label < limits.opened) == (closes <= now)
    assert limits.settled <= limits.opened <= limits.future
    assert now < series.next_change(now) <= now + 40 * DAY


def test_a_day_begins_with_its_date_or_with_its_session_if_that_is_earlier():
    evening = at("2024-10-03 22:30")  # in Chicago 17:30: Friday's session is half an hour old
    assert axis("1D", "CMES").limits(evening, 0).future == date(2024, 10, 5)
    assert axis("1D", "XNYS").limits(evening, 0).future == date(2024, 10, 4)
    assert axis("1W", "CMES").limits(at("2024-10-06 22:30"), 0).future == date(2024, 10, 14)
    assert axis("1W", "XNYS").limits(at("2024-10-06 22:30"), 0).future == date(2024, 10, 7)


@pytest.mark.parametrize(
    ("now", "opened"),
    [
        ("2012-10-26 19:59", (2012, 10, 26)),
        ("2012-10-26 20:00", (2012, 10, 27)),
        ("2012-10-29 23:00", (2012, 10, 29)),
        ("2012-10-30 04:00", (2012, 10, 30)),
        ("2012-11-23 18:00", (2012, 11, 24)),
    ],
)
def test_closures_and_half_days_of_2012(now, opened):
    assert axis("1D", "XNYS").limits(at(now), 0).opened == date(*opened)


def test_the_next_close_of_a_daily_bar_is_a_sessions():
    assert axis("1D", "XNYS").next_change(at("2012-10-26 20:00")) == at("2012-10-31 20:00")
    assert axis("1D").next_change(at("2012-10-26 20:00")) == at("2012-10-27")
    assert axis("1W", "XNYS").next_change(at("2012-11-20")) == at("2012-11-23 18:00")


@pytest.mark.parametrize("zone", ZONES)
def test_days_of_23_and_25_hours_end_at_midnight(zone):
    series = axis("1D", zone=zone)
    for first in (date(2024, 3, 8), date(2024, 10, 25), date(2024, 11, 1)):
        for label in range(first, first + 5 * DAY, DAY):
            assert series.settles_at(label) == at(str(day(label + DAY)), zone)


def test_bars_of_several_days_are_closed_after_their_last():
    series = axis("3D")
    assert series.settles_at(date(2024, 10, 1)) == at("2024-10-04")
    assert series.limits(at("2024-10-04 12:00"), 0)[1:] == (date(2024, 10, 2), date(2024, 10, 5))
