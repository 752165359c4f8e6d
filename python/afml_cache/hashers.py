"""Keys for objects whose class can't be changed: `register_hasher`."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from afml_cache._native import Function
from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_hasher"]

H = TypeVar("H", bound="Callable[[Any], object]")

_BUILT_IN: Final = frozenset(
    id(kind)
    for kind in (
        *(object, type(None), type(...), bool, int, float, complex, str, bytes, bytearray),
        *(tuple, list, dict, set, frozenset, range, slice),
        *(types.FunctionType, Function, types.GeneratorType, types.CoroutineType),
        types.AsyncGeneratorType,
    )
)
# The classes of libraries that the native walk handles, by module and name.
_NAMES: Final = {
    "datetime": "datetime date time timedelta timezone",
    "zoneinfo": "ZoneInfo",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "pathlib": "PosixPath WindowsPath PurePosixPath PureWindowsPath",
    "numpy": "ndarray memmap generic dtype",
    "pandas": (
        "DataFrame Series Index RangeIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex "
        "CategoricalIndex MultiIndex Timestamp Timedelta NaTType NAType Period Interval "
        "DatetimeArray TimedeltaArray PeriodArray IntervalArray Categorical IntegerArray "
        "FloatingArray BooleanArray StringArray StringArrayNumpySemantics ArrowStringArray "
        "ArrowStringArrayNumpySemantics SparseArray ArrowExtensionArray NumpyExtensionArray "
        "PandasArray"
    ),
    "polars": "DataFrame Series",
    "pyarrow": "Array ChunkedArray RecordBatch Table",
}
# Subclasses of these that come with the library are handled as well.
_FAMILIES: Final = frozenset({("numpy", "generic"), ("numpy", "dtype"), ("pyarrow", "Array")})

# By address, since a metaclass may define `__hash__`; the class is held.
_hashers: dict[int, tuple[type, Callable[[Any], object]]] = {}


@overload
def register_hasher(kind: type, function: H, /) -> H: ...
@overload
def register_hasher(kind: type, /) -> Callable[[H], H]: ...
def register_hasher(kind: type, function: Any = None, /) -> Any:
    """Say what counts of the instances of a class that is not yours to change.

    A class of your own says it by a method `__cache_key__()`, which comes first. Works as a
    decorator as well: `@register_hasher(Thing)`.

    Parameters
    ----------
    kind
        A class; its subclasses are meant, too, unless they have a hasher of their own.
    function
        Takes an instance and returns what tells it apart from others: any value that can be
        digested. It is called twice and must give equal content. A class that has one already
        gets this one instead.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    CacheConfigError
        `kind` is no class, or one that is digested natively, by its whole content: `int`, a
        NumPy array, a DataFrame.

    Examples
    --------
    >>> from afml_cache import digest, register_hasher
    >>> class Feed:
    ...     def __init__(self, symbol):
    ...         self.symbol = symbol
    ...         self.connection = object()
    >>> @register_hasher(Feed)
    ... def key_of_feed(feed):
    ...     return feed.symbol
    >>> digest(Feed("EURUSD")) == digest(Feed("EURUSD"))
    True
    >>> digest(Feed("EURUSD")) == digest(Feed("GBPUSD"))
    False
    """
    given: object = kind
    if not isinstance(given, type):
        message = f"register_hasher takes a class, not {kind!r}"
        raise CacheConfigError(message)
    if _is_native(kind):
        message = (
            f"`{kind.__module__}.{kind.__qualname__}` is digested natively, by its whole content; "
            "register a hasher for a class of its own"
        )
        raise CacheConfigError(message)
    if function is None:
        return lambda function: register_hasher(kind, function)
    if not callable(function):
        message = f"register_hasher takes a function of one argument, not {function!r}"
        raise CacheConfigError(message)
    _hashers[id(kind)] = (kind, function)
    return function


def hasher_of(kind: type) -> Callable[[Any], object] | None:
    """Give the hasher of a class or of the nearest of its bases."""
    if not _hashers:
        return None
    found = (_hashers.get(id(base)) for base in kind.__mro__)
    return next((entry[1] for entry in found if entry), None)


def _is_native(kind: type) -> bool:
    if id(kind) in _BUILT_IN or issubclass(kind, type):
        return True
    top = kind.__module__.partition(".")[0]
    if top == "pytz" or _is_named(kind, top):
        return True
    families = (base for base in kind.__mro__ if (top, base.__qualname__) in _FAMILIES)
    return any(_is_named(base, top) for base in families)


def _is_named(kind: type, top: str) -> bool:
    named = kind.__qualname__ in _NAMES.get(top, "").split()
    return named and getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind
