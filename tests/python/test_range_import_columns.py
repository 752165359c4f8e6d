"""Columns of files that are taken in: those of the series, by whatever name a file has them."""

import logging

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, same, told, utc

from afml_cache import RangeCache
from afml_cache.exceptions import PartialCoverageError, SchemaError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")
TITLED = ["Open", "Close", "Volume"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bars.parquet"


def titled() -> pd.DataFrame:
    return bars(YEAR[:31]).set_axis(TITLED, axis=1)


WRONG = {
    "called otherwise": titled,
    "one called otherwise": lambda: bars(YEAR[:31]).rename(columns={"volume": "Volume"}),
    "one is missing": lambda: bars(YEAR[:31]).drop(columns="volume"),
    "none": lambda: bars(YEAR[:31])[[]],
}


@pytest.mark.parametrize("by", ["pandas", "polars"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_lacks_a_column_of_what_is_stored_is_refused(kind: str, by: str, path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    table = WRONG[kind]()
    if by == "pandas":
        table.to_parquet(path)
    else:
        pl.from_pandas(table.reset_index()).write_parquet(path)
    with pytest.raises(SchemaError) as refused:
        cache.import_parquet(path, *SERIES)
    told(refused.value, "bars.parquet", "bars A 1D", "has no", "`volume`", "call its columns as")
    for column in table.columns:
        told(refused.value, f"`{column}`")
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


def test_a_column_of_a_file_may_be_empty_and_others_are_left_out_and_told(path, caplog) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, "2024-02-01", "2024-03-01")
    table = bars(YEAR[:31]).assign(volume=None, trades=1, symbol="A")
    table.to_parquet(path)
    with caplog.at_level(logging.WARNING):
        assert cache.import_parquet(path, *SERIES) == 31
    assert "`trades`" in caplog.text
    assert "`symbol`" not in caplog.text
    given = cache.get(*SERIES, "2024-01-31", "2024-02-02")
    assert given["volume"].isna().tolist() == [True, False]
    assert list(given.columns) == list(vendor.bars.columns)


def test_a_file_whose_column_is_of_another_kind_is_refused_by_name(path) -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get(*SERIES, *JANUARY)
    bars(YEAR[:31]).assign(volume="many").to_parquet(path)
    with pytest.raises(SchemaError) as refused:
        cache.import_parquet(path, *SERIES)
    told(refused.value, "bars.parquet", "`volume`", "let the file give the column one dtype")


def test_a_loader_that_shares_no_column_with_a_file_is_refused_until_it_is_mended(path) -> None:
    vendor = Vendor(YEAR)
    titled().to_parquet(path)
    for cache in (cache_of(vendor), cache_of(vendor)):
        if cache.coverage(*SERIES).rows == 0:
            cache.import_parquet(path, *SERIES)
        with pytest.raises(PartialCoverageError) as refused:
            cache.get(*SERIES, "2024-01-20", "2024-02-10")
        assert isinstance(refused.value.__cause__, SchemaError)
        told(refused.value, "bars A 1D", "`Close`", "`close`", "no column is in both", "invalidate")
        same(cache.get(*SERIES, *JANUARY), titled())
    cache.invalidate(*SERIES)
    vendor.between(*JANUARY).to_parquet(path)
    assert cache.import_parquet(path, *SERIES) == 31
    wanted = "2024-01-20", "2024-02-10"
    same(cache.get(*SERIES, *wanted), vendor.between(*wanted))


def test_a_loader_may_give_its_own_when_the_bars_of_a_file_are_invalidated(path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    titled().to_parquet(path)
    cache.import_parquet(path, *SERIES)
    cache.invalidate(*SERIES)
    for again in (cache, cache_of(vendor)):
        same(again.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


def test_what_a_loader_does_not_give_of_a_file_is_left_out_and_told(path, caplog) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    bars(YEAR[:31]).assign(trades=1).to_parquet(path)
    cache.import_parquet(path, *SERIES)
    with caplog.at_level(logging.WARNING):
        same(cache.get(*SERIES, *JANUARY), bars(YEAR[:31]).assign(trades=1))
        assert caplog.text == ""
        wanted = "2024-01-20", "2024-02-10"
        same(cache.get(*SERIES, *wanted), vendor.between(*wanted))
    assert caplog.text.count("`trades`") == 1


def test_a_second_file_may_have_more_columns_than_the_first(path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    vendor.between(*JANUARY)[["close"]].to_parquet(path)
    cache.import_parquet(path, *SERIES)
    vendor.between("2024-02-01", "2024-03-01").to_parquet(path)
    cache.import_parquet(path, *SERIES)
    for end in ("2024-02-11", "2024-03-11"):
        for again in (cache, cache_of(vendor)):
            given = again.get(*SERIES, "2024-01-31", end)
            assert given["close"].tolist() == vendor.between("2024-01-31", end)["close"].tolist()
            assert given["volume"].isna().tolist() == [True] + [False] * (len(given) - 1)


@pytest.mark.parametrize("mine", ["Date", None])
@pytest.mark.parametrize("theirs", ["time", "stamp", None])
def test_the_index_of_a_file_may_be_called_otherwise_than_the_loaders(mine, theirs, path) -> None:
    vendor = Vendor(YEAR)
    vendor.bars = vendor.bars.rename_axis(theirs)
    cache = cache_of(vendor)
    vendor.between(*JANUARY).rename_axis(mine).to_parquet(path)
    cache.import_parquet(path, *SERIES)
    for end in ("2024-02-10", "2024-02-20", "2024-03-10"):
        for again in (cache, cache_of(vendor)):
            given = again.get(*SERIES, "2024-01-20", end)
            same(given, vendor.between("2024-01-20", end))
    assert cache.import_parquet(path, *SERIES) == 31
    assert (len(vendor.asked), cache.stats()["restated"]) == (3, 0)
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


# Names that are no texts

LABELS = {
    "of two levels": pd.MultiIndex.from_product([["open", "close", "volume"], ["AAPL"]]),
    "whole numbers": pd.RangeIndex(3),
    "numbers and texts": pd.Index([0, 1.5, "volume"], dtype=object),
    "twice": pd.Index(["price", "price", "volume"]),
    "nothing": pd.Index(["open", None, "volume"], dtype=object),
}


def labelled(name: str, kind: str, index: str = "time") -> tuple[pd.DataFrame, RangeCache]:
    table = bars(YEAR).set_axis(LABELS[kind], axis=1).rename_axis(index)

    def load(symbol, timeframe, start, end):
        return table[(table.index >= utc(start)) & (table.index < utc(end))]

    return table, RangeCache(name, load, clock=Clock(), retries=0)


@pytest.mark.parametrize("index", ["time", "Date", None])
@pytest.mark.parametrize("first", ["file", "loader"])
@pytest.mark.parametrize("kind", LABELS)
def test_names_that_are_no_texts_come_back_from_an_export(kind, first, index, path) -> None:
    table, cache = labelled("one", kind, index)
    cache.get(*SERIES, *JANUARY)
    for key in (SERIES, ()):
        assert cache.export(path, *key) == 31
        other = labelled(f"of {key}", kind, index)[1]
        if first == "loader":
            other.get(*SERIES, "2024-01-20", "2024-02-10")
        assert other.import_parquet(path, *SERIES) == 31
        other.get(*SERIES, "2024-03-01", "2024-03-10")
        for again in (other, labelled(f"of {key}", kind, index)[1]):
            given = again.get(*SERIES, *JANUARY)
            same(given, table[:31])
        assert again.stats()["api_calls"] == 0


def test_a_series_of_pandas_comes_back_from_an_export(path) -> None:
    def cache(name):
        def load(symbol, timeframe, start, end):
            return Vendor(YEAR).between(start, end)["close"].rename(None)

        return RangeCache(name, load, clock=Clock(), retries=0)

    given = cache("one").get(*SERIES, *JANUARY)
    cache("one").export(path, *SERIES)
    other = cache("other")
    other.import_parquet(path, *SERIES)
    other.get(*SERIES, "2024-03-01", "2024-03-10")
    pd.testing.assert_series_equal(other.get(*SERIES, *JANUARY), given, check_freq=False)
