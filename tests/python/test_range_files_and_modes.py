"""Bars of a range cache in files, in each mode, in part; and how they are asked for."""

import datetime as dt
import enum

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, cache_of, days, same, told, utc

from afml_cache import RangeCache, as_of, mode
from afml_cache.exceptions import CacheConfigError, CacheMissError, PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")


class RefusedError(Exception):
    """What a vendor's client raises."""

    def __str__(self) -> str:
        return "out of order"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# Files


READERS = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".arrow": pl.read_ipc,
    ".feather": pl.read_ipc,
    ".json": pl.read_ndjson,
}


@pytest.mark.parametrize("suffix", READERS)
def test_bars_are_exported_as_the_suffix_says(suffix: str, tmp_path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for symbol in "AB":
        cache.get(symbol, "1D", *JANUARY)
    one, all_ = tmp_path / f"one{suffix}", tmp_path / f"all{suffix.upper()}"
    assert cache.export(one, *SERIES) == 31
    table = READERS[suffix](one)
    assert table.columns == ["time", "open", "close", "volume"]
    assert table["close"].to_list() == vendor.between(*JANUARY)["close"].tolist()
    assert cache.export(str(all_)) == 62
    table = READERS[suffix](all_)
    assert table.columns == ["symbol", "timeframe", "time", "open", "close", "volume"]
    assert table["symbol"].to_list() == ["A"] * 31 + ["B"] * 31


def test_an_export_of_another_kind_is_refused(tmp_path) -> None:
    with pytest.raises(CacheConfigError, match=r"no known suffix.*\.parquet"):
        cache_of(Vendor(YEAR)).export(tmp_path / "bars.xlsx")


COLUMNS = {
    "lengths of time": ([dt.timedelta(seconds=1)] * 31, {".csv"}),
    "lists": ([[1, 2]] * 31, {".csv"}),
    "arrays": (pl.Series([[1, 2]] * 31, dtype=pl.Array(pl.Int64, 2)), {".csv"}),
    "structs": ([{"bid": 1, "ask": 2}] * 31, {".csv"}),
    "bytes": ([b"\xff"] * 31, {".csv", ".json"}),
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("suffix", READERS)
def test_a_column_that_a_file_can_not_hold_is_named(suffix: str, kind: str, tmp_path) -> None:
    values, refusing = COLUMNS[kind]
    vendor = Vendor(YEAR)
    extra = pl.Series("extra", values)
    vendor.answer = lambda found: pl.from_pandas(found.reset_index()).with_columns(extra)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    path = tmp_path / f"bars{suffix.upper()}"
    path.write_text("what was there")
    for key in (SERIES, ()):
        if suffix not in refusing:
            assert cache.export(path, *key) == 31
            continue
        with pytest.raises(CacheConfigError) as refused:
            cache.export(path, *key)
        told(refused.value, path.name, "`extra`", suffix, str(extra.dtype), ".parquet")
        assert path.read_text() == "what was there"


def test_exported_bars_are_imported_elsewhere(tmp_path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.export(tmp_path / "bars.parquet", *SERIES)
    assert cache.import_parquet(tmp_path / "bars.parquet", "B", "1D") == 31
    given = cache.get("B", "1D", "2024-01-05", "2024-02-05")
    same(given, vendor.between("2024-01-05", "2024-02-05"))
    assert vendor.spans[1:] == [("2024-02-01", "2024-02-05")]
    assert {one.reason for one in cache.coverage("B", "1D")} == {"imported", "fetched"}


@pytest.mark.parametrize("named", [True, False])
def test_bars_that_pandas_wrote_come_before_the_vendors(named: bool, tmp_path) -> None:
    vendor = Vendor(YEAR)
    if not named:
        vendor.bars = vendor.bars.rename_axis(None)
    path = tmp_path / "bars.parquet"
    vendor.between(*JANUARY).to_parquet(path)
    cache = cache_of(vendor)
    assert cache.import_parquet(path, *SERIES) == 31
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    given = cache.get(*SERIES, "2024-01-20", "2024-02-10")
    same(given, vendor.between("2024-01-20", "2024-02-10"))
    assert vendor.spans == [("2024-02-01", "2024-02-10")]


def test_bars_of_another_library_come_back_as_the_loaders_own(tmp_path) -> None:
    vendor = Vendor(YEAR)
    path = tmp_path / "bars.parquet"
    pl.from_pandas(vendor.between(*JANUARY).reset_index()).write_parquet(path)
    cache = cache_of(vendor)
    cache.import_parquet(path, *SERIES)
    given = cache.get(*SERIES, "2024-01-20", "2024-02-10")
    same(given, vendor.between("2024-01-20", "2024-02-10"))


def test_bars_that_may_still_change_are_not_imported(tmp_path) -> None:
    vendor = Vendor(YEAR)
    vendor.between(*JANUARY).to_parquet(tmp_path / "bars.parquet")
    cache = cache_of(vendor, clock=Clock("2024-01-21T12:00"))
    assert cache.import_parquet(tmp_path / "bars.parquet", *SERIES) == 20
    assert cache.gaps(*SERIES, "2024-01-19", None) == [(day("2024-01-21"), day("2024-01-22"))]


# Modes


def test_nothing_is_fetched_in_mode_frozen() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    with mode("frozen"):
        same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
        with pytest.raises(CacheMissError, match=r"2024-02-01 \.\. 2024-02-04"):
            cache.get(*SERIES, "2024-01-01", "2024-02-05")
    assert len(vendor.asked) == 1


def test_nothing_is_written_in_mode_readonly() -> None:
    vendor = Vendor(YEAR)
    cache_of(vendor).get(*SERIES, *JANUARY)
    with mode("readonly"):
        given = cache_of(vendor).get(*SERIES, "2024-01-10", "2024-02-10")
    same(given, vendor.between("2024-01-10", "2024-02-10"))
    assert vendor.spans[1:] == [("2024-02-01", "2024-02-10")]
    cache = cache_of(vendor)
    assert cache.coverage(*SERIES).rows == 31
    assert cache.gaps(*SERIES, "2024-01-10", "2024-02-10") == [
        (day("2024-02-01"), day("2024-02-10"))
    ]


def test_all_is_fetched_again_in_mode_fresh() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    vendor.bars["close"] += 1
    with mode("fresh"):
        same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    same(cache_of(vendor).get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 2


def test_there_is_no_cache_in_mode_off() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    vendor.bars["close"] += 1
    with mode("off"):
        for _ in range(2):
            same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
            same(cache.get("B", "1D", *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 5
    assert cache.gaps("B", "1D", *JANUARY) != []
    vendor.bars["close"] -= 1
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


@pytest.mark.parametrize("closed", ["left", "both"])
def test_an_empty_range_takes_no_call_in_mode_off(closed: str) -> None:
    vendor = Vendor(YEAR, closed)
    cache = cache_of(vendor)
    with mode("off"):
        assert len(cache.get(*SERIES, "2024-01-05", "2024-01-05")) == 0
        with as_of("2020-01-01"):
            assert len(cache.get(*SERIES, "2024-01-05")) == 0
    assert vendor.asked == []


def test_calls_are_no_longer_than_the_vendor_takes_in_mode_off_either() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, max_span="10D")
    with mode("off"):
        same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 4


# Simulations and calls


def test_a_simulation_of_the_past_finds_its_bars_final() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    with as_of("2024-01-11"):
        assert cache.plan(*SERIES, "2024-01-01").rows == 10
        assert cache.prefetch(*SERIES, "2024-01-01") == 1
        assert len(cache.get(*SERIES, start="2024-01-01")) == 10
    assert [one.state for one in cache.coverage(*SERIES)] == ["data"]


class Length(enum.Enum):
    DAY = "1D"


def test_the_loader_is_called_with_the_key_as_the_caller_writes_it() -> None:
    vendor = Vendor(YEAR)
    cache_of(vendor).get("A", "D", *JANUARY)
    cache = cache_of(vendor)
    cache.verify()  # looks at what is stored, whose timeframe is written "1D"
    for timeframe in (Length.DAY, "daily"):
        cache.get("A", timeframe, *JANUARY)
        cache.refresh("A", timeframe, *JANUARY)
    assert vendor.series == [("A", "D"), ("A", Length.DAY), ("A", "daily")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": ("symbol",)}, "the key has symbol"),
        ({"many": 3}, "`many` takes a function, not 3"),
        ({"listing": {}}, "`listing` takes a function"),
        ({"on_restated": "print"}, "`on_restated` takes a function"),
        ({"align": "week"}, "`align` is None or 'day' or 'month'"),
        ({"max_rows": 0}, "`max_rows` takes a whole number from 1 on"),
        ({"settle": "soon"}, "`settle` takes a length of time"),
        ({"closed": "right"}, "`closed` is 'left' or 'both'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_option_that_can_not_be_right_is_refused(options, message) -> None:
    with pytest.raises(CacheConfigError, match=message):
        cache_of(Vendor(YEAR), **options)


def test_parts_of_a_request_go_by_place_or_by_name() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    cache.get("A", timeframe="1D", start=JANUARY[0], end=JANUARY[1])
    cache.get(end=JANUARY[1], start=JANUARY[0], timeframe="1D", symbol="A")
    assert len(vendor.asked) == 1
    with pytest.raises(CacheConfigError, match="not given: start"):
        cache.get("A", "1D")
    with pytest.raises(CacheConfigError, match="symbol, timeframe, start, end"):
        cache.get("A", "1D", *JANUARY, session="day")
    with pytest.raises(CacheConfigError, match="symbol, timeframe"):
        cache.coverage("A")


def test_half_of_an_answer_is_given_where_that_is_wanted() -> None:
    vendor = Vendor(YEAR)

    def answer(found):
        if found.index[0] >= utc("2024-01-11"):
            raise RefusedError
        return found

    vendor.answer = answer
    cache = cache_of(vendor, max_span="10D")
    missing = [(day("2024-01-11"), day("2024-02-01"))]
    with pytest.raises(PartialCoverageError, match="out of order") as raised:
        cache.get(*SERIES, *JANUARY)
    assert raised.value.missing == missing
    same(raised.value.data, vendor.between("2024-01-01", "2024-01-11"))
    bars, left = cache.get(*SERIES, *JANUARY, allow_partial=True)
    assert (len(bars), left) == (10, missing)
    vendor.answer = None
    bars, left = cache_of(vendor, allow_partial=True).get(*SERIES, *JANUARY)
    assert (len(bars), left) == (31, [])


def test_who_takes_a_part_gets_the_whole_in_the_same_way() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for _ in range(3):  # from the vendor, from what is stored, and the short way
        bars, missing = cache.get(*SERIES, *JANUARY, allow_partial=True)
        same(bars, vendor.between(*JANUARY))
        assert missing == []
    with mode("off"):
        assert len(cache.get(*SERIES, *JANUARY, allow_partial=True).data) == 31


def test_an_answer_without_bars_is_of_the_kind_that_was_wanted() -> None:
    vendor = Vendor(YEAR)

    def fail(_):
        raise RefusedError

    vendor.answer = fail
    bars, missing = cache_of(vendor).get(*SERIES, *JANUARY, output="pandas", allow_partial=True)
    assert isinstance(bars, pd.DataFrame)
    assert (len(bars), len(missing)) == (0, 1)


def test_a_part_of_several_symbols_names_those_that_lack_bars() -> None:
    vendor = Vendor(YEAR)

    def load(symbol, timeframe, start, end):
        if symbol == "B":
            raise RefusedError
        return vendor.load(symbol, timeframe, start, end)

    cache = RangeCache("bars", load, retries=0, clock=Clock())
    bars, missing = cache.get_many(["A", "B"], "1D", *JANUARY, allow_partial=True)
    same(bars.drop(columns="symbol"), vendor.between(*JANUARY))
    assert bars["symbol"].unique() == ["A"]
    assert missing == [("B", day("2024-01-01"), day("2024-02-01"))]
    with pytest.raises(PartialCoverageError, match="bars B 1D"):
        cache.get_many(["A", "B"], "1D", *JANUARY)
    assert len(vendor.asked) == 1
