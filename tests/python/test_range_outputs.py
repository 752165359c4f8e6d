"""What the range cache gives: outputs, and each loader's own kind of bars as it was."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from range_vendor import Clock, Vendor, cache_of, days, same

from afml_cache import RangeCache
from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
PARTS = [("2024-01-10", "2024-01-20"), ("2024-01-01", "2024-01-12"), JANUARY]
NEW_YORK = "America/New_York"


@dataclass(frozen=True)
class Bar:
    time: dt.datetime
    close: float


def caches(loader, **options):
    """Give a cache and another one that has nothing in memory."""
    return [RangeCache("bars", loader, clock=Clock(), **options) for _ in range(2)]


# Outputs


@pytest.mark.parametrize("start", ["2024-01-01", "2024-06-01"])
def test_an_answer_is_what_the_caller_wants(start: str) -> None:
    vendor = Vendor(YEAR[:150])  # nothing from June on
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    asked = ("A", "1D", start, "2024-07-01")
    direct = vendor.between(*asked[2:])
    same(cache.get(*asked, output="pandas"), direct)
    polars, arrow = cache.get(*asked, output="polars"), cache.get(*asked, output="pyarrow")
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(arrow, pa.Table)
    assert polars.columns == arrow.column_names == ["time", "open", "close", "volume"]
    assert polars.schema["time"] == pl.Datetime("ns", "UTC")
    assert polars["volume"].dtype == pl.Int64
    assert polars["close"].to_list() == arrow["close"].to_pylist() == direct["close"].tolist()


def test_an_output_that_there_is_not_is_refused() -> None:
    with pytest.raises(CacheConfigError, match="`output` takes"):
        cache_of(Vendor(YEAR)).get("A", "1D", *JANUARY, output="numpy")


def test_objects_go_in_and_come_out() -> None:
    def load(symbol, timeframe, start, end):
        return [Bar(time, float(time.day)) for time in pd.date_range(start, end, inclusive="left")]

    for cache in caches(load):
        for part in PARTS:
            given = cache.get("A", "1D", *(dt.datetime.fromisoformat(day) for day in part))
            assert all(type(bar) is Bar for bar in given)
        assert [bar.close for bar in given] == [float(day) for day in range(1, 32)]
        assert given[0].time == dt.datetime(2024, 1, 1)  # noqa: DTZ001
        frame = cache.get("A", "1D", *JANUARY, output="polars")
        assert frame.columns == ["time", "close"]


OBJECTS = """
import datetime as dt, sys
from dataclasses import dataclass
from afml_cache import RangeCache

@dataclass
class Bar:
    time: dt.datetime
    close: float

def load(symbol, timeframe, start, end):
    if "cold" in sys.argv or {cold}:
        raise AssertionError("the vendor was asked")
    return [Bar(start + dt.timedelta(days=day), float(day)) for day in range((end - start).days)]

bars = RangeCache("bars", load)
given = bars.get("A", "1D", dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 11))
print(len(given), {{type(bar) is Bar for bar in given}}, given[3])
"""


def test_objects_come_out_in_another_process_too(run_python) -> None:
    first = run_python(OBJECTS.format(cold=False))
    assert first == run_python(OBJECTS.format(cold=True))
    assert first.startswith("10 {True} Bar(time=datetime.datetime(2024, 1, 4, 0, 0), close=3.0)")


def exactly(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_freq=True, check_flags=True)
    assert left.index.dtype == right.index.dtype
    assert list(left.columns) == list(right.columns)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", NEW_YORK])
def test_pandas_comes_back_as_it_was(unit: str, zone: str | None) -> None:
    def load(symbol, timeframe, start, end):
        ends = [pd.Timestamp(end).replace(tzinfo=None) for end in (start, end)]
        index = pd.date_range(*ends, freq="D", inclusive="left", tz=zone, name="when")
        count = len(index)
        return pd.DataFrame(
            {
                "volume": index.day.to_numpy(dtype="int32"),
                "close": (index.day.to_numpy() / 8).astype("float32"),
                "venue": pd.Categorical(["X"] * count, categories=["X", "Y"]),
                "note": [None if day.day % 2 else "even" for day in index],
                "halted": index.day == 3,
            },
            index=index.as_unit(unit),
        )

    direct = load("A", "1D", *JANUARY)
    for cache in caches(load):
        for part in PARTS:
            given = cache.get("A", "1D", *part)
        exactly(given, direct)
        part = ("A", "1D", "2024-01-05", "2024-01-08")
        exactly(cache.get(*part), load(*part))


def test_a_frame_with_its_time_in_a_column_comes_back_so() -> None:
    vendor = Vendor(YEAR)
    vendor.answer = lambda found: found.reset_index()[["open", "time", "close"]]
    cache = cache_of(vendor)
    for part in PARTS:
        given = cache.get("A", "1D", *part)
    pd.testing.assert_frame_equal(given, vendor.answer(vendor.between(*JANUARY)))


def test_polars_comes_back_as_it_was() -> None:
    def load(symbol, timeframe, start, end):
        days = pl.date_range(pl.lit(start).str.to_date(), pl.lit(end).str.to_date(), closed="left")
        return pl.select(
            close=pl.lit(1.5, pl.Float32), time=days, venue=pl.lit("X", pl.Categorical)
        )

    direct = load("A", "1D", *JANUARY)
    for cache in caches(load):
        for part in PARTS:
            given = cache.get("A", "1D", *part)
        assert given.schema == direct.schema
        assert given.equals(direct)


def test_pyarrow_comes_back_as_it_was() -> None:
    def load(symbol, timeframe, start, end):
        days = np.arange(start, end, dtype="datetime64[D]").astype("datetime64[ms]")
        return pa.table({"time": days, "close": np.ones(len(days))})

    direct = load("A", "1D", *JANUARY)
    for cache in caches(load):
        for part in PARTS:
            given = cache.get("A", "1D", *part)
        assert given.schema.equals(direct.schema, check_metadata=True)
        assert given.equals(direct)


def test_an_empty_answer_has_the_schema_of_the_series() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", *JANUARY)
    vendor.answer = lambda _: pd.DataFrame()
    for each in (cache, cache_of(vendor)):
        given = each.get("A", "1D", "2024-02-05", "2024-02-10")
        same(given, vendor.bars[:0])
        assert len(each.get("A", "1D", "2024-02-05", "2024-02-05")) == 0


def test_a_caller_may_do_what_it_wants_with_an_answer() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for _ in range(2):
        given = cache.get("A", "1D", *JANUARY)
        given["close"] = 0.0
        given.loc[given.index[0], "open"] = 0.0
        given.index.name = "mine"
    same(cache.get("A", "1D", *JANUARY), vendor.between(*JANUARY))
