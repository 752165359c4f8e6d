"""What data is, and what a data set is called where nobody says: source, symbol, timeframe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from afml_cache.runs import rankings
from afml_cache.runs.curves import step_of, times_of
from afml_cache.runs.shown import as_text

_SECOND: Final = 10**9
_UNITS: Final = (
    (7 * 86_400, "W"),
    (86_400, "D"),
    (3600, "h"),
    (60, "min"),
    (1, "s"),
)
_FRAMES: Final = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch", "ChunkedArray", "Array"),
    "numpy": ("ndarray",),
}


def is_data(value: Any) -> bool:
    """Whether a value is a frame, or several: in a list, a tuple, or a dictionary by symbol."""
    if isinstance(value, Mapping):
        return bool(value) and all(map(_is_frame, value.values()))
    if type(value) in {list, tuple}:
        return bool(value) and all(map(_is_frame, value))
    return _is_frame(value)


def _is_frame(value: Any) -> bool:
    """Whether a value has rows: of pandas, polars or pyarrow, or an array."""
    kinds = tuple(
        getattr(sys.modules[library], name, type(None))
        for library, names in _FRAMES.items()
        if library in sys.modules
        for name in names
    )
    if value is None or not isinstance(value, kinds) or rankings.is_ranking(value):
        return False
    return getattr(value, "ndim", 1) > 0


def dataset_of(data: Any) -> str:
    """Name a data set: by the attributes of its frames, and by the median step of its bars."""
    if isinstance(data, Mapping):
        frames = list(data.values())
        symbols = "+".join(sorted(map(as_text, data)))
    else:
        frames = list(data) if type(data) in {list, tuple} else [data]
        symbols = "+".join(filter(None, (_attribute(one, "symbol") for one in frames)))
    first = frames[0] if frames else None
    timeframe = _attribute(first, "timeframe") or shown_step(_step(first))
    return "/".join(filter(None, (_attribute(first, "source"), symbols, timeframe)))


def shown_step(step_ns: int) -> str:
    """Give the length of a bar as text, such as "1h"; nothing for none."""
    for seconds, unit in _UNITS:
        count, rest = divmod(step_ns, seconds * _SECOND)
        if count and not rest:
            return f"{count}{unit}"
    return f"{step_ns}ns" if step_ns > 0 else ""


def _attribute(frame: Any, name: str) -> str:
    attributes = getattr(frame, "attrs", None)
    value = attributes.get(name) if isinstance(attributes, dict) else None
    if value is None and name == "symbol":
        value = _only_symbol(frame)
    return "" if value is None else as_text(value)


def _only_symbol(frame: Any) -> Any:
    """Give the symbol of a frame that has a column of them, if all are one."""
    if type(frame).__name__ != "DataFrame" or "symbol" not in list(frame.columns):
        return None
    values = list(frame["symbol"].unique())
    return values[0] if len(values) == 1 else None


def _step(frame: Any) -> int:
    times = times_of(frame)
    return 0 if times is None else step_of(times)
