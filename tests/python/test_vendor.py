"""The vendor of the examples does what it is told to, over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime, timezone

import httpx
import pandas as pd
import pytest
from vendors import EXAMPLES, BlockingEngine, VendorEngine, fetch, pages, running

pytest.importorskip("backtesting", reason="the vendor's bars come from `backtesting`")

OCTOBER = {"symbol": "GOOG", "timeframe": "1D", "start": "2012-10-01", "end": "2012-10-31"}
HOURS = {
    "symbol": "EURUSD",
    "timeframe": "1h",
    "start": "2017-05-02T09:00:00+00:00",
    "end": "2017-05-02T12:00:00+00:00",
}
TICKS = {name: value for name, value in HOURS.items() if name != "timeframe"}
SESSIONS = 21  # of October 2012, which lost two to a storm


@pytest.fixture(scope="module")
def process():
    with running() as started:
        yield started


@pytest.fixture
def vendor(process):
    """A vendor without faults; its log goes on from test to test."""
    process.reset()
    return process


def rows(vendor, path="/bars", **asked):
    return fetch(vendor, path, **asked).raise_for_status().json()[path.strip("/")]


def labels(vendor, **asked):
    return [row["t"] for row in rows(vendor, **asked)]


def closes(vendor, **asked):
    return {row["t"]: row["c"] for row in rows(vendor, **asked)}


class TestBars:
    def test_daily_bars_are_those_of_the_package(self, vendor):
        from backtesting.test import GOOG

        asked = (datetime(2004, 1, 1), datetime(2013, 12, 31))  # noqa: DTZ001
        served = BlockingEngine(vendor).get_bars("GOOG", *asked, "1D")
        theirs = GOOG.rename(columns=str.lower).rename_axis("time")
        pd.testing.assert_frame_equal(served, theirs, check_index_type=False)

    def test_hourly_bars_are_those_of_the_package(self, vendor):
        from backtesting.test import EURUSD

        asked = (datetime(2017, 1, 1), datetime(2018, 12, 31))  # noqa: DTZ001
        served = BlockingEngine(vendor).get_bars("EURUSD", *asked, "1h")
        theirs = EURUSD.rename(columns=str.lower).rename_axis("time").tz_localize("UTC")
        pd.testing.assert_frame_equal(served, theirs, check_index_type=False)

    def test_monthly_bars_are_labelled_by_their_last_day(self, vendor):
        asked = {"symbol": "BTCUSD", "timeframe": "1M", "start": "2012-01-01", "end": "2012-02-29"}
        assert labels(vendor, **asked) == ["2012-01-31", "2012-02-29"]

    def test_an_empty_answer_has_the_columns_and_dtypes_of_a_full_one(self, vendor):
        saturday, friday = datetime(2012, 10, 6), datetime(2012, 10, 5)  # noqa: DTZ001
        engine = BlockingEngine(vendor)
        empty = engine.get_bars("GOOG", saturday, saturday, "1D")
        full = engine.get_bars("GOOG", friday, friday, "1D")
        assert len(empty) == 0
        assert list(empty.dtypes.items()) == list(full.dtypes.items())
        assert empty.index.dtype == full.index.dtype

    @pytest.mark.parametrize(("closed", "last"), [("both", "2012-10-31"), ("left", "2012-10-26")])
    def test_the_end_of_a_request_is_included_or_not(self, vendor, closed, last):
        vendor.set(closed=closed)
        assert labels(vendor, **OCTOBER)[-1] == last
        day = labels(vendor, **{**OCTOBER, "start": "2012-10-31"})
        assert day == (["2012-10-31"] if closed == "both" else [])

    @pytest.mark.parametrize(("closed", "count"), [("both", 4), ("left", 3)])
    def test_the_end_of_hours_is_included_or_not(self, vendor, closed, count):
        vendor.set(closed=closed)
        assert len(labels(vendor, **HOURS)) == count

    def test_a_day_is_its_date_whatever_the_hour_and_zone(self, vendor):
        asked = {
            **OCTOBER,
            "start": "2012-10-02T09:30:00-04:00",
            "end": "2012-10-02T23:00:00-04:00",
        }
        assert labels(vendor, **asked) == ["2012-10-02"]

    def test_hours_are_asked_for_in_any_zone(self, vendor):
        asked = {**HOURS, "start": "2017-05-02T05:00:00-04:00"}
        assert labels(vendor, **asked) == labels(vendor, **HOURS)

    @pytest.mark.parametrize(
        "wrong", [{"symbol": "MSFT"}, {"timeframe": "7m"}, {"start": "yesterday"}, {"page": "x"}]
    )
    def test_what_it_does_not_know_is_a_bad_request(self, vendor, wrong):
        assert fetch(vendor, **{**OCTOBER, **wrong}).status_code == 400
        assert vendor.log()[-1]["status"] == 400


class TestPages:
    def test_pages_have_all_rows_once(self, vendor):
        whole = rows(vendor, **OCTOBER)
        vendor.set(page_size=8)
        given = list(pages(vendor, **OCTOBER))
        assert [len(page) for page in given] == [8, 8, 5]
        assert [row for page in given for row in page] == whole

    def test_the_caller_may_ask_for_smaller_pages_and_not_for_larger_ones(self, vendor):
        vendor.set(page_size=8)
        assert len(rows(vendor, **OCTOBER, limit=3)) == 3
        assert len(rows(vendor, **OCTOBER, limit=500)) == 8

    def test_pages_that_end_with_the_last_row_are_followed_by_none(self, vendor):
        vendor.set(page_size=7)
        assert [len(page) for page in pages(vendor, **OCTOBER)] == [7, 7, 7]

    @pytest.mark.parametrize("keeps", ["first", "last"])
    def test_a_cap_leaves_rows_out_and_says_nothing(self, vendor, keeps):
        whole = labels(vendor, **OCTOBER)
        vendor.set(cap=5, cap_keeps=keeps)
        body = fetch(vendor, **OCTOBER).json()
        given = [row["t"] for row in body["bars"]]
        assert given == (whole[:5] if keeps == "first" else whole[-5:])
        assert body["next_page"] is None


class TestRefusals:
    def test_each_third_request_is_one_too_many(self, vendor):
        vendor.set(throttle_every=3)
        statuses = [fetch(vendor, **OCTOBER).status_code for _ in range(6)]
        assert statuses == [200, 200, 429, 200, 200, 429]

    @pytest.mark.parametrize(
        ("told", "sent"),
        [(None, "1"), (30, "30"), (0.25, "0.25"), ("none", None), ("Fri, 01 Jan", "Fri, 01 Jan")],
    )
    def test_a_refusal_says_when_to_come_again(self, vendor, told, sent):
        vendor.set(throttle_every=1, retry_after=told)
        assert fetch(vendor, **OCTOBER).headers.get("Retry-After") == sent

    def test_an_empty_bucket_refuses_and_says_how_long(self, vendor):
        vendor.set(bucket_size=2, bucket_per_second=0.01)
        answers = [fetch(vendor, **OCTOBER) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 90 <= int(answers[2].headers["Retry-After"]) <= 100

    def test_a_bucket_fills_again(self, vendor):
        vendor.set(bucket_size=1, bucket_per_second=1e6)
        assert [fetch(vendor, **OCTOBER).status_code for _ in range(3)] == [200, 200, 200]

    def test_an_outage_ends_after_so_many_requests(self, vendor):
        vendor.set(outage_after=1, outage_requests=2)
        statuses = [fetch(vendor, **OCTOBER).status_code for _ in range(4)]
        assert statuses == [200, 503, 503, 200]

    def test_an_outage_may_answer_with_nothing(self, vendor):
        vendor.set(outage_requests=1, outage_answer="empty")
        answer = fetch(vendor, **OCTOBER)
        assert answer.status_code == 200
        assert answer.json() == {"bars": [], "next_page": None}
        assert len(rows(vendor, **OCTOBER)) == SESSIONS

    def test_an_outage_may_break_off_amid_an_answer(self, vendor):
        vendor.set(outage_requests=1, outage_answer="cut")
        with pytest.raises(httpx.RemoteProtocolError):
            fetch(vendor, **OCTOBER)
        assert len(rows(vendor, **OCTOBER)) == SESSIONS

    def test_an_outage_may_be_of_any_status(self, vendor):
        vendor.set(outage_requests=1, outage_answer=401)
        assert fetch(vendor, **OCTOBER).status_code == 401

    def test_an_outage_of_a_day_fails_what_has_it_and_nothing_else(self, vendor):
        vendor.set(outage_dates=["2012-10-10"])
        assert fetch(vendor, **OCTOBER).status_code == 503
        assert fetch(vendor, **{**OCTOBER, "end": "2012-10-10"}).status_code == 503
        assert fetch(vendor, **{**OCTOBER, "start": "2012-10-11"}).status_code == 200

    def test_latency_passes_before_an_answer(self, vendor):
        vendor.set(latency_ms=50)
        assert fetch(vendor, **OCTOBER).elapsed.total_seconds() >= 0.05


class TestSpoiledAnswers:
    def test_duplicates_are_equal_rows(self, vendor):
        vendor.set(duplicates=["2012-10-05", "2012-10-08"])
        given = rows(vendor, **OCTOBER)
        assert len(given) == SESSIONS + 2
        assert given[4] == given[5]
        assert [row["t"] for row in given] == sorted(row["t"] for row in given)

    def test_duplicates_have_other_prices(self, vendor):
        vendor.set(duplicates=["2012-10-05"], duplicate_shift=1.0)
        first, second = (row for row in rows(vendor, **OCTOBER) if row["t"] == "2012-10-05")
        assert second["c"] == first["c"] + 1.0
        assert second["v"] == first["v"]

    @pytest.mark.parametrize("order", ["descending", "shuffled"])
    def test_rows_come_out_of_order(self, vendor, order):
        whole = labels(vendor, **OCTOBER)
        vendor.set(order=order)
        given = labels(vendor, **OCTOBER)
        assert given != whole
        assert sorted(given) == whole

    def test_rows_come_that_were_not_asked_for(self, vendor):
        vendor.set(outside=2)
        given = labels(vendor, **{**OCTOBER, "end": "2012-10-02"})
        assert given == [
            "2012-09-27",
            "2012-09-28",
            "2012-10-01",
            "2012-10-02",
            "2012-10-03",
            "2012-10-04",
        ]


class TestHistory:
    def test_a_restatement_holds_from_now_on(self, vendor):
        before = rows(vendor, **OCTOBER)
        vendor.set(restated={"2012-10-05": {"v": 7, "c": 1.5}})
        after = rows(vendor, **OCTOBER)
        assert [old["t"] for old, new in zip(before, after, strict=True) if old != new] == [
            "2012-10-05"
        ]
        assert after[4] == {**before[4], "v": 7, "c": 1.5}

    def test_an_hour_is_restated_alone(self, vendor):
        vendor.set(restated={"2017-05-02T10": {"v": 7}})
        assert [row["v"] == 7 for row in rows(vendor, **HOURS)] == [False, True, False, False]

    def test_a_split_puts_all_before_it_on_another_basis(self, vendor):
        before = closes(vendor, **OCTOBER)
        vendor.set(splits={"2012-10-17": 2.0})
        after = closes(vendor, **OCTOBER)
        ratios = {day: before[day] / after[day] for day in before}
        assert {round(ratios[day], 4) for day in ratios if day < "2012-10-17"} == {2.0}
        assert {ratios[day] for day in ratios if day >= "2012-10-17"} == {1.0}

    def test_splits_add_up(self, vendor):
        whole = rows(vendor, **OCTOBER)[0]
        vendor.set(splits={"2012-10-17": 2.0, "2012-10-24": 4.0})
        first = rows(vendor, **OCTOBER)[0]
        assert first["c"] == pytest.approx(whole["c"] / 8)
        assert first["v"] == whole["v"] * 8

    def test_nothing_is_known_before_the_listing_and_after_the_delisting(self, vendor):
        vendor.set(listed="2012-10-10", delisted="2012-10-12")
        assert labels(vendor, **OCTOBER) == ["2012-10-10", "2012-10-11", "2012-10-12"]
        assert labels(vendor, **{**OCTOBER, "end": "2012-10-09"}) == []

    def test_holes_are_bars_that_are_missing(self, vendor):
        vendor.set(holes=["2012-10-05", "2017-05-02T10"])
        assert "2012-10-05" not in labels(vendor, **OCTOBER)
        assert len(labels(vendor, **OCTOBER)) == SESSIONS - 1
        assert len(labels(vendor, **HOURS)) == 3


class TestNow:
    def test_nothing_later_than_now_is_known(self, vendor):
        vendor.set(now="2012-10-10T15:00:00+00:00")
        assert labels(vendor, **OCTOBER)[-1] == "2012-10-10"

    def test_the_bar_of_now_changes_at_each_request_and_the_others_do_not(self, vendor):
        vendor.set(now="2017-05-02T11:30:00+00:00")
        first, second = rows(vendor, **HOURS), rows(vendor, **HOURS)
        assert len(first) == len(second) == 3
        assert first[:-1] == second[:-1]
        assert first[-1] != second[-1]

    def test_a_bar_is_final_when_it_is_over(self, vendor):
        final = rows(vendor, **HOURS)
        vendor.set(now="2017-05-02T12:00:00+00:00")
        assert rows(vendor, **HOURS)[:-1] == final[:-1]
        assert rows(vendor, **HOURS)[-1] != final[-1]
        vendor.set(now="2017-05-02T13:00:00+00:00")
        assert rows(vendor, **HOURS) == final


class TestTicks:
    def test_several_ticks_have_one_time(self, vendor):
        given = rows(vendor, "/ticks", **TICKS)
        repeated = Counter(row["t"] for row in given)
        assert repeated["2017-05-02T09:15:00+00:00"] == 2
        assert repeated["2017-05-02T09:45:00+00:00"] == 3
        assert given[3] == given[4] == given[5]  # no less three trades for that

    def test_ticks_make_the_bars(self, vendor):
        ticks = rows(vendor, "/ticks", **TICKS)[:-1]  # the last one begins the next hour
        for number, bar in enumerate(rows(vendor, **HOURS)[:-1]):
            trades = ticks[6 * number : 6 * number + 6]
            prices = [trade["p"] for trade in trades]
            assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(
                bar[name] for name in "ohlc"
            )
            assert sum(trade["s"] for trade in trades) == bar["v"]

    def test_a_page_ends_amid_the_ticks_of_one_time(self, vendor):
        whole = rows(vendor, "/ticks", **TICKS)
        vendor.set(page_size=5)
        given = list(pages(vendor, "/ticks", **TICKS))
        assert given[0][-1]["t"] == given[1][0]["t"]
        assert [row for page in given for row in page] == whole

    def test_a_cap_ends_amid_the_ticks_of_one_time(self, vendor):
        vendor.set(cap=5)
        given = rows(vendor, "/ticks", **TICKS)
        assert [row["t"][11:16] for row in given] == ["09:00", "09:15", "09:15", "09:45", "09:45"]


class TestLog:
    def test_a_request_is_a_line(self, vendor):
        count = len(vendor.log())
        fetch(vendor, **{**OCTOBER, "end": "2012-10-02"})
        line = vendor.log()[count:][0]
        assert datetime.fromisoformat(line.pop("time")) <= datetime.now(timezone.utc)
        assert line == {
            "kind": "bars",
            "symbol": "GOOG",
            "timeframe": "1D",
            "start": "2012-10-01",
            "end": "2012-10-02",
            "status": 200,
            "rows": 2,
            "days": ["2012-10-01", "2012-10-02"],
        }

    def test_each_page_and_each_refusal_is_a_line(self, vendor):
        count = len(vendor.log())
        vendor.set(page_size=8, throttle_every=4, outage_after=4, outage_requests=1)
        list(pages(vendor, **OCTOBER))
        fetch(vendor, **OCTOBER)
        fetch(vendor, **OCTOBER)
        new = vendor.log()[count:]
        assert [line["status"] for line in new] == [200, 200, 200, 429, 503]
        assert [line["rows"] for line in new] == [8, 8, 5, 0, 0]

    def test_ticks_are_told_from_bars(self, vendor):
        fetch(vendor, "/ticks", **TICKS)
        assert vendor.log()[-1]["kind"] == "ticks"

    def test_what_is_switched_is_no_request(self, vendor):
        count = len(vendor.log())
        vendor.set(page_size=8)
        assert fetch(vendor, "/control").json()["page_size"] == 8
        assert len(vendor.log()) == count


class TestControl:
    def test_what_is_not_named_stays(self, vendor):
        vendor.set(page_size=8)
        vendor.set(cap=10)
        assert [len(page) for page in pages(vendor, **OCTOBER)] == [8, 2]

    def test_a_behaviour_that_there_is_not_is_refused(self, vendor):
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            vendor.set(pagesize=8)

    def test_a_vendor_starts_with_a_behaviour(self):
        with running(page_size=8, holes=["2012-10-05"], closed="left") as started:
            assert [len(page) for page in pages(started, **OCTOBER)] == [8, 8, 3]

    def test_options_of_the_command_line_are_plain_texts_too(self, tmp_path):
        command = [sys.executable, EXAMPLES / "vendor.py", "--log", tmp_path / "log"]
        with subprocess.Popen([*command, "--set", "closed=left"], stdout=subprocess.PIPE) as own:
            url = f"http://127.0.0.1:{int(own.stdout.readline())}"
            answer = httpx.get(f"{url}/control", trust_env=False).json()
            own.send_signal(signal.SIGINT)
        assert answer["closed"] == "left"
        assert own.returncode == 0

    def test_no_vendor_outlives_its_caller(self, tmp_path):
        command = [sys.executable, EXAMPLES / "vendor.py", "--log", tmp_path / "log"]
        with subprocess.Popen(
            [*command, "--leave-with-caller"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as own:
            own.stdout.readline()
            own.stdin.close()
            assert own.wait(timeout=30) == os.EX_OK


class TestEngine:
    DAYS = (datetime(2012, 10, 1), datetime(2012, 10, 31))  # noqa: DTZ001

    async def ask(self, vendor, symbol="GOOG"):
        async with VendorEngine(vendor.url) as engine:
            return await engine.get_bars(symbol, *self.DAYS, "1D")

    def test_pages_are_followed(self, vendor):
        vendor.set(page_size=4)
        count = len(vendor.log())
        assert len(asyncio.run(self.ask(vendor))) == SESSIONS
        assert len(vendor.log()) - count == 6

    @pytest.mark.parametrize("status", [429, 503])
    def test_refusals_are_errors(self, vendor, status):
        vendor.set(outage_requests=1, outage_answer=status)
        with pytest.raises(httpx.HTTPStatusError, match=str(status)):
            asyncio.run(self.ask(vendor))
