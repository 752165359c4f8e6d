"""Calls for several symbols at once: of what they are, and what becomes of their answers."""

import asyncio
import threading
from collections.abc import Callable

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, bars, hours, same, utc

from afml_cache import RangeCache, mode
from afml_cache.exceptions import CacheConfigError

HOURS = hours("2024-01-01", "2024-01-31 23:00")
DAY = ("2024-01-02", "2024-01-03")


class ManyVendor(Vendor):
    """Gives the bars of several symbols in one answer, and notes for which it was asked."""

    def __init__(self, times: pd.DatetimeIndex = HOURS) -> None:
        super().__init__(times)
        self.together: list[tuple[str, ...]] = []
        self.before: Callable[[tuple[str, ...]], None] = lambda _: None

    def load_many(self, symbols, timeframe, start, end):  # noqa: ARG002
        self.together.append(tuple(symbols))
        self.before(tuple(symbols))
        return {symbol: self.between(start, end) for symbol in symbols}


def of_many(vendor: ManyVendor, **options: object) -> RangeCache:
    options = {"many": vendor.load_many, "clock": Clock(), "retries": 0, **options}
    return RangeCache("bars", vendor.load, **options)


# Bars that are made of shorter ones


def test_derived_bars_of_several_symbols_are_made_of_shorter_ones() -> None:
    vendor = ManyVendor()
    cache = of_many(vendor, derive={"4h": "1h"})
    given = cache.get_many(["A", "B"], "4h", *DAY, shape="dict")
    assert vendor.together == []  # nobody is asked for bars of four hours
    assert vendor.series == [("A", "1h"), ("B", "1h")]
    alone = of_many(vendor, derive={"4h": "1h"}, source="alone").get("A", "4h", *DAY)
    assert len(alone) == 6
    for symbol in "AB":
        same(given[symbol], alone)
        same(cache.get(symbol, "4h", *DAY), alone)
        assert {one.reason for one in cache.coverage(symbol, "4h")} == {"derived"}


# Vendors that give so many rows for a call


class Cutting(ManyVendor):
    """Gives at most so many rows for a call, of all symbols together."""

    def __init__(self, most: int, times: pd.DatetimeIndex = HOURS) -> None:
        super().__init__(times)
        self.most = most

    def load(self, symbol, timeframe, start, end):
        return super().load(symbol, timeframe, start, end)[: self.most]

    def load_many(self, symbols, timeframe, start, end):
        parts = super().load_many(symbols, timeframe, start, end)
        whole = pd.concat([part.assign(symbol=symbol) for symbol, part in parts.items()])
        return whole[: self.most]


def test_a_call_is_for_as_many_symbols_as_fit_into_an_answer() -> None:
    vendor = Cutting(100)
    given = of_many(vendor, max_rows=100).get_many([*"ABCDEF"], "1h", *DAY, shape="dict")
    assert vendor.together == [("A", "B", "C", "D"), ("E", "F")]
    for symbol in "ABCDEF":
        same(given[symbol], vendor.between(*DAY))


def test_a_call_is_for_no_more_symbols_than_may_be_locked_at_once() -> None:
    vendor = ManyVendor()
    cache = of_many(vendor, compact=False)
    symbols = [f"S{number}" for number in range(300)]
    cache.get_many(symbols, "1h", *DAY, shape="dict")
    assert [len(asked) for asked in vendor.together] == [256, 44]


def test_where_one_symbol_fills_an_answer_each_is_asked_for_by_itself() -> None:
    vendor = Cutting(20)
    given = of_many(vendor, max_rows=20).get_many([*"AB"], "1h", *DAY, shape="dict")
    assert vendor.together == [("A",), ("A", "B"), ("B",)]  # of the rest both fit
    for symbol in "AB":
        same(given[symbol], vendor.between(*DAY))


@pytest.mark.parametrize("timeframe", ["tick", "1h"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_full_answer_for_several_symbols_is_not_believed(timeframe: str, concurrency) -> None:
    # There are two bars an hour: more than is to be expected.
    times = hours("2024-01-01", "2024-01-31 23:00")
    vendor = Cutting(97, times.union(times + pd.Timedelta("30min")).rename("time"))
    cache = of_many(vendor, max_rows=97, concurrency=concurrency)
    given = cache.get_many([*"ABCD"], timeframe, *map(utc, DAY), shape="dict")
    if timeframe == "tick":
        assert sorted(vendor.together) == [("A", "B"), ("A", "B", "C", "D"), ("C", "D")]
    for symbol in "ABCD":
        same(given[symbol], vendor.between(*DAY))
        same(cache.get(symbol, timeframe, *map(utc, DAY)), vendor.between(*DAY))
    assert vendor.asked == []


# Several who ask at once


def threads(*asking: Callable[[], object]) -> None:
    started = [threading.Thread(target=one, daemon=True) for one in asking]
    for one in started:
        one.start()
    for one in started:
        one.join(20)
        assert not one.is_alive()


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_another_asks_for_together_is_waited_for(concurrency: int) -> None:
    vendor, first, second = ManyVendor(), threading.Event(), threading.Event()
    cache = of_many(vendor, concurrency=concurrency)

    def meet(symbols: tuple[str, ...]) -> None:
        (second if "C" in symbols else first).set()
        assert second.wait(10)  # the first call lasts until the second is made

    def ask_later() -> None:
        assert first.wait(10)
        cache.get_many(["B", "C", "A"], "1h", *DAY)

    vendor.before = meet
    threads(lambda: cache.get_many(["A", "B"], "1h", *DAY), ask_later)
    assert sorted(map(sorted, vendor.together)) == [["A", "B"], ["C"]]
    assert vendor.asked == []


def test_what_a_request_for_one_fetches_is_no_part_of_a_call() -> None:
    vendor, begun, met = ManyVendor(), threading.Event(), threading.Event()
    cache = of_many(vendor)
    vendor.before = lambda _: met.set()

    def meet(found: pd.DataFrame) -> pd.DataFrame:
        begun.set()
        assert met.wait(10)
        return found

    def ask_later() -> None:
        assert begun.wait(10)
        cache.get_many(["B", "A"], "1h", *DAY)

    vendor.answer = meet
    threads(lambda: cache.get("A", "1h", *DAY), ask_later)
    assert (vendor.together, vendor.series) == ([("B",)], [("A", "1h")])


def test_two_requests_for_the_same_symbols_do_not_wait_for_each_other() -> None:
    vendor, both = ManyVendor(), threading.Barrier(2)
    cache = of_many(vendor)
    for symbol in "XY":
        cache.get(symbol, "1h", DAY[0], "2024-01-02 12:00")
    met = set()

    def meet(_: tuple[str, ...]) -> None:
        name = threading.current_thread().name
        if name not in met:
            met.add(name)
            both.wait(10)

    vendor.before = meet
    threads(
        lambda: cache.get_many(["A", "Y", "B"], "1h", *DAY),
        lambda: cache.get_many(["X", "B", "Y", "C"], "1h", *DAY),
    )
    asked = [symbol for symbols in vendor.together for symbol in symbols]
    assert sorted(asked) == ["A", "B", "C", "X", "Y"]


def test_a_cancelled_request_lets_go_of_all_its_symbols() -> None:
    vendor = ManyVendor()

    async def cancelled() -> pd.DataFrame:
        begun = asyncio.Event()

        async def load_many(symbols, timeframe, start, end):
            begun.set()
            await asyncio.Event().wait()

        cache = of_many(vendor, many=load_many)
        task = asyncio.ensure_future(cache.aget_many(["A", "B"], "1h", *DAY))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.wait_for(cache.aget("B", "1h", *DAY), 10)

    same(asyncio.run(cancelled()), vendor.between(*DAY))


def test_whoever_is_told_of_a_restatement_may_ask_for_another_symbol() -> None:
    vendor, seen = ManyVendor(), []

    def told_of(key, start, end):
        seen.append((key["symbol"], len(cache.get("B", "1h", *DAY))))

    cache = of_many(vendor, on_restated=told_of)
    cache.get_many(["A", "B"], "1h", *DAY)
    vendor.bars = bars(HOURS) + 1
    with mode("fresh"):
        cache.get_many(["A", "B"], "1h", *DAY)
    assert seen == [("A", 24), ("B", 24)]


def test_a_loader_of_many_that_asks_for_what_it_loads_is_told_so() -> None:
    vendor = ManyVendor()
    cache = of_many(vendor)
    vendor.before = lambda _: cache.get("B", "1h", *DAY)
    with pytest.raises(CacheConfigError, match="that it is loading"):
        cache.get_many(["A", "B"], "1h", *DAY)


@pytest.mark.parametrize("written", ["off", "readonly", "fresh"])
def test_symbols_are_asked_for_together_in_modes_that_keep_nothing(written: str) -> None:
    vendor = ManyVendor()
    cache = of_many(vendor)
    with mode(written):
        for _ in range(2):
            given = cache.get_many(["A", "B"], "1h", *DAY, shape="dict")
            same(given["B"], vendor.between(*DAY))
    assert vendor.together == [("A", "B")] * (1 if written == "readonly" else 2)
