"""The vendor of the examples serves the bars of `backtesting`, as it is told to, over HTTP."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from vendors import (
    HOURS,
    OCTOBER,
    SESSIONS,
    TICKS,
    BlockingEngine,
    day,
    fetch,
    labels,
    pages,
    rows,
)


def closes(vendor, **asked):
    return {row["t"]: row["c"] for row in rows(vendor, **asked)}


def test_daily_bars_are_those_of_the_package(vendor):
    from backtesting.test import GOOG

    asked = (day("2004-01-01"), day("2013-12-31"))
    served = BlockingEngine(vendor).get_bars("GOOG", *asked, "1D")
    theirs = GOOG.rename(columns=str.lower).rename_axis("time")
    pd.testing.assert_frame_equal(served, theirs, check_index_type=False)


def test_hourly_bars_are_those_of_the_package(vendor):
    from backtesting.test import EURUSD

    asked = (day("2017-01-01"), day("2018-12-31"))
    served = BlockingEngine(vendor).get_bars("EURUSD", *asked, "1h")
    theirs = EURUSD.rename(columns=str.lower).rename_axis("time").tz_localize("UTC")
    pd.testing.assert_frame_equal(served, theirs, check_index_type=False)


def test_monthly_bars_are_labelled_by_their_last_day(vendor):
    asked = {"symbol": "BTCUSD", "timeframe": "1M", "start": "2012-01-01", "end": "2012-02-29"}
    assert labels(vendor, **asked) == ["2012-01-31", "2012-02-29"]


def test_an_empty_answer_has_the_columns_and_dtypes_of_a_full_one(vendor):
    saturday, friday = day("2012-10-06"), day("2012-10-05")
    engine = BlockingEngine(vendor)
    empty = engine.get_bars("GOOG", saturday, saturday, "1D")
    full = engine.get_bars("GOOG", friday, friday, "1D")
    assert len(empty) == 0
    assert list(empty.dtypes.items()) == list(full.dtypes.items())
    assert empty.index.dtype == full.index.dtype


@pytest.mark.parametrize(("closed", "last"), [("both", "2012-10-31"), ("left", "2012-10-26")])
def test_the_end_of_a_request_is_included_or_not(vendor, closed, last):
    vendor.set(closed=closed)
    assert labels(vendor, **OCTOBER)[-1] == last
    day = labels(vendor, **{**OCTOBER, "start": "2012-10-31"})
    assert day == (["2012-10-31"] if closed == "both" else [])


@pytest.mark.parametrize(("closed", "count"), [("both", 4), ("left", 3)])
def test_the_end_of_hours_is_included_or_not(vendor, closed, count):
    vendor.set(closed=closed)
    assert len(labels(vendor, **HOURS)) == count


def test_a_day_is_its_date_whatever_the_hour_and_zone(vendor):
    asked = {
        **OCTOBER,
        "start": "2012-10-02T09:30:00-04:00",
        "end": "2012-10-02T23:00:00-04:00",
    }
    assert labels(vendor, **asked) == ["2012-10-02"]


def test_hours_are_asked_for_in_any_zone(vendor):
    asked = {**HOURS, "start": "2017-05-02T05:00:00-04:00"}
    assert labels(vendor, **asked) == labels(vendor, **HOURS)


@pytest.mark.parametrize(
    "wrong", [{"symbol": "MSFT"}, {"timeframe": "7m"}, {"start": "yesterday"}, {"page": "x"}]
)
def test_what_it_does_not_know_is_a_bad_request(vendor, wrong):
    assert fetch(vendor, **{**OCTOBER, **wrong}).status_code == 400
    assert vendor.log()[-1]["status"] == 400


def test_pages_have_all_rows_once(vendor):
    whole = rows(vendor, **OCTOBER)
    vendor.set(page_size=8)
    given = list(pages(vendor, **OCTOBER))
    assert [len(page) for page in given] == [8, 8, 5]
    assert [row for page in given for row in page] == whole


def test_the_caller_may_ask_for_smaller_pages_and_not_for_larger_ones(vendor):
    vendor.set(page_size=8)
    assert len(rows(vendor, **OCTOBER, limit=3)) == 3
    assert len(rows(vendor, **OCTOBER, limit=500)) == 8


def test_pages_that_end_with_the_last_row_are_followed_by_none(vendor):
    vendor.set(page_size=7)
    assert [len(page) for page in pages(vendor, **OCTOBER)] == [7, 7, 7]


@pytest.mark.parametrize("keeps", ["first", "last"])
def test_a_cap_leaves_rows_out_and_says_nothing(vendor, keeps):
    whole = labels(vendor, **OCTOBER)
    vendor.set(cap=5, cap_keeps=keeps)
    body = fetch(vendor, **OCTOBER).json()
    given = [row["t"] for row in body["bars"]]
    assert given == (whole[:5] if keeps == "first" else whole[-5:])
    assert body["next_page"] is None


def test_several_ticks_have_one_time(vendor):
    given = rows(vendor, "/ticks", **TICKS)
    repeated = Counter(row["t"] for row in given)
    assert repeated["2017-05-02T09:15:00+00:00"] == 2
    assert repeated["2017-05-02T09:45:00+00:00"] == 3
    assert given[3] == given[4] == given[5]  # no less three trades for that


def test_ticks_make_the_bars(vendor):
    ticks = rows(vendor, "/ticks", **TICKS)[:-1]  # the last one begins the next hour
    for number, bar in enumerate(rows(vendor, **HOURS)[:-1]):
        trades = ticks[6 * number : 6 * number + 6]
        prices = [trade["p"] for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(
            bar[name] for name in "ohlc"
        )
        assert sum(trade["s"] for trade in trades) == bar["v"]


def test_a_page_ends_amid_the_ticks_of_one_time(vendor):
    whole = rows(vendor, "/ticks", **TICKS)
    vendor.set(page_size=5)
    given = list(pages(vendor, "/ticks", **TICKS))
    assert given[0][-1]["t"] == given[1][0]["t"]
    assert [row for page in given for row in page] == whole


def test_a_cap_ends_amid_the_ticks_of_one_time(vendor):
    vendor.set(cap=5)
    given = rows(vendor, "/ticks", **TICKS)
    assert [row["t"][11:16] for row in given] == ["09:00", "09:15", "09:15", "09:45", "09:45"]


def test_a_restatement_holds_from_now_on(vendor):
    before = rows(vendor, **OCTOBER)
    vendor.set(restated={"2012-10-05": {"v": 7, "c": 1.5}})
    after = rows(vendor, **OCTOBER)
    assert [old["t"] for old, new in zip(before, after, strict=True) if old != new] == [
        "2012-10-05"
    ]
    assert after[4] == {**before[4], "v": 7, "c": 1.5}


def test_an_hour_is_restated_alone(vendor):
    vendor.set(restated={"2017-05-02T10": {"v": 7}})
    assert [row["v"] == 7 for row in rows(vendor, **HOURS)] == [False, True, False, False]


def test_a_split_puts_all_before_it_on_another_basis(vendor):
    before = closes(vendor, **OCTOBER)
    vendor.set(splits={"2012-10-17": 2.0})
    after = closes(vendor, **OCTOBER)
    ratios = {day: before[day] / after[day] for day in before}
    assert {round(ratios[day], 4) for day in ratios if day < "2012-10-17"} == {2.0}
    assert {ratios[day] for day in ratios if day >= "2012-10-17"} == {1.0}


def test_splits_add_up(vendor):
    whole = rows(vendor, **OCTOBER)[0]
    vendor.set(splits={"2012-10-17": 2.0, "2012-10-24": 4.0})
    first = rows(vendor, **OCTOBER)[0]
    assert first["c"] == pytest.approx(whole["c"] / 8)
    assert first["v"] == whole["v"] * 8


def test_nothing_is_known_before_the_listing_and_after_the_delisting(vendor):
    vendor.set(listed="2012-10-10", delisted="2012-10-12")
    assert labels(vendor, **OCTOBER) == ["2012-10-10", "2012-10-11", "2012-10-12"]
    assert labels(vendor, **{**OCTOBER, "end": "2012-10-09"}) == []


def test_holes_are_bars_that_are_missing(vendor):
    vendor.set(holes=["2012-10-05", "2017-05-02T10"])
    assert "2012-10-05" not in labels(vendor, **OCTOBER)
    assert len(labels(vendor, **OCTOBER)) == SESSIONS - 1
    assert len(labels(vendor, **HOURS)) == 3


def test_nothing_later_than_now_is_known(vendor):
    vendor.set(now="2012-10-10T15:00:00+00:00")
    assert labels(vendor, **OCTOBER)[-1] == "2012-10-10"


def test_the_bar_of_now_changes_at_each_request_and_the_others_do_not(vendor):
    vendor.set(now="2017-05-02T11:30:00+00:00")
    first, second = rows(vendor, **HOURS), rows(vendor, **HOURS)
    assert len(first) == len(second) == 3
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]


def test_a_bar_is_final_when_it_is_over(vendor):
    final = rows(vendor, **HOURS)
    vendor.set(now="2017-05-02T12:00:00+00:00")
    assert rows(vendor, **HOURS)[:-1] == final[:-1]
    assert rows(vendor, **HOURS)[-1] != final[-1]
    vendor.set(now="2017-05-02T13:00:00+00:00")
    assert rows(vendor, **HOURS) == final
