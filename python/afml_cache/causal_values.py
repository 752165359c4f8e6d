"""Where two columns differ: numbers by a tolerance, whatever else exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afml_cache._native import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["differing"]

_NUMBERS: Final = frozenset("biufc")
_INEXACT: Final = frozenset("fc")
_TIMES: Final = frozenset("mM")


def differing(full: Any, part: Any, rtol: float, atol: float) -> NDArray[np.bool_]:
    """Tell where the values of two columns of one length differ; missing values are equal."""
    one, other = _plain(full), _plain(part)
    if one is None or other is None or not _are_alike(one, other):
        pairs = zip(_objects(full), _objects(part), strict=True)
        return np.array([not _is_same(*pair, rtol, atol) for pair in pairs], dtype=bool)
    if one.dtype.kind in _TIMES:  # as counts: what is no time is unlike itself
        one, other = one.view(np.int64), other.view(np.int64)
    if not {one.dtype.kind, other.dtype.kind} & _INEXACT:
        return np.asarray(one != other)
    with np.errstate(invalid="ignore", over="ignore"):
        bound = np.maximum(atol, rtol * np.maximum(np.abs(one), np.abs(other)))
        # An infinite bound would take any number for infinity.
        near = (np.abs(one - other) <= bound) & np.isfinite(bound)
    same: NDArray[np.bool_] = (one == other) | near | (np.isnan(one) & np.isnan(other))
    return ~same


def _are_alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Tell whether both are numbers, or both times in one unit."""
    if one.dtype.kind in _NUMBERS:
        return other.dtype.kind in _NUMBERS
    return one.dtype == other.dtype


def _plain(column: Any) -> NDArray[Any] | None:
    """Give a column as numbers or as times without a zone, if that is what it has."""
    if not isinstance(column, np.ndarray):
        dtype = column.dtype
        if hasattr(dtype, "is_numeric"):  # polars
            column = column.to_numpy() if dtype.is_numeric() else np.empty(0, object)
        elif getattr(dtype, "kind", "O") in _NUMBERS:
            is_missing = column.isna().any() and dtype.kind not in _INEXACT
            column = np.empty(0, object) if is_missing else column.to_numpy(dtype=_numpy(dtype))
        else:
            column = np.asarray(column) if isinstance(dtype, np.dtype) else np.empty(0, object)
    return column if column.dtype.kind in _NUMBERS | _TIMES else None


def _numpy(dtype: Any) -> Any:
    """Give the dtype of NumPy that has the numbers of one of pandas."""
    own = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    return own if isinstance(own, np.dtype) and own.kind in _NUMBERS else np.float64


def _objects(column: Any) -> list[Any]:
    if isinstance(column, np.ndarray) or hasattr(column.dtype, "is_numeric"):
        items: list[Any] = list(column)
        return items
    return list(column.astype(object))


def _is_same(one: Any, other: Any, rtol: float, atol: float) -> bool:
    if one is other or (_is_missing(one) and _is_missing(other)):
        return True
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= max(atol, rtol * max(abs(one), abs(other)))
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # of arrays in cells no one truth
        return digest(one) == digest(other)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - as of NaN
    except (TypeError, ValueError):  # `pandas.NA` says neither
        return type(value).__name__ == "NAType"
