"""Longer bars made of shorter: what becomes of them when those change, or may still change."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, same, utc

from afml_cache import RangeCache
from afml_cache.ranges.states import EVER

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


@pytest.mark.parametrize("span", ["one hour", "all"])
def test_what_was_made_of_an_interval_can_be_forgotten(span) -> None:
    vendor = Vendor(MINUTES)
    cache = cache_of(vendor, derive=CHAIN)
    longer_bars(cache)
    changed = utc("2024-03-03T10:30")
    vendor.bars.loc[changed, "volume"] += 5
    at = (changed.value, changed.value + 1) if span == "one hour" else EVER
    cache.invalidate("A", "1min")
    series = cache._series.of(("A", "1min"))  # noqa: SLF001 - upkeep calls it so
    cache._answerer.outdate(series, *at)  # noqa: SLF001
    for found in longer_bars(cache):
        wanted = vendor.between(*DAYS)["volume"].sum()
        assert found["volume"].sum() == wanted


def test_a_cache_of_one_timeframe_alone_makes_nothing_of_it() -> None:
    vendor = Vendor(MINUTES)

    def load(symbol: str, start: Any, end: Any) -> Any:
        return vendor.load(symbol, "1min", start, end)

    options = {"key": ("symbol",), "timeframe": "1min", "derive": {"1h": "1min"}}
    cache = RangeCache("bars", load, **options)
    cache.get("A", *DAYS)
    vendor.bars["volume"] += 1
    assert cache.refresh("A", *DAYS) == 2 * 24 * 60
