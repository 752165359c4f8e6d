"""Results to store and get back."""

import datetime as dt
import decimal
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import results_exact
import results_records

from afml_cache import robust_cacheable

DAY = dt.datetime(2024, 3, 1, 12, 30, 1, 5)  # noqa: DTZ001 - naive on purpose
LONG = "a text that is too long to lie in a view of twelve bytes"
SMALL, MIDDLE, LARGE = 20, 10_000, 600_000  # float64 rows: in the index, in a file, mapped


class Model:
    """A class of the user's: it needs pickle."""

    def __init__(self, weights: np.ndarray, name: str) -> None:
        self.weights = weights
        self.name = name


def echoed(name: str, value: object) -> object:
    """Give the value; only the name is in the key."""
    return value


echo = robust_cacheable(ignore=("value",))(echoed)


def bars(rows: int) -> pd.DataFrame:
    index = pd.date_range("2024-03-01", periods=rows, freq="h", tz="UTC", name="time")
    numbers = np.arange(rows * 4, dtype="f8").reshape(rows, 4) / 7
    return pd.DataFrame(numbers, index=index, columns=pd.Index(list("ohlc"), name="field"))


def mixed(rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"i": range(rows), "f": np.arange(rows) / 3, "b": np.arange(rows) % 2 == 0}
    )
    frame["text"] = [f"row {row} of many" for row in range(rows)]
    frame["kind"] = pd.Categorical.from_codes(np.arange(rows) % 3, ["x", "y", "z"], ordered=True)
    frame["when"] = pd.date_range("2024", periods=rows, freq="s", tz="Europe/Berlin")
    return frame


def objects() -> np.ndarray:
    array = np.empty((2, 3), object)
    array[...] = [[None, "a", 1], [2.5, float("nan"), {"k": [1, (2,)]}]]
    return array


def attributed() -> pd.DataFrame:
    frame = bars(3)
    frame.attrs = {"source": "broker", "pips": {"EURUSD": 0.0001}}
    return frame


def plain() -> dict[str, Callable[[], Any]]:
    values = [
        None, True, 0, -1, 2**200, 1.5, -0.0, math.nan, math.inf, 1 - 2j, "", "text",
        "é\0€\U0001f600", LONG * 9, b"", b"a\0b",
        bytearray(b"xyz"), (), [], {}, set(), frozenset(), (1,), [[1], (2, [3])], {"b": 1,
        "a": {"c": [None]}},
        {1: "a", (2, "x"): b"b", None: 0, 1.5: ()}, {1, "a", (2, None)}, frozenset({b"a", 2.5}),
        range(3, 9, 2),
        slice(1, None, 2), ..., dt.date(2024, 2, 29), DAY, DAY.replace(fold=1),
        DAY.replace(tzinfo=dt.timezone.utc),
        DAY.replace(tzinfo=dt.timezone(dt.timedelta(hours=1), "X")),
        DAY.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        dt.time(1, 2, 3, 4), dt.timedelta(-1, 5, 7), decimal.Decimal("1.50"), uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"), pathlib.Path("a/b"), pathlib.PureWindowsPath("c:/a"),
        np.int8(-5), np.uint64(2**63), np.float32(0.1), np.float64(0.1), np.bool_(True),
        np.complex64(1j), np.str_("a"),
        np.bytes_(b"a"), np.datetime64("2024-01-02T03", "h"), np.timedelta64(5, "ns"),
        np.datetime64("NaT"),
        pd.Timestamp("2024-01-02 03:04", tz="Europe/Berlin"), pd.Timestamp("2024").as_unit("s"),
        pd.Timedelta("1h"), pd.NaT, pd.NA,
        "x" * 100_000, b"y" * 3_000_000, list(range(5_000)), {str(n): n / 7 for n in range(2_000)},
        [[]] * 3,
    ]  # fmt: skip
    return {f"plain {place}": lambda value=value: value for place, value in enumerate(values)}


def arrays() -> dict[str, Callable[[], Any]]:
    dtypes = [
        "?",
        "i1",
        "u2",
        "i4",
        "u8",
        "f2",
        "f4",
        "f8",
        "c8",
        "c16",
        "S3",
        "U2",
        "M8[D]",
        "M8[ns]",
        "m8[s]",
        ">i4",
        ">f8",
    ]
    cases: dict[str, Callable[[], Any]] = {
        f"array {dtype}": lambda dtype=dtype: np.arange(12).reshape(3, 4).astype(dtype)
        for dtype in dtypes
    }
    cases |= {
        f"array of {rows}": lambda rows=rows: np.arange(rows) / 3
        for rows in (0, SMALL, MIDDLE, LARGE)
    }
    return cases | {
        "structured": lambda: np.array(
            [(1, 2.5, "a"), (3, 4.5, "b")], [("x", "i4"), ("y", "f8"), ("z", "U1")]
        ),
        "aligned": lambda: np.zeros(3, np.dtype([("x", "i1"), ("y", "f8")], align=True)),
        "zero-dimensional": lambda: np.array(5.0),
        "no rows": lambda: np.zeros((0, 3), "f4"),
        "fortran": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "large fortran": lambda: np.asfortranarray(np.arange(float(LARGE)).reshape(600, -1)),
        "strided": lambda: np.arange(20.0)[::2],
        "objects": objects,
        "many arrays": lambda: {
            "a": [np.arange(LARGE), np.arange(3)],
            "b": (np.zeros(2), "text", np.ones((300, 1000))),
        },
        "one array twice": lambda: [np.arange(5)] * 2,
    }


def frames() -> dict[str, Callable[[], Any]]:
    index = pd.date_range("2024", periods=4, freq="W-FRI")
    days = {
        f"index unit {unit}": lambda unit=unit: index.as_unit(unit)
        for unit in ("s", "ms", "us", "ns")
    }
    nullable = (
        "Int64",
        "UInt8",
        "Float32",
        "boolean",
        "string[python]",
        "string[pyarrow]",
        "category",
        "str",
        "object",
    )
    columns = {
        f"series {kind}": lambda kind=kind: (
            pd.Series([1, None, 0], name=kind).astype("Int64").astype(kind)
        )
        for kind in nullable
    }
    kinds = (
        pa.int64(),
        pa.string(),
        pa.bool_(),
        pa.timestamp("us", "UTC"),
        pa.list_(pa.int8()),
        pa.decimal128(9, 2),
    )
    arrow = {
        f"series {kind}": lambda kind=kind: pd.Series([None, None], dtype=pd.ArrowDtype(kind))
        for kind in kinds
    }
    return days | columns | arrow | {
        **{f"bars of {rows}": lambda rows=rows: bars(rows) for rows in (0, 1, SMALL, MIDDLE,
        LARGE // 4)},
        **{f"mixed of {rows}": lambda rows=rows: mixed(rows) for rows in (0, 1, SMALL, MIDDLE,
        LARGE // 6)},
        "attrs": attributed,
        "no freq": lambda: bars(4).iloc[[0, 2, 3]],
        "business days": lambda: pd.Series(range(4), pd.bdate_range("2024", periods=4), name=("a",
        1)),
        "no columns": lambda: bars(3)[[]],
        "nothing": pd.DataFrame,
        "duplicate columns": lambda: pd.DataFrame([[1, 2.0, "x"]], columns=["a", "a", "b"]),
        "duplicate labels": lambda: pd.Series([1, 2], [0, 0]),
        "column labels of all kinds": lambda: pd.DataFrame([[1, 2, 3]], columns=[1, "1", None]),
        "column MultiIndex": lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a",
        1), ("a", 2)], names=["x", None])),
        "row MultiIndex": lambda: pd.Series(range(4), pd.MultiIndex.from_product([index[:2], ["a",
        None]], names=["t", "s"])),
        "objects in a column": lambda: pd.DataFrame({"o": pd.Series([None, "a", 1.5, math.nan,
        {"k": [1]}, pd.NaT], dtype=object)}),
        "object index": lambda: pd.Series([1, 2, 3], pd.Index(["a", 1, None], dtype=object,
        name=0)),
        "periods": lambda: pd.Series(pd.period_range("2024", periods=3, freq="Q")),
        "intervals": lambda: pd.Series(range(3), pd.interval_range(0, 3, closed="left")),
        "categorical index": lambda: pd.CategoricalIndex(["b", "a", None], categories=["b", "a",
        "c"], ordered=True),
        "timedeltas": lambda: pd.timedelta_range("1h", periods=3, freq="30min", name="d"),
        "range index": lambda: pd.RangeIndex(2, 20, 3, name="r"),
        "sparse": lambda: pd.Series([0, 0, 5], dtype="Sparse[int64]"),
        "frames in a dict": lambda: {"a": bars(5), "b": [bars(MIDDLE), bars(2)["o"]],
        "c": bars(2).index},
    }  # fmt: skip


def polars_frames() -> dict[str, Callable[[], Any]]:
    day = dt.date(2024, 1, 2)
    schema = {
        "i": (pl.Int16, [1, None]), "u": (pl.UInt64, [2**63, 0]), "f": (pl.Float32, [0.1, None]),
        "g": (pl.Float64, [math.nan, -0.0]),
        "b": (pl.Boolean, [True, None]), "s": (pl.String, [LONG, None]), "y": (pl.Binary, [b"a\0",
        None]), "d": (pl.Date, [day, None]),
        "t": (pl.Time, [dt.time(1), None]), "m": (pl.Datetime("ms"), [DAY.replace(microsecond=0),
        None]),
        "z": (pl.Datetime("ns", "Europe/Berlin"), [DAY, None]), "p": (pl.Duration("us"),
        [dt.timedelta(1), None]),
        "x": (pl.Decimal(12, 3), [decimal.Decimal("1.250"), None]), "c": (pl.Categorical, ["q",
        None]), "e": (pl.Enum(["k", "l"]), ["l", None]),
        "l": (pl.List(pl.String), [["a", None], None]), "a": (pl.Array(pl.Int8, 2), [[1, 2], None]),
        "r": (pl.Struct({"k": pl.Int8, "v": pl.List(pl.Float64)}), [{"k": 1, "v": [0.5]}, None]),
        "n": (pl.Null, [None, None]),
    }  # fmt: skip
    cases: dict[str, Callable[[], Any]] = {
        f"polars {dtype}": lambda name=name, dtype=dtype, values=values: pl.Series(
            name, values, dtype
        )
        for name, (dtype, values) in schema.items()
    }
    return cases | {
        "polars frame": lambda: pl.DataFrame(
            [pl.Series(name, values, dtype) for name, (dtype, values) in schema.items()]
        ),
        "polars nothing": pl.DataFrame,
        "polars no rows": lambda: pl.DataFrame(
            schema={name: dtype for name, (dtype, _) in schema.items()}
        ),
        "polars chunks": lambda: pl.concat([pl.DataFrame({"a": [1, 2]})] * 3, rechunk=False),
        **{
            f"polars of {rows}": lambda rows=rows: pl.DataFrame(
                {"a": np.arange(rows) / 3, "s": [f"row {row}" for row in range(rows)]},
                schema={"a": pl.Float64, "s": pl.String},
            )
            for rows in (1, MIDDLE, LARGE // 4)
        },
        "polars in a list": lambda: [pl.Series("a", [1]), {"f": pl.DataFrame({"b": ["x"]})}],
    }


def models() -> dict[str, Callable[[], Any]]:
    """What only a pickle can hold."""
    return {
        "model": lambda: Model(np.arange(3.0), "small"),
        "model of a middle size": lambda: Model(np.arange(float(MIDDLE)), "middle"),
        "large model": lambda: [Model(np.arange(float(LARGE)), "large"), bars(3)],
        "function of a module": lambda: {"f": math.sqrt, "g": [bars]},
    }


PLAIN: dict[str, Callable[[], Any]] = {
    **plain(),
    **arrays(),
    **frames(),
    **polars_frames(),
    **results_exact.plain(),
    **results_exact.arrays(),
    **results_exact.texts(),
    **results_exact.frames(),
    **results_exact.arrow(),
    **results_records.records(),
}
MODELS: dict[str, Callable[[], Any]] = {
    **models(),
    **results_records.opaque(),
    **results_exact.opaque(),
}
CASES = MODELS | PLAIN
