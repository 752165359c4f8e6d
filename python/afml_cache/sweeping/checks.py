"""Options of sweeps and batches that are checked before anything is computed."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping.shown import shortly

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_function(function: Any) -> None:
    """Refuse what can't be called, such as items in the place of the function.

    Raises
    ------
    TypeError
        It is no function.
    """
    if not callable(function):
        message = (
            f"the function comes first, and its items behind it: {shortly(function)} is of type "
            f"{type(function).__name__}, which is not callable"
        )
        raise TypeError(message)


def refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options that there are not, and name the nearest one that there is.

    Raises
    ------
    TypeError
        There is one.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean `{near[0]}`?" if near else "it has " + _listed(names)
            message = f"{what} has no option `{name}`; {hint}"
            raise TypeError(message)


def checked_callable(name: str, given: Any) -> Any:
    """Give a function, or `None` where there is none."""
    if given is not None and not callable(given):
        message = f"`{name}` is a function of one argument, not {given!r}"
        raise CacheConfigError(message)
    return given


def checked_text(name: str, given: Any, example: str) -> str | None:
    """Give a name, or `None` where there is none."""
    if given is not None and (not isinstance(given, str) or not given):
        message = f'`{name}` is a name such as "{example}", not {given!r}'
        raise CacheConfigError(message)
    return given


def checked_flag(name: str, given: Any) -> bool:
    """Give a switch."""
    if not isinstance(given, bool):
        message = f"`{name}` is True or False, not {given!r}"
        raise CacheConfigError(message)
    return given


def checked_path(name: str, given: Any) -> Path:
    """Give a path."""
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        message = f"`{name}` must be a path, not {given!r}"
        raise CacheConfigError(message)
    return Path(given)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
