"""Rows of a frame of pandas for many callers, none of whom can write what the others have.

Since pandas 3, a slice is a copy for whoever uses it: the first write to a column copies its block,
because another frame refers to it. Here the arrays beneath are sealed, so that no view of them
leads back, and every block counts one reference that never goes: the slice is copied on its first
write even once the frame that it was cut from is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

_COPIED_ON_WRITE: Final = int(pd.__version__.split(".")[0]) >= 3  # noqa: PLR2004


class _Lasting:
    """What the reference is to, for as long as the process runs."""


def slicer(value: Any) -> Callable[[int, int], Any]:
    """Give what cuts rows out of a frame or series that nobody else has from now on."""
    if not _COPIED_ON_WRITE or not _seal(value):
        return _copier(value)
    rows = value.iloc
    finish = _finisher(value)
    if finish is None:
        return lambda first, stop: rows[first:stop]

    def cut(first: int, stop: int) -> Any:
        part = rows[first:stop]
        finish(part)
        return part

    return cut


def _finisher(value: Any) -> Callable[[Any], None] | None:
    """Give what makes the rest of a slice the caller's own, where there is any."""
    categories = [number for number, dtype in enumerate(_dtypes(value)) if _has_labels(dtype)]
    columns = None if isinstance(value, pd.Series) else value.columns
    numbered = value.index if isinstance(value.index, pd.RangeIndex) else None
    if columns is None and numbered is None and not categories:
        return None
    copied = isinstance(columns, pd.MultiIndex)

    def finish(part: Any) -> None:
        if numbered is not None:
            part.index = numbered[: len(part)]
        if columns is not None:
            own = columns.copy(deep=True) if copied else columns.view()
            own._cache = {}  # noqa: SLF001 - what was computed for another may be written to
            part.columns = own
        for number in categories:
            _own_categories(part, number)

    return finish


def _dtypes(value: Any) -> list[Any]:
    return [value.dtype] if isinstance(value, pd.Series) else list(value.dtypes)


def _has_labels(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype)


def _own_categories(part: Any, number: int) -> None:
    """Give a column an index of categories that nobody else has: it can be renamed."""
    manager = part._mgr  # noqa: SLF001 - the public ways copy the codes
    block = manager.blocks[0 if isinstance(part, pd.Series) else manager.blknos[number]]
    values = block.values  # noqa: PD011 - a block has no other
    dtype = pd.CategoricalDtype(values.categories.copy(deep=True), values.ordered)
    block.values = type(values).from_codes(values._ndarray, dtype=dtype, validate=False)  # noqa: SLF001


def _copier(value: Any) -> Callable[[int, int], Any]:
    def copied(first: int, stop: int) -> Any:
        part = value.iloc[first:stop].copy()
        numbered = isinstance(part.index, pd.RangeIndex)
        part.index = value.index[: len(part)] if numbered else _copy_of(part.index)
        if isinstance(part, pd.DataFrame):
            part.columns = _copy_of(part.columns)
        for number, dtype in enumerate(_dtypes(part)):
            if _has_labels(dtype):
                _own_categories(part, number)
        return part

    return copied


def _copy_of(index: Any) -> Any:
    own = index.copy(deep=True)
    own._cache = {}  # noqa: SLF001 - what was computed for another may be written to
    return own


def _seal(value: Any) -> bool:
    """Make a frame's arrays ones that can't be written; tell whether pandas let us."""
    try:
        manager = value._mgr  # noqa: SLF001 - no public way leads to blocks and their references
        references = [block.refs for block in manager.blocks]
        sealed = [_seal_array(block.values) for block in manager.blocks]
        sealed += [_seal_index(axis) for axis in manager.axes]
        index = value.index._references  # noqa: SLF001
        for each in [*references, *([] if index is None else [index])]:
            each.add_index_reference(_Lasting)
    except (AttributeError, TypeError):
        return False
    return all(sealed)


def _seal_index(index: Any) -> bool:
    if isinstance(index, pd.MultiIndex):
        return True  # each slice has a copy of its own
    return isinstance(index, pd.RangeIndex) or _seal_array(index.array)


def _seal_array(values: Any) -> bool:
    if type(values) is pd.arrays.NumpyExtensionArray:
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        while isinstance(values, np.ndarray):  # a view of what can be written could be made so too
            values.flags.writeable = False
            values = values.base
        return True
    if hasattr(values, "_pa_array"):
        return True
    beneath = [getattr(values, name, None) for name in ("_ndarray", "_data", "_mask")]
    found = [array for array in beneath if isinstance(array, np.ndarray)]
    for array in found:
        _seal_array(array)
    return bool(found)
