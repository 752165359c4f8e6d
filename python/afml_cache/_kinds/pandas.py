"""Objects of pandas other than frames, indexes, arrays and scalars."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import attributes, instance, library_class
from afml_cache._kinds.model import Apart, Part
from afml_cache._origin import top_level

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN: Final = frozenset(
    {
        *("_mgr", "_item_cache", "_attrs", "_flags", "_is_copy", "_name"),
        *("_cacher", "_index", "_cache", "_hidden_attrs", "_typ", "_metadata"),
    }
)
# Attributes that came later, with what every older version does.
_LATER: Final = {"method": 3}


def offset(value: Any) -> Apart:
    """Describe a date offset by its parameters, alike under every version."""
    names = sorted(set(value._attributes))  # noqa: SLF001 - the public `kwds` lacks calendars
    found = [(f".{name}", getattr(value, name)) for name in names if hasattr(value, name)]
    parts = [part for part in found if _LATER.get(part[0][1:], part) != part[1]]
    return Apart("offset", (*_class_of(value), *parts))


def dtype(value: Any) -> Apart | None:
    """Describe one of pandas' own dtypes by its parameters; a user's is an instance."""
    if not _is_own(value):
        return None
    names = value._metadata  # noqa: SLF001 - what pandas itself compares
    return Apart(
        "dtype", (*_class_of(value), *((f".{name}", getattr(value, name)) for name in names))
    )


def frame(value: Any) -> Apart:
    """Describe a frame of a subclass: as a frame, and what the subclass adds."""
    return _subclass(value, sys.modules["pandas"].DataFrame)


def series(value: Any) -> Apart:
    """Describe a series of a subclass: as a series, and what the subclass adds."""
    return _subclass(value, sys.modules["pandas"].Series)


def _subclass(value: Any, base: Any) -> Apart:
    plain = base(value, copy=False)
    plain.attrs = value.attrs
    # copies have each of these, be it `None`; a column of the same name is none of them
    names = [name for name in type(value)._metadata if name not in _OWN]  # noqa: SLF001
    added = ((f".{name}", value.__dict__.get(name)) for name in names)
    return instance(value, ("", plain), *added, without=_OWN.union(names))


def _class_of(value: object) -> tuple[Part, ...]:
    if not _is_own(value):
        return ((".__class__", type(value)), *attributes(value, ("_offset", "_use_relativedelta")))
    # a value that every version has, so that the version counts
    return library_class(value, "pandas"), (".__package__", sys.modules["pandas"].NaT)


def _is_own(value: object) -> bool:
    return top_level(type(value).__module__) == "pandas"


TYPES: Final[dict[str, Callable[[Any], Apart | None]]] = {
    "BaseOffset": offset,
    "ExtensionDtype": dtype,
    "DataFrame": frame,
    "Series": series,
}
