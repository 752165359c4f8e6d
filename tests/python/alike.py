"""How exactly alike two values are: in everything that a caller could see."""

import collections
import dataclasses
import datetime as dt
import decimal
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from polars.testing import assert_frame_equal, assert_series_equal

from afml_cache import digest


def same(left: Any, right: Any) -> bool:
    """Whether two values are alike in everything that a caller could see."""
    return Comparison().same(left, right)


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


def unpadded(array: np.ndarray) -> bytes:
    """The bytes of an array, those aside that have no meaning in extended precision."""
    content = array.tobytes()
    if array.dtype.char not in "gG":
        return content
    return np.frombuffer(content, "u1").reshape(-1, 16)[:, :10].tobytes()


class Comparison:
    """One walk over two values, which remembers what was met together."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.held: list[Any] = []

    def same(self, left: Any, right: Any) -> bool:
        if type(left) is not type(right):
            return False
        if left is right:
            return True
        by_identity = self.shared(left, right)
        if by_identity is not None:
            return by_identity
        for kind, compare in KINDS:
            if isinstance(left, kind):
                return bool(compare(self, left, right))
        if dataclasses.is_dataclass(left) or type(left).__name__ in ("Model", "SimpleNamespace"):
            return self.states(left, right)
        return bool(left == right) and repr(left) == repr(right)

    def shared(self, left: Any, right: Any) -> bool | None:
        """Whether both were met before, and together; nothing at their first meeting."""
        if not isinstance(
            left,
            (list, dict, collections.deque, set, bytearray, np.ndarray, pd.DataFrame, pd.Series),
        ):
            return None
        before = self.met.get(id(left)), self.met.get(id(right))
        if before == (None, None):
            self.met |= {id(left): id(right), id(right): id(left)}
            self.held += [left, right]  # or another object could have one of the addresses
            return None
        return before == (id(right), id(left))

    def all(self, lefts: Any, rights: Any) -> bool:
        lefts, rights = list(lefts), list(rights)
        return len(lefts) == len(rights) and all(map(self.same, lefts, rights))

    def attributes(self, left: Any, right: Any, *names: str) -> bool:
        return all(self.same(getattr(left, name), getattr(right, name)) for name in names)

    def states(self, left: Any, right: Any) -> bool:
        state = getattr(left, "__dict__", {}), getattr(right, "__dict__", {})
        names = getattr(left, "__slots__", ())
        return self.same(*state) and self.attributes(left, right, *names)

    def dtypes(self, left: np.dtype, right: np.dtype) -> bool:
        return (
            left == right
            and left.str == right.str
            and left.metadata == right.metadata
            and (left.isalignedstruct, left.fields, left.type, left.shape)
            == (right.isalignedstruct, right.fields, right.type, right.shape)
        )

    def arrays(self, left: np.ndarray, right: np.ndarray) -> bool:
        alike = self.dtypes(left.dtype, right.dtype) and left.shape == right.shape
        alike = alike and left.flags.writeable == right.flags.writeable
        # what is neither, a view with gaps, may come back in C order
        if left.flags.forc and right.flags.forc:
            alike = alike and left.flags.f_contiguous == right.flags.f_contiguous
        if not alike:
            return False
        if left.dtype.hasobject or left.dtype.kind == "T":
            return self.all(left.ravel().tolist(), right.ravel().tolist())
        return unpadded(left) == unpadded(right)

    def masked(self, left: Any, right: Any) -> bool:
        parts = "data", "mask", "fill_value", "hardmask"
        return self.attributes(left, right, *parts)

    def items(self, left: Any, right: Any) -> bool:
        return self.all(left, right) and self.states(left, right)

    def pairs(self, left: dict, right: dict) -> bool:
        return (
            self.all(left, right)
            and self.all(left.values(), right.values())
            and getattr(left, "default_factory", None) == getattr(right, "default_factory", None)
        )

    def extras(self, left: Any, right: Any) -> bool:
        return self.same(left.attrs, right.attrs) and (
            left.flags.allows_duplicate_labels == right.flags.allows_duplicate_labels
        )

    def frames(self, left: pd.DataFrame, right: pd.DataFrame) -> bool:
        places = range(left.shape[1])
        # of nested arrays in cells pandas can't tell
        typed = [place for place in places if left.dtypes.iloc[place] != "object"]
        pd.testing.assert_frame_equal(
            left.iloc[:, typed],
            right.iloc[:, typed],
            check_exact=True,
            check_freq=True,
            check_index_type="exact",
            check_column_type="exact",
        )
        return (
            left.shape == right.shape
            and self.attributes(left, right, "index", "columns", *left._metadata)
            and self.extras(left, right)
            and all(
                self.inner(left.iloc[:, place]._values, right.iloc[:, place]._values)
                for place in places
            )
        )

    def series(self, left: pd.Series, right: pd.Series) -> bool:
        if left.dtype != "object":
            pd.testing.assert_series_equal(
                left, right, check_exact=True, check_freq=True, check_index_type="exact"
            )
        return (
            self.attributes(left, right, "name", "index")
            and self.extras(left, right)
            and self.inner(left._values, right._values)
        )

    def indexes(self, left: pd.Index, right: pd.Index) -> bool:
        pd.testing.assert_index_equal(left, right, exact=True, check_exact=True)
        if isinstance(left, pd.MultiIndex):
            inner = self.all(left.levels, right.levels) and self.all(left.codes, right.codes)
        elif isinstance(left, pd.RangeIndex):
            inner = self.attributes(left, right, "start", "stop", "step")
        else:
            inner = self.inner(left.array, right.array)
        freqs = getattr(left, "freq", None), getattr(right, "freq", None)
        return (
            inner
            and freqs[0] == freqs[1]
            and repr(freqs[0]) == repr(freqs[1])
            and self.all(left.names, right.names)
            and repr(left) == repr(right)
        )

    def inner(self, left: Any, right: Any) -> bool:
        """The content of a column; whether its memory may be written is the frame's own matter."""
        plain = (np.ndarray, pd.arrays.NumpyExtensionArray)
        if isinstance(left, plain) and isinstance(right, plain):
            left, right = np.array(left), np.array(right)
        return self.same(left, right)

    def extension(self, left: Any, right: Any) -> bool:
        alike = left.dtype == right.dtype and repr(left.dtype) == repr(right.dtype)
        alike = alike and len(left) == len(right)
        if isinstance(left, pd.Categorical):
            inner = self.same(left.categories, right.categories) and np.array_equal(
                left.codes, right.codes
            )
        elif isinstance(left, (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray)):
            inner = np.array_equal(left.asi8, right.asi8) and getattr(
                left, "freq", None
            ) == getattr(right, "freq", None)
            inner = inner and type(getattr(left, "tz", 0)) is type(getattr(right, "tz", 0))
        elif isinstance(left, pd.arrays.SparseArray):
            inner = self.same(left.fill_value, right.fill_value) and self.all(left, right)
        elif hasattr(left, "_mask"):
            inner = np.array_equal(left._mask, right._mask) and self.all(left, right)
        else:
            inner = bool(left.equals(right)) and self.all(left[:50], right[:50])
        return alike and inner

    def instants(self, left: Any, right: Any) -> bool:
        return left == right and left.unit == right.unit and repr(left) == repr(right)

    def clocks(self, left: Any, right: Any) -> bool:
        zones = left.tzinfo, right.tzinfo
        return (
            left == right
            and left.fold == right.fold
            and repr(left) == repr(right)
            and type(zones[0]) is type(zones[1])
        )

    def polars(self, left: Any, right: Any) -> bool:
        if isinstance(left, pl.Series):
            assert_series_equal(left, right, check_exact=True, categorical_as_str=True)
            return left.dtype == right.dtype
        assert_frame_equal(left, right, check_exact=True, categorical_as_str=True)
        return left.schema == right.schema

    def lazy(self, left: pl.LazyFrame, right: pl.LazyFrame) -> bool:
        plans = left.explain(optimized=False), right.explain(optimized=False)
        return plans[0] == plans[1] and self.polars(left.collect(), right.collect())

    def arrow(self, left: Any, right: Any) -> bool:
        if isinstance(left, (pa.Table, pa.RecordBatch)):
            alike = left.schema.equals(right.schema, check_metadata=True)
            return alike and left.equals(right)
        if isinstance(left, pa.ChunkedArray):
            return left.type == right.type and left.equals(right)
        if isinstance(left, (pa.Schema, pa.Field)):
            return left.equals(right, check_metadata=True)
        return bool(left.equals(right)) and left.type.equals(right.type)

    def members(self, left: Any, right: Any) -> bool:
        return sorted(map(digest, left)) == sorted(map(digest, right))


Compare = Callable[[Comparison, Any, Any], bool]
ARROW = (pa.Array, pa.ChunkedArray, pa.RecordBatch, pa.Table, pa.Scalar, pa.Schema, pa.Field)
KINDS: list[tuple[Any, Compare]] = [
    (np.ma.MaskedArray, Comparison.masked),
    (np.ndarray, Comparison.arrays),
    (np.dtype, Comparison.dtypes),
    (
        np.generic,
        # A record may be a view of an array that is not writable, and is its own afterwards.
        lambda self, one, two: self.arrays(np.array(one).copy(), np.array(two).copy()),
    ),
    (float, lambda _, one, two: bits(one) == bits(two)),
    (
        complex,
        lambda _, one, two: bits(one.real) + bits(one.imag) == bits(two.real) + bits(two.imag),
    ),
    (decimal.Decimal, lambda _, one, two: one.as_tuple() == two.as_tuple()),
    ((list, tuple, collections.deque), Comparison.items),
    (dict, Comparison.pairs),
    ((set, frozenset), Comparison.members),
    (pd.DataFrame, Comparison.frames),
    (pd.Series, Comparison.series),
    (pd.Index, Comparison.indexes),
    (pd.api.extensions.ExtensionArray, Comparison.extension),
    ((pl.DataFrame, pl.Series), Comparison.polars),
    (pl.LazyFrame, Comparison.lazy),
    (pl.Expr, lambda _, one, two: one.meta.eq(two)),
    ((pd.Timestamp, pd.Timedelta), Comparison.instants),
    ((dt.datetime, dt.time), Comparison.clocks),
    (ARROW, Comparison.arrow),
]
