"""Frames of polars and tables of pyarrow come back exactly, and each becomes the other."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from alike import same
from arrows import NAMES, TYPES
from forms_trips import read, through, together
from hypothesis import given
from polars.testing.parametric import dataframes

from afml_cache import CacheConfigError, LoaderError
from afml_cache.ranges import forms

TIMES = [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3)]  # noqa: DTZ001 - naive on purpose
TIME = pl.Series("time", TIMES)
ZONED = TIME.dt.replace_time_zone("America/New_York")
UNKNOWN = [pl.Object, *(getattr(pl, name) for name in ("Extension",) if hasattr(pl, name))]
# Types of Arrow that polars does not read, or not as they are.
UNKEPT = {
    "decimal256(50, 2)",
    "month_day_nano_interval",
    "list_view<item: int64>",
    "map<string, int64>",
    "large_list_view<item: int64>",
}


@given(dataframes(excluded_dtypes=UNKNOWN, max_cols=4, max_size=5, allow_chunks=True))
def test_a_frame_of_polars_comes_back_exactly(drawn):
    times = pl.Series("when", range(drawn.height), dtype=pl.Datetime("us", "UTC"))
    frame = drawn.with_columns(times)
    back = through(frame, time="when")
    assert back.schema == frame.schema
    assert same(back, frame)
    form, table = read(frame, time="when")
    assert same(forms.hold(form, table).slice(1, 3), frame[1:3])
    assert same(together(frame[:2], frame[2:], time="when"), frame)


def test_a_lazy_frame_comes_back_collected():
    frame = pl.DataFrame({"t": TIME, "x": [1, 2]})
    assert same(through(frame.lazy()), frame)


def test_dates_are_times_of_daily_bars():
    form, _ = read(pl.DataFrame({"date": TIME.cast(pl.Date), "close": [1.0, 2.0]}))
    assert form.time == "date"


def test_enumerations_of_parts_are_put_together():
    parts = [
        pl.DataFrame({"time": TIME, "side": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"]))}),
        pl.DataFrame({"time": TIME, "side": pl.Series(["c", "b"], dtype=pl.Enum(["c", "b"]))}),
    ]
    forms_of, tables = zip(*map(read, parts), strict=True)
    united, messages = forms.unite(tables)
    back = forms.write(forms_of[0].merge(forms_of[1]), united)
    assert back.schema["side"] == pl.Enum(["a", "b", "c"])
    assert back["side"].to_list() == ["a", "b", "c", "b"]
    assert messages == []


@pytest.mark.parametrize(("kind", "values", "changed"), TYPES, ids=NAMES)
@pytest.mark.parametrize("batch", [False, True])
def test_a_table_of_pyarrow_comes_back_exactly_or_is_refused(batch, kind, values, changed):
    times = pa.array(range(len(values)), pa.timestamp("s", "+05:00"))
    given: dict[str, Any] = {"": pa.array(values, kind), "t": times}
    schema = pa.schema(
        [pa.field("", kind, metadata={"unit": "USD"}), pa.field("t", times.type, nullable=False)],
        {"source": "vendor"},
    )
    made = pa.RecordBatch if batch else pa.Table
    table = made.from_arrays(list(given.values()), schema=schema)
    if str(kind) in UNKEPT:
        with pytest.raises(LoaderError, match="which can't be kept"):
            forms.read(table)
        return
    assert same(through(table), table)
    assert same(through(table.slice(0, 0)), table.slice(0, 0))
    form, inner = read(table)
    assert same(forms.hold(form, inner).slice(1, 2), table.slice(1, 1))


def test_chunks_of_pyarrow_are_read_together():
    table = pa.table({"time": pa.array(TIMES), "x": pa.array(["a", "b"]).dictionary_encode()})
    chunked = pa.concat_tables([table, table.slice(1)])
    assert through(chunked).equals(chunked.unify_dictionaries())


def test_a_name_that_two_columns_have_survives():
    table = pa.Table.from_arrays(
        [pa.array(TIMES), pa.array([1, 2]), pa.array([3, 4])], ["t", *"xx"]
    )
    assert same(through(table), table)


@pytest.mark.parametrize(
    "value",
    [
        pl.DataFrame({"time": ZONED, "x": [1, None], "s": ["a", None]}),
        pa.table({"time": ZONED.to_arrow(), "x": [1, None], "s": ["a", None]}),
        pd.DataFrame(
            {"x": pd.array([1, None], dtype="Int64"), "s": ["a", None]},
            index=pd.DatetimeIndex(TIMES).as_unit("us").tz_localize("America/New_York"),
        ),
        [
            {"time": time, "x": x, "s": s}
            for time, x, s in zip(ZONED.to_list(), [1, None], ["a", None], strict=True)
        ],
    ],
    ids=["polars", "pyarrow", "pandas", "dictionaries"],
)
def test_each_kind_becomes_each_other(value):
    frame = pl.DataFrame({"time": ZONED, "x": [1, None], "s": ["a", None]})
    assert same(through(value, "polars"), frame)
    assert same(pl.from_arrow(through(value, "pyarrow")), frame)
    index = pd.DatetimeIndex(TIMES, name="time").as_unit("us").tz_localize("America/New_York")
    expected = pd.DataFrame({"x": pd.array([1, None], "Int64"), "s": ["a", None]}, index=index)
    if isinstance(value, pd.DataFrame):
        expected.index.name = None
    pd.testing.assert_frame_equal(through(value, "pandas"), expected)
    rows = through(value, dict)
    assert [list(row) for row in rows] == [["time", "x", "s"]] * 2
    assert [row["x"] for row in rows] == [1, None]


def test_columns_of_pandas_have_their_names_and_zones_in_polars():
    index = pd.date_range("2024", periods=2, tz="+05:00", name="Date")
    frame = pd.DataFrame(
        {("Close", "AAPL"): [1.0, 2], "k": pd.Categorical(["b", "a"])}, index=index
    )
    given = through(frame, "polars")
    assert given.columns == ["Date", "('Close', 'AAPL')", "k"]
    assert given["Date"].dtype.time_zone == "UTC"  # polars knows no zone by its offset
    assert given["k"].dtype == pl.Enum(["a", "b"])


def test_polars_of_all_kinds_becomes_pandas():
    frame = pl.DataFrame(
        {
            "date": TIME.cast(pl.Date),
            "d": pl.Series([dt.timedelta(1), None]),
            "b": [True, None],
            "e": pl.Series(["a", None], dtype=pl.Enum(["b", "a"])),
            "l": [[1], None],
            "f": [1.5, None],
        }
    )
    given = through(frame, "pandas")
    assert given.index.tolist() == TIMES
    assert given.dtypes.astype(str).tolist() == [
        "timedelta64[us]",
        "boolean",
        "category",
        "object",
        "float64",
    ]
    assert given["l"].tolist() == [[1], None]
    assert np.isnan(given["f"].iloc[1])


def test_what_parquet_cant_hold_is_refused():
    frame = pl.DataFrame({"time": TIME, "x": pl.Series([object(), object()], dtype=pl.Object)})
    with pytest.raises(LoaderError, match='column "x" of the polars `DataFrame` is Object'):
        forms.read(frame)
    with pytest.raises(LoaderError, match=r'holds Int64 and no times.*unit="ms"'):
        forms.read(pl.DataFrame({"open_time": [1, 2]}))
    with pytest.raises(LoaderError, match="1 of 2 rows without a time"):
        forms.read(pl.DataFrame({"time": [None, TIMES[0]]}))


def test_an_unknown_output_is_refused():
    form, table = read(pl.DataFrame({"time": TIME}))
    for ask in (forms.write, forms.hold):
        with pytest.raises(CacheConfigError, match='takes "pandas", "polars", "pyarrow"'):
            ask(form, table, "arrow")


def test_an_index_without_a_name_is_the_time_where_it_holds_times() -> None:
    times = pd.Index([time.replace(tzinfo=dt.timezone.utc) for time in TIMES], dtype=object)
    frame = pd.DataFrame({"close": [1.0, 2.0]}, index=times)
    assert through(frame).equals(frame)
    form, _ = forms.read(frame.assign(date=TIMES))
    assert next(one.label for one in form.columns if one.inner == form.time) == "date"
