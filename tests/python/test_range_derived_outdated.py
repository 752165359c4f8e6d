"""Longer bars made of shorter: forgotten with those, whatever comes between and whoever changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, utc

from afml_cache import CacheConfigError, RangeCache
from afml_cache.ranges.outdating import Longer

QUARTERS = pd.date_range("2024-03-01", "2024-03-06", freq="15min", tz="UTC", name="time")
DAYS = ("2024-03-01T00:00Z", "2024-03-05T00:00Z")
CHAIN = {"1h": "15min", "4h": "1h", "1D": "4h"}
CHANGED = "2024-03-01T10:45"


def vendor_of() -> Vendor:
    return Vendor(QUARTERS.as_unit("ns"))


def close_at(cache: RangeCache, frame: str, time: str) -> float:
    found: float = cache.get("A", frame, *DAYS)["close"][utc(time)]
    return found


def restate(vendor: Vendor, value: float = -7.0) -> None:
    vendor.bars.loc[utc(CHANGED), "close"] = value


def hours_follow(vendor: Vendor, **options: Any) -> bool:
    """Whether hours are made of what quarters of an hour are by now."""
    cache = cache_of(vendor, derive={"1h": "15min"}, **options)
    quarters = cache.get("A", "15min", *DAYS)["close"]
    hours = cache.get("A", "1h", *DAYS)["close"]
    assert quarters[utc(CHANGED)] == -7.0
    return hours.tolist() == quarters.groupby(quarters.index.floor("h")).last().tolist()


def test_a_refresh_that_is_cancelled_leaves_no_hour_of_what_was_restated() -> None:
    vendor = vendor_of()
    hangs = False

    async def load(symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        if hangs and len(vendor.asked) == calls + 1:
            await asyncio.sleep(60)
        return vendor.load(symbol, timeframe, start, end)

    options: dict[str, Any] = {"derive": {"1h": "15min"}, "max_span": "1D", "clock": Clock()}
    cache = RangeCache("bars", load, **options)
    asyncio.run(cache.aget("A", "1h", *DAYS))
    restate(vendor)
    hangs, calls = True, len(vendor.asked)

    async def cancelled() -> None:
        await asyncio.wait_for(cache.arefresh("A", "15min", *DAYS), 0.5)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(cancelled())
    assert hours_follow(vendor)


def test_a_refresh_that_the_user_must_mend_leaves_no_hour_of_what_was_restated() -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive={"1h": "15min"}, max_span="1D")
    cache.get("A", "1h", *DAYS)
    restate(vendor)

    def answer(found: pd.DataFrame) -> pd.DataFrame:
        if found.index[0] > utc(CHANGED):
            raise CacheConfigError
        return found

    vendor.answer = answer
    with pytest.raises(CacheConfigError):
        cache.refresh("A", "15min", *DAYS)
    vendor.answer = None
    assert hours_follow(vendor)


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from test_range_derived_outdated import CHANGED, DAYS, cache_of, restate, utc, vendor_of

vendor = vendor_of()
restate(vendor)
vendor.answer = lambda found: os._exit(0) if found.index[0] > utc(CHANGED) else found
cache_of(vendor, derive={{"1h": "15min"}}, max_span="1D").refresh("A", "15min", *DAYS)
"""


def test_a_process_that_is_killed_leaves_no_hour_of_what_was_restated(run_python) -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive={"1h": "15min"}, max_span="1D")
    cache.get("A", "1h", *DAYS)
    run_python(KILLED.format(tests=str(Path(__file__).parent)))
    restate(vendor)
    assert hours_follow(vendor)


def test_what_others_make_while_bars_are_replaced_is_made_again() -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive={"1h": "15min"})
    cache.get("A", "1h", *DAYS)
    children = cache._series.of(("A", "15min"))
    span = utc(CHANGED).value, utc(CHANGED).value + 1
    gap = [(utc("2024-03-01T10:00"), utc("2024-03-01T11:00"))]
    with Longer(cache._series, children).outdated([span]):
        assert cache.gaps("A", "1h", *DAYS) == gap
        cache_of(vendor, derive={"1h": "15min"}).get("A", "1h", *DAYS)
    assert cache.gaps("A", "1h", *DAYS) == gap


def test_an_adjusted_series_on_another_basis_takes_what_was_made_of_it_along() -> None:
    vendor = vendor_of()
    options = {"derive": {"1h": "15min"}, "adjustment": "all"}
    cache = cache_of(vendor, **options)
    cache.get("A", "1h", DAYS[0], "2024-03-04T00:00Z")
    vendor.bars[["open", "close"]] /= 2
    made = cache.get("A", "1h", *DAYS)
    quarters = vendor.between(*DAYS)["close"]
    assert made["close"].tolist() == quarters.groupby(quarters.index.floor("h")).last().tolist()


def damage(folder: Path, series: str) -> None:
    found = list((folder / "v1" / "series").glob(f"{series}*/*"))
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.filterwarnings("ignore:.*fetched again")
@pytest.mark.parametrize("frame", ["15min", "1h"])
def test_what_was_made_of_bars_that_got_lost_is_made_again_with_them(default_cache, frame) -> None:
    vendor = vendor_of()
    made = cache_of(vendor, derive=CHAIN)
    before = [made.get("A", each, *DAYS) for each in CHAIN]
    damage(default_cache, "A_15min")
    damage(default_cache, f"A_{frame}")
    vendor.bars.loc[utc("2024-03-01T23:45"), "close"] = -7.0
    cache = cache_of(vendor, derive=CHAIN)
    cache.verify("A", "15min")
    cache.get("A", frame, *DAYS)
    for each, old in zip(CHAIN, before, strict=True):
        found = cache.get("A", each, *DAYS)["close"]
        assert found.tolist().count(-7.0) == 1
        assert (found != old["close"]).sum() == 1


def test_bars_where_none_were_known_to_be_are_part_of_the_day() -> None:
    derive = {"1D": "15min", "4h": "15min"}
    vendor, clock = vendor_of(), Clock("2024-03-10")
    whole = vendor.bars
    lost = (whole.index >= utc("2024-03-02T10:00")) & (whole.index < utc("2024-03-02T15:00"))
    vendor.bars = whole[~lost]
    cache = cache_of(vendor, derive=derive, clock=clock)
    for length in ("0h", "2h", "2D", "8D"):
        clock.move(length)
        cache.get("A", "15min", "2024-03-02T10:00Z", "2024-03-02T15:00Z")
        cache.get("A", "1D", *DAYS)
    assert {one.state for one in cache.coverage("A", "1D")} == {"data"}
    vendor.bars = whole
    assert cache.refresh("A", "15min", "2024-03-02T10:00Z", "2024-03-02T15:00Z") == 0
    calls = len(vendor.asked)
    for frame in derive:
        assert cache.get("A", frame, *DAYS)["volume"].sum() == vendor.between(*DAYS)["volume"].sum()
    assert len(vendor.asked) == calls


def test_new_bars_leave_what_is_made_of_others_alone() -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive=CHAIN)
    cache.get("A", "1D", DAYS[0], "2024-03-03T00:00Z")
    marks = [cache._series.of(("A", frame)).native.mark() for frame in CHAIN]
    cache.get("A", "15min", DAYS[0], "2024-03-05T00:00Z")
    assert [cache._series.of(("A", frame)).native.mark() for frame in CHAIN] == marks
    assert not cache.gaps("A", "1D", DAYS[0], "2024-03-03T00:00Z")


OTHERS: list[dict[str, Any]] = [
    {},
    {"derive": {"4h": "15min"}},
    {"derive": {"1h": ("15min", {"close": "first"})}},
    {"derive": CHAIN, "calendar": "24/7"},
    {"derive": CHAIN, "zone": "Asia/Tokyo"},
]


@pytest.mark.parametrize("options", OTHERS)
@pytest.mark.parametrize("how", ["refresh", "invalidate", "import"])
def test_a_cache_that_is_set_up_otherwise_outdates_what_this_one_made(
    options, how, tmp_path
) -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive=CHAIN)
    for frame in CHAIN:
        cache.get("A", frame, *DAYS)
        cache.get("B", frame, *DAYS)
    vendor.bars.loc[utc("2024-03-03T23:45"), "close"] = -7.0
    span = "2024-03-03T23:00Z", "2024-03-04T00:00Z"
    nightly = cache_of(vendor, **options)
    if how == "import":
        vendor.between(*span).to_parquet(tmp_path / "hour.parquet")
        nightly.import_parquet(tmp_path / "hour.parquet", "A", "15min")
    else:
        getattr(nightly, how)("A", "15min", *span)
    for made in (cache, cache_of(vendor, derive=CHAIN)):
        for frame in CHAIN:
            assert made.get("A", frame, *DAYS)["close"].tolist().count(-7.0) == 1
            assert not made.gaps("B", frame, *DAYS)


def test_what_others_made_far_from_what_is_restated_stays() -> None:
    vendor = vendor_of()
    cache = cache_of(vendor, derive=CHAIN)
    for frame in CHAIN:
        cache.get("A", frame, *DAYS)
    cache_of(vendor).invalidate("A", "15min", "2024-03-04T12:00Z", "2024-03-04T12:15Z")
    for frame in ("1h", "4h"):
        assert not cache.gaps("A", frame, DAYS[0], "2024-03-04T04:00Z")
        assert cache.gaps("A", frame, "2024-03-04T12:00Z", "2024-03-04T13:00Z")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_days_of_another_calendar_are_made_again(zone) -> None:
    vendor = vendor_of()
    options = {"derive": {"1D": "15min"}, "zone": zone}
    cache = cache_of(vendor, **options)
    cache.get("A", "1D", *DAYS)
    vendor.bars.loc[utc("2024-03-04T16:00"), "volume"] += 5
    cache_of(vendor, derive={"1D": "15min"}, calendar="XNYS").refresh("A", "15min", *DAYS)
    begin = {"UTC": "2024-03-04T00:00", "Asia/Tokyo": "2024-03-04T15:00"}[zone]
    wanted = vendor.between(begin, utc(begin) + pd.Timedelta("1D"))["volume"].sum()
    last = cache.get("A", "1D", "2024-03-04", "2024-03-06")["volume"]
    assert wanted in last.tolist()
