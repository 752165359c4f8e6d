"""Longer bars made of shorter: what becomes of them when those change, or may still change."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, same, utc

from afml_cache import RangeCache

MINUTES = pd.date_range("2024-03-01", "2024-03-06", freq="min", tz="UTC", name="time").as_unit("ns")
CHAIN = {"1h": "1min", "4h": "1h", "1D": "4h"}
DAYS = ("2024-03-02", "2024-03-04")


def longer_bars(cache: RangeCache) -> list[pd.DataFrame]:
    return [cache.get("A", frame, *DAYS) for frame in ("1h", "4h", "1D")]


@pytest.mark.parametrize("is_asked_first", [False, True])
def test_a_restatement_reaches_what_is_made_of_what_was_made(is_asked_first) -> None:
    vendor = Vendor(MINUTES)
    cache = cache_of(vendor, derive=CHAIN)
    cache.get("A", "1D", *DAYS)
    if is_asked_first:
        longer_bars(cache)
    vendor.bars.loc[utc("2024-03-03T23:59"), "close"] = -7.0
    cache.refresh("A", "1min", "2024-03-03T23:00Z", "2024-03-04T00:00Z")
    for found in longer_bars(cache):
        assert found["close"].iloc[-1] == -7.0
        assert (found["close"].iloc[:-1] > 0).all()
    for kept, again in zip(
        longer_bars(cache), longer_bars(cache_of(vendor, derive=CHAIN)), strict=True
    ):
        same(kept, again)


@pytest.mark.parametrize("span", [(), ("2024-03-03T10:00Z", "2024-03-03T11:00Z")])
def test_what_was_made_of_bars_that_are_invalidated_goes_with_them(span) -> None:
    vendor = Vendor(MINUTES)
    cache = cache_of(vendor, derive=CHAIN)
    longer_bars(cache)
    vendor.bars.loc[utc("2024-03-03T10:30"), "volume"] += 5
    cache.invalidate("A", "1min", *span)
    for found in longer_bars(cache):
        assert found["volume"].sum() == vendor.between(*DAYS)["volume"].sum()


def test_what_was_made_of_bars_in_whose_place_a_file_comes_is_made_again(tmp_path) -> None:
    vendor = Vendor(MINUTES)
    cache = cache_of(vendor, derive=CHAIN)
    longer_bars(cache)
    hour = vendor.between("2024-03-03T10:00Z", "2024-03-03T11:00Z") + 5
    hour.to_parquet(tmp_path / "hour.parquet")
    cache.import_parquet(tmp_path / "hour.parquet", "A", "1min")
    for found in longer_bars(cache):
        assert found["volume"].sum() == vendor.between(*DAYS)["volume"].sum() + 60 * 5


def test_a_cache_of_one_timeframe_alone_makes_nothing_of_it() -> None:
    vendor = Vendor(MINUTES)

    def load(symbol: str, start: Any, end: Any) -> Any:
        return vendor.load(symbol, "1min", start, end)

    options = {"key": ("symbol",), "timeframe": "1min", "derive": {"1h": "1min"}}
    cache = RangeCache("bars", load, **options)
    cache.get("A", *DAYS)
    vendor.bars["volume"] += 1
    assert cache.refresh("A", *DAYS) == 2 * 24 * 60


class Live(Vendor):
    """Gives the bars that have begun by a clock."""

    def __init__(self, times: pd.DatetimeIndex, clock: Clock) -> None:
        super().__init__(times)
        self.bars["volume"] = 1
        self.answer = lambda frame: frame[frame.index <= pd.Timestamp(clock.now, tz="UTC")]


def states(cache: RangeCache, frame: str) -> list[str]:
    return [one.state for one in cache.coverage("A", frame)]


@pytest.mark.parametrize("derive", [{"1D": "1min"}, CHAIN])
def test_a_bar_is_made_of_all_that_is_closed_and_volatile_until_that_is_final(derive) -> None:
    clock = Clock("2024-03-04T00:30")
    vendor = Live(MINUTES, clock)
    cache = cache_of(vendor, derive=derive, clock=clock, settle="1h")
    asked = "A", "1D", *DAYS
    assert cache.get(*asked)["volume"].tolist() == [1440, 1440]
    assert states(cache, "1D") == ["data", "volatile"]
    vendor.bars.loc[utc("2024-03-03T23:59"), "volume"] = 8
    clock.set("2024-03-04T01:01")
    assert cache.get(*asked)["volume"].tolist() == [1440, 1447]
    assert set(states(cache, "1D")) == {"data"}
    calls = len(vendor.asked)
    cache.get(*asked)
    assert len(vendor.asked) == calls


def test_a_day_is_not_final_while_more_of_its_date_may_come() -> None:
    times = pd.date_range("2024-03-04", "2024-03-06", freq="30min", tz="UTC", name="time")
    local = times.tz_convert("America/New_York")
    clock = Clock("2024-03-05T21:05")
    vendor = Live(times[(local.hour >= 4) & (local.hour < 20)].as_unit("ns"), clock)
    cache = cache_of(vendor, derive={"1D": "30min"}, calendar="XNYS", clock=clock)
    asked = "A", "1D", "2024-03-04", "2024-03-06"
    assert cache.get(*asked)["volume"].tolist() == [32, 24]
    assert states(cache, "1D") == ["data", "volatile"]
    calls = len(vendor.asked)
    clock.set("2024-03-06T21:06")
    cache.get(*asked)
    assert set(states(cache, "1D")) == {"data"}
    assert len(vendor.asked) == calls
