"""One look at a dataset, as it is logged."""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    import types

Record = dict[str, Any]


def record_of(
    dataset_name: str, start_date: Any, end_date: Any, purpose: str, data_shape: Any
) -> Record:
    """Describe a look that is taken now.

    Raises
    ------
    CacheConfigError
        A name that is no text of one line.
    """
    return {
        "timestamp": dt.datetime.now(dt.timezone.utc).isoformat(),
        "dataset": checked_name("dataset_name", dataset_name),
        "start_date": _text(start_date),
        "end_date": _text(end_date),
        "purpose": checked_name("purpose", purpose),
        "data_shape": _text(data_shape),
        "caller": _caller(),
    }


def is_name(text: str) -> bool:
    """Whether a text is one line that has something in it."""
    return bool(text.strip()) and text.isprintable()


def checked_name(option: str, name: object) -> str:
    """Give a name of one line.

    Raises
    ------
    CacheConfigError
        It is none.
    """
    if isinstance(name, str) and is_name(name):
        return str(name)
    message = f"`{option}` takes a text of one line, not {name!r}"
    raise CacheConfigError(message)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _caller() -> str:
    """Name who asked for the data: the nearest frame that is not of this package."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - nothing else tells it
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] != "afml_cache":
            code = frame.f_code
            file = os.path.basename(code.co_filename)  # noqa: PTH119 - made for each look
            return f"{file}:{code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown"
