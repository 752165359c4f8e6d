"""Adjusted series whose vendor corrects bars too: a change of basis is not hidden by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from range_vendor import Vendor, cache_of, days, same, told, utc

from afml_cache import RangeCache
from afml_cache.exceptions import BasisChangedError

JANUARY = ("A", "1D", "2024-01-01", "2024-02-01")
LONGER = ("A", "1D", "2024-01-01", "2024-02-05")
PRICES = ["open", "close"]
COLUMNS = {"close": ["close"], "and a volume": ["close", "volume"], "two": [*PRICES, "volume"]}
of_columns = pytest.mark.parametrize("names", COLUMNS.values(), ids=COLUMNS)


def of_a_year(names: list[str]) -> Vendor:
    vendor = Vendor(days("2024-01-01", "2024-12-31"))
    vendor.bars = vendor.bars.assign(volume=vendor.bars["volume"] + 1)[names]
    return vendor


def adjusted(vendor: Vendor, **options: Any) -> RangeCache:
    cache = cache_of(vendor, adjustment="all", **options)
    cache.get(*JANUARY)
    vendor.asked.clear()
    return cache


def multiply(vendor: Vendor, factor: float, last: str = "2024-12-31", first: str = "2024") -> None:
    """Have a vendor adjust all prices of some days."""
    names = [name for name in PRICES if name in vendor.bars]
    vendor.bars.loc[utc(first) : utc(last), names] *= factor


def correct(vendor: Vendor, day: str, factor: float = 1.001) -> None:
    vendor.bars.loc[utc(day), "close"] *= factor


@of_columns
@pytest.mark.parametrize("factor", [0.5, 0.99])
@pytest.mark.parametrize("day", ["2024-01-31", "2024-01-30", "2024-01-29"])
@pytest.mark.parametrize("overlap", [0, 2, 3])
def test_another_basis_is_told_although_a_bar_was_corrected_too(
    names: list[str], factor: float, day: str, overlap: int
) -> None:
    vendor = of_a_year(names)
    cache = adjusted(vendor, overlap=overlap)
    refusing = adjusted(vendor, overlap=overlap, on_basis_change="raise")
    multiply(vendor, factor)
    correct(vendor, day)
    with pytest.raises(BasisChangedError):
        refusing.get(*LONGER)
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@of_columns
def test_another_basis_is_told_although_the_last_week_was_corrected_too(names: list[str]) -> None:
    vendor = of_a_year(names)
    cache = adjusted(vendor)
    multiply(vendor, 0.5)
    for number in range(25, 32):
        correct(vendor, f"2024-01-{number}", 1 + number / 1000)
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@of_columns
def test_a_week_of_corrections_is_no_other_basis(names: list[str]) -> None:
    vendor = of_a_year(names)
    cache = adjusted(vendor, on_basis_change="raise")
    for number in range(28, 32):
        correct(vendor, f"2024-01-{number}", 1 + number / 1000)
    found = cache.get(*LONGER)
    same(found["2024-01-26":], vendor.between("2024-01-26", LONGER[3]))
    assert vendor.spans[0] == ("2024-01-31", "2024-02-05")
    assert sum(vendor.given.values()) < 31 + 12


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("overlap", [0, 3])
@pytest.mark.parametrize(("price", "dividend"), [(20, 0.02), (10, 0.02), (5, 0.01), (120, 0.24)])
def test_a_small_dividend_on_prices_in_cents_is_another_basis(
    whole: bool, overlap: int, price: float, dividend: float
) -> None:
    vendor = of_a_year(["close", "volume"])
    exact = vendor.bars["close"] * price / 100

    def tell(factor: float) -> None:
        cents = (exact * factor * 100).round()
        vendor.bars["close"] = cents.astype(np.int64) if whole else cents / 100

    tell(1.0)
    cache = adjusted(vendor, overlap=overlap)
    tell(1 - dividend / price)
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@pytest.mark.parametrize("without", [np.nan, 0.0])
@pytest.mark.parametrize("name", ["open_interest", "volume", "close_time", "trades"])
@pytest.mark.parametrize("overlap", [0, 3])
def test_bars_of_a_halt_tell_no_basis_whatever_else_they_have(
    without: float, name: str, overlap: int
) -> None:
    vendor = of_a_year(PRICES)
    vendor.bars[name] = np.arange(len(vendor.bars)) + 7
    vendor.bars.loc[utc("2024-01-29") : utc("2024-01-31"), PRICES] = without
    cache = adjusted(vendor, overlap=overlap)
    multiply(vendor, 0.5)
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@pytest.mark.parametrize("change", [lambda turnover: turnover * 1.5, np.sqrt])
def test_a_turnover_that_is_reckoned_anew_for_many_bars(change: Callable[[Any], Any]) -> None:
    vendor = of_a_year([*PRICES, "volume"])
    vendor.bars["turnover"] = vendor.bars["close"] * vendor.bars["volume"]
    cache = adjusted(vendor)
    vendor.bars["turnover"] = change(vendor.bars["turnover"])
    found = cache.get(*LONGER)
    same(found[PRICES], vendor.between(*LONGER[2:])[PRICES])
    same(found["2024-01-31":], vendor.between("2024-01-31", LONGER[3]))


def test_prices_that_are_shifted_by_an_amount_are_on_another_basis() -> None:
    vendor = of_a_year([*PRICES, "volume"])
    cache, refusing = adjusted(vendor), adjusted(vendor, on_basis_change="raise")
    vendor.bars[PRICES] -= 7.25
    with pytest.raises(BasisChangedError):
        refusing.get(*LONGER)
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@of_columns
def test_no_file_is_taken_in_whose_first_bars_may_be_on_another_basis(
    names: list[str], tmp_path: Path
) -> None:
    vendor = of_a_year(names)
    cache = adjusted(vendor)
    before = cache.get(*JANUARY)
    multiply(vendor, 0.5)
    correct(vendor, "2024-01-29", 1.05)
    correct(vendor, "2024-01-31", 1.02)
    path = tmp_path / "bars.parquet"
    vendor.between("2024-01-29", "2024-02-05").reset_index().to_parquet(path)
    with pytest.raises(BasisChangedError) as refused:
        cache.import_parquet(path, "A", "1D")
    told(refused.value, "bars.parquet", "bars A 1D", "invalidate")
    same(cache.get(*JANUARY), before)


@of_columns
@pytest.mark.parametrize("corrected", [1, 2])
def test_what_is_fetched_before_all_that_is_stored_may_meet_corrected_bars(
    names: list[str], corrected: int
) -> None:
    vendor = of_a_year(names)
    cache = cache_of(vendor, adjustment="all", on_basis_change="raise")
    cache.get("A", "1D", "2024-02-01", "2024-03-01")
    for number in range(1, 1 + corrected):
        correct(vendor, f"2024-02-0{number}", 1 + number / 1000)
    vendor.asked.clear()
    same(
        cache.get("A", "1D", "2024-01-01", "2024-03-01"), vendor.between("2024-01-01", "2024-03-01")
    )
    assert len(vendor.asked) <= 1 + corrected


@of_columns
def test_what_is_fetched_before_all_that_is_stored_may_be_on_another_basis(
    names: list[str],
) -> None:
    vendor = of_a_year(names)
    cache = cache_of(vendor, adjustment="all")
    cache.get("A", "1D", "2024-02-01", "2024-03-01")
    multiply(vendor, 0.5)
    correct(vendor, "2024-02-01")
    same(
        cache.get("A", "1D", "2024-01-01", "2024-03-01"), vendor.between("2024-01-01", "2024-03-01")
    )


def test_a_file_of_all_that_is_stored_may_correct_its_first_bar(tmp_path: Path) -> None:
    vendor = of_a_year(["close"])
    cache = adjusted(vendor)
    correct(vendor, "2024-01-01")
    path = tmp_path / "bars.parquet"
    vendor.between("2024-01-01", "2024-02-05").reset_index().to_parquet(path)
    cache.import_parquet(path, "A", "1D")
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))
