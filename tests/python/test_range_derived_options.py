"""What `derive` takes, and what it says of what it doesn't."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, told

from afml_cache import CacheConfigError

HOURS = pd.date_range("2024-03-01", "2024-03-04", freq="h", tz="UTC", name="time")


@pytest.mark.parametrize(
    "derive",
    [
        "1h",
        ["1h", "1min"],
        {"1h": None},
        {"1h": ("1min",)},
        {"1h": ("1min", "mean")},
        {"1h": ("1min", {}, {})},
        {"1h": "minute by minute"},
    ],
)
def test_what_can_not_be_read_is_answered_with_an_example(derive: Any) -> None:
    with pytest.raises(CacheConfigError) as refused:
        cache_of(Vendor(HOURS), derive=derive)
    told(refused.value, "`derive`", '{"1h": "1min"}', '("1min", {"spread": "mean"})')


def test_bars_of_several_days_are_not_made_of_shorter_ones() -> None:
    with pytest.raises(CacheConfigError) as refused:
        cache_of(Vendor(HOURS), derive={"2D": "1h"})
    told(refused.value, "`derive`", "'2D'", "days one by one")


@pytest.mark.parametrize("derive", [None, {}, {"4h": "1h"}, {"4h": ("1h", {"close": "last"})}])
def test_what_can_be_read_makes_bars(derive: Any) -> None:
    vendor = Vendor(HOURS)
    cache_of(vendor, derive=derive).get("A", "4h", "2024-03-01", "2024-03-02")
    assert {timeframe for _, timeframe in vendor.series} == {"1h" if derive else "4h"}
