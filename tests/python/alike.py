"""How exactly alike two values are: in everything that a caller could see."""

import datetime as dt
import struct
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from polars.testing import assert_frame_equal, assert_series_equal

from afml_cache import digest


def same(left: Any, right: Any) -> bool:  # noqa: C901, PLR0911, PLR0912 - a table
    """Whether two values are alike in everything that a caller could see."""
    if type(left) is not type(right):
        return False
    if left is right:
        return True
    match left:
        case np.ndarray():
            alike = left.dtype == right.dtype and left.shape == right.shape
            # what is neither, a view with gaps, may come back in C order
            if left.flags.forc and right.flags.forc:
                alike = alike and left.flags.f_contiguous == right.flags.f_contiguous
            if left.dtype == object:
                return alike and all(map(same, left.ravel(), right.ravel()))
            return alike and left.tobytes() == right.tobytes()
        case np.generic():
            return left.dtype == right.dtype and left.tobytes() == right.tobytes()
        case float():
            return struct.pack("<d", left) == struct.pack("<d", right)
        case complex():
            parts = (left.real, left.imag), (right.real, right.imag)
            return struct.pack("<dd", *parts[0]) == struct.pack("<dd", *parts[1])
        case list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case dict():
            return same(list(left.items()), list(right.items()))
        case set() | frozenset():
            return sorted(map(digest, left)) == sorted(map(digest, right))
        case pd.DataFrame():
            pd.testing.assert_frame_equal(
                left,
                right,
                check_exact=True,
                check_freq=True,
                check_index_type="exact",
                check_column_type="exact",
            )
            parts = all(
                same(left.iloc[:, place], right.iloc[:, place]) for place in range(left.shape[1])
            )
            return (
                parts
                and same(left.index, right.index)
                and same(left.columns, right.columns)
                and same(left.attrs, right.attrs)
            )
        case pd.Series():
            pd.testing.assert_series_equal(
                left, right, check_exact=True, check_freq=True, check_index_type="exact"
            )
            return (
                same(left.name, right.name)
                and same(left.index, right.index)
                and same(left.attrs, right.attrs)
                and same(left.array, right.array)
            )
        case pd.Index():
            pd.testing.assert_index_equal(left, right, exact=True, check_exact=True)
            freqs = getattr(left, "freq", None), getattr(right, "freq", None)
            levels = not isinstance(left, pd.MultiIndex) or all(
                map(same, left.levels, right.levels)
            )
            return (
                levels
                and freqs[0] == freqs[1]
                and same(list(left.names), list(right.names))
                and repr(left) == repr(right)
            )
        case pd.api.extensions.ExtensionArray():
            cells = all(map(same, left, right)) if left.dtype == object else left.equals(right)
            return left.dtype == right.dtype and repr(left.dtype) == repr(right.dtype) and cells
        case pl.DataFrame():
            assert_frame_equal(left, right, check_exact=True, categorical_as_str=True)
            return left.schema == right.schema
        case pl.Series():
            assert_series_equal(left, right, check_exact=True, categorical_as_str=True)
            return left.dtype == right.dtype
        case pd.Timestamp() | pd.Timedelta():
            return left == right and left.unit == right.unit and repr(left) == repr(right)
        case dt.datetime() | dt.time():
            return left == right and left.fold == right.fold and repr(left) == repr(right)
    if type(left).__name__ == "Model":
        return same(vars(left), vars(right))
    return bool(left == right) and repr(left) == repr(right)
