"""Parts of a series put together: more, fewer and other columns, wider types, nothing lost."""

import datetime as dt
import functools
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from alike import same
from forms_trips import read, together
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import SchemaError
from afml_cache.ranges import forms

TIMES = pd.date_range("2024-01-02", periods=2, tz="UTC", name="time")


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=TIMES)


def test_columns_are_those_of_all_parts_in_the_order_they_first_came():
    parts = [pl.DataFrame({"a": [1], "b": ["x"]}), pl.DataFrame({"c": [1.5], "a": [2]})]
    table, messages = forms.unite(parts)
    expected = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [None, 1.5]})
    assert same(table, expected)
    assert messages == [
        "column `b` is not in 1 of 2 parts: nulls",
        "column `c` is not in 1 of 2 parts: nulls",
    ]


def test_parts_of_one_schema_are_put_together_without_a_word():
    part = pl.DataFrame({"a": [1], "b": ["x"]})
    assert forms.unite([part, part]).messages == []
    assert forms.unite([part]).table is part
    assert forms.unite([]).table.shape == (0, 0)


WIDER = [
    (pl.Int8, pl.Int32, pl.Int32),
    (pl.UInt8, pl.UInt64, pl.UInt64),
    (pl.Int64, pl.UInt8, pl.Int64),
    (pl.Int8, pl.UInt8, pl.Int16),
    (pl.Int64, pl.UInt64, pl.Int64),
    (pl.Float32, pl.Float64, pl.Float64),
    (pl.Int64, pl.Float64, pl.Float64),
    (pl.Float32, pl.UInt8, pl.Float64),
    (pl.Null, pl.String, pl.String),
    (pl.Duration("ms"), pl.Duration("us"), pl.Duration("us")),
    (pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("ns")),
    (pl.Datetime("us", "UTC"), pl.Datetime("us", "Europe/Berlin"), pl.Datetime("us", "UTC")),
    (pl.List(pl.Int8), pl.List(pl.Int64), pl.List(pl.Int64)),
]


@pytest.mark.parametrize(("left", "right", "wider"), WIDER)
def test_a_column_has_the_type_that_holds_both(left, right, wider):
    for pair in ((left, right), (right, left)):
        tables = [pl.DataFrame({"x": some(dtype)}) for dtype in pair]
        table, messages = forms.unite(tables)
        assert table.schema == {"x": wider}
        assert len(messages) == (0 if pl.Null in pair else 1)


def some(dtype: object) -> pl.Series:
    if dtype == pl.Null:
        return pl.Series([None])
    if isinstance(dtype, pl.List):
        return pl.Series([[1], None], dtype=dtype)
    return pl.Series([1, None], dtype=pl.Int64).cast(dtype)


UNFIT = [
    ([1], ["a"]),
    ([1.5], ["a"]),
    ([True], [1]),
    ([True], ["a"]),
    ([dt.date(2024, 1, 2)], [dt.datetime(2024, 1, 2)]),  # noqa: DTZ001
    (pl.Series([0]).cast(pl.Datetime("us")), pl.Series([0]).cast(pl.Datetime("us", "UTC"))),
    ([[1]], [1]),
    ([2**53 + 1], [0.5]),
    ([-(2**53) - 1], [0.5]),
    (pl.Series([2**63], dtype=pl.UInt64), [-1]),
    (
        pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("ms")),
        pl.Series([0]).cast(pl.Datetime("ns")),
    ),
]


@pytest.mark.parametrize(("left", "right"), UNFIT)
def test_what_does_not_fit_is_refused_by_name_and_types(left, right):
    parts = [pl.DataFrame({"x": left}), pl.DataFrame({"x": right})]
    for tables in (parts, parts[::-1]):
        with pytest.raises(
            SchemaError, match=r"column `x` is .* in one part and .*; let the loader"
        ):
            forms.unite(tables)


def test_whole_numbers_become_floats_where_each_is_one():
    exact = [2**53, -(2**53), None]
    table, _ = forms.unite([pl.DataFrame({"x": exact}), pl.DataFrame({"x": [0.5]})])
    assert table["x"].to_list() == [float(2**53), -float(2**53), None, 0.5]


def test_a_part_without_values_has_no_say():
    parts = [
        pl.DataFrame({"x": []}, schema={"x": pl.String}),
        pl.DataFrame({"x": [1]}),
        pl.DataFrame({"x": [None]}, schema={"x": pl.Boolean}),
    ]
    table, messages = forms.unite(parts)
    assert table.schema == {"x": pl.Int64}
    assert messages == []
    empty = frame(x=np.array([None, None], object))
    assert together(empty, frame(x=[1.5, 2]))["x"].dtype == "f8"
    assert together(frame(x=[1.5, 2]).iloc[:0].astype("i8"), frame(x=[1.5, 2]))["x"].dtype == "f8"


CASES = [
    ("i8", "f8", "float64"),
    ("i4", "i8", "int64"),
    ("Int64", "i4", "Int64"),
    ("Int64", "f8", "Float64"),
    ("f2", "f8", "float64"),
    (">f8", "f8", "float64"),
    ("m8[s]", "m8[us]", "timedelta64[us]"),
    ("m8[s]", "m8[ms]", "timedelta64[ms]"),
    ("int64[pyarrow]", "double[pyarrow]", "double[pyarrow]"),
    ("int64[pyarrow]", "i8", "int64[pyarrow]"),
    ("category", "i8", "int64"),
]


@pytest.mark.parametrize(("left", "right", "wider"), CASES)
def test_a_form_follows_its_table(left, right, wider):
    one, other = (pd.DataFrame({"x": pd.array([1, 2]).astype("i8")}, index=TIMES) for _ in "ab")
    one, other = one.astype({"x": left}), other.astype({"x": right})
    for parts in ((one, other), (other, one)):
        assert str(together(*parts)["x"].dtype) == wider


def test_gaps_between_parts_are_missing_values_of_the_dtype():
    first = frame(a=[1, 2], t=["x", "y"], c=pd.Categorical(["p", "q"]))
    second = frame(b=pd.to_datetime(["2024", "2025"], utc=True), c=pd.Categorical(["q", "r"]))
    back = together(first, second)
    assert back.dtypes.astype(str).tolist()[:1] == ["Int64"]
    assert back["t"].dtype == first["t"].dtype
    assert back["b"].dtype == second["b"].dtype
    assert back["c"].cat.categories.tolist() == ["p", "q", "r"]
    assert back["c"].tolist() == ["p", "q", "q", "r"]
    assert back.isna().sum().tolist() == [2, 2, 0, 2]


def test_zones_that_differ_become_utc():
    berlin = frame(x=[1, 2]).tz_convert("Europe/Berlin")
    assert str(together(berlin, frame(x=[1, 2])).index.tz) == "UTC"
    assert together(berlin, berlin).index.tz == berlin.index.tz


def test_categories_in_an_order_are_not_mixed():
    ordered = [pd.Categorical(["a", "b"], list(labels), ordered=True) for labels in ("ab", "ba")]
    with pytest.raises(SchemaError, match=r"column `x` is String .*'ordered': True"):
        together(*(frame(x=labels) for labels in ordered))


def test_kinds_and_times_that_differ_are_refused():
    form, _ = read(frame(x=[1, 2]))
    other, _ = read(pl.from_pandas(frame(x=[1, 2]).reset_index()))
    with pytest.raises(SchemaError, match="came as pandas, another as polars"):
        form.merge(other)
    elsewhere, _ = read(frame(x=[1, 2]).rename_axis("when"))
    with pytest.raises(SchemaError, match="the index `time` in one part and the index `when`"):
        form.merge(elsewhere)


def test_a_column_of_times_is_called_as_the_loader_calls_it():
    whole = frame(x=[1, 2]).reset_index()
    (counted, _), (marked, _) = read(whole), read(whole.set_axis(pd.Index([7, 9])))
    with pytest.raises(SchemaError, match="`time` in one part and column `time` beside an index"):
        counted.merge(marked)


def test_attributes_stay_where_all_parts_have_them():
    one, other = frame(x=[1, 2]), frame(x=[1, 2])
    one.attrs = other.attrs = {"source": "vendor"}
    assert together(one, other).attrs == {"source": "vendor"}
    other.attrs = {"source": "another"}
    assert together(one, other).attrs == {}


PARTS = st.lists(
    st.dictionaries(
        st.sampled_from("abc"),
        st.sampled_from(
            [
                *([1, 2], [1.5, 2.5], [None, None], ["x", None], [True, False]),
                *([2**60, 1], [dt.date(2024, 1, 2)] * 2),
            ]
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(PARTS)
def test_forms_and_tables_agree_on_what_fits(parts):
    values = [[{"t": time} for time in TIMES.to_pydatetime()] for _ in parts]
    for rows, columns in zip(values, parts, strict=True):
        for number, row in enumerate(rows):
            row.update({name: cells[number] for name, cells in columns.items()})
    all_read = [read(rows) for rows in values]
    try:
        table, _ = forms.unite([table for _, table in all_read])
    except SchemaError:
        return
    form = functools.reduce(forms.Form.merge, [form for form, _ in all_read])
    assert forms.restore(form, table).schema == form.schema
    back = forms.write(form, table)
    names = form.empty().columns
    expected = [{name: row.get(name) for name in names} for row in itertools.chain(*values)]
    assert back == expected
