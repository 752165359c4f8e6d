"""Values as one line of text: plain ones as they are, others by their content and shape."""

from __future__ import annotations

import datetime as dt
import enum
import pathlib
import types
import uuid
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from afml_cache._native import digest
from afml_cache._values import attribute
from afml_cache.exceptions import UncacheableArgumentError

_PLAIN: Final = (type(None), bool, int, float, complex, str)
_TOLD: Final = (dt.timedelta, Decimal, Fraction, uuid.UUID, pathlib.PurePath, range, slice)
_NUMPY_SCALARS: Final = "generic"
# Containers nested deeper, or with more elements, are told by their content.
_DEPTH: Final = 5
_MOST_ELEMENTS: Final = 10_000
_SHORT_BYTES: Final = 64


def plain(value: Any) -> str | None:
    """Give a scalar as text; `None` for what is none."""
    try:
        return _plain(value)
    except Exception:  # noqa: BLE001 - a class of somebody's, or an integer of too many digits
        return None


def key(value: Any) -> str:
    """Give a key of a mapping as text: a scalar as it is, another one by its content."""
    text = plain(value)
    return content(value) if text is None else text


def _plain(value: Any) -> str | None:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat() if value == value else "NaT"  # noqa: PLR0124 - pandas' NaT
    if isinstance(value, _TOLD) or _is_numpy_scalar(value):
        return str(value)
    if isinstance(value, bytes) and len(value) <= _SHORT_BYTES:
        return repr(value)
    return None


def _is_numpy_scalar(value: object) -> bool:
    return any(
        base.__name__ == _NUMPY_SCALARS and base.__module__ == "numpy"
        for base in type(value).__mro__
    )


def inline(value: Any, depth: int = 0) -> str | None:
    """Give a container of scalars as Python writes it; `None` where something else is in it."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _inline_elements(value, depth)
    if isinstance(value, Mapping):
        return _inline_items(value, depth)
    return plain(value)


def _inline_elements(value: Any, depth: int) -> str | None:
    if depth > _DEPTH or len(value) > _MOST_ELEMENTS:
        return None
    texts = [inline(element, depth + 1) for element in value]
    told = [text for text in texts if text is not None]
    if len(told) < len(texts):
        return None
    if isinstance(value, list):
        return f"[{', '.join(told)}]"
    if isinstance(value, tuple):
        return f"({', '.join(told)}{',' if len(told) == 1 else ''})"
    return f"{{{', '.join(sorted(told))}}}"


def _inline_items(value: Mapping[Any, Any], depth: int) -> str | None:
    if depth > _DEPTH or len(value) > _MOST_ELEMENTS:
        return None
    told = []
    for key, element in value.items():
        texts = inline(key, depth + 1), inline(element, depth + 1)
        if None in texts:
            return None
        told.append(f"{texts[0]}: {texts[1]}")
    return f"{{{', '.join(told)}}}"


def content(value: Any) -> str:
    """Give what tells a value by its content: its type, its shape or length, and its digest."""
    words = [_name(value), _shape(value)]
    try:
        words.append(digest(value))
    except UncacheableArgumentError:
        words.append("(has no content to tell it by)")
    except Exception as error:  # noqa: BLE001 - whatever a class of somebody's raises
        words.append(f"(its content can't be read: {type(error).__name__})")
    return " ".join(word for word in words if word)


def _name(value: Any) -> str:
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return type(value).__name__


def _shape(value: Any) -> str:
    shape = attribute(value, "shape")
    if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
        return str(shape)
    if isinstance(value, list | tuple | set | frozenset | Mapping | str | bytes):
        return f"({len(value)},)"
    return ""
