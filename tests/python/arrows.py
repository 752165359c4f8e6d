"""Arrow arrays of every type, and the same content laid out in other ways."""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa

LONG = "a text that is too long to lie in a view of twelve bytes"
DAY = dt.datetime(2024, 1, 2)  # noqa: DTZ001 - naive on purpose
TEXT = ["a", None, LONG, "", "é"]
STRUCT = pa.struct({"a": pa.int64(), "b": pa.string()})

# a type, values with a null, and the same values with one change
TYPES: list[tuple[pa.DataType, list, list]] = [
    (pa.null(), [None, None], [None]),
    (pa.bool_(), [True, None, False], [True, False, False]),
    (pa.int8(), [1, None, -3], [1, None, 3]),
    (pa.uint64(), [1, None, 2**63], [1, None, 2**63 + 1]),
    (pa.float16(), [np.float16(1), None], [np.float16(2), None]),
    (pa.float64(), [1.0, None, 0.0], [1.0, None, -0.0]),
    (pa.decimal128(9, 2), [decimal.Decimal("1.25"), None], [decimal.Decimal("1.26"), None]),
    (pa.decimal256(50, 2), [decimal.Decimal("1.25"), None], [decimal.Decimal("1.26"), None]),
    (pa.date32(), [DAY.date(), None], [None, DAY.date()]),
    (pa.date64(), [DAY.date(), None], [None, DAY.date()]),
    (pa.time32("ms"), [DAY.time(), None], [DAY.time(), DAY.time()]),
    (pa.time64("ns"), [DAY.time(), None], [DAY.time(), DAY.time()]),
    (pa.timestamp("us"), [DAY, None], [DAY + dt.timedelta(1), None]),
    (pa.timestamp("ns", "Europe/Berlin"), [DAY, None], [DAY + dt.timedelta(1), None]),
    (pa.duration("s"), [dt.timedelta(1), None], [dt.timedelta(2), None]),
    (pa.month_day_nano_interval(), [(1, 2, 3), None], [(1, 2, 4), None]),
    (pa.string(), TEXT, ["a", "", LONG, "", "é"]),
    (pa.large_string(), TEXT, ["a", None, LONG, None, "é"]),
    (pa.string_view(), TEXT, ["a", None, LONG + "!", "", "é"]),
    (pa.binary(), [b"a", None, b"\0"], [b"a", None, b"\0\0"]),
    (pa.large_binary(), [b"a", None, b"b"], [b"", None, b"ab"]),
    (pa.binary_view(), [b"a", None, LONG.encode()], [b"a", None, LONG[1:].encode()]),
    (pa.binary(3), [b"abc", None], [b"abd", None]),
    (pa.list_(pa.int64()), [[1, 2], None, [], [3]], [[1], None, [], [2, 3]]),
    (pa.large_list(pa.string()), [["a", None], None, ["b"]], [["a"], None, [None, "b"]]),
    (pa.list_view(pa.int64()), [[1, 2], None, [], [3]], [[1], None, [], [2, 3]]),
    (pa.large_list_view(pa.int64()), [[1, 2], None, [3]], [[1, 2], [], [3]]),
    (pa.list_(pa.int64(), 2), [[1, 2], None, [3, 4]], [[1, 2], None, [3, 5]]),
    (STRUCT, [{"a": 1, "b": "x"}, None, {"a": None, "b": None}], [{"a": 1, "b": "x"}, None, None]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1)], None, []], [[("a", 2)], None, []]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a"], ["a", None, "b", "b"]),
    (pa.list_(STRUCT), [[{"a": 1, "b": "x"}], None, [None]], [[{"a": 1, "b": "y"}], None, [None]]),
]
NAMES = [str(kind) for kind, *_ in TYPES]


def cut(array: pa.Array, other: pa.Array) -> list:
    """The same content: in a slice, in chunks, in chunks of slices, with an empty one."""
    around = pa.concat_arrays([other, array, other]).slice(len(other), len(array))
    half = len(array) // 2
    chunks = [around.slice(0, half), array.slice(0, 0), array.slice(half)]
    return [around, pa.chunked_array([array]), pa.chunked_array(chunks)]
