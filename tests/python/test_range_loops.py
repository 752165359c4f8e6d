"""Event loops and the range cache: what is in flight in one, and who may wait for it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, days, same, told

from afml_cache import RangeCache
from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges import reservations

YEAR = days("2024-01-01", "2024-12-31")
ASKED = ("A", "1D", "2024-01-10", "2024-01-20")
PATIENCE = 60  # seconds before a test calls it a hang


# A plain call in the thread of a loop, for what a task of that loop fetches

WAYS: dict[str, Callable[[RangeCache], Any]] = {
    "get": lambda cache: cache.get("A", "1D", "2024-01-12", "2024-01-18"),
    "get, more": lambda cache: cache.get("A", "1D", "2024-01-01", "2024-02-01"),
    "get_many": lambda cache: cache.get_many(["B", "A"], "1D", "2024-01-12", "2024-01-18"),
    "prefetch": lambda cache: cache.prefetch(*ASKED),
    "refresh": lambda cache: cache.refresh(*ASKED),
}


async def beside_a_task(vendor: Vendor, cache: RangeCache, plain: Callable[[], Any]) -> None:
    begun, let_end = asyncio.Event(), asyncio.Event()

    async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
        begun.set()
        await let_end.wait()
        return vendor.load(symbol, timeframe, start, end)

    task = asyncio.create_task(cache.aget(*ASKED, loader=load))
    await begun.wait()
    try:
        plain()
    finally:
        let_end.set()
        same(await task, vendor.between(*ASKED[2:]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_plain_call_does_not_wait_for_a_task_of_its_own_loop(way: str, concurrency: int) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, concurrency=concurrency)
    with pytest.raises(CacheConfigError) as caught:
        asyncio.run(beside_a_task(vendor, cache, lambda: WAYS[way](cache)))
    told(caught.value, "bars A 1D", "2024-01-1", "event loop", "await cache.aget")
    assert vendor.spans.count(("2024-01-10", "2024-01-20")) == 1
    assert {series for series in vendor.series if series[0] == "A"} == {("A", "1D")}
    same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    assert vendor.spans.count(("2024-01-10", "2024-01-20")) == 1


def test_a_plain_call_of_another_cache_does_not_wait_for_a_task_of_its_own_loop() -> None:
    vendor = Vendor(YEAR)
    cache, other = cache_of(vendor), cache_of(vendor)
    with pytest.raises(CacheConfigError, match=r"await cache\.aget"):
        asyncio.run(beside_a_task(vendor, cache, lambda: other.get("A", "1D", *ASKED[2:])))
    same(other.get(*ASKED), vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 1


def test_a_plain_call_for_other_bars_is_answered_beside_a_task() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    found = []

    def plain() -> None:
        found.append(cache.get("A", "1D", "2024-02-01", "2024-02-10"))
        found.append(cache.get("B", "1D", "2024-01-12", "2024-01-18"))

    asyncio.run(beside_a_task(vendor, cache, plain))
    same(found[0], vendor.between("2024-02-01", "2024-02-10"))
    same(found[1], vendor.between("2024-01-12", "2024-01-18"))


def test_a_plain_call_in_a_thread_waits_for_a_task_of_a_loop() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)

    async def main() -> pd.DataFrame:
        begun, let_end = asyncio.Event(), asyncio.Event()

        async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
            begun.set()
            await let_end.wait()
            return vendor.load(symbol, timeframe, start, end)

        task = asyncio.create_task(cache.aget(*ASKED, loader=load))
        await begun.wait()
        waiting = asyncio.create_task(asyncio.to_thread(cache.get, *ASKED))
        await asyncio.sleep(0)
        let_end.set()
        await task
        return await waiting

    same(asyncio.run(asyncio.wait_for(main(), PATIENCE)), vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 1


# A loop that was left in the middle


def left_in_the_middle(
    cache: RangeCache, vendor: Vendor
) -> tuple[asyncio.AbstractEventLoop, asyncio.Task, asyncio.Event]:
    """Press Ctrl-C while a task fetches; the event lets its loader go on."""
    loop, let_end = asyncio.new_event_loop(), asyncio.Event()
    loop.set_exception_handler(lambda *_: None)  # of tasks that are collected, which is the point

    def press() -> None:
        raise KeyboardInterrupt

    async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
        loop.call_soon(press)
        await let_end.wait()
        return vendor.load(symbol, timeframe, start, end)

    task = loop.create_task(cache.aget(*ASKED, loader=load))
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    return loop, task, let_end


AFTER: dict[str, Callable[[RangeCache, Vendor], pd.DataFrame]] = {
    "get": lambda cache, _: cache.get(*ASKED),
    "aget": lambda cache, _: asyncio.run(cache.aget(*ASKED)),
    "another cache": lambda _, vendor: cache_of(vendor).get(*ASKED),
    "another thread": lambda cache, _: asyncio.run(asyncio.to_thread(cache.get, *ASKED)),
}


@pytest.mark.parametrize("way", AFTER)
@pytest.mark.parametrize("closes", [True, False])
def test_what_a_loop_that_was_left_had_in_flight_is_fetched_by_who_asks(
    way: str, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "PATIENCE", 0.0)
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    loop, task, _ = left_in_the_middle(cache, vendor)
    if closes:
        loop.close()
    same(AFTER[way](cache, vendor), vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 1
    assert not task.done()
    loop.close()


def test_a_loop_that_runs_again_finds_its_reservation() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    loop, task, let_end = left_in_the_middle(cache, vendor)

    async def both() -> list[pd.DataFrame]:
        let_end.set()
        return await asyncio.gather(task, cache.aget(*ASKED))

    for found in loop.run_until_complete(asyncio.wait_for(both(), PATIENCE)):
        same(found, vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 1
    loop.close()


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("adjustment", [None, "all"])
def test_a_task_that_goes_on_after_others_took_over_answers_from_what_they_stored(
    fails: bool, adjustment: str | None
) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, adjustment=adjustment)
    loop, task, let_end = left_in_the_middle(cache, vendor)
    same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    if fails:

        def fail(_: pd.DataFrame) -> None:
            raise KeyError

        vendor.answer = fail
    let_end.set()
    same(loop.run_until_complete(asyncio.wait_for(task, PATIENCE)), vendor.between(*ASKED[2:]))
    loop.close()
    checked = cache.verify()
    assert (checked.segments, checked.rows, checked.problems) == (1, 10, [])
