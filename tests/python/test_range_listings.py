"""Days of trading as a listing tells them: at each request, and never stored."""

import pandas as pd
from range_vendor import Vendor, cache_of, days, hours, same

YEAR = days("2024-01-01", "2024-12-31")
ASKED = ("A", "1D", "2024-02-20", "2024-04-01")


def test_a_listing_that_moves_shows_the_bars_that_it_had_left_out() -> None:
    vendor = Vendor(YEAR)
    listing = [("2024-03-01", "2024-03-10")]
    cache = cache_of(vendor, listing=lambda **_: listing[-1])
    cache.get(*ASKED)
    for moved in (("2024-02-25", "2024-03-20"), (None, None), ("2024-03-01", "2024-03-10")):
        listing.append(moved)
        first, last = moved[0] or "2024-02-20", moved[1] or "2024-03-31"
        same(cache.get(*ASKED), vendor.between(first, last, "both"))
        assert cache.gaps(*ASKED) == []
    assert vendor.given_twice == []


def test_a_listing_that_ends_is_heeded_by_what_is_in_memory() -> None:
    vendor = Vendor(YEAR)
    listing = [(None, None)]
    cache = cache_of(vendor, listing=lambda **_: listing[-1])
    for _ in range(3):
        same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    listing.append((None, "2024-03-10"))
    for _ in range(3):
        same(cache.get(*ASKED), vendor.between("2024-02-20", "2024-03-10", "both"))
    assert len(vendor.asked) == 1


def test_a_listing_is_of_one_cache_alone() -> None:
    vendor = Vendor(YEAR)
    for listing in (lambda **_: ("2024-03-01", "2024-03-10"), None):
        cache_of(vendor, listing=listing).get(*ASKED)
    same(cache_of(vendor).get(*ASKED), vendor.between("2024-02-20", "2024-04-01"))
    assert vendor.given_twice == []


def test_a_request_of_no_day_of_trading_has_no_bars() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, listing=lambda **_: ("2024-03-01", "2024-03-10"))
    for _ in range(2):
        assert len(cache.get("A", "1D", "2024-01-01", "2024-02-01")) == 0
        assert len(cache.get("A", "1D", "2024-05-01", "2024-06-01")) == 0
        assert len(cache.get("A", "1D", "2024-03-02", "2024-03-05")) == 3
    assert len(vendor.asked) == 1


def test_a_week_with_the_first_day_of_trading_is_asked_for() -> None:
    vendor = Vendor(pd.date_range("2024-01-01", "2024-12-30", freq="W-MON", tz="UTC", name="time"))
    cache = cache_of(vendor, listing=lambda **_: ("2024-03-06", "2024-03-20"))
    given = cache.get("A", "1w", "2024-01-01", "2024-06-03")
    assert [str(one.date()) for one in given.index] == ["2024-03-04", "2024-03-11", "2024-03-18"]


def test_longer_bars_are_made_of_those_within_the_listing() -> None:
    vendor = Vendor(hours("2024-03-01", "2024-03-31T23:00"))
    listing = [("2024-03-05", "2024-03-10")]
    cache = cache_of(vendor, listing=lambda **_: listing[-1], derive={"4h": "1h"})
    asked = "A", "4h", "2024-03-01", "2024-03-31"
    assert len(cache.get(*asked)) == 6 * 6
    listing.append(("2024-03-03", "2024-03-12"))
    assert len(cache.get(*asked)) == 10 * 6
    assert vendor.given_twice == []


def test_the_bar_that_forms_after_the_last_day_is_not_asked_for() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, listing=lambda **_: (None, "2024-03-10"))
    assert len(cache.get("A", "1D", "2024-03-01")) == 10
    assert vendor.spans == [("2024-03-01", "2024-03-11")]
