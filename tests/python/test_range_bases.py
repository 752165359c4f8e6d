"""Adjusted series: another basis is told whatever columns are called, and never guessed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, days, same, told, utc

from afml_cache import RangeCache
from afml_cache.exceptions import BasisChangedError, CacheConfigError, PartialCoverageError

JANUARY = ("A", "1D", "2024-01-01", "2024-02-01")
LONGER = ("A", "1D", "2024-01-01", "2024-02-05")
SEAM = utc("2024-01-31")


@dataclasses.dataclass
class Bar:
    time: dt.datetime
    close: Decimal
    volume: int


def of_yahoo(frame: Frame) -> Frame:
    columns = [(field, "A") for field in ("Open", "Close", "Volume")]
    return frame.set_axis(pd.MultiIndex.from_tuples(columns), axis=1)


def of_objects(frame: Frame) -> list[Bar]:
    rows = zip(frame.index.to_pydatetime(), frame["close"], frame["volume"], strict=True)
    return [Bar(time, Decimal(str(close)), volume) for time, close, volume in rows]


def named(name: str) -> Callable[[Frame], Frame]:
    return lambda frame: frame[["close", "volume"]].rename(columns={"close": name})


def as_texts(frame: Frame) -> Frame:
    return frame.assign(open=frame["open"].astype(str), close=frame["close"].astype(str))


NAMES = ["close", "Adj Close", "adj_close", "last", "mid", "close_price", "bid_close", "closePrice"]
SHAPES: dict[str, Callable[[Frame], Any]] = {name: named(name) for name in NAMES} | {
    "columns on two levels": of_yahoo,
    "a series": lambda frame: frame["close"].rename("AAPL"),
    "decimals": lambda frame: frame.assign(close=[Decimal(str(one)) for one in frame["close"]]),
    "decimals of polars": lambda frame: pl.from_pandas(frame.reset_index()).with_columns(
        pl.col("open", "close").cast(pl.Decimal(12, 6))
    ),
    "objects": of_objects,
    "texts": as_texts,
    "a float volume first": lambda frame: frame[["volume", "close"]].astype(float),
    "cents beside a float volume": lambda frame: frame.assign(
        open=(frame["open"] * 1000).astype(int),
        close=(frame["close"] * 1000).astype(int),
        volume=frame["volume"] / 7,
    ),
    "raw beside adjusted": lambda frame: frame.assign(raw=123.0),
    "whole numbers alone": lambda frame: (frame * 80_000).astype("int64")[["close", "volume"]],
}


def adjusted(vendor: Vendor, **options: Any) -> RangeCache:
    """Give a cache of adjusted bars with those of January, of which nothing was asked again."""
    cache = cache_of(vendor, adjustment="all", **options)
    cache.get(*JANUARY)
    vendor.asked.clear()
    return cache


def of_a_year(answer: Callable[[Frame], Any] | None = None) -> Vendor:
    vendor = Vendor(days("2024-01-01", "2024-12-31"))
    vendor.bars["volume"] += 1
    vendor.answer = answer
    return vendor


def halve(vendor: Vendor) -> None:
    vendor.bars[["open", "close"]] /= 2


def equal(left: Any, right: Any) -> bool:
    return left == right if isinstance(left, list) else left.equals(right)


# What a price is


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_another_basis_is_told_whatever_prices_are_called_and_made_of(
    shape: Callable[[Frame], Any],
) -> None:
    vendor = of_a_year(shape)
    cache, refusing = adjusted(vendor), adjusted(vendor, on_basis_change="raise")
    halve(vendor)
    with pytest.raises(BasisChangedError):
        refusing.get(*LONGER)
    assert equal(cache.get(*LONGER), shape(vendor.between(*LONGER[2:])))


def test_a_dividend_that_changes_but_one_of_the_prices_is_another_basis() -> None:
    vendor = of_a_year(lambda frame: frame.assign(adj=frame["close"] * factor))
    factor = 1.0
    cache = adjusted(vendor)
    factor = 0.998
    found = cache.get(*LONGER)
    assert found["adj"].tolist() == (found["close"] * factor).tolist()
    assert vendor.spans[:2] == [("2024-01-31", "2024-02-05"), ("2024-01-30", "2024-01-31")]


@pytest.mark.parametrize("overlap", [1, 3])
@pytest.mark.parametrize("column", ["close", "turnover"])
def test_a_correction_of_one_bar_is_told_from_another_basis_by_a_second(
    column: str, overlap: int
) -> None:
    vendor = of_a_year()
    vendor.bars["turnover"] = vendor.bars["volume"] * 1.5
    cache = adjusted(vendor, on_basis_change="raise", overlap=overlap)
    vendor.bars.loc[SEAM, column] *= 1.5
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))
    assert cache.stats()["restated"] == 1
    asked = [("2024-01-31", "2024-02-05"), ("2024-01-30", "2024-01-31")]
    assert vendor.spans == (asked if overlap == 1 else [("2024-01-29", "2024-02-05")])


@pytest.mark.parametrize("names", [["close"], ["close", "volume"]])
def test_where_bars_have_one_price_a_correction_is_told_by_a_second_bar(names: list[str]) -> None:
    vendor = of_a_year(lambda frame: frame[names])
    cache = adjusted(vendor, on_basis_change="raise")
    vendor.bars.loc[SEAM, "close"] *= 1.001
    same(cache.get(*LONGER), vendor.between(*LONGER[2:])[names])
    assert vendor.spans == [("2024-01-31", "2024-02-05"), ("2024-01-30", "2024-01-31")]


@pytest.mark.parametrize("overlap", [2, 3])
def test_a_split_before_the_latest_bars_is_another_basis(overlap: int) -> None:
    vendor = of_a_year()
    cache = adjusted(vendor, overlap=overlap)
    vendor.bars.loc[: utc("2024-01-30"), ["open", "close"]] /= 2
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))
    cache = adjusted(vendor)
    vendor.bars.loc[: utc("2024-01-19"), "close"] /= 2
    assert cache.refresh("A", "1D", "2024-01-18", "2024-01-25") == 19
    same(cache.get(*JANUARY), vendor.between(*JANUARY[2:]))


def test_a_column_with_few_values_is_corrected_without_a_doubt() -> None:
    vendor = of_a_year()
    vendor.bars["dividend"] = 0.0
    vendor.bars.loc[SEAM, "dividend"] = 0.24
    cache = adjusted(vendor, overlap=2, on_basis_change="raise")
    vendor.bars.loc[SEAM, "dividend"] = 0.25
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))
    assert vendor.spans == [("2024-01-30", "2024-02-05")]


def test_a_corrected_volume_in_whole_numbers_takes_no_further_call() -> None:
    vendor = of_a_year()
    cache = adjusted(vendor, on_basis_change="raise")
    vendor.bars.loc[SEAM, "volume"] += 7
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))
    assert vendor.spans == [("2024-01-31", "2024-02-05")]


def test_bars_without_a_price_are_refused_where_they_are_said_to_be_adjusted() -> None:
    vendor = of_a_year(lambda frame: frame.assign(grade="AA")[["grade"]])
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor, adjustment="splits").get(*JANUARY)
    told(refused.value, "bars A 1D", "`grade`", "numbers", "`adjustment`")
    assert cache_of(vendor).get(*JANUARY)["grade"].tolist() == ["AA"] * 31


# Bars that tell, and are not given


def withhold(vendor: Vendor, *dates: str) -> None:
    """Have a vendor give all but the bars of some days."""
    vendor.bars = vendor.bars.drop([utc(one) for one in dates])


LATE = {"one": ["2024-01-31"], "a week": [f"2024-01-{day}" for day in range(26, 32)]}
WITHHELD = pytest.mark.parametrize("dates", LATE.values(), ids=LATE)
SPANS = pytest.mark.parametrize("max_span", [None, "1D"])


@WITHHELD
@SPANS
def test_without_the_last_bar_those_before_it_tell_the_basis(
    dates: list[str], max_span: str | None
) -> None:
    vendor = of_a_year()
    before = vendor.between(*LONGER[2:])
    cache = adjusted(vendor, max_span=max_span)
    withhold(vendor, *dates)
    same(cache.get(*LONGER), before)
    assert cache.stats()["restated"] == 0


@WITHHELD
@SPANS
def test_on_another_basis_nothing_is_appended_to_bars_that_are_given_no_more(
    dates: list[str], max_span: str | None
) -> None:
    vendor = of_a_year()
    cache = adjusted(vendor, max_span=max_span)
    before, known = cache.get(*JANUARY), cache.coverage("A", "1D")
    withhold(vendor, *dates)
    halve(vendor)
    with pytest.raises(BasisChangedError) as changed:
        cache.get(*LONGER)
    told(changed.value, "bars A 1D", "is now 0.5", dates[0], "invalidate")
    assert cache.coverage("A", "1D") == known
    same(cache.get(*JANUARY), before)
    cache.invalidate("A", "1D", dates[0], "2024-02-01")
    same(cache.get(*LONGER), vendor.between(*LONGER[2:]))


@pytest.mark.parametrize("asked", [("2024-02-01", "2024-02-05"), ("2023-12-01", "2024-01-01")])
@SPANS
def test_where_no_bar_tells_the_basis_nothing_is_added(
    asked: tuple[str, str], max_span: str | None
) -> None:
    vendor = Vendor(days("2023-12-01", "2024-02-29"))
    cache = adjusted(vendor, max_span=max_span)
    before, known = cache.get(*JANUARY), cache.coverage("A", "1D")
    withhold(vendor, *map(str, days("2024-01-01", "2024-01-31")))
    with pytest.raises(BasisChangedError) as unknown:
        cache.get("A", "1D", *asked)
    told(unknown.value, "nothing tells", "bars A 1D", "2024-01-", "invalidate")
    assert len(vendor.asked) < 40
    assert cache.coverage("A", "1D") == known
    same(cache.get(*JANUARY), before)
    cache.invalidate("A", "1D")
    same(cache.get("A", "1D", *asked), vendor.between(*asked))


def test_where_nothing_is_given_at_all_nothing_is_asked_for_besides() -> None:
    vendor = of_a_year()
    cache = adjusted(vendor)
    vendor.answer = lambda frame: frame[:0]
    same(cache.get(*LONGER), vendor.between(*JANUARY[2:]))
    assert vendor.spans == [("2024-01-31", "2024-02-05")]


def test_a_bar_that_is_all_there_is_may_be_corrected() -> None:
    vendor = of_a_year()
    cache = cache_of(vendor, adjustment="all", on_basis_change="raise")
    cache.get("A", "1D", "2024-01-31", "2024-02-01")
    vendor.bars.loc[SEAM, "close"] *= 1.5
    asked = ("2024-01-31", "2024-02-05")
    same(cache.get("A", "1D", *asked), vendor.between(*asked))


def test_a_call_that_fails_while_the_basis_is_not_known_adds_nothing() -> None:
    vendor = of_a_year()
    cache = adjusted(vendor)
    withhold(vendor, "2024-01-31")
    known = cache.coverage("A", "1D")

    def fail(frame: Frame) -> Frame:
        if utc("2024-01-30") in frame.index:
            raise OSError
        return frame

    vendor.answer = fail
    with pytest.raises(PartialCoverageError) as failed:
        cache.get(*LONGER)
    assert isinstance(failed.value.__cause__, OSError)
    assert [tuple(map(str, gap)) for gap in failed.value.missing] == [("2024-02-01", "2024-02-05")]
    assert cache.coverage("A", "1D") == known


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_bars_without_a_price_are_passed_over(value: float) -> None:
    vendor, clock = of_a_year(), Clock("2024-02-01T01:00")
    vendor.bars = vendor.bars.astype(float)
    vendor.bars.loc["2024-01-10":"2024-05-31"] = value
    cache = cache_of(vendor, adjustment="all", clock=clock)
    asked = "A", "1D", "2024-01-01"
    cache.get(*asked, "2024-02-01")
    for end in days("2024-02-02", "2024-03-31"):
        clock.set(str(end + pd.Timedelta("1h")))
        vendor.asked.clear()
        same(cache.get(*asked, end), vendor.between("2024-01-01", end))
        assert len(vendor.asked) == 2  # the new bar, and the last that has a price
    vendor.bars /= 2
    same(cache.get(*asked, "2024-04-05"), vendor.between("2024-01-01", "2024-04-01"))


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_a_series_that_has_no_price_yet_grows(value: float) -> None:
    vendor, clock = of_a_year(), Clock("2024-02-01T01:00")
    vendor.bars = vendor.bars.astype(float)
    vendor.bars.loc[:"2024-05-31"] = value
    cache = cache_of(vendor, adjustment="all", clock=clock)
    for end in days("2024-02-01", "2024-02-20"):
        clock.set(str(end + pd.Timedelta("1h")))
        same(cache.get("A", "1D", "2024-01-01", end), vendor.between("2024-01-01", end))
    assert len(vendor.asked) == 20


def test_prices_that_are_counted_in_32_bits_are_on_their_basis() -> None:
    def jitter(frame: Frame) -> Frame:
        noise = 1 + 6e-8 * ((len(vendor.asked) + pd.Series(range(len(frame)))) % 3 - 1).to_numpy()
        return frame.assign(open=frame["open"] * noise, close=frame["close"] * noise[::-1])

    vendor, clock = of_a_year(jitter), Clock("2024-02-01T01:00")
    cache = cache_of(vendor, adjustment="all", clock=clock)
    for end in days("2024-02-01", "2024-03-01"):
        clock.set(str(end + pd.Timedelta("1h")))
        cache.get("A", "1D", "2024-01-01", end)
    assert len(vendor.asked) == 30
