"""Rows handed out of memory are the caller's own: nothing that is done to them reaches others."""

import contextlib
import gc
import threading

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from alike import same
from forms_trips import read

from afml_cache.ranges import forms

# Some of these ways to write are on their way out of pandas, some warn that they copy.
pytestmark = pytest.mark.filterwarnings("ignore::Warning")
ROWS = 100


def prices() -> pd.DataFrame:
    index = pd.date_range("2024-01-02", periods=ROWS, freq="min", tz="UTC", name="time")
    frame = pd.DataFrame({"open": np.arange(ROWS) * 1.0, "close": np.arange(ROWS) * 2.0}, index)
    frame["volume"] = np.arange(ROWS)
    frame["text"] = "a"
    frame["object"] = pd.Series(["a"] * ROWS, dtype=object, index=index)
    frame["nullable"] = pd.array([1] * ROWS, dtype="Int64")
    frame["label"] = pd.Categorical(["x", "y"] * (ROWS // 2))
    frame["at"] = index
    frame["day"] = index.tz_localize(None)
    frame.attrs = {"source": ["vendor"]}
    return frame


def held(value: object, output: object = None) -> forms.Held:
    return forms.hold(*read(value), output)


def write_everywhere(part: pd.DataFrame) -> None:
    for place in range(part.shape[1]):
        part.isetitem(place, part.iloc[:, place])
        part.iloc[0, place] = part.iloc[1, place]
    part.loc[part.index[0], "open"] = -1.0
    part["close"] *= -1
    part["label"] = part["label"].cat.rename_categories(["p", "q"])
    part.columns.name = "changed"
    part.index.name = "changed"
    part.attrs["source"].append("changed")
    part.insert(0, "new", 1)
    part.sort_values("open", inplace=True)  # noqa: PD002
    part.drop(columns="volume", inplace=True)  # noqa: PD002
    part.rename(columns={"close": "last"}, inplace=True)  # noqa: PD002
    part.index.freq = None


def test_writing_to_a_slice_reaches_nobody():
    frame = prices()
    rows = held(frame)
    one, other = rows.slice(10, 20), rows.slice(10, 20)
    assert same(one, frame[10:20])
    write_everywhere(one)
    assert same(other, frame[10:20])
    assert same(rows.slice(10, 20), frame[10:20])
    assert same(rows.slice(0, ROWS), frame)


def write_in_columns_made_of_the_index(part: pd.DataFrame) -> None:
    reset = part.reset_index()
    reset.iloc[0, 0] = part.index[1]
    series = part.index.to_series()
    series.iloc[0] = part.index[1]
    again = pd.Series(part.index)
    again[0] = part.index[1]


def write_the_numbers(part: pd.DataFrame) -> None:
    numbers = part[["open", "close", "volume"]]
    numbers.mask(numbers > 0, inplace=True)  # noqa: PD002
    numbers.fillna(0, inplace=True)  # noqa: PD002
    numbers.iloc[:, :] = -1
    column = part["open"]
    column += 1
    column.clip(0, 1, inplace=True)  # noqa: PD002
    part.update(pd.DataFrame({"open": [-1.0]}, part.index[:1]))


WRITES = {
    "iloc": lambda part: part.iloc.__setitem__((0, 0), -1.0),
    "a column": lambda part: part.__setitem__("open", 0.0),
    "numbers": write_the_numbers,
    "the index": write_in_columns_made_of_the_index,
    "categories": lambda part: part["label"].cat.categories.__setattr__("name", "changed"),
    "columns": lambda part: part.columns.__setattr__("name", "changed"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("gone", [False, True], ids=["held", "let go"])
def test_pandas_itself_writes_to_a_copy(write, gone):
    frame = prices()
    rows = held(frame)
    part = rows.slice(10, 20)
    if gone:
        del rows
        gc.collect()
    write(part)
    if not gone:
        assert same(rows.slice(10, 20), frame[10:20])


def test_arrays_of_a_slice_can_not_be_written():
    rows = held(prices())
    part = rows.slice(0, 10)
    arrays = [part["open"].to_numpy(), part.index.to_numpy(), part[["open", "close"]].to_numpy()]
    for array in [*arrays, part.columns.to_numpy(), part["object"].to_numpy()]:
        if array.flags.writeable:  # then it is a copy
            array[:1] = array[1:2]
        else:
            with pytest.raises(ValueError, match="read-only"):
                array[:1] = array[1:2]
    assert same(rows.slice(0, 10), prices()[:10])


def test_extension_arrays_of_a_slice_can_not_be_written():
    rows = held(prices())
    part = rows.slice(0, 10)
    for array in [part.index.array, *(column.array for _, column in part.items())]:
        with contextlib.suppress(ValueError):  # or it is a copy
            array[0] = array[1]
    assert same(rows.slice(0, 10), prices()[:10])


@pytest.mark.parametrize(
    "columns",
    [
        pd.MultiIndex.from_product([["a", "b"], ["x"]], names=["p", "q"]),
        pd.Index([1, "b"], dtype=object, name="n"),
        pd.RangeIndex(2),
    ],
)
def test_labels_of_columns_are_the_callers_own(columns):
    frame = prices()[["open", "close"]].set_axis(columns, axis=1)
    rows = held(frame)
    part = rows.slice(0, 5)
    part.columns.names = ["changed"] * columns.nlevels
    labels = part.columns.to_numpy()
    if labels.flags.writeable:
        labels[0] = labels[1]
    assert same(rows.slice(0, 5), frame[:5])


def test_a_series_is_the_callers_own():
    series = prices()["label"]
    rows = held(series)
    part = rows.slice(0, 4)
    part.iloc[0] = "y"
    part.cat.categories.name = "changed"
    assert same(rows.slice(0, 4), series[:4])


def test_many_threads_take_slices_and_write():
    frame = prices()
    rows = held(frame)
    wrong = []

    def work() -> None:
        for start in range(30):
            part = rows.slice(start, start + 5)
            if not part.equals(frame[start : start + 5]):
                wrong.append(start)
            part.iloc[:, :2] = -1.0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_frame_of_polars_is_the_callers_own():
    frame = pl.DataFrame({"time": prices().index, "x": np.arange(ROWS)})
    rows = held(frame)
    part = rows.slice(2, 4)
    assert same(part, frame[2:4])
    part[0, "x"] = -1
    part.insert_column(0, pl.Series("new", [1, 2]))
    part.get_column("x").scatter(0, 9)
    assert same(rows.slice(2, 4), frame[2:4])


def test_a_table_of_pyarrow_is_cut():
    table = pa.table({"time": pa.array(prices().index), "x": np.arange(ROWS)})
    for value in (table, table.to_batches()[0]):
        assert same(held(value).slice(2, 4), value.slice(2, 2))


@pytest.mark.parametrize("output", [None, "pandas", "polars", "pyarrow", dict])
def test_a_slice_is_what_writing_those_rows_gives(output):
    form, table = read(prices())
    rows = forms.hold(form, table, output)
    assert rows.rows == ROWS
    for first, stop in ((0, ROWS), (3, 9), (5, 5), (ROWS, ROWS)):
        assert same(rows.slice(first, stop), forms.write(form, table[first:stop], output))


def test_the_numbers_lie_in_one_block():
    form, table = read(prices()[["open", "close"]])
    part = forms.hold(form, table).slice(0, 5)
    assert len(part._mgr.blocks) == 1


def test_nothing_but_polars_is_needed_for_numbers_texts_and_times(run_python):
    run_python(
        """
import sys
sys.modules["pyarrow"] = None
import datetime as dt
import pandas as pd
from afml_cache.ranges import forms

index = pd.date_range("2024", periods=2, tz="America/New_York")
frame = pd.DataFrame({"f": [1.5, 2], "i": [1, 2], "b": [True, False], "t": ["a", None]}, index)
frame["at"] = index.tz_localize(None)
frame["n"] = pd.array([1, None], dtype="Int64")
frame["d"] = index - index[0]
form, table = forms.read(frame)
pd.testing.assert_frame_equal(forms.write(form, table), frame)
rows = forms.write(form, table, dict)
assert rows[0]["t"] == "a"
pd.testing.assert_frame_equal(forms.hold(form, table).slice(0, 1), frame[:1])
"""
    )


def test_the_package_alone_imports_no_library(run_python):
    run_python(
        """
import sys
import afml_cache
assert not {"polars", "pandas", "pyarrow"} & set(sys.modules)
import afml_cache.ranges.forms
assert not {"pandas", "pyarrow"} & set(sys.modules)
"""
    )
