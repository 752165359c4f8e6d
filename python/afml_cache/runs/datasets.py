"""What a data set is called where nobody says: by source, symbol and timeframe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

_SECOND: Final = 10**9
_UNITS: Final = (
    (7 * 86_400, "W"),
    (86_400, "D"),
    (3600, "h"),
    (60, "min"),
    (1, "s"),
)
_NAMES: Final = ("source", "symbol", "timeframe")


def dataset_of(data: Any) -> str:
    """Name a data set: by the attributes of its frames, and by the median step of its bars."""
    if isinstance(data, Mapping):
        frames = list(data.values())
        symbols = "+".join(sorted(map(str, data)))
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
        columns = getattr(frame, "columns", ())
        if name in list(columns):
            values = set(frame[name].unique())
            value = next(iter(values)) if len(values) == 1 else None
    return "" if value is None else str(value)


def _step(frame: Any) -> int:
    from afml_cache.runs.curves import _times, step_of

    numpy: Any = sys.modules.get("numpy")
    times = None if numpy is None else _times(frame, numpy)
    return 0 if times is None else step_of(times, numpy)
