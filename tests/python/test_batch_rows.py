"""What items gave is rows: of mappings, frames and tables, with values that columns hold."""

import collections
import dataclasses
import datetime as dt
import enum
import math
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from batches import batch_of

from afml_cache.exceptions import SchemaError
from afml_cache.sweeping.batch_files import name_of, write_batch

NAIVE = dt.datetime(2024, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 - such times are stored, too
FIRST = NAIVE.replace(year=1)
BERLIN = ZoneInfo("Europe/Berlin")


@dataclasses.dataclass
class Trade:
    pnl: float
    side: str


Fill = collections.namedtuple("Fill", "pnl side")  # noqa: PYI024 - a user's may be either


class Side(str, enum.Enum):
    LONG = "long"


@pytest.fixture
def stored(tmp_path):
    """Write what items gave, and read it with pyarrow."""

    def write(*results):
        path = tmp_path / name_of(0)
        write_batch(path, batch_of(0, len(results)), results)
        return pyarrow.parquet.read_table(path)

    return write


def refused(stored, *results):
    with pytest.raises(SchemaError) as caught:
        stored(*results)
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"pnl": 1.5, "side": "long"},
        [{"pnl": 1.5, "side": "long"}],
        ({"pnl": 1.5, "side": "long"},),
        Trade(1.5, "long"),
        [Fill(1.5, "long")],
        Fill(1.5, "long"),
        {"pnl": np.float32(1.5), "side": np.str_("long")},
        {"pnl": np.array(1.5), "side": Side.LONG},
        pd.Series({"pnl": 1.5, "side": "long"}),
        [pd.Series({"pnl": 1.5, "side": "long"})],
        pd.DataFrame({"pnl": [1.5], "side": ["long"]}),
        pd.DataFrame({"pnl": [1.5], "side": pd.Categorical(["long"])}),
        pl.DataFrame({"pnl": [1.5], "side": ["long"]}),
        pl.DataFrame({"pnl": [1.5], "side": ["long"]}, {"pnl": pl.Float32, "side": pl.Categorical}),
        pa.table({"pnl": [1.5], "side": pa.array(["long"], pa.large_string())}),
        pa.table({"pnl": [1.5], "side": pa.array(["long"]).dictionary_encode()}),
        pa.record_batch({"pnl": [1.5], "side": ["long"]}),
    ],
    ids=range(17),
)
def test_whatever_is_rows_gives_the_same_rows(stored, given):
    table = stored(given)
    assert table.to_pylist() == [{"pnl": 1.5, "side": "long"}]
    assert table.schema.remove_metadata() == pa.schema({"pnl": pa.float64(), "side": pa.string()})


@pytest.mark.parametrize(
    "given", [None, [], (), {}, [{}], pd.DataFrame(), pl.DataFrame()], ids=range(7)
)
def test_nothing_is_no_rows(stored, given):
    assert stored(given, {"x": 1}).to_pylist() == [{"x": 1}]
    assert stored(given).num_rows == 0


def test_columns_come_in_the_order_in_which_they_come_up(stored):
    table = stored({"b": 1}, [{"b": 2, "a": 3}], None, {"c": 4, "a": 5})
    assert table.column_names == ["b", "a", "c"]
    assert table.column("a").to_pylist() == [None, 3, 5]


@pytest.mark.parametrize(
    "value",
    [
        True,
        -(2**63),
        1.5,
        math.inf,
        "wörd",
        b"\0\1",
        Decimal("-1.50"),
        Decimal(10) ** 60,
        dt.date(2024, 1, 2),
        NAIVE,
        dt.datetime(2024, 7, 2, 3, tzinfo=BERLIN),
        dt.timedelta(days=-1, microseconds=3),
        dt.time(9, 30),
        [1.5, None, 2.0],
        [[], ["x"]],
        {"window": 5, "params": {"fast": [1, 2]}},
        [{"at": dt.date(2024, 1, 2)}, None],
    ],
    ids=str,
)
def test_values_come_back_as_they_were(stored, value):
    found = stored({"x": value}, {"x": None}).column("x").to_pylist()
    assert found == [value, None]
    assert type(found[0]) is type(value)


def test_nan_stays_nan_and_none_stays_null(stored):
    given = [{"x": math.nan}, {"x": None}], pd.DataFrame({"x": [math.nan]})
    table = stored(*given, pl.DataFrame({"x": [math.nan, None]}))
    assert table.column("x").is_null().to_pylist() == [False, True, False, False, True]


def test_missing_values_of_pandas_are_null(stored):
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", math.nan], dtype=object),
            "count": pd.array([1, None], dtype="Int64"),
            "at": pd.to_datetime(["2024-01-01", None]),
            "in_zone": pd.to_datetime(["2024-01-01", None]).tz_localize(BERLIN),
            "ratio": pd.Series([1, math.nan], dtype=object),
            "sparse": pd.arrays.SparseArray([0, 1]),
        }
    )
    table = stored(frame)
    nulls = {name: table.column(name).null_count for name in table.column_names}
    assert nulls == {"text": 1, "count": 1, "at": 1, "in_zone": 1, "ratio": 0, "sparse": 0}
    assert table.schema.field("in_zone").type == pa.timestamp(
        np.datetime_data(frame["at"].dtype)[0], "Europe/Berlin"
    )


def test_nanoseconds_are_kept(stored):
    label = pd.Timestamp(1, unit="ns")
    values = [
        NAIVE.replace(microsecond=0),
        label,
        np.datetime64(2, "ns"),
        np.datetime64("NaT"),
        pd.NaT,
    ]
    column = stored(*({"x": value} for value in values)).column("x")
    assert column.type == pa.timestamp("ns")
    assert column.cast(pa.int64()).to_pylist() == [1704164645 * 10**9, 1, 2, None, None]


def test_times_of_several_zones_are_in_utc(stored):
    here, there = (
        dt.datetime(2024, 1, 1, tzinfo=BERLIN),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc),
    )
    column = stored({"x": here}, {"x": there}).column("x")
    assert column.type == pa.timestamp("us", "UTC")
    assert column.to_pylist() == [here, there]


def test_an_index_becomes_columns_unless_it_counts_rows(stored):
    frame = pd.DataFrame({"pnl": [1.0, 2.0, 3.0]})
    numbered = frame.set_axis([1, 2, 5])
    assert stored(frame).column_names == ["pnl"]
    assert stored(numbered).to_pydict() == {"index": [1, 2, 5], "pnl": [1.0, 2.0, 3.0]}
    for days in ([1, 2, 3], [1, 2, 9]):
        named = frame.assign(days=days).set_index("days")
        assert stored(named).to_pydict() == {"days": days, "pnl": [1.0, 2.0, 3.0]}
    pairs = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["pair", None])
    assert stored(frame.set_axis(pairs)).column_names == ["pair", "level_1", "pnl"]


def test_an_empty_dictionary_in_a_cell_is_null(stored):
    table = stored({"params": {}}, {"params": {"window": 1}}, {"params": {"exit": {}}})
    assert table.column("params").to_pylist() == [
        None,
        {"window": 1, "exit": None},
        {"window": None, "exit": None},
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "item 1 gave a `int`: an item gives a mapping"),
        ("x", "item 1 gave a `str`"),
        (pl.LazyFrame({"x": [1]}), "item 1 gave a `LazyFrame`"),
        ([{"x": 1}, 5], "a list with a `int` as its row 1"),
        ({1: 2}, "a column of the name 1; names have to be text"),
        ({"\ud800": 2}, "which UTF-8 can't hold"),
        ({"x": 2**63}, "column `x` with an int or a time beyond 64 bits"),
        ({"x": "\ud800"}, "half a surrogate pair"),
        ({"x": {1: 2}}, "a dictionary with the key 1"),
        ({"x": {1, 2}}, "a `set`; a cell takes None, bool"),
        ({"x": 1j}, "a `complex`"),
        ({"x": np.complex64(1)}, "a `numpy.complex64`"),
        ({"x": Decimal("NaN")}, "which has no digits"),
        ({"x": Decimal(10) ** 80}, "a Decimal of 81 digits"),
        ({"x": dt.time(1, tzinfo=dt.timezone.utc)}, "a time of day with a zone"),
        ({"x": [1, "x"]}, "the column `x` has int of item 1 and str of item 1"),
        (pd.Series([1, 2]), "a column of the name 0"),
        (pd.Series([1, 2], ["x", "x"]), "two values of one name"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns of the name `x`"),
        (pd.DataFrame({"x": [1]}, pd.Index([1], name="x")), "whose index can't become columns"),
        (pd.DataFrame({"x": pd.period_range("2024", periods=1)}), "column `x` with values of the"),
        (pd.DataFrame({"x": [1j]}), "column `x` of dtype `complex128`"),
        (pl.DataFrame({"x": pl.Series([2**63], dtype=pl.UInt64)}), "column `x` with a value too"),
        (pl.DataFrame({"x": [object()]}), "column `x` of dtype `Object`"),
        (pl.DataFrame({"x": [1]}, {"x": pl.Int128}), "column `x` of dtype `Int128`"),
        (pa.table({"x": pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8()))}), "type `map<int8"),
    ],
    ids=range(26),
)
def test_what_is_no_row_or_no_value_is_named_with_its_item(stored, given, words):
    message = refused(stored, {"y": 1}, given)
    assert "item 1" in message
    assert words in message


def test_a_list_within_itself_is_refused(stored):
    endless = []
    endless.append(endless)
    assert "more than 12 deep" in refused(stored, {"x": endless})


def test_lists_as_deep_as_may_be_are_looked_at_and_read(stored):
    deep = 1
    for _ in range(12):
        deep = [deep]
    assert stored({"x": deep}).to_pylist() == [{"x": deep}]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (1, "x", "the column `x` has int of item 1 and str of item 3"),
        (True, 1, "the column `x` has bool of item 1 and int of item 3"),
        ({"w": 1}, {"w": "x"}, "the column `x.w` has int of item 1 and str of item 3"),
        ([1], ["x"], "the column `x[]` has int of item 1 and str of item 3"),
        (
            NAIVE,
            dt.datetime(2024, 1, 1, tzinfo=BERLIN),
            "has datetime of item 1 and datetime with a zone of item 3",
        ),
        (2**53 + 1, 0.5, "item 1 has a value in the column `x` that is lost"),
        (FIRST, np.datetime64(1, "ns"), "item 1 has a value in the column `x` that"),
    ],
    ids=range(7),
)
def test_values_that_do_not_go_together_are_named_with_their_items(stored, first, second, words):
    assert words in refused(stored, {"x": None}, {"x": first}, {"x": first}, {"x": second})
