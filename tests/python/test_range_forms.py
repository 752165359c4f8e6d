"""Frames and series of pandas go through a table of polars and Parquet, and come back exactly."""

import datetime as dt
import decimal
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from alike import same
from drawn_columns import ZONES, arrow, categorical, columns, instants, nullable, numbers, spans
from drawn_columns import texts as drawn_texts
from forms_trips import read, through, together
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import LoaderError
from afml_cache.ranges import forms

KINDS = (numbers, nullable, drawn_texts, categorical, instants, spans, arrow)
LABELS = st.one_of(
    st.text(max_size=2),
    st.integers(-3, 3),
    st.none(),
    st.booleans(),
    st.tuples(st.text(max_size=1), st.integers(0, 1)),
)
UNITS = st.sampled_from(["s", "ms", "us", "ns"])
INDEX = pd.date_range("2024-03-08", periods=4, freq="D", tz="America/New_York", name="Date")


@st.composite
def indexes(draw: st.DrawFn) -> Any:
    freq = draw(st.sampled_from(["D", "h", "5min", "B", None]))
    length = draw(st.integers(0, 4))
    index = pd.date_range("2024-03-08", periods=length, freq=freq or "h", unit=draw(UNITS))
    index = index.tz_localize(draw(ZONES))
    if freq is None:
        index.freq = None
    return index.rename(draw(st.sampled_from([None, "Date", "time", "", 0])))


def axis_of(draw: st.DrawFn, labels: list) -> Any:
    sort = draw(st.sampled_from(["objects", "texts", "numbers", "levels"]))
    if sort == "texts":
        return pd.Index([str(label) for label in labels], name=draw(st.sampled_from(["n", None])))
    if sort == "numbers":
        return pd.RangeIndex(len(labels))
    if sort == "levels":
        pairs = [(str(label), number) for number, label in enumerate(labels)]
        return pd.MultiIndex.from_tuples(pairs, names=["a", None]) if pairs else pd.Index([])
    array = np.empty(len(labels), object)
    array[:] = labels
    return pd.Index(array, dtype=object)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    index = draw(indexes())
    labels = draw(st.lists(LABELS, max_size=4))
    given = {number: draw(columns(len(index), KINDS)) for number in range(len(labels))}
    frame = pd.DataFrame(given, index=index)
    frame.columns = axis_of(draw, labels)
    frame.attrs = draw(st.sampled_from([{}, {"source": "vendor", "n": [1, 2.5, None]}]))
    return frame


@given(frames())
def test_a_frame_comes_back_exactly(frame):
    assert same(through(frame), frame)


@given(frames(), st.integers(0, 4))
def test_a_frame_fetched_in_two_parts_is_the_frame(frame, place):
    assert same(together(frame[:place], frame[place:]), frame)


@given(indexes(), st.data())
def test_a_series_comes_back_exactly(index, data):
    values = data.draw(columns(len(index), KINDS))
    series = pd.Series(values, index=index, name=data.draw(LABELS))
    assert same(through(series), series)


@given(frames(), st.integers(0, 4), st.integers(0, 4))
def test_rows_held_in_memory_are_those_of_the_frame(frame, first, length):
    form, table = read(frame)
    held = forms.hold(form, table)
    assert held.rows == len(frame)
    part = frame.iloc[first : first + length]
    assert same(held.slice(first, first + length), part)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_column_of_times_is_found_by_its_name(unit):
    times = pd.date_range("2024", periods=3, tz="UTC", unit=unit)
    frame = pd.DataFrame({"close": [1.0, 2, 3], "Timestamp": times})
    form, table = read(frame)
    assert form.time == "Timestamp"
    assert same(forms.write(form, table), frame)


def test_an_index_that_is_no_time_comes_back():
    times = pd.date_range("2024", periods=3)
    frame = pd.DataFrame({"time": times, "close": [1.0, 2, 3]}, index=["a", "b", "c"])
    assert same(through(frame), frame)
    assert same(through(frame.set_index(pd.Index([7, 8, 9]))), frame.set_index(pd.Index([7, 8, 9])))
    both = frame.set_index(times)
    assert same(through(both, time="time"), both)


def test_rows_are_numbered_from_the_start_of_each_answer():
    times = pd.date_range("2024", periods=4)
    frame = pd.DataFrame({"time": times}, index=pd.RangeIndex(1, 5, name="n"))
    form, table = read(frame)
    assert same(forms.write(form, table), frame)
    assert forms.write(form, table[2:]).index.tolist() == [1, 2]
    assert forms.hold(form, table).slice(2, 4).index.equals(pd.RangeIndex(1, 3, name="n"))


def test_dates_of_python_as_the_index_are_times():
    days = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
    frame = pd.DataFrame({"close": [1.0, 2]}, index=pd.Index(days, name="date"))
    form, table = read(frame)
    assert table.schema[form.time] == pl.Date
    assert same(forms.write(form, table), frame)


@pytest.mark.parametrize(
    "cells",
    [
        [decimal.Decimal("1.50"), None, decimal.Decimal("1E-9")],
        [dt.date(2024, 1, 2), None, dt.date(1, 1, 1)],
        [dt.time(9, 30), None, dt.time(16, 0, 0, 1)],
        [b"a", None, b""],
        [True, None, False],
        [1, None, 2],
        [1.5, None, float("nan")],
        ["a", np.nan, "b"],
        ["a", pd.NA, "b"],
        [np.float64(1.5), None, np.float64(2)],
        [dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc), None, pd.NaT][:2],
        [pd.Timestamp("2024", tz="UTC"), pd.NaT, pd.Timestamp("2025", tz="UTC")],
        [None, None],
        [np.nan, np.nan],
    ],
    ids=repr,
)
def test_objects_in_a_column_keep_their_types(cells):
    array = np.empty(len(cells), object)
    array[:] = cells
    frame = pd.DataFrame({"x": array}, index=pd.date_range("2024", periods=len(cells)))
    assert same(through(frame), frame)


@pytest.mark.parametrize("dtype", [">f8", ">i4", ">M8[ns]", "f2", "m8[s]"])
def test_unusual_dtypes_of_numpy_come_back(dtype):
    frame = pd.DataFrame({"x": np.array([1, 2], dtype)}, index=pd.date_range("2024", periods=2))
    assert through(frame)["x"].dtype.str == frame["x"].dtype.str
    assert through(frame)["x"].tolist() == frame["x"].tolist()


def test_the_loaders_own_arrays_are_copied():
    values = np.array([1.0, 2.0])
    frame = pd.DataFrame({"x": values}, index=pd.date_range("2024", periods=2), copy=False)
    form, table = forms.read(frame)
    values[0] = 9
    assert forms.write(form, table)["x"].tolist() == [1, 2]


def test_a_frequency_is_given_where_the_times_have_it():
    frame = pd.DataFrame({"x": np.arange(4.0)}, index=INDEX)
    form, table = read(frame)
    assert forms.write(form, table).index.freqstr == "D"
    assert forms.write(form, table[[0, 2]]).index.freq is None
    assert forms.hold(form, table).slice(1, 3).index.freqstr == "D"
    assert form.merge(read(frame.iloc[[0, 2]])[0]).freq is None


def test_holidays_are_no_text_so_that_their_frequency_is_dropped():
    freq = pd.offsets.CustomBusinessDay(holidays=["2024-01-02"])
    frame = pd.DataFrame({"x": [1.0, 2]}, index=pd.date_range("2024", periods=2, freq=freq))
    assert through(frame).index.freq is None


def test_whole_numbers_with_a_gap_stay_whole():
    index = pd.date_range("2024", periods=2)
    form, table = read(pd.DataFrame({"n": [1, 2], "b": [True, False]}, index=index))
    united, _ = forms.unite([table, table.select("time")])
    back = forms.write(form, united)
    assert back.dtypes.astype(str).tolist() == ["Int64", "boolean"]
    assert back["n"].isna().tolist() == [False, False, True, True]


def test_an_empty_answer_without_columns_is_of_the_known_form():
    known, _ = read(pd.DataFrame({"x": [1.0] * 4}, index=INDEX))
    form, table = forms.read(pd.DataFrame(), default=known)
    assert same(forms.write(form, table), pd.DataFrame({"x": [1.0] * 4}, index=INDEX).iloc[:0])
    form, table = forms.read(pd.DataFrame())
    assert form.says_nothing
    assert known.merge(form) == form.merge(known) == known
    assert forms.write(form, table).shape == (0, 0)


@pytest.mark.parametrize(
    "nothing",
    [
        pd.DataFrame(),
        pd.DataFrame(columns=["x"]),
        pd.DataFrame({"x": []}, index=pd.DatetimeIndex([])),
        [],
        pl.DataFrame(),
    ],
)
def test_a_part_without_rows_changes_nothing(nothing):
    frame = pd.DataFrame({"x": [1.0] * 4}, index=INDEX)
    assert same(together(nothing, frame), frame)
    assert same(together(frame, nothing), frame)
    assert same(together(frame[:0], frame), frame)


def test_an_index_without_a_name_joins_the_series_that_has_one():
    known, _ = read(pd.DataFrame({"x": [1.0] * 4}, index=INDEX))
    nameless = pd.DataFrame({"x": [1.0] * 4}, index=INDEX.rename(None))
    form, _ = forms.read(nameless, default=known)
    assert form.time == known.time


def test_zones_of_pytz_come_back():
    pytz = pytest.importorskip("pytz")
    for zone in (pytz.timezone("Europe/Berlin"), pytz.utc, pytz.FixedOffset(90)):
        frame = pd.DataFrame({"x": [1.0]}, index=pd.DatetimeIndex(["2024"], tz=zone))
        back = through(frame)
        assert same(back, frame)
        assert type(back.index.tz) is type(frame.index.tz)


REFUSED = {
    "None": (None, "gave None; return an empty frame"),
    "a number": (3, "gave a `builtins.int`"),
    "two levels": (
        pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("A", 1)], names=["s", "t"])),
        r"MultiIndex of rows \(s, t\)",
    ),
    "no time": (pd.DataFrame({"x": [1], "y": ["a"]}), r'it has "x" \(Int64\), "y" \(String\)'),
    "seconds": (pd.DataFrame({"timestamp": [1704067200]}), "holds Int64 and no times"),
    "texts": (pd.DataFrame({"date": ["2024-01-02"]}), "pd.to_datetime"),
    "two times": (
        pd.DataFrame({"date": pd.to_datetime(["2024"]), "time": pd.to_datetime(["2024"])}),
        'several columns that could be its time.*time="date"',
    ),
    "a gap": (pd.DataFrame({"x": [1]}, index=pd.DatetimeIndex([None])), "rows without a time"),
    "mixed zones": (
        pd.DataFrame(
            {
                "time": pd.Series(
                    [
                        dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc),
                        dt.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
                    ],
                    dtype=object,
                )
            }
        ),
        "times of several zones",
    ),
    "any object": (
        pd.DataFrame({"x": [object()]}, index=pd.date_range("2024", periods=1)),
        'column "x" of the `DataFrame` holds `builtins.object` objects',
    ),
    "periods": (
        pd.DataFrame({"x": pd.period_range("2024", periods=1)}, index=INDEX[:1]),
        'column "x" of the `DataFrame` has dtype `period',
    ),
    "complex": (pd.DataFrame({"x": [1j]}, index=INDEX[:1]), "dtype `complex128`"),
    "markers": (
        pd.Series(["a", None, np.nan, ""], dtype=object, index=INDEX),
        "several markers",
    ),
    "a subclass": (type("Mine", (pd.DataFrame,), {})(), "derived from pandas"),
}


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cant_be_kept_is_refused_with_the_remedy(value, message):
    with pytest.raises(LoaderError, match=message):
        forms.read(value)


def test_a_time_that_is_not_there_is_refused():
    frame = pd.DataFrame({"x": [1.0]}, index=INDEX[:1])
    with pytest.raises(LoaderError, match=r'no column "when".*it has "Date"'):
        forms.read(frame, time="when")
    with pytest.raises(LoaderError, match='column "x" of the `DataFrame` holds Float64'):
        forms.read(frame, time="x")
