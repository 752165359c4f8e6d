"""Files of bars, taken in as bars of a series."""

import enum
import logging
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, same, told, utc

from afml_cache import RangeCache
from afml_cache.exceptions import BasisChangedError, CacheConfigError, LoaderError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")
PRICES = {"A": 100.0, "B": 400.0}


class Feed(str, enum.Enum):
    SIP = "sip"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bars.parquet"


def of_several() -> RangeCache:
    """Make a cache whose symbols have each their own price."""

    def load(symbol, timeframe, start, end):
        found = Vendor(YEAR).load(symbol, timeframe, start, end)
        return found.assign(close=PRICES[symbol])

    return RangeCache("several", load, clock=Clock())


# Several series in one file


@pytest.mark.parametrize("timeframe", ["1D", "day"])
def test_of_an_export_of_all_only_the_rows_of_the_key_are_taken(timeframe: str, path) -> None:
    cache = of_several()
    for symbol in PRICES:
        cache.get(symbol, timeframe, *JANUARY)
    assert cache.export(path) == 62
    vendor = Vendor(YEAR)
    imported = cache_of(vendor)
    for symbol in PRICES:
        assert imported.import_parquet(path, symbol, timeframe) == 31
        given = imported.get(symbol, timeframe, *JANUARY, output="pandas")
        same(given, cache.get(symbol, timeframe, *JANUARY))
    assert (vendor.asked, imported.stats()["conflicts"]) == ([], 0)


def test_a_file_of_many_symbols_that_pandas_wrote_is_taken_in_by_symbol(path) -> None:
    vendor = Vendor(YEAR)
    table = vendor.between(*JANUARY)
    other = table.assign(symbol="B", close=400.0)
    pd.concat([table.assign(symbol="A"), other]).to_parquet(path)
    cache = cache_of(vendor)
    assert cache.import_parquet(path, *SERIES) == 31
    given = cache.get(*SERIES, "2024-01-10", "2024-02-10")
    same(given, vendor.between("2024-01-10", "2024-02-10"))


def test_members_of_enums_are_found_again_in_an_export_of_all(path) -> None:
    def cache(name):
        def load(feed, **given):
            assert feed is Feed.SIP
            return Vendor(YEAR).load(**given)

        return RangeCache(name, load, key=("symbol", "feed", "timeframe"), clock=Clock())

    series = ("A", Feed.SIP, "1D")
    cache("one").get(*series, *JANUARY)
    cache("one").export(path)
    assert cache("other").import_parquet(path, *series) == 31


def test_a_file_without_bars_of_the_key_is_refused(path) -> None:
    cache = of_several()
    cache.get("B", "1D", *JANUARY)
    cache.export(path)
    with pytest.raises(LoaderError) as refused:
        cache.import_parquet(path, *SERIES)
    told(refused.value, "bars.parquet", "no bars", "`symbol`", "'B'")
    assert len(cache.coverage(*SERIES)) == 0


def test_a_column_that_the_loader_gives_stays_one_of_bars(path) -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda found: found.assign(symbol="a.us")
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.export(path, *SERIES)
    assert cache.import_parquet(path, *SERIES) == 31
    assert set(cache.get(*SERIES, *JANUARY)["symbol"]) == {"a.us"}


def test_rows_of_one_time_that_differ_are_counted_and_told(path, caplog) -> None:
    table = bars(YEAR[:31])
    table = pd.concat([table, (table + 1)[:10]]).sort_index(kind="stable")
    table.to_parquet(path)
    cache = cache_of(Vendor(YEAR))
    with caplog.at_level(logging.WARNING):
        assert cache.import_parquet(path, *SERIES) == 31
    assert cache.stats()["conflicts"] == 10
    assert "bars.parquet" in caplog.text
    assert "10 times with rows that differ" in caplog.text
    assert "loader" not in caplog.text


def test_an_export_of_one_series_has_no_columns_of_its_key(path) -> None:
    cache = of_several()
    cache.get(*SERIES, *JANUARY)
    cache.export(path, *SERIES)
    assert pl.read_parquet(path).columns == ["time", "open", "close", "volume"]


# What is no file of bars, and what comes after one


@pytest.mark.parametrize("content", [b"", b"time,close\n2024-01-01,1.0\n", b"PAR1" * 9])
def test_a_file_that_is_no_parquet_is_refused(content: bytes, path) -> None:
    path.write_bytes(content)
    with pytest.raises(LoaderError) as refused:
        cache_of(Vendor(YEAR)).import_parquet(path, *SERIES)
    told(refused.value, "bars.parquet", "Parquet file")
    with pytest.raises(FileNotFoundError):
        cache_of(Vendor(YEAR)).import_parquet(path.with_name("none"), *SERIES)


@pytest.mark.parametrize("path", [None, 3, b"bars.parquet", ["bars.parquet"]], ids=str)
def test_what_is_no_path_is_refused(path) -> None:
    cache = cache_of(Vendor(YEAR))
    for use in (cache.import_parquet, cache.export):
        with pytest.raises(CacheConfigError, match="takes the path of a file") as refused:
            use(path, *SERIES)
        told(refused.value, repr(path))


TIMES = {"text": pd.Index.astype, "whole numbers": lambda times, _: times.astype("int64")}


@pytest.mark.parametrize("kind", TIMES)
def test_times_of_a_file_that_are_none_are_to_be_mended_in_the_file(kind: str, path) -> None:
    table = bars(YEAR[:31])
    table.index = TIMES[kind](table.index, "str")
    table.rename_axis("time").to_parquet(path)
    with pytest.raises(LoaderError) as refused:
        cache_of(Vendor(YEAR)).import_parquet(path, *SERIES)
    told(refused.value, "bars.parquet", "convert it in the file")
    assert "loader" not in str(refused.value)


@pytest.mark.parametrize("write", [pd.Timestamp, pd.Timestamp.to_pydatetime])
def test_the_call_behind_imported_ticks_is_no_fault_of_the_loader(write, path, caplog) -> None:
    first = utc("2024-03-05T10:00")
    times = pd.DatetimeIndex([first + pd.Timedelta(20 * n, "us") for n in range(500)])
    ticks = pd.DataFrame({"price": range(500)}, index=times.rename("time"))

    def load(symbol, start, end):
        return ticks[(times >= start) & (times < end)]

    start, end = first.to_pydatetime(), write(first + pd.Timedelta("1h"))
    cache = RangeCache("ticks", load, key=["symbol"], timeframe="tick", clock=Clock())
    ticks[:300].to_parquet(path)
    assert cache.import_parquet(path, "A") == 300
    with caplog.at_level(logging.WARNING):
        same(cache.get("A", start, end), ticks)
    assert caplog.text == ""


def test_times_without_a_zone_that_another_cache_stored_are_refused_in_words() -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda found: found.tz_localize(None)
    asked = "A", "1h", utc("2024-01-01"), utc("2024-02-01")
    assert len(cache_of(vendor).get(*asked)) == 31
    cache = RangeCache("bars", vendor.load, naive="raise", clock=Clock(), retries=0)
    with pytest.raises(LoaderError) as refused:
        cache.get(*asked)
    told(refused.value, "bars A 1h", "stored", "no time zone", 'naive="raise"')


# Adjusted prices


def adjusted(stored: bool = True) -> RangeCache:
    cache = cache_of(Vendor(YEAR), adjustment="all")
    if stored:
        cache.get(*SERIES, "2024-01-10", "2024-01-20")
    return cache


def written(path, first: str, last: str, ratio: float = 1.0):
    table = bars(days(first, last))
    table[["open", "close"]] *= ratio
    table.to_parquet(path)
    return path


def test_adjusted_bars_of_another_basis_are_not_taken_in(path) -> None:
    cache = adjusted()
    with pytest.raises(BasisChangedError) as refused:
        cache.import_parquet(written(path, "2024-01-15", "2024-01-31", 0.5), *SERIES)
    told(refused.value, "bars.parquet", "0.5", "bars A 1D", "invalidate")
    same(cache.get(*SERIES, *JANUARY), bars(YEAR[:31]))


def test_adjusted_bars_that_meet_none_of_the_stored_are_not_taken_in(path) -> None:
    cache = adjusted()
    for first, last in (("2024-01-20", "2024-01-31"), ("2023-12-01", "2024-01-09")):
        with pytest.raises(BasisChangedError) as refused:
            cache.import_parquet(written(path, first, last, 0.5), *SERIES)
        told(refused.value, "bars.parquet", "no bar", "bars A 1D", "first")
    assert cache.coverage(*SERIES).rows == 10


def test_one_bar_that_differs_tells_no_basis_of_a_file(path) -> None:
    cache = adjusted()
    table = bars(days("2024-01-19", "2024-01-31"))
    table.iloc[0, 1] *= 1.5
    table.to_parquet(path)
    with pytest.raises(BasisChangedError) as refused:
        cache.import_parquet(path, *SERIES)
    told(refused.value, "the first bar", "bars.parquet", "differs", "bars A 1D")


def test_adjusted_bars_of_the_same_basis_are_taken_in(path) -> None:
    cache = adjusted()
    assert cache.import_parquet(written(path, "2024-01-19", "2024-01-31"), *SERIES) == 13
    same(cache.get(*SERIES, *JANUARY), bars(YEAR[:31]))
    assert adjusted(stored=False).import_parquet(path, "B", "1D") == 13


def test_bars_that_are_not_adjusted_are_taken_in_as_they_are(path) -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get(*SERIES, "2024-01-10", "2024-01-20")
    assert cache.import_parquet(written(path, "2024-01-15", "2024-01-31", 0.5), *SERIES) == 17


# Answers without rows, which say nothing of what a file has


TEXTS = ["007", "012", "1e3", "0"]


def of_a_vendor(empty) -> tuple[pd.DataFrame, RangeCache]:
    """Make bars with texts and decimals, and a cache whose loader gives `empty` before them."""
    times = hours("2024-03-01", "2024-03-01 03:00")
    prices = [Decimal("0.1")] * 4
    full = pd.DataFrame({"close": [1.25, 2, 3, 4], "cond": TEXTS, "fee": prices}, index=times)

    def load(symbol, timeframe, start, end):
        found = full[(full.index >= start) & (full.index < end)]
        return found if len(found) else empty(full)

    return full, RangeCache("texts", load, clock=Clock(), retries=0)


NOTHING = {
    "lists of nothing": lambda full: pd.DataFrame({name: [] for name in full.columns}),
    "lists and times": lambda full: pd.DataFrame(
        {name: [] for name in full.columns}, index=full.index[:0]
    ),
    "names alone": lambda full: pd.DataFrame(columns=full.columns, index=full.index[:0]),
    "floats": lambda full: pd.DataFrame(columns=full.columns, index=full.index[:0], dtype=float),
    "another library": lambda full: pl.DataFrame(
        schema={"time": pl.Datetime("us", "UTC"), **dict.fromkeys(full.columns, pl.Float64)}
    ),
    "a list": lambda _: [],
    "the same": lambda full: full[:0],
}
BEFORE = ("A", "1h", utc("2024-02-29"), utc("2024-02-29 04:00"))
BARS = ("A", "1h", utc("2024-03-01"), utc("2024-03-01 04:00"))


@pytest.mark.parametrize("first", ["file", "answer"])
@pytest.mark.parametrize("kind", NOTHING)
def test_an_answer_without_rows_changes_nothing_of_a_file(kind: str, first: str, path) -> None:
    full, cache = of_a_vendor(NOTHING[kind])
    full.to_parquet(path)
    if first == "answer":
        cache.get(*BEFORE)
    assert cache.import_parquet(path, "A", "1h") == 4
    for again in (cache, of_a_vendor(NOTHING[kind])[1]):
        assert len(again.get(*BEFORE)) == 0
        same(again.get(*BARS), full)
        assert again.get("A", "1h", *BEFORE[2:3], *BARS[3:])["cond"].tolist() == TEXTS
    assert again.stats()["api_calls"] <= 1


@pytest.mark.parametrize("kind", NOTHING)
def test_the_loaders_form_counts_as_soon_as_it_gives_a_row(kind: str, path) -> None:
    full, cache = of_a_vendor(NOTHING[kind])
    pl.from_pandas(full[:3].rename_axis("ts").reset_index()).write_parquet(path)
    cache.import_parquet(path, "A", "1h")
    assert cache.get(*BEFORE) is not None
    assert isinstance(cache.get("A", "1h", *BARS[2:3], utc("2024-03-01 03:00")), pl.DataFrame)
    same(cache.get(*BARS), full)
