"""Frames and series of pandas, one of each period, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from afml_cache.incremental.joining import Part, holds_exactly, refuse, refuse_differing, row_labels

if TYPE_CHECKING:
    from afml_cache.incremental.pieces import Piece
    from afml_cache.incremental.timelines import Numbers, Timeline

__all__ = ["join", "labels_of"]

_WHOLE: Final = "iu"
_TRUTHS: Final = frozenset({"boolean", "empty"})


def labels_of(name: str, timeline: Timeline, piece: Piece, result: Any) -> Numbers:
    """Give what the labels of a result count as."""
    wanted = timeline.frame.index.dtype
    if not isinstance(result, pd.DataFrame | pd.Series):
        what = f"of type {type(result).__qualname__}, which has no index of times"
        refuse(name, piece, what, "give a Series or a DataFrame, labelled as the input is")
    if result.index.dtype != wanted:
        what = f"whose index is of {result.index.dtype}, and that of its input of {wanted}"
        refuse(name, piece, what, "label the rows as the input does")
    return row_labels(timeline, result)


def join(name: str, timeline: Timeline, parts: list[Part]) -> Any:
    """Put results together, each with the rows of its own."""
    _check_forms(name, parts)
    values = [part.value for part in parts]
    if len(values) == 1:
        whole = values[0].copy(deep=False)  # pandas 2 would warn of writing to rows of another
    else:
        is_series = isinstance(values[0], pd.Series)
        adapted = _like_dtypes(name, parts) if is_series else _like_columns(name, parts)
        whole = pd.concat(adapted)
        if is_series:
            whole.name = values[0].name  # one that is unlike itself is lost, such as NaN
    whole.index = _index(timeline, parts, values[0].index.name)
    return whole


def _index(timeline: Timeline, parts: list[Part], called: Any) -> Any:
    """Give the labels of all rows, with the frequency that the function leaves them."""
    rows = np.concatenate([part.rows for part in parts])
    index = timeline.frame.index
    index = index.rename(called) if len(rows) == len(index) else index.take(rows).rename(called)
    if any(part.drops_freq for part in parts):
        index = index.copy()
        index.freq = None
    return index


def _check_forms(name: str, parts: list[Part]) -> None:
    """Refuse results that are not of one class, with the same names and columns."""
    first = parts[0]
    for part in parts[1:]:
        for what, form in _FORMS:
            one, other = form(first.value), form(part.value)
            if not _same(one, other):
                refuse_differing(name, what, (first.piece, _said(one)), (part.piece, _said(other)))


_FORMS: Final = (
    ("its result", lambda value: type(value).__qualname__),
    ("the name of its index", lambda value: value.index.name),
    ("its name", lambda value: getattr(value, "name", None)),
    ("its columns", lambda value: getattr(value, "columns", None)),
)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, pd.Index):
        return bool(one.identical(other))
    return bool(one is other or one == other)


def _said(form: Any) -> Any:
    return list(form) if isinstance(form, pd.Index) else repr(form)


def _like_columns(name: str, parts: list[Part]) -> list[Any]:
    """Give frames whose columns have the same dtypes."""
    frames = [part.value for part in parts]
    dtypes = [frame.dtypes.array for frame in frames]
    differ = [
        place
        for place, dtype in enumerate(dtypes[0])
        if any(other[place] != dtype for other in dtypes[1:])
    ]
    if not differ:
        return frames
    adapted = [dict(enumerate(frame.items())) for frame in frames]
    for place in differ:
        columns = [
            (part.piece, frame.iloc[:, place]) for part, frame in zip(parts, frames, strict=True)
        ]
        what = f"column {frames[0].columns[place]!r}"
        for of_frame, column in zip(adapted, _alike(name, what, columns), strict=True):
            of_frame[place] = (of_frame[place][0], column)
    return [_frame(of_frame, frame) for of_frame, frame in zip(adapted, frames, strict=True)]


def _frame(columns: dict[int, tuple[Any, Any]], like: Any) -> Any:
    made = pd.DataFrame({place: column for place, (_, column) in columns.items()}, like.index)
    made.columns = like.columns
    made.attrs = like.attrs
    return made


def _like_dtypes(name: str, parts: list[Part]) -> list[Any]:
    return _alike(name, "its values", [(part.piece, part.value) for part in parts])


def _alike(name: str, what: str, columns: list[tuple[Piece, Any]]) -> list[Any]:
    """Give series of one dtype: the one that all rows together would have."""
    series = [column for _, column in columns]
    dtypes = [column.dtype for column in series]
    if all(dtype == dtypes[0] for dtype in dtypes[1:]):
        return series
    together = _of_numbers(series) or _of_objects(series) or _of_categories(series)
    if together is None:
        piece, other = next(one for one in columns if one[1].dtype != dtypes[0])
        refuse_differing(name, what, (columns[0][0], dtypes[0]), (piece, other.dtype))
    return together


def _of_numbers(series: list[Any]) -> list[Any] | None:
    """Make whole numbers floats where others have gaps: the whole would have these too."""
    kinds = [column.dtype for column in series]
    if not all(isinstance(dtype, np.dtype) and dtype.kind in _WHOLE + "f" for dtype in kinds):
        return None
    whole, floats = (
        {dtype for dtype in kinds if (dtype.kind == "f") is told} for told in (False, True)
    )
    if len(whole) != 1 or len(floats) != 1:
        return None
    (dtype,) = floats
    if not all(column.dtype == dtype or holds_exactly(column, dtype) for column in series):
        return None
    return [column.astype(dtype) for column in series]


def _of_objects(series: list[Any]) -> list[Any] | None:
    """Make truths objects where others have gaps among them: the whole would have these too."""
    for column in series:
        if column.dtype == object:
            if pd.api.types.infer_dtype(column, skipna=True) not in _TRUTHS:
                return None
        elif column.dtype != bool:
            return None
    return [column.astype(object) for column in series]


def _of_categories(series: list[Any]) -> list[Any] | None:
    """Give all the categories of all, where they are told from the values and so sorted."""
    dtypes = [column.dtype for column in series]
    if not all(isinstance(dtype, pd.CategoricalDtype) and not dtype.ordered for dtype in dtypes):
        return None
    found = [dtype.categories for dtype in dtypes]
    if len({each.dtype for each in found}) != 1:
        return None
    if not all(each.is_monotonic_increasing for each in found):
        return None
    union = found[0]
    for each in found[1:]:
        union = union.union(each)
    return [column.cat.set_categories(union) for column in series]
