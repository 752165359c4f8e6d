"""62 days of a backtest: its engine, its strategy and its chart ask for what they have seen.

Every call and every day is counted from the log of the vendor, a process of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pandas as pd
import pytest
from vendors import BlockingEngine, VendorEngine, day, days_between

from afml_cache import CachedDataEngine, Store

FIRST, LAST = day("2012-10-01"), day("2012-12-01")
LOOKBACK = timedelta(days=30)
DAYS = 62
SESSIONS = 42  # two were lost to a storm, one to Thanksgiving
SERIES = ("GOOG", "1D")


def calls_of_a_day(now):
    """What the engine and the strategy ask for on each day, from the document of the pattern."""
    return {"engine": (now, now), "strategy": (now - LOOKBACK, now)}


class Counted:
    """Who caused which requests."""

    def __init__(self, vendor):
        self._vendor = vendor
        self._begin = len(vendor.log())
        self.calls = Counter()

    @contextmanager
    def of(self, who):
        before = len(self._vendor.log())
        yield
        self.calls[who] += len(self._vendor.log()) - before

    def requests(self):
        return self._vendor.log()[self._begin :]

    def days_given(self):
        return Counter(date for record in self.requests() for date in record["days"])

    def days_asked(self):
        return Counter(date for record in self.requests() for date in days_between(record))


async def backtest(data, counted):
    """Run the pattern; give every answer."""
    answers = []
    for now in pd.date_range(FIRST, LAST).to_pydatetime():
        for who, (start, end) in calls_of_a_day(now).items():
            with counted.of(who):
                answers.append(await data.get_bars("GOOG", start, end, "1D"))
    with counted.of("chart"):
        answers.append(await data.get_bars("GOOG", FIRST, LAST, "1D"))
    return answers


def run(vendor, wrap=lambda engine: engine, *, prefetch=False):
    """Run the pattern over an engine; give its answers and what the vendor was asked."""
    counted = Counted(vendor)

    async def main():
        async with VendorEngine(vendor.url) as engine:
            data = wrap(engine)
            if prefetch:
                with counted.of("prefetch"):
                    await data.cache.aprefetch(*SERIES, FIRST - LOOKBACK, LAST)
            return await backtest(data, counted)

    return asyncio.run(main()), counted


def cached(store, **options):
    return lambda engine: CachedDataEngine(engine, store=store, **options)


def assert_equal(answers, direct):
    assert len(answers) == len(direct) == 2 * DAYS + 1
    for answer, expected in zip(answers, direct, strict=True):
        pd.testing.assert_frame_equal(answer, expected)


@pytest.fixture(scope="module")
def direct(vendor_process):
    """The answers without a cache, and what they cost."""
    vendor_process.reset()
    return run(vendor_process)


def test_without_a_cache_every_request_is_a_call(direct):
    _, counted = direct
    assert counted.calls == {"engine": DAYS, "strategy": DAYS, "chart": 1}
    assert counted.days_asked().total() == DAYS + DAYS * 31 + DAYS
    assert counted.days_given()["2012-10-31"] == 1 + 31 + 1  # by each of the three


def test_every_day_is_loaded_once(vendor, store, direct):
    answers, counted = run(vendor, cached(store))
    assert_equal(answers, direct[0])
    assert counted.calls.total() <= DAYS + 1
    assert counted.calls["chart"] == 0
    assert set(counted.days_asked().values()) == {1}
    assert set(counted.days_given().values()) == {1}
    assert counted.days_given().keys() == direct[1].days_given().keys()


def test_a_calendar_spares_the_days_without_trading(vendor, store, direct):
    answers, counted = run(vendor, cached(store, calendar="XNYS"))
    assert_equal(answers, direct[0])
    assert counted.calls.total() <= SESSIONS + 1
    assert counted.calls["chart"] == 0
    assert set(counted.days_given().values()) == {1}


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_one_prefetch_is_the_only_call(vendor, store, direct, calendar):
    answers, counted = run(vendor, cached(store, calendar=calendar), prefetch=True)
    assert_equal(answers, direct[0])
    assert counted.calls.total() == counted.calls["prefetch"] == 1
    assert counted.days_given().keys() == direct[1].days_given().keys()


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_a_second_run_makes_no_call(vendor, store, direct, calendar):
    run(vendor, cached(store, calendar=calendar))
    answers, counted = run(vendor, cached(store, calendar=calendar))
    assert_equal(answers, direct[0])
    assert counted.requests() == []


def test_a_store_that_is_opened_again_makes_no_call(vendor, tmp_path, direct):
    run(vendor, cached(Store(tmp_path / "bars")))
    answers, counted = run(vendor, cached(Store(tmp_path / "bars")))
    assert_equal(answers, direct[0])
    assert counted.requests() == []


def test_an_engine_without_coroutines_is_answered_the_same(vendor, store, direct):
    counted = Counted(vendor)
    data = CachedDataEngine(BlockingEngine(vendor), store=store)
    answers = [
        data.get_bars("GOOG", start, end, "1D")
        for now in pd.date_range(FIRST, LAST).to_pydatetime()
        for start, end in calls_of_a_day(now).values()
    ]
    answers.append(data.get_bars("GOOG", FIRST, LAST, "1D"))
    assert_equal(answers, direct[0])
    assert len(counted.requests()) <= DAYS + 1
    assert set(counted.days_asked().values()) == {1}


def test_pages_of_an_answer_are_counted_and_lose_nothing(vendor, store, direct):
    vendor.set(page_size=5)
    answers, counted = run(vendor, cached(store), prefetch=True)
    assert_equal(answers, direct[0])
    assert +counted.calls == {"prefetch": 13}  # of 61 sessions from September
    assert set(counted.days_given().values()) == {1}
