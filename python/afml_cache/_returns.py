"""Returns as arrays of NumPy, whatever library they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def column(returns: Any) -> NDArray[np.float64]:
    """Give the returns of one trial."""
    return np.ascontiguousarray(_numbers(returns, ndim=1), dtype=np.float64)


def trials(returns: Any) -> NDArray[Any]:
    """Give the returns of each trial in a row, as float32 or float64, from those in columns."""
    values = _numbers(returns, ndim=2)
    kind = np.float32 if values.dtype == np.float32 else np.float64
    return np.ascontiguousarray(values.T, dtype=kind)


def _numbers(returns: Any, *, ndim: int) -> NDArray[Any]:
    values = _array(returns)
    if values.dtype.kind not in "fiu":
        message = (
            f"`returns` is of dtype `{values.dtype}`, and should be numbers: leave out columns of "
            "times, texts and flags"
        )
        raise CacheConfigError(message)
    if values.ndim != ndim:
        wanted = "one value for each period" if ndim == 1 else "periods in rows, trials in columns"
        message = f"`returns` is of shape {values.shape}, and should be {wanted}"
        raise CacheConfigError(message)
    return values


def _array(returns: Any) -> NDArray[Any]:
    """Give an array, with NaN for what is missing."""
    if isinstance(returns, np.ma.MaskedArray):
        return np.ma.filled(returns.astype(np.float64), np.nan)
    if not hasattr(returns, "to_numpy"):
        return np.asarray(returns)
    values: NDArray[Any] = returns.to_numpy()
    if values.dtype == object:
        try:  # nullable columns of pandas
            values = returns.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            return values
    return values
