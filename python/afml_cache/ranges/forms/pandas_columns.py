"""Columns of pandas as series of polars, and back with the very dtype they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.forms import cells, dtypes, zones

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = Any
Read = tuple[pl.Series, dict[str, Json]]

_NUMBERS: Final = "biuf"
# The least nanosecond, which stands for "not a time".
_NOT_A_TIME: Final = -(2**63)
_MISSING: Final[dict[str, Any]] = {"none": None, "nan": np.nan, "na": pd.NA, "nat": pd.NaT}
_FITTING: Final = 8


def read(where: str, array: Any) -> Read:
    """Read a column.

    Parameters
    ----------
    where
        What messages call the column.
    array
        The array beneath: NumPy's, or an extension array of pandas.

    Raises
    ------
    LoaderError
        It holds what a Parquet file can't.
    """
    if type(array) is pd.arrays.NumpyExtensionArray:
        array = array.to_numpy()
    dtype = array.dtype
    for kind, reader in _READERS.items():
        if isinstance(dtype, kind):
            return reader(where, array)
    if hasattr(array, "_mask") and hasattr(dtype, "numpy_dtype"):
        return _read_masked(array)
    if not isinstance(dtype, np.dtype):
        raise _refused(where, dtype)
    if dtype.kind == "O":
        return _read_objects(where, np.asarray(array))
    return _read_numpy(where, np.asarray(array))


def _refused(where: str, dtype: object) -> LoaderError:
    remedy = "convert it to numbers, texts, times or categories in the loader"
    if isinstance(dtype, pd.PeriodDtype):
        remedy = "make times of it with `to_timestamp()` in the loader"
    return LoaderError(f"{where} has dtype `{dtype}`, which can't be kept; {remedy}")


def _read_numpy(where: str, array: np.ndarray[Any, Any]) -> Read:
    dtype = array.dtype
    native = dtype.newbyteorder("=")
    given = {} if dtype == native else {"dtype": dtype.str}
    if dtype.kind in "mM":
        return _read_times(where, array.astype(native))
    if dtype.kind not in _NUMBERS or dtype.itemsize > _FITTING:
        raise _refused(where, dtype)
    if dtype == np.float16 and not hasattr(pl, "Float16"):
        native, given = np.dtype("f4"), {"dtype": dtype.str}
    # A copy: polars would look at the loader's own array.
    return pl.Series(array.astype(native)), {"as": "numpy"} | given


def _read_times(where: str, array: np.ndarray[Any, Any]) -> Read:
    """Read times or lengths of time, whose seconds become milliseconds."""
    kind = array.dtype.kind
    unit: Any = np.datetime_data(array.dtype)[0]
    given = {}
    if unit == "s":
        given = {"unit": unit}
        array = _in_milliseconds(where, array)
        unit = "ms"
    if unit not in {"ms", "us", "ns"}:
        raise _refused(where, array.dtype)
    counted = pl.Series(array.view("i8").copy())
    counted = counted.set(pl.Series(np.isnat(array)), None)
    dtype = pl.Duration(unit) if kind == "m" else pl.Datetime(unit)
    return counted.cast(dtype), {"as": "numpy"} | given


def _in_milliseconds(where: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    finer = array.astype(f"{array.dtype.kind}8[ms]")
    if not np.array_equal(finer.astype(array.dtype).view("i8"), array.view("i8")):
        message = (
            f"{where} has times too far from now to be kept; give times between years 1 and 9999"
        )
        raise LoaderError(message)
    return finer


def _read_zoned(where: str, array: Any) -> Read:
    zone = zones.encode(array.dtype.tz)
    if zone is None:
        message = (
            f"{where} has the zone {array.dtype.tz!r}, which has no key to find it by; convert it "
            'with `tz_convert("UTC")` or to a zone such as "America/New_York" in the loader'
        )
        raise LoaderError(message)
    naive = np.asarray(array.tz_convert("UTC").tz_localize(None))
    values, outer = _read_times(where, naive)
    dtype: Any = values.dtype
    zoned = values.cast(pl.Datetime(dtype.time_unit, "UTC"))
    return zoned, outer | {"as": "zoned", "zone": zone}


def _read_masked(array: Any) -> Read:
    values, _ = _read_numpy("", array._data)  # noqa: SLF001 - the public ways to it go by objects
    return values.set(pl.Series(array._mask.copy()), None), {"as": "masked"}  # noqa: SLF001


def _read_text(where: str, array: Any) -> Read:
    missing = "na" if getattr(array.dtype, "na_value", pd.NA) is pd.NA else "nan"
    outer = {"as": "text", "storage": array.dtype.storage, "missing": missing}
    texts = array.to_numpy(dtype=object, na_value=None).tolist()
    found, _, _ = cells.read(where, texts)
    return found.cast(pl.String), outer


def _read_objects(where: str, array: np.ndarray[Any, Any]) -> Read:
    given = array.tolist()
    absent = pd.isna(array).tolist()
    markers = {_marker(cell) for cell, is_absent in zip(given, absent, strict=True) if is_absent}
    numbers = any(type(cell) is float and cell == cell for cell in given)  # noqa: PLR0124
    if numbers:  # then NaN is a number too
        markers -= {"nan"}
        absent = [
            flag and type(cell) is not float for flag, cell in zip(absent, given, strict=True)
        ]
    if len(markers) > 1 or None in markers:
        message = (
            f"{where} has several markers for missing values ({', '.join(map(str, markers))}), "
            "which can't be kept apart; use one of them in the loader"
        )
        raise LoaderError(message)
    plain = [None if flag else cell for flag, cell in zip(absent, given, strict=True)]
    values, kept, marks = cells.read(where, plain)
    if marks is not None:
        message = (
            f"{where} mixes `int` and `float` objects, or Timestamps of several units; convert it "
            "to a dtype of numbers or times in the loader"
        )
        raise LoaderError(message)
    outer: dict[str, Json] = {"as": "object", "cells": kept}
    return values, outer | ({"missing": markers.pop()} if markers else {})


def _marker(cell: Any) -> str | None:
    if type(cell) is float:
        return "nan"
    return next((name for name, marker in _MISSING.items() if cell is marker), None)


def _read_categories(where: str, array: Any) -> Read:
    categories = array.categories
    if isinstance(categories, pd.MultiIndex | pd.IntervalIndex | pd.PeriodIndex):
        raise _refused(where, array.dtype)
    labels, values = read(f"the categories of {where}", categories.array)
    if labels.dtype.is_nested() or labels.dtype in {pl.Binary, pl.Null}:
        raise _refused(where, array.dtype)
    codes = pl.Series(array.codes.astype("i8"))
    codes = codes.set(codes < 0, None)
    outer = {
        "as": "categorical",
        "ordered": bool(array.ordered),
        "categories": labels.to_physical().to_list(),
        "dtype": dtypes.encode(labels.dtype),
        "values": values,
    }
    return labels.gather(codes.cast(pl.get_index_type())), outer


def _read_arrow(where: str, array: Any) -> Read:
    from afml_cache.ranges.forms import arrow

    return arrow.read_column(where, array.__arrow_array__())


_READERS: Final[dict[type, Callable[[str, Any], Read]]] = {
    pd.DatetimeTZDtype: _read_zoned,
    pd.CategoricalDtype: _read_categories,
    pd.StringDtype: _read_text,
    pd.ArrowDtype: _read_arrow,
}


def write(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    """Make the array again of what `read` gave, one that nobody else has."""
    sort = outer["as"]
    if sort in {"numpy", "zoned"}:
        return _write_numpy(values, outer)
    if sort == "masked":
        return _masked(values)
    if sort == "text":
        return _write_text(values, outer)
    if sort == "object":
        return _write_objects(values, outer)
    if sort == "categorical":
        return _write_categories(values, outer)
    from afml_cache.ranges.forms import arrow

    return pd.array(arrow.write_column(values, outer), dtype=arrow.dtype_of_pandas(values, outer))


def _write_numpy(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    dtype = values.dtype
    if dtype.is_temporal():
        return _write_times(values, outer)
    if values.null_count() and not dtype.is_float():
        return _masked(values)  # rather than a silent change of whole numbers into floats
    array = values.fill_null(np.nan).to_numpy() if dtype.is_float() else values.to_numpy()
    return array.astype(outer.get("dtype", array.dtype))


def _write_times(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    dtype: Any = values.dtype
    kind = "m8" if isinstance(dtype, pl.Duration) else "M8"
    counted = values.to_physical().fill_null(_NOT_A_TIME).to_numpy()
    array = counted.astype("i8").view(f"{kind}[{dtype.time_unit}]")
    if outer.get("unit") == "s":
        array = array.astype(f"{kind}[s]")
    if outer["as"] == "numpy":
        return array
    zone = zones.decode(outer["zone"])
    return pd.DatetimeIndex(array).tz_localize("UTC").tz_convert(zone).array


def _masked(values: pl.Series) -> Any:
    missing = values.is_null().to_numpy()
    filled = values.fill_null(False if values.dtype == pl.Boolean else 0).to_numpy()
    if values.dtype == pl.Boolean:
        return pd.arrays.BooleanArray(np.array(filled), np.array(missing))
    made = pd.arrays.FloatingArray if values.dtype.is_float() else pd.arrays.IntegerArray
    return made(np.array(filled), np.array(missing))


def _write_text(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    missing = _MISSING[outer["missing"]]
    try:
        dtype = pd.StringDtype(outer["storage"], na_value=missing)
    except ImportError:  # pyarrow is not here
        dtype = pd.StringDtype("python", na_value=missing)
    except TypeError:  # before pandas 2.3 the marker is pd.NA
        dtype = pd.StringDtype(outer["storage"])
    if dtype.storage == "pyarrow":
        return dtype.__from_arrow__(values.to_arrow())
    return pd.array(values.to_list(), dtype=dtype)


def _write_objects(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    made = cells.write(values, outer["cells"])
    marker = _MISSING[outer.get("missing", "none")]
    array = np.empty(len(made), dtype=object)
    array[:] = [marker if cell is None else cell for cell in made]
    return array


def _write_categories(values: pl.Series, outer: Mapping[str, Json]) -> Any:
    dtype = dtypes.decode(outer["dtype"])
    physical = pl.Series([], dtype=dtype).to_physical().dtype
    labels = pl.Series(outer["categories"], dtype=physical).cast(dtype)
    categories = pd.Index(write(labels, outer["values"]), copy=False)
    made = write(values.cast(dtype), outer["values"])
    return pd.Categorical(made, dtype=pd.CategoricalDtype(categories, outer["ordered"]))
