"""Names as MLflow takes them."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from afml_cache._native import digest

if TYPE_CHECKING:
    from collections.abc import Container

LONGEST_NAME: Final = 250
_LEGAL: Final = re.compile(r"[/\w.\- :]+")
_ILLEGAL: Final = re.compile(r"[^\w.\- :]")
_KEPT: Final = 200
_DIGITS: Final = 8


def legal(name: str) -> str:
    """Give a name of a parameter, metric or tag as it is, or one like it that MLflow takes.

    MLflow takes up to 250 letters, digits and `_-.: /`, and no path that means another one. What it
    does not take is replaced, and digits of the digest behind it keep such names apart.

    Examples
    --------
    >>> legal("params.n_estimators")
    'params.n_estimators'
    >>> legal("win rate, %")
    'win rate_ _.c3539fbf'
    """
    if len(name) <= LONGEST_NAME and _LEGAL.fullmatch(name) and _is_its_own_path(name):
        return name
    cleaned = _ILLEGAL.sub("_", name)[:_KEPT]
    behind = f".{digest(name)[:_DIGITS]}"
    return (f"_{cleaned}" if cleaned.startswith(".") else cleaned) + behind


def _is_its_own_path(name: str) -> bool:
    normal = posixpath.normpath(name)
    return normal == name and normal != "." and not normal.startswith(("..", "/"))


def free(name: str, taken: Container[str], told_by: str) -> str:
    """Give a legal name that is not among those taken, the same for the same `told_by`."""
    found = legal(name)
    return found if found not in taken else f"{found[:_KEPT]}.{digest(told_by)[:_DIGITS]}"


def without_credentials(uri: str) -> str:
    """Give a URI as it may be shown: without a user's name and password."""
    scheme, separator, rest = uri.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}" if separator else uri
