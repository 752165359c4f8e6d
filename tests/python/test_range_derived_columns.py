"""Longer bars made of shorter: how columns are put together, and which data types they have."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from range_vendor import Clock, told, utc

from afml_cache import PartialCoverageError, RangeCache

MINUTES = pd.date_range("2024-01-01", "2024-01-02", freq="min", tz="UTC", name="time")
HOURS = ("2024-01-01T00:00Z", "2024-01-01T03:00Z")


def cache_over(
    frame: pd.DataFrame,
    how: dict[Any, str],
    shape: Callable[[pd.DataFrame], Any] = lambda given: given,
) -> RangeCache:
    """Make a cache whose hours are made of the minutes of a frame, given in some shape."""

    def load(symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        return shape(frame[(frame.index >= utc(start)) & (frame.index < utc(end))])

    return RangeCache("bars", load, derive={"1h": ("1min", how)}, clock=Clock(), retries=0)


def as_nullable(frame: pd.DataFrame) -> pd.DataFrame:
    dtype = str(frame["volume"].dtype)
    names = {"bool": "boolean", "uint32": "UInt32"}
    return frame.astype({"volume": names.get(dtype, dtype.capitalize())})


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame.reset_index())


def as_dictionaries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    times = [time.to_pydatetime() for time in frame.index]
    volumes = frame["volume"].to_numpy()
    return [{"time": t, "volume": v} for t, v in zip(times, volumes, strict=True)]


SHAPES = {
    "pandas": (lambda frame: frame, lambda bars: bars["volume"]),
    "nullable": (as_nullable, lambda bars: bars["volume"]),
    "polars": (as_polars, lambda bars: bars["volume"].to_pandas()),
    "pyarrow": (
        lambda frame: as_polars(frame).to_arrow(),
        lambda bars: bars["volume"].to_pandas(),
    ),
    "objects": (
        as_dictionaries,
        lambda bars: pd.Series(np.array([bar["volume"] for bar in bars])),
    ),
}
SUMS = {
    "int16": "int64",
    "int32": "int64",
    "uint32": "uint64",
    "float32": "float64",
    "bool": "int64",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", SUMS)
def test_a_sum_has_64_bits_and_never_wraps(dtype, shape) -> None:
    each = {"int16": 30_000, "bool": True}.get(dtype, 2**31 - 128)
    give, take = SHAPES[shape]
    frame = pd.DataFrame({"volume": np.full(len(MINUTES), each, dtype=dtype)}, index=MINUTES)
    cache = cache_over(frame, {}, give)
    for _ in range(2):
        found = take(cache.get("A", "1h", *HOURS))
        assert found.tolist() == [60 * each] * 3
        assert str(found.dtype).lower() == SUMS[dtype]
        cache = cache_over(frame, {}, give)


@pytest.mark.parametrize("rule", ["mean", "median"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_mean_of_whole_numbers_is_a_float(shape, rule) -> None:
    give, take = SHAPES[shape]
    volumes = (np.arange(len(MINUTES)) % 2).astype("int32")
    cache = cache_over(pd.DataFrame({"volume": volumes}, index=MINUTES), {"volume": rule}, give)
    found = take(cache.get("A", "1h", *HOURS))
    assert found.tolist() == [0.5, 0.5, 0.5]
    assert str(found.dtype).lower() == "float64"


def test_a_sum_beyond_64_bits_is_an_error() -> None:
    frame = pd.DataFrame({"volume": np.full(len(MINUTES), 2**60)}, index=MINUTES)
    with pytest.raises(PartialCoverageError) as refused:
        cache_over(frame, {}).get("A", "1h", *HOURS)
    told(refused.value, "`volume`", "64 bits", "floats")


@pytest.mark.parametrize("missing", ["nan", "null"])
def test_what_is_missing_counts_as_it_does_in_pandas(missing) -> None:
    drawn = np.random.default_rng(4)
    names = ["open", "high", "low", "close", "volume", "spread", "middle"]
    values = drawn.random((len(MINUTES), len(names)))
    values[drawn.random(values.shape) < 0.4] = np.nan
    values[:60] = np.nan
    values[60], values[119] = np.nan, np.nan
    frame = pd.DataFrame(values, index=MINUTES, columns=names)
    frame = frame if missing == "nan" else frame.astype("Float64")
    how = {"spread": "mean", "middle": "median"}
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", **how}
    wanted = frame[: utc("2024-01-01T02:59")].resample("h").agg(rules)
    found = cache_over(frame, how).get("A", "1h", *HOURS)
    pd.testing.assert_frame_equal(found, wanted, check_freq=False)


def test_decimals_are_numbers_and_no_texts() -> None:
    def give(frame: pd.DataFrame) -> list[dict[str, Any]]:
        numbers = [decimal.Decimal(9 + n % 60) for n in range(len(frame))]
        names = ("high", "low", "close", "volume")
        return [
            {"time": time.to_pydatetime(), **dict.fromkeys(names, number)}
            for time, number in zip(frame.index, numbers, strict=True)
        ]

    found = cache_over(pd.DataFrame({"volume": 1}, index=MINUTES), {}, give).get("A", "1h", *HOURS)
    whole = decimal.Decimal(sum(range(9, 69)))
    assert {**found[0], "time": None} == {
        "time": None,
        "high": decimal.Decimal(68),
        "low": decimal.Decimal(9),
        "close": decimal.Decimal(68),
        "volume": whole,
    }


@pytest.mark.parametrize("rule", ["max", "sum", "mean"])
def test_texts_have_a_first_and_a_last_alone(rule) -> None:
    frame = pd.DataFrame({"venue": "Q"}, index=MINUTES)
    assert (
        cache_over(frame, {"venue": "last"}).get("A", "1h", *HOURS)["venue"].tolist() == ["Q"] * 3
    )
    with pytest.raises(PartialCoverageError) as refused:
        cache_over(frame, {"venue": rule}).get("B", "1h", *HOURS)
    told(refused.value, f'"{rule}"', "`venue`", '"last"')


def test_objects_whose_fields_are_whole_now_and_then_are_put_together() -> None:
    def give(frame: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {"time": time.to_pydatetime(), "close": 1 if n % 2 else 1.5}
            for n, time in enumerate(frame.index)
        ]

    found = cache_over(pd.DataFrame({"close": 1}, index=MINUTES), {}, give).get("A", "1h", *HOURS)
    assert [bar["close"] for bar in found] == [1, 1, 1]


def test_a_single_bar_has_not_the_frequency_of_the_shorter_ones() -> None:
    frame = pd.DataFrame({"close": 1.0}, index=MINUTES)
    found = cache_over(frame, {}).get("A", "1h", HOURS[0], "2024-01-01T01:00Z")
    assert found.index.freq is None


def test_tables_of_pyarrow_keep_their_schema_but_for_sums() -> None:
    def give(frame: pd.DataFrame) -> pa.Table:
        closes = pa.array(np.ones(len(frame), "float32"))
        volumes = pa.array([1] * len(frame), pa.uint8())
        times = as_polars(frame).to_arrow()["time"]
        return pa.table({"time": times, "close": closes, "volume": volumes})

    found = cache_over(pd.DataFrame({"close": 1}, index=MINUTES), {}, give).get("A", "1h", *HOURS)
    assert found.schema.field("close").type == pa.float32()
    assert found.schema.field("volume").type == pa.uint64()


def test_columns_of_any_kind_and_name_are_put_together() -> None:
    def give(frame: pd.DataFrame) -> pl.DataFrame:
        count = len(frame)
        prices = [decimal.Decimal("1.25")] * count
        columns = {
            "bar": pl.Series([2] * count, dtype=pl.UInt8),
            "turnover": pl.Series(prices, dtype=pl.Decimal(10, 2)),
            "middle": pl.Series(prices, dtype=pl.Decimal(10, 2)),
            "nothing": pl.Series([None] * count, dtype=pl.Null),
            "waited": pl.Series([1_000] * count).cast(pl.Duration("us")),
            "seen": pl.Series(frame.index.tz_localize(None).to_numpy()),
        }
        return pl.DataFrame({"time": as_polars(frame)["time"], **columns})

    rules = {"bar": "sum", "middle": "mean", "nothing": "sum", "waited": "sum", "seen": "max"}
    cache = cache_over(pd.DataFrame({"volume": 1}, index=MINUTES), rules, give)
    found = cache.get("A", "1h", HOURS[0], "2024-01-01T01:00Z").drop("time", "nothing")
    assert found.row(0, named=True) == {
        "bar": 120,
        "turnover": decimal.Decimal(75),
        "middle": 1.25,
        "waited": pd.Timedelta("60ms").to_pytimedelta(),
        "seen": pd.Timestamp("2024-01-01 00:59").to_pydatetime(),
    }


NAMES: dict[str, Any] = {
    "a number": 0,
    "a float": 0.5,
    "a truth value": True,
    "nothing": None,
    "a pair": ("close", "A"),
    "a text that is none of the cache's own": "#:bar ",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_column_is_known_by_the_name_that_its_user_gave_it(name) -> None:
    columns = pd.MultiIndex.from_tuples([name]) if isinstance(name, tuple) else [name]
    frame = pd.DataFrame(np.arange(len(MINUTES))[:, None], MINUTES, columns)
    found = cache_over(frame, {name: "last"}).get("A", "1h", *HOURS)
    pd.testing.assert_frame_equal(found, frame[59:180:60].set_axis(found.index), check_freq=False)
    with pytest.raises(PartialCoverageError) as refused:
        cache_over(frame, {}).get("B", "1h", *HOURS)
    key = f'"{name}"' if isinstance(name, str) else repr(name)
    told(refused.value, f"the column `{name}`", f'("1min", {{{key}: "last"}})')


def test_what_can_not_be_made_of_a_column_is_said_by_its_own_name() -> None:
    frame = pd.DataFrame({0: "Q", 1: 2**60}, index=MINUTES)
    for name, rules in {0: {0: "max", 1: "last"}, 1: {0: "last", 1: "sum"}}.items():
        with pytest.raises(PartialCoverageError) as refused:
            cache_over(frame, rules).get("A", "1h", *HOURS)
        told(refused.value, f"the column `{name}`")


def test_columns_of_one_name_have_one_rule() -> None:
    frame = pd.DataFrame(np.ones((len(MINUTES), 4)), MINUTES, ["volume", "volume", "n", "n"])
    found = cache_over(frame, {"n": "sum"}).get("A", "1h", *HOURS)
    assert found.columns.tolist() == ["volume", "volume", "n", "n"]
    assert (found == 60).all(axis=None)
