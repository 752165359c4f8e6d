"""Longer bars made of shorter: how they are labelled, whatever zone and class the shorter have."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pytest
from range_vendor import Vendor, cache_of, utc

HOURS = pd.date_range("2024-03-03", "2024-03-16", freq="h", tz="UTC", name="time")
ZONES = ["UTC", "America/New_York", "Asia/Tokyo"]


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame.reset_index())


def as_arrow(frame: pd.DataFrame) -> Any:
    return as_polars(frame).to_arrow()


def as_dictionaries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    times = [time.to_pydatetime() for time in frame.index]
    return [{"time": t, "volume": int(v)} for t, v in zip(times, frame["volume"], strict=True)]


SHAPES = {
    "an index": lambda frame: frame,
    "a column": lambda frame: frame.reset_index(),
    "polars": as_polars,
    "pyarrow": as_arrow,
    "dictionaries": as_dictionaries,
}


def vendor_in(zone: Any, shape: str) -> Vendor:
    vendor = Vendor(HOURS)
    vendor.bars["volume"] = 1
    vendor.answer = lambda frame: SHAPES[shape](frame.tz_convert(zone))
    return vendor


def labels_of(cache: Any, zone: str) -> list[str]:
    """Give the labels of three days in a zone."""
    ends = [pd.Timestamp(day, tz=zone) for day in ("2024-03-05", "2024-03-08")]
    found = cache.get("A", "1D", *ends, output="polars")
    times = found["time"].dt.convert_time_zone(zone)
    return times.dt.strftime("%Y-%m-%d %H:%M").to_list()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("options", ["", "zone", "calendar"])
def test_a_day_is_labelled_with_the_midnight_of_its_date(zone, shape, options) -> None:
    chosen = {"zone": {"zone": zone}, "calendar": {"calendar": "XNYS"}}.get(options, {})
    found = labels_of(cache_of(vendor_in(zone, shape), derive={"1D": "1h"}, **chosen), zone)
    assert found == [f"2024-03-0{day} 00:00" for day in (5, 6, 7)]


@pytest.mark.parametrize("ahead", [-5, 2])
def test_a_zone_that_is_an_offset_loses_no_day(ahead) -> None:
    zone = dt.timezone(dt.timedelta(hours=ahead))
    cache = cache_of(vendor_in(zone, "an index"), derive={"1D": "1h"}, calendar="XNYS")
    assert len(cache.get("A", "1D", "2024-03-05", "2024-03-08")) == 3
    assert {one.state for one in cache.coverage("A", "1D")} == {"data"}


def test_hours_without_a_zone_are_labelled_in_the_one_that_they_are_in() -> None:
    vendor = Vendor(HOURS, naive="America/New_York")
    vendor.answer = lambda frame: frame.tz_convert("America/New_York").tz_localize(None)
    cache = cache_of(vendor, derive={"4h": "1h"})
    found = cache.get("A", "4h", "2024-03-05T03:00", "2024-03-05T11:00")
    assert found.index.tolist() == [
        pd.Timestamp("2024-03-05T03:00"),
        pd.Timestamp("2024-03-05T07:00"),
    ]
    first = vendor.between(utc("2024-03-05T08:00"), utc("2024-03-05T12:00"))
    assert found["close"].iloc[0] == first["close"].iloc[-1]
