"""`digest` of polars objects: names, dtypes and values count; chunks and physical codes do not."""

import datetime as dt
import decimal
import pickle

import numpy as np
import pytest

from afml_cache import UncacheableArgumentError, digest

pl = pytest.importorskip("polars")

LONG = "a text that is too long to lie in a view of twelve bytes"
DAY = dt.datetime(2024, 1, 2)  # noqa: DTZ001 - naive on purpose

# a dtype, values, and the same values with one change
COLUMNS: list[tuple[object, list, list]] = [
    (pl.Int8, [1, None, 3], [1, None, 4]),
    (pl.Int64, [1, None, 3], [1, 0, 3]),
    (pl.UInt32, [1, 2, 3], [1, 2, 4]),
    (pl.Float32, [1.0, None, float("nan")], [1.0, float("nan"), None]),
    (pl.Float64, [0.0, 1.0], [-0.0, 1.0]),
    (pl.Boolean, [True, None, False] * 7, [True, None, False] * 6 + [True, None, True]),
    (pl.String, ["a", None, LONG], ["a", "", LONG]),
    (pl.String, ["ab", "c"], ["a", "bc"]),
    (pl.Binary, [b"a", None, b"bc"], [b"ab", None, b"c"]),
    (pl.Date, [dt.date(2024, 1, 2), None], [dt.date(2024, 1, 3), None]),
    (pl.Time, [dt.time(12), None], [dt.time(13), None]),
    (pl.Datetime("ms"), [DAY, None], [DAY, DAY]),
    (pl.Datetime("ns", "UTC"), [DAY, None], [DAY, DAY]),
    (pl.Duration("us"), [dt.timedelta(1), None], [dt.timedelta(2), None]),
    (pl.Decimal(10, 2), [decimal.Decimal("1.25"), None], [decimal.Decimal("1.26"), None]),
    (pl.Categorical, ["a", "b", None], ["a", "a", None]),
    (pl.Enum(["a", "b"]), ["a", "b", None], ["a", "a", None]),
    (pl.List(pl.Int64), [[1, 2], [3], None, []], [[1], [2, 3], None, []]),
    (pl.List(pl.String), [["a", LONG], None, []], [["a", LONG], [], None]),
    (pl.Array(pl.Int32, 2), [[1, 2], None], [[1, 3], None]),
    (pl.Struct({"a": pl.Int64, "b": pl.String}), [{"a": 1, "b": "x"}, None], [{"a": 1, "b": "y"},
    None]),
    (pl.List(pl.Struct({"a": pl.List(pl.Float64)})), [[{"a": [1.0]}], []], [[{"a": [1.0, None]}],
    []]),
    (pl.Null, [None, None], [None]),
]  # fmt: skip
NAMES = [f"{place}-{dtype}" for place, (dtype, *_) in enumerate(COLUMNS)]
COLUMN = pytest.mark.parametrize(("dtype", "values", "changed"), COLUMNS, ids=NAMES)


@COLUMN
def test_a_column_digests_by_content(dtype: object, values: list, changed: list) -> None:
    column = pl.Series("a", values, dtype)
    assert digest(column) == digest(pl.Series("a", list(values), dtype))
    assert digest(column) != digest(pl.Series("a", changed, dtype))
    assert digest(column.to_frame()) == digest(pl.DataFrame({"a": values}, schema={"a": dtype}))
    assert digest(column.to_frame()) != digest(pl.DataFrame({"a": changed}, schema={"a": dtype}))
    assert digest(pickle.loads(pickle.dumps(column.to_frame()))) == digest(column.to_frame())
    assert digest(column.clone()) == digest(column)


@COLUMN
def test_chunks_slices_and_spare_room_do_not_count(
    dtype: object, values: list, changed: list
) -> None:
    column = pl.Series("a", values, dtype)
    around = pl.Series("a", changed, dtype)
    longer = pl.concat([around, column, around], rechunk=True)
    assert digest(longer.slice(len(around), len(column))) == digest(column)
    cut = pl.concat([column[place : place + 1] for place in range(len(column))], rechunk=False)
    assert cut.n_chunks() == len(column) or dtype == pl.Null
    assert digest(cut) == digest(column)
    assert digest(cut.rechunk()) == digest(column)
    assert digest(cut.to_frame()) == digest(column.to_frame())
    assert digest(column.reverse().reverse()) == digest(column)
    assert digest(
        longer.filter(
            pl.arange(len(longer), eager=True).is_between(
                len(around), len(around) + len(column) - 1
            )
        )
    ) == digest(column)


def test_every_dtype_has_a_digest_of_its_own() -> None:
    dtypes = [
        pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
        pl.Float32,
        pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Datetime("ms"),
        pl.Datetime("us"),
        pl.Datetime("ns"), pl.Datetime("us", "UTC"), pl.Datetime("us", "Europe/Berlin"),
        pl.Duration("ms"),
        pl.Duration("us"), pl.Decimal(10, 2), pl.Decimal(10, 3), pl.Decimal(12, 2), pl.Categorical,
        pl.Enum(["a"]),
        pl.Enum(["b"]), pl.Enum(["a", "b"]), pl.Enum(["b", "a"]), pl.List(pl.Int8),
        pl.List(pl.Int16),
        pl.Array(pl.Int8, 1), pl.Array(pl.Int8, 2), pl.Struct({"a": pl.Int8}),
        pl.Struct({"b": pl.Int8}),
        pl.Struct({"a": pl.Int8, "b": pl.Int8}), pl.Struct({"b": pl.Int8, "a": pl.Int8}), pl.Null,
    ]  # fmt: skip
    for values in ([], [None, None]):
        assert len({digest(pl.Series("a", values, dtype)) for dtype in dtypes}) == len(dtypes)


def test_names_their_order_and_the_shape_count() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [1, 2]})
    others = [
        frame,
        frame.rename({"a": "c"}),
        frame.select("b", "a"),
        frame.rename({"a": "b", "b": "a"}).select("b", "a").rename({"b": "x", "a": "b"}),
        frame.head(1),
        frame.head(0),
        frame.select("a"),
        frame.reverse(),
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.Int64}),
        frame.to_struct("a"),
        frame["a"],
        frame["a"].rename(""),
    ]
    assert len({digest(other) for other in others}) == len(others)


def test_one_library_is_not_another() -> None:
    pd = pytest.importorskip("pandas")
    values = [1.0, 2.0]
    columns = [
        pl.Series("a", values),
        pl.DataFrame({"a": values}),
        pd.Series(values, name="a"),
        np.array(values),
    ]
    columns += [pd.DataFrame({"a": values}), values, {"a": values}]
    assert len({digest(column) for column in columns}) == len(columns)


def test_values_under_a_null_do_not_count() -> None:
    pa = pytest.importorskip("pyarrow")
    for kind, numbers in ((pa.int64(), "i8"), (pa.float32(), "f4"), (pa.timestamp("us"), "i8")):
        digests = set()
        for hidden in (0, 99):
            buffers = [
                pa.py_buffer(bytes([0b101])),
                pa.py_buffer(np.array([1, hidden, 3], numbers)),
            ]
            digests.add(digest(pl.from_arrow(pa.Array.from_buffers(kind, 3, buffers))))
        assert len(digests) == 1
    texts = pl.Series(["a", "b", "c"])
    blank = pl.DataFrame({"a": texts}).select(pl.when(pl.col("a") != "b").then("a"))
    assert digest(blank) == digest(pl.DataFrame({"a": ["a", None, "c"]}))
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 3, 4], pa.int32()),
        pa.array([1, 7, 8, 2]),
        mask=pa.array([False, True, False]),
    )
    assert digest(pl.from_arrow(lists)) == digest(pl.from_arrow(pa.array([[1], None, [2]])))


def test_a_validity_that_hides_nothing_does_not_count() -> None:
    pa = pytest.importorskip("pyarrow")
    buffers = [pa.py_buffer(bytes([0b111])), pa.py_buffer(np.array([1, 2, 3]))]
    full = pl.from_arrow(pa.Array.from_buffers(pa.int64(), 3, buffers))
    assert digest(full) == digest(pl.Series([1, 2, 3]))


def test_the_codes_of_a_categorical_do_not_count(run_python) -> None:
    code = """
import polars as pl, afml_cache
{history}
column = pl.Series("a", ["x", "y", None, "x"], pl.Categorical)
codes = column.to_physical().to_list()
print(afml_cache.digest(column), afml_cache.digest(column.to_frame()), codes)
"""
    plain = run_python(code.format(history="")).split(maxsplit=2)
    after = run_python(
        code.format(history="kept = pl.Series(['p', 'q', 'y', 'r', 'x'], dtype=pl.Categorical)")
    ).split(maxsplit=2)
    assert plain[2] != after[2]
    assert plain[:2] == after[:2]


def test_a_sorted_flag_does_not_count() -> None:
    assert digest(pl.Series("a", [1, 2, 3]).set_sorted()) == digest(pl.Series("a", [1, 2, 3]))


def test_python_objects_without_content_are_refused_by_path() -> None:
    column = pl.Series("a", [object()], dtype=pl.Object)
    for value in (column, column.to_frame()):
        with pytest.raises(UncacheableArgumentError, match=r"\['frame'\]"):
            digest({"frame": value})


def test_one_cell_in_the_middle_of_a_million_rows_counts() -> None:
    rows = 1_000_000
    frame = pl.DataFrame(
        {"time": np.arange(rows), "price": np.arange(rows) / 7, "symbol": ["EURUSD"] * rows}
    )
    before = digest(frame)
    for column, other in (("time", 0), ("price", 0.5), ("symbol", "EURUSd")):
        changed = frame.clone()
        changed[rows // 2, column] = other
        assert digest(changed) != before
        changed[rows // 2, column] = frame[rows // 2, column]
        assert digest(changed) == before
    cut = pl.concat([frame[:333_333], frame[333_333:900_001], frame[900_001:]], rechunk=False)
    assert digest(cut) == before
