"""Longer bars made of shorter: what is made otherwise is kept apart."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Vendor, cache_of, same

from afml_cache.ranges.deriving import derivations, lineage, made_of
from afml_cache.ranges.timeframes import timeframe

QUARTERS = pd.date_range("2024-10-20", "2024-11-10", freq="15min", tz="UTC", name="time")
DAYS = ("2024-10-28T00:00Z", "2024-10-30T21:30Z")
BY_FIRST = {"close": "first"}


def vendor_of() -> Vendor:
    """Make a vendor whose own bars of four hours are no sums of its shorter ones."""
    vendor = Vendor(QUARTERS.as_unit("ns"))
    load = vendor.load

    def loaded(symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        found = load(symbol, timeframe, start, end)
        return found[found.index.hour % 4 + found.index.minute == 0] if timeframe == "4h" else found

    vendor.load = loaded  # type: ignore[method-assign]
    return vendor


OTHERWISE = {
    "a rule": ("1D", {"derive": {"1D": "15min"}}, {"derive": {"1D": ("15min", BY_FIRST)}}),
    "another rule": (
        "4h",
        {"derive": {"4h": ("15min", {"close": "min"})}},
        {"derive": {"4h": ("15min", BY_FIRST)}},
    ),
    "a calendar": (
        "4h",
        {"derive": {"4h": "15min"}},
        {"derive": {"4h": "15min"}, "calendar": "XNYS"},
    ),
    "a calendar of one zone": (
        "1D",
        {"derive": {"1D": "15min"}, "zone": "America/Chicago"},
        {"derive": {"1D": "15min"}, "calendar": "CMES"},
    ),
    "a chain": ("1D", {"derive": {"1D": "4h"}}, {"derive": {"1D": "4h", "4h": "15min"}}),
    "a rule within a chain": (
        "1D",
        {"derive": {"1D": "4h", "4h": "15min"}},
        {"derive": {"1D": "4h", "4h": ("15min", BY_FIRST)}},
    ),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_bars_that_are_made_otherwise_are_others(what: str) -> None:
    frame, one, other = OTHERWISE[what]
    made = cache_of(vendor_of(), **one).get("A", frame, *DAYS)
    found = cache_of(vendor_of(), **other).get("A", frame, *DAYS)
    wanted = cache_of(vendor_of(), **other).get("B", frame, *DAYS)
    same(found, wanted)
    assert not found.equals(made)
    same(cache_of(vendor_of(), **one).get("A", frame, *DAYS), made)


def test_the_order_of_rules_does_not_count_nor_does_how_a_timeframe_is_spelled() -> None:
    rules = {"close": "max", "open": "min"}
    cache_of(vendor_of(), derive={"4h": ("15min", rules)}).get("A", "4h", *DAYS)
    vendor = vendor_of()
    again = {"4H": ("15T", dict(reversed(rules.items())))}
    cache_of(vendor, derive=again).get("A", "4h", *DAYS)
    assert not vendor.asked


@pytest.mark.parametrize(
    ("given", "calendar", "wanted"),
    [
        ({}, "XNYS", None),
        ({"1D": "1h"}, None, "1h"),
        ({"1D": "1h", "4h": ("1h", BY_FIRST)}, None, "1h"),
        ({"1D": "1h"}, "XNYS", '["1h", [], "XNYS", null]'),
        ({"1D": "1h", "1h": ("1min", BY_FIRST)}, None, None),
    ],
)
def test_what_bars_are_made_of_is_told_by_their_key(given: Any, calendar: Any, wanted: Any) -> None:
    derived = derivations(given)
    text = lineage(derived, timeframe("1D"), calendar)
    if wanted is not None or not given:
        assert text == wanted
    if text is not None:
        assert made_of(text) == ("1h", lineage(derived, timeframe("1h"), calendar))
