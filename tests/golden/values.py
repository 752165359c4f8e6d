"""Some 200 values by name; their digests are in `digests.json`, the same everywhere.

Each is written out with the dtype and unit that it has under every version of its library.
"""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import types
import typing
import uuid
import zoneinfo


class Side(enum.Enum):
    """A direction of trade."""

    LONG = 1
    SHORT = -1


class Flags(enum.Flag):
    """What is known of a bar."""

    OPEN = 1
    CLOSE = 2


@dataclasses.dataclass
class Window:
    """A span of bars."""

    length: int
    label: str = "fast"


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """What a trade costs."""

    spread: float
    commission: float = 0.0


class Bar(typing.NamedTuple):
    """A bar with two prices."""

    open: float
    close: float


class Strategy:
    """An object of a user's class."""

    scale = 2.0

    def __init__(self, window):
        self.window = window

    def signal(self, price):
        """Scale a price."""
        return price * self.scale


class Keyed:
    """An object that says what it is."""

    def __init__(self, name):
        self.name = name
        self.scratch = object()

    def __cache_key__(self):
        return self.name


def smooth(prices, span=3):
    """Average prices."""
    return [sum(prices[max(0, i - span) : i + 1]) for i in range(len(prices))]


def looped():
    items = [1]
    items.append(items)
    return items


def ring():
    first, second = {"name": "first"}, {"name": "second"}
    first["next"], second["next"] = second, first
    return first


UTC = dt.timezone.utc
BERLIN = "Europe/Berlin"

PLAIN = {
    "none": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "int 0": lambda: 0,
    "int 1": lambda: 1,
    "int -1": lambda: -1,
    "int 2**62": lambda: 2**62,
    "int 2**63": lambda: 2**63,
    "int -2**63": lambda: -(2**63),
    "int 10**400": lambda: 10**400,
    "int -10**400": lambda: -(10**400),
    "float 0.0": lambda: 0.0,
    "float -0.0": lambda: -0.0,
    "float 1.0": lambda: 1.0,
    "float pi": lambda: math.pi,
    "float nan": lambda: math.nan,
    "float inf": lambda: math.inf,
    "complex": lambda: complex(1.5, -2.0),
    "str empty": lambda: "",
    "str ascii": lambda: "EURUSD",
    "str latin": lambda: "Zürich",
    "str wide": lambda: "日経平均",
    "str emoji": lambda: "\U0001f4c8",
    "str surrogate": lambda: "\ud800",
    "str long": lambda: "x" * 100_000,
    "bytes empty": lambda: b"",
    "bytes": lambda: b"\x00\xff",
    "bytes long": lambda: bytes(range(256)) * 1000,
    "bytearray": lambda: bytearray(b"\x00\xff"),
    "memoryview": lambda: memoryview(b"abc"),
    "array.array": lambda: array.array("d", [1.0, 2.0]),
    "ellipsis": lambda: ...,
    "tuple empty": lambda: (),
    "tuple": lambda: (1, "a", None),
    "list empty": list,
    "list": lambda: [1, "a", None],
    "list nested": lambda: [[1], [2, [3]]],
    "list deep": lambda: functools.reduce(lambda inner, _: [inner], range(1000), []),
    "list shared": lambda: [[1, 2]] * 3,
    "list cyclic": looped,
    "dict empty": dict,
    "dict": lambda: {"fast": 5, "slow": 20},
    "dict reversed": lambda: {"slow": 20, "fast": 5},
    "dict mixed keys": lambda: {1: "a", "1": "b", (1,): "c", None: "d", 1.5: "e"},
    "dict cyclic": ring,
    "set": lambda: {"a", "b", "c", 1, None},
    "set empty": set,
    "frozenset": lambda: frozenset({"a", ("b", 1)}),
    "range": lambda: range(1, 10, 2),
    "slice": lambda: slice(1, None, -1),
    "date": lambda: dt.date(2024, 2, 29),
    "datetime": lambda: dt.datetime(2024, 2, 29, 12, 30, 15, 123456),  # noqa: DTZ001
    "datetime utc": lambda: dt.datetime(2024, 2, 29, 12, tzinfo=UTC),
    "datetime fixed": lambda: dt.datetime(
        2024, 2, 29, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))
    ),
    "datetime zone": lambda: dt.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo(BERLIN)),
    "datetime fold": lambda: dt.datetime(
        2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo(BERLIN)
    ),
    "time": lambda: dt.time(9, 30),
    "time utc": lambda: dt.time(9, 30, tzinfo=UTC),
    "timedelta": lambda: dt.timedelta(days=-1, seconds=5, microseconds=7),
    "timezone utc": lambda: UTC,
    "timezone fixed": lambda: dt.timezone(dt.timedelta(hours=-3), "BRT"),
    "zone": lambda: zoneinfo.ZoneInfo("America/New_York"),
    "decimal": lambda: decimal.Decimal("1.10"),
    "decimal shorter": lambda: decimal.Decimal("1.1"),
    "decimal nan": lambda: decimal.Decimal("NaN"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "uuid": lambda: uuid.UUID(int=12345),
    "path": lambda: pathlib.PurePosixPath("data/bars.csv"),
    "path windows": lambda: pathlib.PureWindowsPath("C:/data/bars.csv"),
    "pattern": lambda: re.compile(r"EUR.*", re.IGNORECASE),
    "pattern bytes": lambda: re.compile(rb"EUR.*"),
    "named tuple": lambda: Bar(1.0, 2.0),
    "ordered dict": lambda: collections.OrderedDict(a=1, b=2),
    "default dict": lambda: collections.defaultdict(list, a=[1]),
    "counter": lambda: collections.Counter("abca"),
    "deque": lambda: collections.deque([1, 2], maxlen=5),
    "namespace": lambda: types.SimpleNamespace(fast=5, slow=20),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "enum": lambda: Side.LONG,
    "enum other": lambda: Side.SHORT,
    "flag": lambda: Flags.OPEN,
    "flags": lambda: Flags.OPEN | Flags.CLOSE,
    "dataclass": lambda: Window(5),
    "dataclass other": lambda: Window(6),
    "dataclass slots": lambda: Costs(0.0001),
    "instance": lambda: Strategy(5),
    "instance other": lambda: Strategy(6),
    "instance with a key": lambda: Keyed("fast"),
    "class": lambda: Strategy,
    "function": lambda: smooth,
    "bound method": lambda: Strategy(5).signal,
    "partial": lambda: functools.partial(smooth, span=5),
    "builtin": lambda: len,
    "operator": lambda: operator.itemgetter("close"),
    "type": lambda: int,
    "type of the library": lambda: dt.datetime,
    "generic": lambda: list[int],
}


def numpy_values():
    """Values of NumPy."""
    import numpy as np

    record = np.dtype([("price", "<f8"), ("size", "<i4")], align=True)
    base = np.arange(24, dtype="int64").reshape(4, 6)
    dtypes = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
    return {
        **{f"array {dtype}": functools.partial(np.arange, 3, dtype=dtype) for dtype in dtypes[1:]},
        "array bool": lambda: np.array([True, False]),
        "array S": lambda: np.array([b"a", b"bcd"]),
        "array U": lambda: np.array(["a", "Zürich"]),
        "array datetime ns": lambda: np.array(["2024-01-01", "NaT"], "datetime64[ns]"),
        "array datetime D": lambda: np.array(["2024-01-01", "NaT"], "datetime64[D]"),
        "array timedelta": lambda: np.array([1, 2], "timedelta64[s]"),
        "array big endian": lambda: np.arange(3, dtype=">i4"),
        "array empty": lambda: np.empty((0, 3)),
        "array 0-d": lambda: np.array(1.5),
        "array 2-d": lambda: base,
        "array transposed": lambda: base.T,
        "array strided": lambda: base[::2, ::-1],
        "array nan": lambda: np.array([np.nan, 1.0, -0.0]),
        "array large": lambda: np.arange(300_000, dtype="float64"),
        "array large 2-d": lambda: np.arange(300_000, dtype="int32").reshape(1000, 300),
        "array object": lambda: np.array(["a", None, 1.5, (1, 2)], dtype=object),
        "array record": lambda: np.array([(1.5, 2), (2.5, 3)], dtype=record),
        "array subarray": lambda: np.zeros(2, dtype=[("a", "<f4", (2, 2))]),
        "scalar float64": lambda: np.float64(1.5),
        "scalar int64": lambda: np.int64(1),
        "scalar bool": lambda: np.bool_(True),
        "scalar str": lambda: np.str_("a"),
        "scalar datetime": lambda: np.datetime64("2024-01-01T00:00", "s"),
        "scalar timedelta": lambda: np.timedelta64(5, "m"),
        "dtype": lambda: np.dtype("float32"),
        "dtype record": lambda: record,
        "array in a dict": lambda: {"prices": np.arange(3.0), "n": 3},
        "scalar type": lambda: np.float32,
        "ufunc": lambda: np.sqrt,
    }


def pandas_values():
    """Values of pandas, with units and dtypes that every version has."""
    import numpy as np
    import pandas as pd

    def stamps(**options):
        return pd.date_range("2024-01-01", periods=4, **options).as_unit("ns")

    def frame(**options):
        columns = {"open": [1.0, 2.0, np.nan, 4.0], "volume": np.arange(4, dtype="int64")}
        labels = pd.Index(["open", "volume"], dtype=object)
        index = options.get("index", stamps(freq="h", tz="UTC"))
        return pd.DataFrame(columns, index=index).set_axis(labels, axis=1)

    def with_attrs():
        value = frame()
        value.attrs["source"] = "broker"
        return value

    def categorical(order, **options):
        return pd.Categorical(
            np.array(["a", "b", "a"], dtype=object),
            categories=pd.Index(order, dtype=object),
            **options,
        )

    text = np.array(["a", None, "Zürich"], dtype=object)
    return {
        "frame": frame,
        "frame range index": lambda: frame(index=pd.RangeIndex(4)),
        "frame attrs": with_attrs,
        "frame empty": lambda: pd.DataFrame(
            index=pd.RangeIndex(0), columns=pd.Index([], dtype=object)
        ),
        "frame one row": lambda: frame().iloc[:1],
        "frame mixed": lambda: frame().assign(flag=[True, False, True, False]).iloc[:, [2, 0, 1]],
        "frame object": lambda: frame().astype(object),
        "frame duplicate labels": lambda: frame().iloc[:, [0, 0]],
        "frame multi columns": lambda: frame().set_axis(
            pd.MultiIndex.from_arrays(
                [pd.Index(["a", "b"], dtype=object), np.array([1, 2], dtype="int64")]
            ),
            axis=1,
        ),
        "frame zone": lambda: frame(index=stamps(freq="h", tz="America/New_York")),
        "frame naive": lambda: frame(index=stamps(freq="h")),
        "frame no freq": lambda: frame(index=pd.DatetimeIndex(stamps(freq="h").values)),
        "frame wide": lambda: pd.DataFrame(
            np.arange(2000.0).reshape(2, 1000), index=pd.RangeIndex(2), columns=range(1000)
        ),
        "frame large": lambda: pd.DataFrame(
            np.arange(500_000.0).reshape(100_000, 5), columns=range(5)
        ),
        "frame nullable": lambda: pd.DataFrame(
            {0: pd.array([1, None, 3], "Int64"), 1: pd.array([1.5, None, 2.5], "Float64")}
        ).set_axis(pd.RangeIndex(2), axis=1),
        "series": lambda: frame()["open"],
        "series unnamed": lambda: pd.Series([1.0, 2.0]),
        "series int8": lambda: pd.Series([1, 2], dtype="int8", name=5),
        "series object": lambda: pd.Series(text, dtype=object),
        "series python string": lambda: pd.Series(text, dtype=pd.StringDtype("python")),
        "series boolean": lambda: pd.Series(pd.array([True, None, False], "boolean")),
        "series category": lambda: pd.Series(categorical(["a", "b"])),
        "series category order": lambda: pd.Series(categorical(["b", "a"], ordered=True)),
        "series datetime": lambda: pd.Series(stamps(freq="D", tz="UTC")),
        "series timedelta": lambda: pd.Series(pd.to_timedelta([1, 2], unit="s").as_unit("ns")),
        "series period": lambda: pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
        "series interval": lambda: pd.Series(pd.interval_range(0, 3)),
        "series sparse": lambda: pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.0])),
        "index object": lambda: pd.Index(["a", "b"], dtype=object, name="symbol"),
        "index int": lambda: pd.Index([3, 1, 2], dtype="int64"),
        "index float": lambda: pd.Index([0.5, 1.5]),
        "index range": lambda: pd.RangeIndex(0, 10, 2, name="n"),
        "index datetime D": lambda: stamps(freq="D"),
        "index datetime B": lambda: stamps(freq="B"),
        "index datetime W": lambda: stamps(freq="W-FRI"),
        "index datetime 5min": lambda: stamps(freq="5min", tz="UTC", name="time"),
        "index datetime ms": lambda: stamps(freq="h").as_unit("ms"),
        "index timedelta": lambda: pd.timedelta_range("1h", periods=3, freq="h").as_unit("ns"),
        "index period": lambda: pd.period_range("2024-01-01", periods=3, freq="D"),
        "index interval": lambda: pd.interval_range(0.0, 3.0, closed="left"),
        "index category": lambda: pd.CategoricalIndex(categorical(["a", "b"])),
        "index multi": lambda: pd.MultiIndex.from_product(
            [pd.Index(["a", "b"], dtype=object), pd.Index([1, 2], dtype="int64")],
            names=["symbol", "lag"],
        ),
        "timestamp": lambda: pd.Timestamp("2024-01-01 12:00").as_unit("ns"),
        "timestamp zone": lambda: pd.Timestamp("2024-01-01 12:00", tz="UTC").as_unit("ns"),
        "timestamp s": lambda: pd.Timestamp("2024-01-01").as_unit("s"),
        "timedelta pandas": lambda: pd.Timedelta(5, "s").as_unit("ns"),
        "period": lambda: pd.Period("2024-01", "M"),
        "interval": lambda: pd.Interval(0, 1),
        "nat": lambda: pd.NaT,
        "na": lambda: pd.NA,
        "offset": lambda: pd.offsets.BusinessDay(2),
        "offset month": pd.offsets.MonthBegin,
        "extension array": lambda: pd.array([1, None], "Int32"),
        "categorical": lambda: categorical(["a", "b"]),
        "timestamps in a dict": lambda: {"t0": pd.Timestamp(0).as_unit("ns"), "t1": pd.NaT},
    }


def pyarrow_values():
    """Values of Arrow, and of pandas on Arrow."""
    import pandas as pd
    import pyarrow as pa

    text = ["a", None, "Zürich", ""]
    return {
        "arrow int64": lambda: pa.array([1, None, 3]),
        "arrow string": lambda: pa.array(text),
        "arrow large string": lambda: pa.array(text, pa.large_string()),
        "arrow chunked": lambda: pa.chunked_array([[1, 2], [3]]),
        "arrow table": lambda: pa.table({"a": [1, 2], "b": ["x", None]}),
        "arrow list": lambda: pa.array([[1], None, [], [2, 3]]),
        "arrow dictionary": lambda: pa.array(["a", "b", "a"]).dictionary_encode(),
        "arrow type": lambda: pa.timestamp("ns", "UTC"),
        "series pyarrow string": lambda: pd.Series(text, dtype=pd.StringDtype("pyarrow")),
        "series arrow int": lambda: pd.Series([1, None], dtype=pd.ArrowDtype(pa.int32())),
        "series arrow text": lambda: pd.Series(text, dtype=pd.ArrowDtype(pa.string())),
        "series arrow stamps": lambda: pd.Series(
            [0, 1], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))
        ),
    }


def polars_values():
    """Values of polars."""
    import polars as pl

    stamp = dt.datetime(2024, 1, 1, tzinfo=UTC)
    return {
        "polars frame": lambda: pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "polars empty": lambda: pl.DataFrame(schema={"a": pl.Int64}),
        "polars series": lambda: pl.Series("a", [1.5, None]),
        "polars text": lambda: pl.Series("a", ["x", "", None, "longer than twelve bytes"]),
        "polars bool": lambda: pl.Series("a", [True, None, False]),
        "polars datetime": lambda: pl.Series("t", [stamp, None], dtype=pl.Datetime("ns", "UTC")),
        "polars date": lambda: pl.Series("d", [dt.date(2024, 1, 1)]),
        "polars duration": lambda: pl.Series(
            "d", [dt.timedelta(seconds=1)], dtype=pl.Duration("us")
        ),
        "polars decimal": lambda: pl.Series(
            "p", [decimal.Decimal("1.10")], dtype=pl.Decimal(10, 2)
        ),
        "polars list": lambda: pl.Series("l", [[1], None, [], [2, 3]]),
        "polars struct": lambda: pl.Series("s", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        "polars categorical": lambda: pl.Series("c", ["b", "a", "b"], dtype=pl.Categorical),
        "polars enum": lambda: pl.Series("e", ["a", "b"], dtype=pl.Enum(["a", "b", "c"])),
        "polars type": lambda: pl.Int64,
    }


LIBRARIES = {
    "numpy": (("numpy",), numpy_values),
    "pandas": (("numpy", "pandas"), pandas_values),
    "pyarrow": (("numpy", "pandas", "pyarrow"), pyarrow_values),
    "polars": (("polars",), polars_values),
}
