"""Scalars of Arrow; its types, fields and schemas are what pickle makes of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import reduced
from afml_cache._kinds.model import Apart, refusal

if TYPE_CHECKING:
    from collections.abc import Callable


def scalar(value: Any) -> Apart:
    """Describe a scalar by the array of one element that holds it."""
    pyarrow = sys.modules["pyarrow"]
    try:
        alone = pyarrow.repeat(value, 1)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise refusal(value, "which Arrow can't repeat", "pass an array of it") from error
    return Apart("arrow scalar", ((".__class__", type(value)), ("", alone)))


def buffer(value: Any) -> Apart:
    """Describe a buffer by its bytes."""
    return Apart("arrow buffer", ((".__class__", type(value)), ("", value.to_pybytes())))


def dataset(value: Any) -> Apart:
    """Refuse a dataset: pickle knows its files by their names, which do not tell their content."""
    remedy = "pass `.to_table()`, or its `.files` as a parameter named in files=(...)"
    raise refusal(value, "which reads files when it is used", remedy)


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {
    "Scalar": scalar,
    "Buffer": buffer,
    "DataType": reduced,
    "Dataset": dataset,
    "Scanner": dataset,
    "Fragment": dataset,
}
