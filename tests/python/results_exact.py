"""Results whose smallest traits are easily lost."""

import datetime as dt
import decimal
import fractions
import struct
import tempfile
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
DAYS = pd.date_range("2024-03-01", periods=4, freq="h", name="t")
Cases = dict[str, Callable[[], Any]]


def from_bits(number: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", number))[0]


def signalling() -> list[float]:
    return [from_bits(0x7FF8000000000123), from_bits(0xFFF8000000000000), -0.0, 5e-324]


def plain() -> Cases:
    numbers = ("NaN", "sNaN123", "-NaN7", "-0", "1E+5", "Infinity", "-Infinity", "0E-9")
    return {
        "NaNs with a payload": lambda: [*signalling(), complex(-0.0, signalling()[0])],
        "decimals": lambda: [decimal.Decimal(number) for number in numbers],
        "fractions": lambda: fractions.Fraction(-1, 3),
        "zones": lambda: [
            dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc),
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=-1))),
            dt.time(1, tzinfo=dt.timezone.utc),
        ],
        "surrogates": lambda: ["\ud800", {"\udfff": 1}],
        "one list three times": lambda: [[part := [1]], part, {"a": part}],
        "one set twice": lambda: [part := {1, 2}, part, bytearray(b"a")],
        "a long text twice": lambda: [
            ["x" * 100_000] * 2,
            [b"y" * 100_000] * 2,
            ["\ud800" * 5000] * 2,
        ],
        "one bytearray twice": lambda: [part := bytearray(b"a"), part],
        "keys of several types": lambda: {1: "a", 2.0: "b", "1": "c"},
        "an order of keys": lambda: {str(number): number for number in (5, 3, 9)},
    }


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def mapped() -> np.memmap:
    with tempfile.TemporaryDirectory() as folder:
        array = np.memmap(Path(folder) / "a", dtype="f8", mode="w+", shape=(3, 4))
    array[:] = np.arange(12).reshape(3, 4)
    return array


def aligned() -> np.dtype:
    return np.dtype([("x", "i1"), ("y", "f8"), ("z", [("u", "i1"), ("v", "i4")])], align=True)


def hardened(**options: Any) -> np.ma.MaskedArray:
    array = np.ma.masked_array([1.0, 2.0, 3.0], [1, 0, 0], **options)
    array.harden_mask()
    return array


def cells(order: str) -> np.ndarray:
    return np.array([[1, "a", None], [2.5, b"b", (1,)]], dtype=object, order=order)


def arrays() -> Cases:
    cases: Cases = {
        f"units {kind}8[{unit}]": lambda kind=kind, unit=unit: np.array(
            [1, "NaT", -5], f"{kind}8[{unit}]"
        )
        for kind in "mM"
        for unit in ("Y", "M", "W", "D", "25s", "ms", "us", "ns", "ps", "as")
    }
    return cases | {
        "NaNs of an array": lambda: np.array(signalling()),
        "NaNs of single precision": lambda: np.array([0x7FC00123, 0x80000000], "u4").view("f4"),
        "extended precision": lambda: [np.array(["1.1", "-0"], "g"), np.longdouble("1.1")],
        "complex of extended precision": lambda: np.array([1j, 2], "G"),
        "read-only": lambda: read_only(np.arange(5.0)),
        "large and read-only": lambda: [read_only(np.arange(600_000.0)), np.arange(3)],
        "read-only of all kinds": lambda: [
            read_only(np.array([None, "a"], object)),
            read_only(np.array(5)),
            read_only(np.zeros(2, "i4,f8")),
            read_only(np.asfortranarray(np.ones((2, 3)))),
            np.broadcast_to(np.arange(3), (2, 3)),
        ],
        "one read-only array twice": lambda: [read_only(array := np.arange(9)), array],
        "memmap": mapped,
        "objects in columns": lambda: cells("F"),
        "objects in rows": lambda: cells("C"),
        "objects without rows": lambda: np.empty((0, 2), object),
        "one object": lambda: np.array({"a": 1}, object),
        "aligned in itself": lambda: np.zeros(3, aligned()),
        "subarrays": lambda: np.zeros(2, [("a", "f4", (2, 3)), ("b", [("c", ">i2")], 2)]),
        "gaps between fields": lambda: np.zeros((2, 2), {
            "names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [3, 16], "itemsize": 40
        }),
        "no fields": lambda: np.zeros(3, []),
        "empty strings": lambda: [np.zeros(2, "U"), np.zeros(2, "S"), np.zeros(2, "V5")],
        "strings with zeroes": lambda: np.array([b"a\0b", b"\0"]),
        "big-endian": lambda: [np.array([1, 2], ">i2"), np.array(["ab"], ">U2")],
        "no items": lambda: [np.zeros((0, 3)), np.zeros((3, 0), order="F"), np.zeros(0, "M8[s]")],
        "many dimensions": lambda: np.zeros((1,) * 20, "i1"),
        "reversed and strided": lambda: [np.arange(9)[::-2], np.arange(12).reshape(3, 4).T[::2]],
        "scalars of arrays": lambda: [
            np.zeros(1, "i4,f8")[0],
            np.array("a", ">U1")[()],
            np.datetime64(5, "25s"),
            np.timedelta64("NaT"),
            np.array(1, ">f4")[()],
            np.void(b"abc"),
        ],
        "masked": lambda: np.ma.masked_array([1.0, 2.0], [1, 0], fill_value=7),
        "masked without a mask": lambda: np.ma.masked_array([1, 2]),
        "masked and hard": hardened,
        "masked in columns": lambda: np.ma.masked_array(np.asfortranarray(np.ones((2, 3))), 1),
        "masked records": lambda: np.ma.zeros(2, "i4,f8"),
        "masked fields": lambda: np.ma.array([(1, 2.0)], mask=[(1, 0)], dtype="i4,f8"),
        "masked instants": lambda: np.ma.array(np.array([1, 2], "M8[s]"), mask=[1, 0]),
        "masked objects": lambda: np.ma.masked_array(np.array([1, "a"], object), [0, 1]),
    }  # fmt: skip


def texts() -> Cases:
    """Text as NumPy 2 has it."""
    if not hasattr(np.dtypes, "StringDType"):
        return {}
    words = ["a", "", "a text that is too long to lie in its cell"]
    return {
        "text of any length": lambda: np.array(words, np.dtypes.StringDType()),
        "text with gaps": lambda: np.array(
            [*words, None], np.dtypes.StringDType(na_object=None, coerce=False)
        ),
    }


def flagged() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=DAYS[:2])
    frame.attrs = {"a": [1]}
    return frame.set_flags(allows_duplicate_labels=False)


def categories() -> dict:
    levels = {
        "days": DAYS,
        "numbers": pd.Index([3.5, 1.5], name="n"),
        "intervals": pd.interval_range(0, 3, closed="both"),
        "objects": pd.Index([1, "a"], dtype=object),
    }
    return {
        name: pd.Series(pd.Categorical.from_codes([0, -1, 1], level))
        for name, level in levels.items()
    }


def frames() -> Cases:
    number = np.array(signalling())
    return {
        "flags": flagged,
        "series flags": lambda: pd.Series([1]).set_flags(allows_duplicate_labels=False),
        "NaNs of a frame": lambda: pd.DataFrame({"a": number, "b": number[::-1]}),
        "missing in objects": lambda: pd.Series(
            [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), -0.0], dtype=object
        ),
        "all kinds of categories": categories,
        "unused levels": lambda: pd.MultiIndex.from_product([["a", "b"], [1, 2]])[:1],
        "levels of days": lambda: pd.DataFrame(
            {"x": range(8)}, index=pd.MultiIndex.from_product([DAYS, ["a", "b"]], names=["t", None])
        ),
        "duplicate level names": lambda: pd.MultiIndex.from_tuples([(1, 2)], names=["a", "a"]),
        "index of tuples": lambda: pd.Index([("a", 1), ("b",)], tupleize_cols=False, name=("n", 1)),
        "index of every number": lambda: [
            pd.Index([1, 2], dtype=kind) for kind in ("i1", "u8", "f4")
        ],
        "index of booleans": lambda: pd.Index([True, False]),
        "nullable index": lambda: pd.Index([1, None], dtype="Int64", name="n"),
        "index of text": lambda: [pd.Index(["a", None], dtype=kind) for kind in ("str", "string")],
        "index of offsets": lambda: [
            pd.date_range("2024", periods=3, freq=freq)
            for freq in ("B", "MS", "QS-FEB", "W-TUE", "2h")
        ],
        "index backwards": lambda: pd.date_range("2024", periods=3, freq="-1D"),
        "index across a change of clocks": lambda: pd.date_range(
            "2024-10-26", periods=5, freq="12h", tz=BERLIN
        ),
        "index of a fixed zone": lambda: DAYS.tz_localize(dt.timezone(dt.timedelta(hours=2))),
        "index of UTC": lambda: [DAYS.tz_localize("UTC"), DAYS.tz_localize(dt.timezone.utc)],
        "unsorted instants": lambda: pd.DatetimeIndex(["2024-02-01", "NaT", "2024-01-01"]),
        "periods with a step": lambda: pd.period_range("2024", periods=3, freq="3M", name="p"),
        "period columns": lambda: pd.DataFrame(
            [[1, 2]], columns=pd.period_range("2024", periods=2, freq="D")
        ),
        "intervals of instants": lambda: pd.interval_range(
            DAYS[0], periods=3, freq="D", closed="neither"
        ),
        "missing intervals": lambda: pd.arrays.IntervalArray.from_tuples(
            [(0, 1), None], closed="left"
        ),
        "sparse floats": lambda: pd.Series(pd.arrays.SparseArray([np.nan, 1.0], kind="block")),
        "sparse with a fill": lambda: pd.DataFrame(
            {"a": pd.arrays.SparseArray([7, 7, 1], fill_value=7)}
        ),
        "instants in a frame": lambda: pd.DataFrame(
            {unit: DAYS.as_unit(unit) for unit in ("s", "ms", "us", "ns")}
            | {"d": DAYS - DAYS[0], "z": DAYS.tz_localize(BERLIN)}
        ),
        "a frame of one dtype in columns": lambda: pd.DataFrame(np.arange(12.0).reshape(3, 4).T),
        "a frame of objects": lambda: pd.DataFrame(cells("C"), columns=pd.RangeIndex(3, name="c")),
        "a frame over read-only memory": lambda: pd.DataFrame(
            read_only(np.ones((3, 2))), copy=False
        ),
        "a series over read-only memory": lambda: pd.Series(read_only(np.ones(3)), copy=False),
        "a frame with names": lambda: pd.DataFrame(
            {1: [1]}, index=pd.Index([0], name="i")
        ).rename_axis(columns="c"),
        "one frame twice": lambda: [frame := pd.DataFrame({"a": [1]}), {"b": frame}],
        "scalars of pandas": lambda: [
            pd.Timestamp(dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)),
            pd.Period("2024Q1"),
            pd.Timedelta(5, "s").as_unit("ms"),
            pd.Interval(1, 2, "both"),
            pd.NaT,
            pd.NA,
            pd.Interval(DAYS[0], DAYS[1]),
            pd.Timestamp(5, tz=dt.timezone.utc),
        ],
        "extension arrays": lambda: [
            pd.array([1, None], "Int8"),
            pd.array(["a", None]),
            pd.array([True, None], "boolean"),
            DAYS.array,
            pd.array([1.5, np.nan, None], "Float64"),
            pd.array(DAYS - DAYS[0]),
        ],
    }


def arrow() -> Cases:
    words = pa.array(["a", None, "b", "a"])
    return {
        "arrow table": lambda: pa.table({"a": [1, None], "b": ["x", "y"]}).replace_schema_metadata(
            {"k": "v"}
        ),
        "arrow chunks": lambda: pa.chunked_array([[1, 2], [], [3]]),
        "arrow ordered dictionary": lambda: pa.DictionaryArray.from_arrays(
            pa.array([1, 0, None], pa.int8()), ["y", "x"], ordered=True
        ),
        "arrow slice": lambda: words[1:3],
        "arrow nested": lambda: pa.array([{"a": [1, None]}, None]),
        "arrow schema": lambda: pa.schema([pa.field("a", pa.int8(), nullable=False)], {"m": "1"}),
        "arrow scalars": lambda: [pa.scalar(1.5), pa.scalar(None, pa.string()), words[0]],
        "arrow in pandas": lambda: pd.DataFrame(
            {
                "a": pd.array(["x", None], "string[pyarrow]"),
                "b": pd.array([1, None], "int64[pyarrow]"),
            }
        ),
        "arrow no rows": lambda: pa.table({"a": pa.array([], pa.timestamp("us", "UTC"))}),
    }


def opaque() -> Cases:
    """What needs a pickle."""
    return {
        "dtype with metadata": lambda: [
            np.zeros(2, np.dtype("f8", metadata={"unit": "pip"})),
            np.array(["a"], np.dtype(object, metadata={"vlen": str})),
        ],
        "record array": lambda: np.rec.array([(1, 2.0)], names="a,b"),
        "matrix": lambda: np.ones((1, 2)).view(np.matrix),
        "record in a list": lambda: [np.rec.array([(1, 2.0)])[0]],
        "dtypes": lambda: [np.dtype("i4,f8"), aligned(), pd.CategoricalDtype(["a"], ordered=True)],
        "offsets": lambda: [pd.offsets.BDay(2), pd.offsets.MonthEnd(3)],
        "custom business days": lambda: pd.Series(
            1, pd.date_range("2024", periods=3, freq=pd.offsets.CDay(holidays=["2024-01-02"]))
        ),
        "an extension of polars": lambda: pl.DataFrame(
            {"a": pl.Series([1, None]).ext.to(pl.Extension("afml.test", pl.Int64))}
        ),
        "a lazy frame of polars": lambda: pl.DataFrame({"a": [1, 2]}).lazy().select(pl.sum("a")),
        "an expression of polars": lambda: pl.col("a").rolling_mean(3) + 1,
        "dtypes of polars": lambda: [pl.Int8, pl.Schema({"a": pl.Datetime("ms", "UTC")})],
        "dtypes of pandas": lambda: [
            pd.Int8Dtype(),
            pd.ArrowDtype(pa.int8()),
            pd.PeriodDtype("D"),
            pd.SparseDtype("f8", 0),
        ],
        "text of numpy": lambda: np.array([["a", "bc"]]).view(np.char.chararray),
    }
