"""Values as tables, JSON and messages can have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, Final

from afml_cache.runs.canonical import plain

# What 64 bits hold, and how much of a text is shown.
_MOST: Final = 2**63 - 1
_LONGEST: Final = 200


def metric(value: Any) -> float | int | str:
    """Give a metric as it is ranked: a number, NaN for none, and anything else as text."""
    value = plain(value)
    if value is None:
        return math.nan
    if isinstance(value, int) and -_MOST <= value <= _MOST:
        return int(value)
    if isinstance(value, Real | Decimal):
        try:
            return float(value)
        except (OverflowError, TypeError, ValueError):  # beyond floats; NumPy's lengths of time
            return as_text(value)
    return as_text(value)


def as_json(value: Any) -> Any:
    """Give a value as JSON can have it; what it has no form for is told in a few words."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {as_text(plain(name)): as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(each) for each in value]
    if value is None or type(value) in {bool, int, float, str}:
        return value
    return as_text(value)


def as_text(value: Any) -> str:
    """Give a value in a few words."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {shape}"
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - whatever a class of the user's has for it
        text = f"<{type(value).__name__}>"
    text = text.encode(errors="backslashreplace").decode()  # half a surrogate pair is no text
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
