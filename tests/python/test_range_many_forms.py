"""What a loader of many may give: each symbol's bars are as its own loader would give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from range_vendor import Clock, Frame, Vendor, hours, utc

from afml_cache import RangeCache

VENDOR = Vendor(hours("2024-01-01", "2024-01-31"))
DAY = "A", "1h", "2024-01-02", "2024-01-03"
LONGER = "A", "1h", "2024-01-02", "2024-01-04"
SYMBOLS = "A", "B", "C"


def as_column(frame: Frame) -> Frame:
    return frame.reset_index()


def as_index(frame: Frame) -> Frame:
    return frame


def as_polars(frame: Frame) -> pl.DataFrame:
    kinds = pl.Series(["a", "b"] * len(frame), dtype=pl.Enum(["a", "b"]))[: len(frame)]
    return pl.from_pandas(frame.reset_index()).with_columns(
        kind=kinds, sort=kinds.cast(pl.String).cast(pl.Categorical)
    )


def by_time(parts: dict[str, Any]) -> Any:
    if isinstance(parts["A"], pl.DataFrame):
        return pl.concat([part.with_columns(symbol=pl.lit(one)) for one, part in parts.items()])
    whole = pd.concat([part.assign(symbol=one) for one, part in parts.items()])
    if "time" in whole:
        return whole.sort_values(["time", "symbol"], ignore_index=True)
    return whole.sort_index(kind="stable")


def by_symbol(parts: dict[str, Any]) -> Any:
    whole = by_time(parts)
    return whole if isinstance(whole, pl.DataFrame) else whole.reset_index().set_index("symbol")


def lazily(parts: dict[str, Any]) -> Any:
    whole = by_time(parts)
    return whole.lazy() if isinstance(whole, pl.DataFrame) else whole


def alike(left: Any, right: Any) -> None:
    if isinstance(left, pl.DataFrame):
        assert_frame_equal(left, right)
    else:
        pd.testing.assert_frame_equal(left, right, check_freq=False)


@pytest.mark.parametrize("given", [as_column, as_index, as_polars])
@pytest.mark.parametrize("together", [by_time, lazily])
def test_bars_that_were_asked_for_together_are_as_those_of_one(
    given: Callable[[Frame], Any], together: Callable[[dict[str, Any]], Any]
) -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        return given(VENDOR.between(start, end))

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> Any:
        return together({symbol: load(symbol, timeframe, start, end) for symbol in symbols})

    cache = RangeCache("together", load, many=load_many, clock=Clock())
    alone = RangeCache("alone", load, clock=Clock())
    for asked in (DAY, LONGER):
        found = cache.get_many(SYMBOLS, *asked[1:], shape="dict")
        for symbol in SYMBOLS:
            alike(found[symbol], alone.get(*asked))
    alike(
        cache.get("B", "1h", "2024-01-02", "2024-01-05"), alone.get("B", *LONGER[1:3], "2024-01-05")
    )


def joined(parts: dict[str, Frame]) -> Frame:
    return pd.concat([part.assign(symbol=one) for one, part in parts.items()])


def in_a_row(parts: dict[str, Frame]) -> Frame:
    return joined(parts).reset_index(drop=True)


def by_price(parts: dict[str, Frame]) -> Frame:
    return in_a_row(parts).sort_values(["time", "symbol"])


def named(parts: dict[str, Frame]) -> Frame:
    return in_a_row(parts).rename_axis("row")


@pytest.mark.parametrize("together", [joined, in_a_row, by_price, named])
def test_rows_are_counted_for_each_symbol(together: Callable[[dict[str, Frame]], Frame]) -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Frame:
        frame = as_column(VENDOR.between(start, end))
        return frame.rename_axis("row") if together is named else frame

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> Frame:
        return together({symbol: load(symbol, timeframe, start, end) for symbol in symbols})

    cache = RangeCache("together", load, many=load_many, clock=Clock(), overlap=2)
    alone = RangeCache("alone", load, clock=Clock(), overlap=2)
    for asked in (DAY, LONGER):
        found = cache.get_many(SYMBOLS, *asked[1:], shape="dict")
        for symbol in SYMBOLS:
            alike(found[symbol], alone.get(*asked))
    latest = "B", "1h", "2024-01-02", "2024-01-05"
    alike(cache.get(*latest), alone.get(*latest))
    assert cache.stats()["restated"] == 0


def without_noon(frame: Frame) -> Frame:
    return frame[frame["time"].dt.hour != 12]


@pytest.mark.parametrize("many_first", [True, False])
def test_rows_that_are_cut_by_a_mask_are_as_those_that_are_stored(many_first: bool) -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Frame:
        return without_noon(as_column(VENDOR.between(start, end)))

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> Frame:
        parts = {symbol: as_column(VENDOR.between(start, end)) for symbol in symbols}
        return without_noon(in_a_row(parts))

    cache = RangeCache("cut", load, many=load_many, clock=Clock())

    def together(*asked: str) -> Frame:
        found: Frame = cache.get_many(SYMBOLS, *asked[1:], shape="dict")["A"]
        return found

    first, then = (together, cache.get) if many_first else (cache.get, together)
    first(*DAY)
    found = then(*LONGER)
    assert found["time"].tolist() == load(*LONGER[:2], *map(utc, LONGER[2:]))["time"].tolist()
    if many_first:
        assert found.index.equals(pd.RangeIndex(46))


def test_a_mask_may_cut_rows_of_some_answers_alone() -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Frame:
        frame = as_column(VENDOR.between(start, end))
        return without_noon(frame) if cuts else frame

    cuts: list[str] = []
    cache = RangeCache("cut", load, clock=Clock())
    cache.get(*DAY)
    cuts.append("noon")
    assert cache.get(*LONGER).index.equals(pd.RangeIndex(47))


@pytest.mark.parametrize("lazy", [True, False])
def test_a_full_answer_of_several_frames_is_not_believed(lazy: bool) -> None:
    asked = []

    def load(symbol: str, timeframe: str, start: Any, end: Any) -> pl.DataFrame:
        return as_polars(VENDOR.between(start, end)).head(40)

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> dict[str, Any]:
        asked.append(tuple(symbols))
        parts, room = {}, 40
        for symbol in symbols:
            part = load(symbol, timeframe, start, end).head(room)
            room -= part.height
            parts[symbol] = part.lazy() if lazy else part
        return parts

    cache = RangeCache("ticks", load, many=load_many, clock=Clock(), max_rows=40)
    ends = utc("2024-01-02"), utc("2024-01-03")
    found = cache.get_many(["A", "B"], "tick", *ends, shape="dict")
    assert asked == [("A", "B"), ("A",), ("B",)]
    assert [part.height for part in found.values()] == [24, 24]


@pytest.mark.parametrize("apart", [True, False])
def test_lazy_frames_are_collected_once(apart: bool) -> None:
    collected: list[int] = []

    def noted(frame: pl.DataFrame) -> pl.DataFrame:
        collected.append(frame.height)
        return frame

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> Any:
        part = as_polars(VENDOR.between(start, end))
        if apart:
            return {symbol: part.lazy().map_batches(noted) for symbol in symbols}
        return by_time(dict.fromkeys(symbols, part)).lazy().map_batches(noted)

    cache = RangeCache("lazy", VENDOR.load, many=load_many, clock=Clock())
    cache.get_many(SYMBOLS, *DAY[1:])
    assert collected == ([24] * 3 if apart else [72])


def test_symbols_may_be_the_index() -> None:
    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> Frame:
        return by_symbol({one: VENDOR.between(start, end) for one in symbols})

    cache = RangeCache("by symbol", VENDOR.load, many=load_many, clock=Clock())
    found = cache.get_many(SYMBOLS, *DAY[1:], shape="dict")
    assert [found[one]["close"].tolist() for one in SYMBOLS] == [
        VENDOR.between(*DAY[2:])["close"].tolist()
    ] * 3


def test_an_error_that_means_empty_is_that_of_one_symbol() -> None:
    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Frame:
        if symbol == "C":
            raise KeyError(symbol)
        return VENDOR.between(start, end)

    def load_many(symbols: list[str], timeframe: str, start: Any, end: Any) -> dict[str, Frame]:
        return {symbol: load(symbol, timeframe, start, end) for symbol in symbols}

    cache = RangeCache(
        "one has nothing", load, many=load_many, clock=Clock(), classify=lambda _: "empty"
    )
    found = cache.get_many(SYMBOLS, "1h", utc("2024-01-02"), utc("2024-01-03"), shape="dict")
    assert [len(one) for one in found.values()] == [24, 24, 0]
