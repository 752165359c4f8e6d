"""What breaks caches of bars by time range: requests that overlap at one time, and failures."""

import asyncio
import datetime as dt
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, same, utc

from afml_cache import RangeCache, Store
from afml_cache.exceptions import PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
PATIENCE = 60  # seconds before a test calls it a hang
OVERLAPPING = [
    ("2024-01-01", "2024-02-10"),
    ("2024-01-20", "2024-03-01"),
    ("2024-01-05", "2024-01-25"),
    ("2024-02-05", "2024-03-10"),
    ("2024-01-01", "2024-03-10"),
    ("2024-01-20", "2024-03-01"),
]


class Gate:
    """Holds calls back until it is opened, and tells when the first has come."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE)


# 12. Overlapping requests at one time


def test_threads_with_overlapping_requests_fetch_each_bar_once() -> None:
    vendor, gate = Vendor(YEAR), Gate()

    def hold(frame: pd.DataFrame) -> pd.DataFrame:
        gate.wait()
        return frame

    vendor.answer = hold
    cache = cache_of(vendor)
    found: dict[int, pd.DataFrame] = {}

    def ask(number: int) -> None:
        found[number] = cache.get("A", "1D", *OVERLAPPING[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(OVERLAPPING))]
    for thread in threads:
        thread.start()
    assert gate.reached.wait(PATIENCE)
    gate.open.set()
    for thread in threads:
        thread.join(PATIENCE)
    for number, asked in enumerate(OVERLAPPING):
        same(found[number], vendor.between(*asked))
    assert vendor.given_twice == []


def test_tasks_with_overlapping_requests_fetch_each_bar_once() -> None:
    vendor = Vendor(YEAR)

    async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
        found = vendor.load(symbol, timeframe, start, end)
        for _ in range(20):
            await asyncio.sleep(0)
        return found

    async def main() -> list[pd.DataFrame]:
        cache = RangeCache("bars", load, clock=Clock())
        return await asyncio.gather(*(cache.aget("A", "1D", *asked) for asked in OVERLAPPING))

    for found, asked in zip(asyncio.run(main()), OVERLAPPING, strict=True):
        same(found, vendor.between(*asked))
    assert vendor.given_twice == []


def test_a_request_that_overlaps_one_in_flight_fetches_only_the_rest_meanwhile() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)

    async def main() -> None:
        first_begun, let_first_end, rest_is_there = (asyncio.Event() for _ in range(3))

        async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
            if not first_begun.is_set():
                first_begun.set()
                await let_first_end.wait()
            elif len(vendor.asked) == 1:
                rest_is_there.set()
            return vendor.load(symbol, timeframe, start, end)

        ask = functools.partial(cache.aget, "A", "1D", loader=load)
        first = asyncio.create_task(ask("2024-01-10", "2024-01-20"))
        await first_begun.wait()
        second = asyncio.create_task(ask("2024-01-05", "2024-01-25"))
        await rest_is_there.wait()  # its two ends are fetched while the first still waits
        assert not first.done()
        let_first_end.set()
        same(await second, vendor.between("2024-01-05", "2024-01-25"))
        same(await first, vendor.between("2024-01-10", "2024-01-20"))

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert sorted(vendor.spans) == [
        ("2024-01-05", "2024-01-10"),
        ("2024-01-10", "2024-01-20"),
        ("2024-01-20", "2024-01-25"),
    ]


def test_a_task_that_is_cancelled_leaves_its_bars_to_who_waits_for_them() -> None:
    vendor = Vendor(YEAR)

    async def main() -> pd.DataFrame:
        begun, calls = asyncio.Event(), []

        async def load(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
            calls.append((start, end))
            if len(calls) == 1:
                begun.set()
                await asyncio.Event().wait()
            return vendor.load(symbol, timeframe, start, end)

        cache = RangeCache("bars", load, clock=Clock())
        first = asyncio.create_task(cache.aget("A", "1D", "2024-01-10", "2024-01-20"))
        await begun.wait()
        second = asyncio.create_task(cache.aget("A", "1D", "2024-01-12", "2024-01-18"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    found = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    same(found, vendor.between("2024-01-12", "2024-01-18"))
    assert vendor.spans == [("2024-01-12", "2024-01-18")]


def test_of_two_that_want_the_same_the_second_fetches_what_the_first_could_not() -> None:
    vendor, gate = Vendor(YEAR), Gate()

    def fail_once(frame: pd.DataFrame) -> pd.DataFrame:
        if len(vendor.asked) == 1:
            gate.wait()
            raise KeyError
        return frame

    vendor.answer = fail_once
    cache = cache_of(vendor)
    outcomes: list[Any] = []

    def ask() -> None:
        try:
            outcomes.append(len(cache.get("A", "1D", "2024-01-10", "2024-01-20")))
        except PartialCoverageError as error:
            outcomes.append(type(error.__cause__))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert gate.reached.wait(PATIENCE)
    gate.open.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(outcomes, key=str) == [10, KeyError]
    assert vendor.spans == [("2024-01-10", "2024-01-20")] * 2


FETCHING = """
import sys
import pandas as pd
from range_vendor import Vendor, cache_of, days, same, shown

vendor = Vendor(days("2024-01-01", "2024-12-31"))
log = open("asked.txt", "a", buffering=1)

def note(frame):
    log.writelines(f"{time:%Y-%m-%d}\\n" for time in frame.index)
    return frame

vendor.answer = note
cache = cache_of(vendor, max_span="3D")
print("ready", flush=True)
sys.stdin.readline()
for line in sys.argv[1:]:
    start, end = line.split("/")
    same(cache.get("A", "1D", start, end), vendor.between(start, end))
"""


def test_processes_with_overlapping_requests_fetch_each_bar_once(tmp_path: Path) -> None:
    script = tmp_path / "fetching.py"
    script.write_text(FETCHING, encoding="utf-8")
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ranges = ["/".join(asked) for asked in OVERLAPPING]
    started = [
        subprocess.Popen(
            [sys.executable, script, *ranges[number:], *ranges[:number]],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:  # all of them at once
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    fetched = (tmp_path / "asked.txt").read_text("utf-8").split()
    wanted = YEAR[: YEAR.get_loc(utc("2024-03-10"))].strftime("%Y-%m-%d").tolist()
    assert sorted(fetched) == wanted


def test_what_another_process_has_written_and_not_entered_yet_is_no_lost_segment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = Vendor(YEAR)
    elsewhere, here = Store(tmp_path / "elsewhere"), Store(tmp_path / "here")
    asked = ("A", "1D", "2024-01-01", "2024-01-05")
    cache_of(vendor, store=elsewhere).get(*asked)
    (written,) = (tmp_path / "elsewhere").rglob("*.parquet")
    known = []

    def look_meanwhile(frame: pd.DataFrame) -> pd.DataFrame:
        folder = tmp_path / "here" / written.parent.relative_to(tmp_path / "elsewhere")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / written.name).write_bytes(written.read_bytes())
        known.append(len(cache_of(vendor, store=here).coverage("A", "1D")))
        return frame

    vendor.answer = look_meanwhile
    cache = cache_of(vendor, store=here)
    same(cache.get(*asked), vendor.between("2024-01-01", "2024-01-05"))
    assert known == [0]
    assert cache_of(vendor, store=here).coverage("A", "1D").segments == 1
    assert caplog.text == ""


# 13. One fetch of several fails

Ask = Callable[..., Any]


def _asking(vendor: Vendor, way: str, **options: Any) -> tuple[RangeCache, Ask]:
    """Give a cache, and its `get` or a `get` by coroutines."""
    if way == "get":
        cache = cache_of(vendor, **options)
        return cache, cache.get
    cache = RangeCache("bars", vendor.aload, clock=Clock(), retries=0, **options)
    return cache, lambda *asked, **named: asyncio.run(cache.aget(*asked, **named))


def _failing(vendor: Vendor, *broken: str) -> None:
    """Have the vendor fail wherever it is asked for one of these days."""

    def answer(frame: pd.DataFrame) -> pd.DataFrame:
        for day in broken:
            if utc(day) in frame.index:
                message = f"no answer for {day}"
                raise OSError(message)
        return frame

    vendor.answer = answer


@pytest.mark.parametrize("way", ["get", "aget"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_was_fetched_beside_a_failure_is_given_and_kept(way: str, concurrency: int) -> None:
    vendor = Vendor(YEAR)
    _failing(vendor, "2024-01-15")
    _, ask = _asking(vendor, way, max_span="10D", concurrency=concurrency)
    with pytest.raises(PartialCoverageError) as told:
        ask("A", "1D", "2024-01-01", "2024-02-10")
    assert told.value.missing == [(dt.date(2024, 1, 11), dt.date(2024, 1, 21))]
    same(told.value.data, vendor.between("2024-01-01", "2024-02-10").drop(YEAR[10:20]))
    assert isinstance(told.value.__cause__, OSError)
    for part in ("2024-01-11 .. 2024-01-20", "bars A 1D", "no answer for 2024-01-15", "is kept"):
        assert part in str(told.value)
    vendor.answer = None
    before = len(vendor.asked)
    same(ask("A", "1D", "2024-01-01", "2024-02-10"), vendor.between("2024-01-01", "2024-02-10"))
    assert vendor.spans[before:] == [("2024-01-11", "2024-01-21")]


@pytest.mark.parametrize("way", ["get", "aget"])
def test_who_takes_partial_answers_gets_the_bars_and_what_is_missing(way: str) -> None:
    vendor = Vendor(YEAR)
    _failing(vendor, "2024-01-15", "2024-02-04")
    _, ask = _asking(vendor, way, max_span="10D")
    data, missing = ask("A", "1D", "2024-01-01", "2024-02-10", allow_partial=True)
    assert [tuple(map(str, gap)) for gap in missing] == [
        ("2024-01-11", "2024-01-21"),
        ("2024-01-31", "2024-02-10"),
    ]
    same(data, vendor.between("2024-01-01", "2024-01-31").drop(YEAR[10:20]))
    vendor.answer = None
    data, missing = ask("A", "1D", "2024-01-01", "2024-02-10", allow_partial=True)
    same(data, vendor.between("2024-01-01", "2024-02-10"))
    assert missing == []


def test_who_always_takes_partial_answers_says_so_once() -> None:
    vendor = Vendor(YEAR)
    _failing(vendor, "2024-01-15")
    cache = cache_of(vendor, max_span="10D", allow_partial=True)
    assert len(cache.get("A", "1D", "2024-01-01", "2024-02-10").missing) == 1
    with pytest.raises(PartialCoverageError):
        cache.get("A", "1D", "2024-01-01", "2024-02-10", allow_partial=False)


def test_an_intraday_gap_is_told_in_instants() -> None:
    vendor = Vendor(pd.date_range("2024-01-01", "2024-01-03", freq="h", tz="UTC", name="time"))
    cache = cache_of(vendor)
    cache.get("A", "1h", "2024-01-01T00:00", "2024-01-01T06:00")
    _failing(vendor, "2024-01-01T08:00")
    with pytest.raises(PartialCoverageError) as told:
        cache.get("A", "1h", "2024-01-01T02:00", "2024-01-01T10:00")
    assert told.value.missing == [(utc("2024-01-01T06:00"), utc("2024-01-01T10:00"))]
    same(told.value.data, vendor.between("2024-01-01T02:00", "2024-01-01T06:00"))


def test_a_failure_without_anything_stored_gives_no_bars_and_all_as_missing() -> None:
    vendor = Vendor(YEAR)
    _failing(vendor, "2024-01-15")
    cache = cache_of(vendor)
    data, missing = cache.get("A", "1D", "2024-01-10", "2024-01-20", allow_partial=True)
    assert len(data) == 0
    assert [tuple(map(str, gap)) for gap in missing] == [("2024-01-10", "2024-01-20")]


def test_an_empty_gap_does_not_drop_what_is_stored_beside_it() -> None:
    vendor = Vendor(YEAR.drop(YEAR[14:16]))
    cache = cache_of(vendor)
    cache.get("A", "1D", "2024-01-10", "2024-01-15")
    vendor.answer = lambda frame: [] if frame.empty else frame  # some give that for a holiday
    same(
        cache.get("A", "1D", "2024-01-10", "2024-01-17"), vendor.between("2024-01-10", "2024-01-17")
    )


def test_a_forming_bar_that_can_not_be_fetched_again_is_missing_and_not_stale() -> None:
    clock = Clock("2024-01-15T12:00")
    vendor = Vendor(days("2024-01-01", "2024-01-15"))
    cache = cache_of(vendor, clock=clock)
    cache.get("A", "1D", "2024-01-10", "2024-01-16")
    _failing(vendor, "2024-01-15")
    clock.move("1D")
    data, missing = cache.get("A", "1D", "2024-01-10", "2024-01-16", allow_partial=True)
    same(data, vendor.between("2024-01-10", "2024-01-15"))
    assert [tuple(map(str, gap)) for gap in missing] == [("2024-01-15", "2024-01-16")]


def test_a_prefetch_that_fails_in_part_keeps_the_rest_and_does_not_try_again_at_once() -> None:
    clock = Clock()
    vendor = Vendor(YEAR)
    _failing(vendor, "2024-01-15")
    cache = cache_of(vendor, clock=clock, max_span="10D")
    with pytest.raises(PartialCoverageError) as told:
        cache.prefetch("A", "1D", "2024-01-01", "2024-02-10")
    assert told.value.data is None
    assert len(vendor.asked) == 4
    assert cache.prefetch("A", "1D", "2024-01-01", "2024-02-10") == 0
    vendor.answer = None
    clock.move("61s")
    assert cache.prefetch("A", "1D", "2024-01-01", "2024-02-10") == 1
    assert vendor.given_twice == []
