"""Sessions of calendars, against the calendars themselves."""

import datetime as dt
import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.calendars import Sessions, sessions_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its making uses what pandas 3 deprecates
    import exchange_calendars

    SCHEDULES = {
        name: exchange_calendars.get_calendar(name, start="2010-01-04", end="2016-12-30")
        for name in ("XNYS", "XHKG", "CMES", "24/7", "XASX")
    }

DAY = 86_400_000_000_000
HOUR = 3_600_000_000_000


def date(*parts):
    return (dt.date(*parts).toordinal() - 719_163) * DAY


def instant(text):
    return pd.Timestamp(text, tz="UTC").as_unit("ns").value


def spans_of(name):
    """The spans of trading, row by row of the calendar's schedule."""
    spans = []
    for row in SCHEDULES[name].schedule.itertuples():
        if row.break_start is pd.NaT:
            spans.append((row.open.value, row.close.value))
        else:
            spans += [
                (row.open.value, row.break_start.value),
                (row.break_end.value, row.close.value),
            ]
    return spans


SPANS = {name: spans_of(name) for name in SCHEDULES}
names = st.sampled_from(list(SCHEDULES))
instants = st.integers(instant("2010-06-01"), instant("2016-06-01"))
lengths = st.integers(0, 20 * DAY) | st.integers(0, 40).map(lambda hours: hours * HOUR)


@given(names, instants, lengths)
def test_trading_spans_are_those_of_the_schedule_cut_and_joined(name, first, length):
    stop = first + length
    expected = []
    for begin, end in SPANS[name]:
        low, high = max(begin, first), min(end, stop)
        if low < high and expected and expected[-1][1] == low:
            expected[-1] = (expected[-1][0], high)
        elif low < high:
            expected.append((low, high))
    assert sessions_of(name).trading_spans(first, stop) == expected


@given(names, st.lists(instants, min_size=1, max_size=6))
def test_traded_time_is_the_sum_of_the_spans(name, asked):
    sessions = sessions_of(name)
    given_back = sessions.traded_before(np.array(asked))
    for low, high in itertools.pairwise(range(len(asked))):
        begin, end = sorted((asked[low], asked[high]))
        total = sum(max(0, min(b, end) - max(a, begin)) for a, b in SPANS[name])
        assert abs(given_back[high] - given_back[low]) == total


@given(names, st.integers(date(2010, 6, 1) // DAY, date(2016, 6, 1) // DAY), st.integers(0, 30))
def test_dates_opens_and_closes_are_those_of_the_schedule(name, first, days):
    rows = SCHEDULES[name].schedule.iloc[:, [0, 3]]
    low, high = first * DAY, (first + days) * DAY
    rows = rows[[low <= label.as_unit("ns").value < high for label in rows.index]]
    opens, closes = sessions_of(name).opens_closes(low, high)
    assert sessions_of(name).dates(low, high).tolist() == [
        label.as_unit("ns").value for label in rows.index
    ]
    assert opens.tolist() == [each.as_unit("ns").value for each in rows.open]
    assert closes.tolist() == [each.as_unit("ns").value for each in rows.close]


def test_the_storm_closures_of_2012_are_no_sessions():
    sessions = sessions_of("XNYS")
    assert sessions.dates(date(2012, 10, 26), date(2012, 11, 1)).tolist() == [
        date(2012, 10, 26),
        date(2012, 10, 31),
    ]
    assert sessions.reason_closed(date(2012, 10, 29)) == "holiday"
    assert sessions.trading_spans(instant("2012-10-27"), instant("2012-10-31")) == []


def test_a_half_day_closes_early():
    sessions = sessions_of("XNYS")
    assert sessions.close_of(date(2012, 11, 23)) == instant("2012-11-23 18:00")
    assert sessions.close_of(date(2012, 11, 26)) == instant("2012-11-26 21:00")
    assert sessions.close_of(date(2012, 11, 24)) is None
    assert sessions.open_of(date(2012, 11, 23)) == instant("2012-11-23 14:30")
    assert sessions.open_of(date(2012, 11, 24)) is None


def test_why_a_date_is_closed_is_told():
    sessions = sessions_of("XNYS")
    assert sessions.reason_closed(date(2012, 11, 22)) == "Thanksgiving"
    assert sessions.reason_closed(date(2012, 11, 24)) == "weekend"
    assert sessions.reason_closed(date(2012, 11, 23)) is None
    assert sessions_of("24/7").reason_closed(date(2012, 11, 24)) is None


def test_the_next_close_is_of_the_first_session_that_is_not_over():
    sessions = sessions_of("XNYS")
    friday = instant("2012-11-23 18:00")
    assert sessions.next_close(friday - 1) == friday
    assert sessions.next_close(friday) == instant("2012-11-26 21:00")


def test_zones_are_given_by_key():
    assert sessions_of("XNYS").zone == "America/New_York"
    assert sessions_of("24/7").zone == "UTC"


def test_dates_before_a_calendar_begins_by_default_are_known_too():
    dates = Sessions("XNYS").dates(date(1985, 1, 1), date(1985, 1, 8))
    assert dates.tolist() == [date(1985, 1, day) for day in (2, 3, 4, 7)]


def test_dates_before_1970_are_unknown_since_holidays_are_known_from_then_on():
    sessions = Sessions("XNYS")
    assert sessions.known[0] == 0
    assert len(sessions.dates(date(1960, 1, 1), date(1970, 1, 2))) == 0
    assert sessions.dates(date(1960, 1, 1), date(1970, 1, 3)).tolist() == [date(1970, 1, 2)]


def test_dates_before_the_first_possible_session_are_unknown():
    sessions = Sessions("XTKS")
    assert sessions.known[0] == date(1997, 1, 1)
    assert len(sessions.dates(date(1990, 1, 1), date(1996, 12, 31))) == 0
    assert sessions.reason_closed(date(1996, 12, 24)) is None
    assert sessions.dates(date(1990, 1, 1), date(1997, 1, 8)).tolist() == [
        date(1997, 1, 6),
        date(1997, 1, 7),
    ]


def counted_calendar(made):
    class Counted(exchange_calendars.exchange_calendar_xnys.XNYSExchangeCalendar):
        def __init__(self, **options):
            made.append(options)
            super().__init__(**options)

    return Counted


def test_a_calendar_is_made_wider_only_when_it_is_asked_for_more():
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calendar = counted_calendar(made)(start="2015-01-01", end="2016-01-01")
    sessions = Sessions(calendar)
    for _ in range(3):
        assert len(sessions.dates(date(2015, 6, 1), date(2015, 7, 1))) == 22
    assert len(made) == 1
    assert len(sessions.dates(date(1980, 1, 1), date(1981, 1, 1))) == 253
    assert len(sessions.dates(date(1971, 1, 1), date(1972, 1, 1))) == 253
    assert len(made) == 2
    assert len(sessions.dates(date(1910, 1, 1), date(1971, 1, 1))) == 254
    assert len(made) == 2
    assert len(sessions.dates(date(2017, 1, 1), date(2018, 1, 1))) == 251
    assert len(sessions.dates(date(2024, 1, 1), date(2025, 1, 1))) == 252
    assert len(made) == 3


def test_an_unknown_name_is_refused_with_names_that_are_close():
    with pytest.raises(CacheConfigError, match=r"'XNYX'.*'XNYS'"):
        sessions_of("XNYX").dates(0, DAY)


def test_what_is_no_calendar_is_refused():
    with pytest.raises(CacheConfigError, match="`calendar` takes a name"):
        Sessions(5)


def test_a_calendar_that_cannot_be_made_says_so():
    class Broken(exchange_calendars.exchange_calendar_xnys.XNYSExchangeCalendar):
        name = "BROKEN"

        @property
        def regular_holidays(self):
            message = "no such rule"
            raise NotImplementedError(message)

    exchange_calendars.register_calendar_type("BROKEN", Broken)
    try:
        with pytest.raises(CacheConfigError, match=r"'BROKEN' can't be made.*no such rule"):
            Sessions("BROKEN").dates(0, DAY)
    finally:
        exchange_calendars.deregister_calendar("BROKEN")


def test_sessions_of_a_name_are_shared_and_of_sessions_themselves():
    assert sessions_of("XNYS") is sessions_of("XNYS")
    assert sessions_of(sessions_of("XNYS")) is sessions_of("XNYS")
    assert sessions_of(SCHEDULES["XNYS"]).name == "XNYS"


def test_many_threads_get_the_same_sessions():
    sessions = Sessions("XNYS")
    years = [2012, 1985, 1975, 2012, 2030, 1985, 2012, 2040]
    with ThreadPoolExecutor(len(years)) as pool:
        counts = pool.map(
            lambda year: len(sessions.dates(date(year, 1, 1), date(year + 1, 1, 1))), years
        )
        counts = list(counts)
    alone = [len(Sessions("XNYS").dates(date(year, 1, 1), date(year + 1, 1, 1))) for year in years]
    assert counts == alone
