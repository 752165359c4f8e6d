"""Values in a few words."""

from __future__ import annotations

import reprlib
from typing import Any

_short = reprlib.Repr()
_short.maxother = _short.maxstring = _short.maxlong = 60
_short.maxdict = _short.maxlist = _short.maxtuple = 4


def shortly(value: Any) -> str:
    """Give a value in at most some eighty characters, whatever its class makes of that."""
    try:
        return _short.repr(value).replace("\n", " ")[:160]
    except Exception:  # noqa: BLE001 - its own fault
        return f"a {type(value).__name__}"
