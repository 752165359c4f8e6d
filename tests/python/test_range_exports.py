"""What is not exported, and the file that is left as it is."""

import polars as pl
import pytest
from range_vendor import Clock, Vendor, cache_of, days, told

from afml_cache import RangeCache
from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "bars.parquet"
    path.write_text("what was there")
    return path


def test_a_series_without_bars_leaves_the_file_as_it_is(path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for symbol in ("AAPL", "GOOG"):
        cache.get(symbol, "1D", *JANUARY)
    vendor.answer = lambda found: found[:0]
    cache.get("NONE", "1D", *JANUARY)
    for symbol in ("APPL", "NONE"):
        with pytest.raises(CacheConfigError) as refused:
            cache.export(path, symbol, "1D")
        told(refused.value, f"no bars of bars {symbol} 1D", path.name, "bars AAPL 1D", "the key")
        assert path.read_text() == "what was there"
    assert cache.export(path) == 62


def test_a_cache_without_bars_leaves_the_file_as_it_is(path) -> None:
    cache = cache_of(Vendor(YEAR))
    for key in ((), ("A", "1D")):
        with pytest.raises(CacheConfigError, match="left as it is: fetch some first"):
            cache.export(path, *key)
    assert path.read_text() == "what was there"


def test_keys_that_are_one_text_are_not_exported_together(path) -> None:
    def load(symbol, timeframe, start, end):
        found = Vendor(YEAR).load(symbol, timeframe, start, end)
        return found.assign(close=1.0 if symbol == 1 else 2.0)

    def cache(name):
        return RangeCache(name, load, clock=Clock(), retries=0)

    cache("one").get(1, "1D", *JANUARY)
    assert cache("one").export(path) == 31
    cache("one").get("1", "1D", *JANUARY)
    before = path.read_bytes()
    with pytest.raises(CacheConfigError) as refused:
        cache("one").export(path)
    told(refused.value, path.name, "`one`", "symbol 1, timeframe 1D", "with its key")
    assert path.read_bytes() == before
    for symbol, close in ((1, 1.0), ("1", 2.0)):
        cache("one").export(path, symbol, "1D")
        assert cache("other").import_parquet(path, symbol, "1D") == 31
        given = cache("other").get(symbol, "1D", *JANUARY, output="polars")
        assert given["close"].unique().to_list() == [close]
    assert pl.read_parquet(path).height == 31
