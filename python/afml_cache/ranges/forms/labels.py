"""Names of columns: any label of pandas as JSON, and as the one text that names it inside."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import LoaderError

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = Any

# Begins the texts inside that are no name of the user's own.
_ESCAPE: Final = "#:"
_PLAIN: Final = (str, bool, int, type(None))


def encode(label: object) -> Json:
    """Write a label as JSON.

    Raises
    ------
    LoaderError
        It is no text, number, `None` or tuple of those.
    """
    if type(label) in _PLAIN:
        return label
    if type(label) is float:
        return {"float": label.hex()}
    if type(label) is tuple:
        return {"tuple": [encode(part) for part in label]}
    message = (
        f"the name {label!r} of a column is a `{type(label).__name__}`, which can't be kept; name "
        "columns by texts, numbers, or tuples of them"
    )
    raise LoaderError(message)


def decode(text: Json) -> Any:
    """Read what `encode` wrote.

    Raises
    ------
    ValueError
        It was not written by `encode`.
    """
    if type(text) in _PLAIN:
        return text
    if isinstance(text, dict) and len(text) == 1:
        if "float" in text:
            return settled(float.fromhex(text["float"]))
        if "tuple" in text:
            return tuple(decode(part) for part in text["tuple"])
    message = f"no label: {text!r}"
    raise ValueError(message)


def settled(label: Any) -> Any:
    """Give a label that equals itself: of "not a number" there are many."""
    return math.nan if type(label) is float and math.isnan(label) else label


def inside(label: object, occurrence: int = 0) -> str:
    """Give the text that names a label inside, always the same one, whatever its neighbours are.

    Parameters
    ----------
    label
        The user's own name of a column.
    occurrence
        How many columns before it have the same name.
    """
    if isinstance(label, str) and not occurrence and _is_plain(label):
        return label
    return _ESCAPE + json.dumps([encode(label), occurrence])


def _is_plain(label: str) -> bool:
    try:
        label.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which polars does not take
        return False
    return bool(label) and not label.startswith(_ESCAPE)  # without a name polars invents one


def marks(name: str) -> str:
    """Name the column that says of another's cells what its own values can't."""
    return f"{_ESCAPE}marks {name}"


def all_inside(labels: Iterable[object]) -> list[str]:
    """Give a text for each label, all different."""
    met: dict[str, int] = {}
    names = []
    for label in labels:
        key = inside(label)
        names.append(inside(label, met.get(key, 0)))
        met[key] = met.get(key, 0) + 1
    return names


def readable(labels: Iterable[object]) -> list[str]:
    """Give a text for each label that a reader knows it by, all different."""
    names: list[str] = []
    for label in labels:
        name = text = str(label)
        number = 1
        while name in names:
            name = f"{text}_{number}"
            number += 1
        names.append(name)
    return names
