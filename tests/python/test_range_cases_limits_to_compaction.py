"""What breaks caches of bars by time range: limits, caps, holes, crashes, compaction."""

import os
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, same, utc

from afml_cache import RangeCache
from afml_cache.exceptions import (
    CacheReadWarning,
    PartialCoverageError,
)

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
MARCH = pd.bdate_range("2024-03-01", "2024-03-20", tz="UTC", name="time").as_unit("ns")


def states(cache: RangeCache, *key: str) -> list[tuple[str, str, str]]:
    return [(str(one.start), str(one.end), one.state) for one in cache.coverage(*key)]


class RefusedError(Exception):
    """What a vendor's client raises."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers = status, headers


# 14. Rate limits


def test_a_vendors_rate_limit_is_kept_across_series() -> None:
    called = []
    vendor = Vendor(YEAR)
    vendor.answer = lambda found: called.append(time.monotonic()) or found
    cache = cache_of(vendor, rate_limit="2/100ms")
    begun = time.monotonic()
    for symbol in "ABCDEF":
        cache.get(symbol, "1D", *JANUARY)
    assert len(called) == 6
    assert called[2] - begun >= 0.095
    assert called[4] - begun >= 0.19


def test_identical_calls_keep_their_distance() -> None:
    called = []
    vendor = Vendor(YEAR)
    vendor.answer = lambda found: called.append(time.monotonic()) or found
    cache = cache_of(vendor, identical=0.1)
    begun = time.monotonic()
    for _ in range(3):
        cache.refresh("A", "1D", *JANUARY)
    assert len(called) == 3
    assert called[1] - begun >= 0.09
    assert called[2] - begun >= 0.19


def test_a_refused_call_waits_as_long_as_the_vendor_asks() -> None:
    called = []
    vendor = Vendor(YEAR)

    def answer(found):
        called.append(time.monotonic())
        if len(called) == 1:
            raise RefusedError(429, **{"Retry-After": "1.2"})
        return found

    vendor.answer = answer
    cache = cache_of(vendor, retries=2)
    same(cache.get("A", "1D", *JANUARY), vendor.between(*JANUARY))
    assert called[1] - called[0] >= 1.2  # by itself it would have waited for 0.5 to 1 second
    assert cache.stats()["api_calls"] == 2


def test_what_an_error_means_is_told_by_classify() -> None:
    vendor = Vendor(YEAR)
    meanings = {404: "empty", 402: "fatal"}
    cache = cache_of(vendor, retries=3, classify=lambda error: meanings.get(error.status))

    def refuse(status):
        def answer(found):
            raise RefusedError(status)

        vendor.answer = answer

    refuse(404)
    assert cache.get("A", "1D", *JANUARY, output="polars").height == 0
    assert cache.explain_gap("A", "1D", "2024-01-03").kind == "vendor-empty"
    refuse(402)
    with pytest.raises(PartialCoverageError, match="HTTP 402"):
        cache.get("B", "1D", *JANUARY)
    assert cache.explain_gap("B", "1D", "2024-01-03").kind == "never asked"
    assert len(vendor.asked) == 2


# 15. Caps and pages


@pytest.mark.parametrize("kept", ["first", "last"])
def test_a_cap_of_the_vendor_does_not_become_a_hole(kept: str) -> None:
    vendor = Vendor(YEAR)
    part = slice(None, 20) if kept == "first" else slice(-20, None)
    vendor.answer = lambda found: found[part]
    cache = cache_of(vendor)
    same(cache.get("A", "1D", "2024-01-01", "2025-01-01"), vendor.bars)
    assert len(vendor.asked) == 19  # 366 days, 20 by 20
    cache.get("A", "1D", "2024-01-01", "2025-01-01")
    assert len(vendor.asked) == 19


def test_a_cap_of_a_real_vendor_does_not_become_a_hole(vendor) -> None:
    pytest.importorskip("backtesting", reason="the vendor's bars come from `backtesting`")
    from vendors import BlockingEngine

    engine = BlockingEngine(vendor)
    whole = engine.get_bars("GOOG", utc("2012-01-01"), utc("2012-12-31"), "1D")
    vendor.set(cap=20)
    cache = RangeCache(
        "bars", engine.get_bars, closed="both", loader_closed="both", calendar="XNYS"
    )
    same(cache.get("GOOG", "1D", utc("2012-01-01"), utc("2012-12-31")), whole)
    assert len(whole) == 250


def test_a_request_is_cut_by_the_rows_that_a_vendor_gives() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-31"))
    cache = cache_of(vendor, max_rows=48)
    cache.get("A", "1h", "2024-01-01", "2024-01-07")
    assert vendor.spans == [
        ("2024-01-01", "2024-01-03"),
        ("2024-01-03", "2024-01-05"),
        ("2024-01-05", "2024-01-07"),
    ]
    assert max(vendor.given.values()) == 1


def test_a_request_is_cut_by_the_time_that_a_vendor_answers_for() -> None:
    vendor = Vendor(YEAR)
    cache_of(vendor, max_span="10D").get("A", "1D", *JANUARY)
    assert vendor.spans == [
        ("2024-01-01", "2024-01-11"),
        ("2024-01-11", "2024-01-21"),
        ("2024-01-21", "2024-01-31"),
        ("2024-01-31", "2024-02-01"),
    ]


HALVES = pd.date_range("2024-11-11", "2024-11-22", freq="30min", tz="UTC", name="time")
HALVES = HALVES[HALVES.tz_convert("America/New_York").hour.isin(range(4, 20))].as_unit("ns")


@pytest.mark.parametrize("kept", ["first", "last"])
@pytest.mark.parametrize("most", [26, 28, 31, 32])
def test_a_cap_outside_of_sessions_does_not_become_a_hole(kept: str, most: int) -> None:
    vendor = Vendor(HALVES)
    part = slice(None, most) if kept == "first" else slice(-most, None)
    vendor.answer = lambda found: found[part]
    cache = cache_of(vendor, calendar="XNYS", max_rows=most)
    asked = ("A", "30min", "2024-11-18T05:00Z", "2024-11-19T05:00Z")
    for _ in range(2):
        same(cache.get(*asked), vendor.between(*asked[2:]))
        assert len(vendor.asked) == 3  # and what lies before the first row and behind the last
    assert vendor.given_twice == []


def test_a_cap_that_is_found_does_not_become_a_hole_outside_of_sessions() -> None:
    vendor = Vendor(HALVES)
    vendor.answer = lambda found: found[-28:]
    cache = cache_of(vendor, calendar="XNYS")
    # The first answer lacks a session; the next has as many rows, and lacks hours alone.
    asked = ("2024-11-14T05:00Z", "2024-11-16T05:00Z")
    same(cache.get("A", "30min", *asked), vendor.between(*asked))
    assert vendor.given_twice == []


@pytest.mark.parametrize("most", [13, 26])
def test_full_answers_without_a_bar_outside_of_sessions_are_whole(most: int) -> None:
    local = HALVES.tz_convert("America/New_York")
    vendor = Vendor(HALVES[local.indexer_between_time("09:30", "15:30")])
    cache = cache_of(vendor, calendar="XNYS", max_rows=most)
    cache.get("A", "30min", "2024-11-11T05:00Z", "2024-11-16T05:00Z")
    assert len(vendor.asked) == -(-5 * 13 // most)
    assert {state for *_, state in states(cache, "A", "30min")} == {"data"}


def test_a_page_that_ends_within_an_instant_loses_no_tick() -> None:
    seconds = pd.date_range("2024-01-01", periods=20, freq="s", tz="UTC", name="time")
    vendor = Vendor(seconds.repeat(3).as_unit("ns"))
    vendor.answer = lambda found: found[:10]
    cache = cache_of(vendor, max_rows=10)
    given = cache.get("A", "tick", seconds[0], seconds[-1] + pd.Timedelta("1s"))
    same(given, vendor.bars)


def test_a_vendor_that_gives_the_same_rows_for_ever_is_not_asked_for_ever() -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda _: vendor.bars[:20]
    cache = cache_of(vendor)
    assert len(cache.get("A", "1D", "2024-01-01", "2025-01-01")) == 20
    assert len(vendor.asked) < 5
    assert states(cache, "A", "1D")[-1] == ("2024-01-21", "2025-01-01", "empty")


# 16. Short answers


def test_a_short_answer_is_suspect_and_asked_for_again() -> None:
    clock = Clock("2024-07-01")
    vendor = Vendor(MARCH)
    late = vendor.bars.index[vendor.bars.index.day.isin([12, 13])]
    vendor.answer = lambda found: found.drop(late, errors="ignore")
    cache = cache_of(vendor, calendar="XNYS", clock=clock)
    asked = ("A", "1D", "2024-03-04", "2024-03-16")
    assert len(cache.get(*asked)) == 8
    assert states(cache, "A", "1D") == [
        ("2024-03-04", "2024-03-12", "data"),
        ("2024-03-12", "2024-03-14", "suspect"),
        ("2024-03-14", "2024-03-16", "data"),
    ]
    assert cache.explain_gap("A", "1D", "2024-03-13").kind == "suspect"
    cache.get(*asked)
    assert len(vendor.asked) == 1
    vendor.answer = None
    clock.move("61min")
    same(cache.get(*asked), vendor.between("2024-03-04", "2024-03-16"))
    assert vendor.spans[1:] == [("2024-03-12", "2024-03-14")]


def test_what_stays_short_is_asked_for_less_and_less_often() -> None:
    clock = Clock("2024-07-01")
    vendor = Vendor(MARCH)
    gone = vendor.bars.index[vendor.bars.index.day.isin([12, 13])]
    vendor.answer = lambda found: found.drop(gone, errors="ignore")
    cache = cache_of(vendor, calendar="XNYS", clock=clock)
    calls = []
    for pause in ("0h", "59min", "1min", "23h", "1h", "6D", "1D", "365D"):
        clock.move(pause)
        cache.get("A", "1D", "2024-03-04", "2024-03-16")
        calls.append(len(vendor.asked))
    assert calls == [1, 1, 2, 2, 3, 3, 4, 4]


def test_an_hour_that_nobody_traded_in_is_not_suspect() -> None:
    vendor = Vendor(hours("2024-03-04", "2024-03-08"))
    quiet = utc("2024-03-05T03:00")
    vendor.answer = lambda found: found.drop(quiet, errors="ignore")
    cache = cache_of(vendor, calendar="24/5")
    cache.get("A", "1h", "2024-03-04", "2024-03-08")
    assert {state for *_, state in states(cache, "A", "1h")} == {"data"}


# 17. Holes


def test_interior_holes_are_fetched_though_later_bars_are_known() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", "2024-10-01", "2024-11-01")
    cache.get("A", "1D", "2024-03-01", "2024-04-01")
    same(cache.get("A", "1D", "2024-01-01", "2024-12-31"), vendor.between(YEAR[0], YEAR[-1]))
    assert vendor.spans[2:] == [
        ("2024-01-01", "2024-03-01"),
        ("2024-04-01", "2024-10-01"),
        ("2024-11-01", "2024-12-31"),
    ]
    assert vendor.given_twice == []


def test_fewer_bars_than_there_might_be_are_no_reason_to_ask_again() -> None:
    sparse = hours("2024-01-01", "2024-02-01")[::5]
    vendor = Vendor(sparse)
    cache = cache_of(vendor)
    for _ in range(3):
        same(cache.get("A", "1h", *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 1


# 18. Crashes


CRASHING = """
import os
import sys
import sys
import pandas as pd
from range_vendor import Clock, Vendor, cache_of, days
from afml_cache import RangeCache

vendor = Vendor(days("2024-01-01", "2024-12-31"))

def answer(found):
    if found.index[0].month == 3:
        os._exit(0)  # as a machine stops
    return found

vendor.answer = answer
cache = RangeCache("bars", vendor.load, max_span="31D", clock=Clock())
cache.get("A", "1D", "2024-01-01", "2024-06-01")
"""


def test_a_process_that_dies_while_it_loads_loses_nothing_that_it_had(run_python) -> None:
    paths = [str(Path(__file__).parent), *sys.path]
    run_python(CRASHING, env={"PYTHONPATH": os.pathsep.join(paths)})
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    asked = ("A", "1D", "2024-01-01", "2024-06-01")
    same(cache.get(*asked), vendor.between(*asked[2:]))
    assert vendor.spans == [("2024-03-03", "2024-06-01")]
    assert cache.verify("A", "1D").problems == []


def test_a_damaged_segment_is_set_aside_and_its_bars_are_fetched_again(default_cache) -> None:
    vendor = Vendor(YEAR)
    cache_of(vendor).get("A", "1D", *JANUARY)
    [file] = [path for path in default_cache.rglob("*.parquet") if path.is_file()]
    file.chmod(0o600)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(CacheReadWarning, match="fetched again"):
        given = cache_of(vendor).get("A", "1D", *JANUARY)
    same(given, vendor.between(*JANUARY))
    assert len(vendor.asked) == 2
    kept = [path for path in default_cache.rglob("*") if path.is_file()]
    assert any(path.read_bytes() == whole[: len(whole) // 2] for path in kept)


# 19. Compaction


def in_pieces(vendor: Vendor, **options: object) -> RangeCache:
    cache = cache_of(vendor, compact=False, **options)
    for day in days("2024-01-01", "2024-01-20"):
        cache.get("A", "1D", day, day + pd.Timedelta("1D"))
    return cache


def test_compaction_that_is_run_twice_destroys_nothing() -> None:
    vendor = Vendor(YEAR)
    cache = in_pieces(vendor)
    assert [cache.compact("A", "1D") for _ in range(3)] == [19, 0, 0]
    asked = ("A", "1D", "2024-01-01", "2024-01-21")
    for each in (cache, cache_of(vendor)):
        same(each.get(*asked), vendor.between(*asked[2:]))
    assert cache.verify().segments == 1
    assert vendor.given_twice == []


def test_what_another_has_open_is_still_there_after_compaction() -> None:
    vendor = Vendor(YEAR)
    in_pieces(vendor)
    reader = cache_of(vendor)
    reader.get("A", "1D", "2024-01-03", "2024-01-05")
    cache_of(vendor).compact()
    asked = ("A", "1D", "2024-01-01", "2024-01-21")
    same(reader.get(*asked), vendor.between(*asked[2:]))
    assert vendor.given_twice == []


def test_bars_in_memory_are_not_read_again_to_make_their_segments_one(default_cache) -> None:
    vendor = Vendor(YEAR)
    cache = in_pieces(vendor)
    asked = ("A", "1D", "2024-01-01", "2024-01-21")
    cache.get(*asked)
    for file in default_cache.rglob("*.parquet"):
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:-1])
    assert cache.compact("A", "1D") == 19
    same(cache_of(vendor).get(*asked), vendor.between(*asked[2:]))
    assert cache.verify().problems == []
    assert vendor.given_twice == []


def test_segments_are_made_one_as_they_come() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for day in days("2024-01-01", "2024-03-04"):
        cache.get("A", "1D", day, day + pd.Timedelta("1D"))
    assert cache.coverage("A", "1D").segments == 1
    asked = ("A", "1D", "2024-01-01", "2024-03-05")
    same(cache_of(vendor).get(*asked), vendor.between(*asked[2:]))
    assert vendor.given_twice == []
