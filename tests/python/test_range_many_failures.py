"""What an error of a request for several symbols tells of them."""

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, bars, days, hours, same, told, utc

from afml_cache import BasisChangedError, CacheMissError, PartialCoverageError, RangeCache, mode
from afml_cache.exceptions import LoaderError

HOURS = hours("2024-01-01", "2024-01-02 23:00")
ENDS = ("2024-01-01T00:00Z", "2024-01-01T03:00Z")
MISSING = utc(ENDS[0]), utc(ENDS[1])


def failing(*symbols: str, **options: object) -> RangeCache:
    vendor = Vendor(HOURS)

    def load(symbol, timeframe, start, end):
        if symbol in symbols:
            message = f"no {symbol}"
            raise ValueError(message)
        return vendor.load(symbol, timeframe, start, end)

    return RangeCache("failing", load, **{"clock": Clock(), "retries": 0, **options})


def refused(cache: RangeCache, symbols: list[str], **options: object) -> PartialCoverageError:
    with pytest.raises(PartialCoverageError) as caught:
        cache.get_many(symbols, "1h", *ENDS, **options)
    return caught.value


@pytest.mark.parametrize("shape", ["long", "wide", "dict"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_error_has_the_bars_that_there_are_and_all_that_is_missing(shape, concurrency) -> None:
    cache = failing("B", "D", concurrency=concurrency)
    error = refused(cache, [*"ABCD"], shape=shape)
    given = cache.get_many([*"ABCD"], "1h", *ENDS, shape=shape, allow_partial=True)
    assert error.missing == given.missing == [("B", *MISSING), ("D", *MISSING)]
    if shape == "dict":
        assert list(error.data) == [*"ABCD"]
        same(error.data["C"], Vendor(HOURS).between(*ENDS))
    else:
        same(error.data, given.data)
    told(error, "of 4 symbols, 2 could not be fetched: B, D", "ValueError: no B", "allow_partial")
    assert isinstance(error.__cause__, ValueError)


def test_the_error_of_one_symbol_is_that_of_get() -> None:
    cache = failing("B")
    with pytest.raises(PartialCoverageError) as single:
        cache.get("B", "1h", *ENDS)
    error = refused(cache, ["A", "B"])
    assert str(error) == str(single.value)
    assert set(error.data["symbol"]) == {"A"}


def test_many_failed_symbols_are_not_all_named() -> None:
    symbols = [f"S{number}" for number in range(40)]
    error = refused(failing(*symbols), symbols)
    told(error, "of 40 symbols, 40", "S0, S1", "S9 and 30 more")
    assert "S10" not in str(error)
    assert [symbol for symbol, *_ in error.missing] == symbols


@pytest.mark.parametrize("many", [False, True])
def test_all_symbols_are_named_that_a_frozen_cache_lacks(many) -> None:
    vendor = Vendor(HOURS)

    def load_many(symbols, timeframe, start, end):
        return {symbol: vendor.load(symbol, timeframe, start, end) for symbol in symbols}

    options = {"many": load_many} if many else {}
    cache = RangeCache("frozen", vendor.load, clock=Clock(), **options)
    cache.get("A", "1h", *ENDS)
    with mode("frozen"):
        with pytest.raises(CacheMissError) as caught:
            cache.get_many([*"ABCD"], "1h", *ENDS)
        told(caught.value, "of 4 symbols, 3", "B, C, D", "of the first of them, the bars")
        with pytest.raises(CacheMissError) as caught:
            cache.get_many([*"AB"], "1h", *ENDS)
        with pytest.raises(CacheMissError) as single:
            cache.get("B", "1h", *ENDS)
    assert str(caught.value) == str(single.value)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("many", [False, True])
def test_symbols_on_another_basis_are_named_and_the_others_are_kept(many) -> None:
    bars_of = dict.fromkeys("ABCD", bars(days("2024-01-01", "2024-02-29")))
    asked = []

    def load(symbol, timeframe, start, end):
        asked.append(symbol)
        found = bars_of[symbol]
        return found[(found.index >= start) & (found.index < end)]

    def load_many(symbols, timeframe, start, end):
        return {symbol: load(symbol, timeframe, start, end) for symbol in symbols}

    options = {"many": load_many} if many else {}
    options |= {"adjustment": "all", "on_basis_change": "raise", "overlap": 2}
    cache = RangeCache("adjusted", load, clock=Clock(), **options)
    cache.get_many([*"ABCD"], "1D", "2024-01-01", "2024-02-01")
    for symbol in "BD":
        bars_of[symbol] = bars_of[symbol] / [2, 2, 1]
    asked.clear()
    with pytest.raises(BasisChangedError) as caught:
        cache.get_many([*"ABCD"], "1D", "2024-01-01", "2024-02-10")
    told(caught.value, "of 4 symbols, 2", "B, D", "adjusted for another split", "0.5")
    assert sorted(asked) == [*"ABCD"]
    asked.clear()
    cache.get_many(["A", "C"], "1D", "2024-01-01", "2024-02-10")
    assert not asked
    for symbol in "BD":
        cache.invalidate(symbol, "1D")
    found = cache.get_many([*"ABCD"], "1D", "2024-01-01", "2024-02-10", shape="dict")
    for symbol, one in found.items():
        same(one, bars_of[symbol][:"2024-02-09"])
    assert sorted(asked) == ["B", "D"]


# Answers of a loader of many that can't be taken apart


def together(how: str, found: pd.DataFrame, symbols: list[str]) -> object:
    parts = dict.fromkeys(symbols, found)
    if how == "rows":
        return pd.concat(parts, names=["symbol", "time"])
    if how == "columns":
        return pd.concat(parts, names=["symbol", "field"], axis=1)
    if how == "list":
        return [{"symbol": one, "time": at} for one in symbols for at in found.index]
    if how == "twice":
        whole = pd.concat([part.reset_index().assign(symbol=one) for one, part in parts.items()])
        return whole.set_index("symbol", drop=False)
    return None


TOLD = {
    "rows": ("a MultiIndex of rows (symbol, time)", "`reset_index('symbol')`"),
    "columns": ("columns time, ('A', 'open'), ('A', 'close')", "('C', 'volume'), ..."),
    "list": ("a list of objects",),
    "twice": ("an index and a column that are both called `symbol`",),
    "nothing": ("an empty dictionary where there is nothing", "this one gave None"),
}


@pytest.mark.parametrize("how", TOLD)
def test_what_a_loader_of_many_gives_instead_is_said(how: str) -> None:
    vendor = Vendor(HOURS)

    def many(symbols, timeframe, start, end):
        return together(how, vendor.between(start, end), symbols)

    cache = RangeCache("failing", vendor.load, many=many, clock=Clock(), retries=0)
    error = refused(cache, [*"ABCD"]).__cause__
    assert isinstance(error, LoaderError)
    told(error, "a dictionary of each symbol's bars", "a column `symbol`", *TOLD[how])
    assert "#:" not in str(error)


@pytest.mark.parametrize("empty", [{}, [], (), pd.DataFrame(), pl.DataFrame(), pl.LazyFrame()])
def test_an_empty_answer_without_columns_says_nothing_of_any_symbol(empty: object) -> None:
    vendor = Vendor(HOURS)
    cache = RangeCache("empty", vendor.load, many=lambda *_, **__: empty, clock=Clock(), retries=0)
    found = cache.get_many(["A", "B"], "1h", *ENDS, shape="dict")
    same(found["B"], vendor.between(*ENDS))
    assert [symbol for symbol, _ in vendor.series] == ["A", "B"]


def test_a_frame_whose_index_is_reset_as_told_is_taken_apart() -> None:
    vendor = Vendor(HOURS)

    def many(symbols, timeframe, start, end):
        return together("rows", vendor.between(start, end), symbols).reset_index("symbol")

    cache = RangeCache("failing", vendor.load, many=many, clock=Clock(), retries=0)
    same(cache.get_many(["A", "B"], "1h", *ENDS, shape="dict")["B"], vendor.between(*ENDS))
    assert vendor.asked == []
