"""What a cache of bars is made with, and asked for: looked at before anything is done."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import numbers
import operator
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import length_of
from afml_cache.ranges.timeframes import timeframe as timeframe_of
from afml_cache.ranges.zones import HIGHEST, LOWEST, zone_of

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Collection, Mapping, Sequence

    from afml_cache.ranges.timeframes import Timeframe

_ENDS = ("start", "end")
_NOW = "that gives whole nanoseconds since 1970 in UTC, such as `time.time_ns`"
_PLAIN = frozenset({str, int, float, bool, type(None)})


def name_of_cache(name: Any) -> str:
    """Give the name of a cache.

    Raises
    ------
    CacheConfigError
        It is none.
    """
    if not isinstance(name, str) or not name:
        message = f'the name of a `RangeCache` is a text such as "daily bars", not {name!r}'
        raise CacheConfigError(message)
    return name


def names_of_parts(key: Any) -> tuple[str, ...]:
    """Give the names of the parts of a key.

    Raises
    ------
    CacheConfigError
        They are no names, or not each once.
    """
    names = tuple(key) if isinstance(key, tuple | list) else (None,)
    each_once = len({*names, *_ENDS}) == len(names) + len(_ENDS)
    if not each_once or not all(isinstance(name, str) for name in names):
        message = (
            "`key` takes the names of the loader's parameters that tell series apart, each once "
            f'and without start and end, such as ("symbol", "timeframe"); not {key!r}'
        )
        raise CacheConfigError(message)
    return names


def common_timeframe(timeframe: Any, key: Collection[str]) -> Timeframe | None:
    """Give the timeframe of all series, or `None` where a part of the key says it.

    Raises
    ------
    CacheConfigError
        There is no such part, and no such timeframe.
    """
    if timeframe in key:
        return None
    try:
        return timeframe_of(timeframe)
    except CacheConfigError as error:
        parts = ", ".join(key) or "no parts"
        message = (
            "`timeframe` names the part of the key that says how long a bar is, or is the "
            f"timeframe of all series; the key has {parts}, and {error}"
        )
        raise CacheConfigError(message) from None


def check_zones(naive: Any, zone: Any) -> None:
    """See that the options `naive` and `zone` name zones.

    Raises
    ------
    CacheConfigError
        One of them does not.
    """
    if naive != "raise":
        zone_of(naive)
    if zone is not None:
        zone_of(zone, "zone")


def function_of(option: str, value: Any) -> Any:
    """Give the value of an option that is a function or `None`.

    Raises
    ------
    CacheConfigError
        It is something else.
    """
    if value is not None and not callable(value):
        message = f"`{option}` takes a function, not {value!r}"
        raise CacheConfigError(message)
    return value


def cost_of(value: Any) -> Any:
    """Give what a price function gave.

    Raises
    ------
    CacheConfigError
        It is no number.
    """
    if value is not None and not isinstance(value, numbers.Number):
        message = (
            f"`price` takes a function that gives what a call costs as a number; not {value!r}"
        )
        raise CacheConfigError(message)
    return value


def text_of(option: str, value: Any) -> Any:
    """Give the value of an option that is a text or `None`.

    Raises
    ------
    CacheConfigError
        It is something else.
    """
    if value is not None and not isinstance(value, str):
        message = f"`{option}` takes a text or None, not {value!r}"
        raise CacheConfigError(message)
    return value


@dataclass(frozen=True)
class Clock:
    """A function that a user gave as the clock; what it gives is looked at."""

    function: Callable[[], Any]

    def __call__(self) -> int:
        """Give what it gives.

        Raises
        ------
        CacheConfigError
            It is no whole number of nanoseconds, or one of thousands of years.
        """
        value = self.function()
        try:
            now = operator.index(value)
        except TypeError:
            now = HIGHEST
        if LOWEST <= now < HIGHEST:
            return now
        message = f"`clock` takes a function {_NOW}; the one given gives {value!r}"
        raise CacheConfigError(message)


def clock_of(value: Any) -> Callable[[], int]:
    """Give the option `clock`.

    Raises
    ------
    CacheConfigError
        It is no function.
    """
    if value is time.time_ns:
        return time.time_ns  # type: ignore[no-any-return]
    if not callable(value):
        message = f"`clock` takes a function {_NOW}, not {value!r}"
        raise CacheConfigError(message)
    return Clock(value)


def span_of_calls(value: Any) -> int | None:
    """Give the option `max_span` in nanoseconds.

    Raises
    ------
    CacheConfigError
        It is no length of time, or none at all.
    """
    length = None if value is None else length_of("max_span", value)
    if length == 0:
        message = (
            "`max_span` takes the time that the vendor may be asked for in one call, such as "
            f'"30D", or None for any; not {value!r}'
        )
        raise CacheConfigError(message)
    return length


def refuse_arguments(
    cache: str,
    names: Sequence[str],
    placed: Sequence[Any],
    named: Mapping[str, Any],
    optional: Sequence[str] = ("end",),
) -> None:
    """Say why bars can't be asked for so; nothing where they can.

    Parameters
    ----------
    names
        Of all arguments, of which those in `optional` need not be given.

    Raises
    ------
    CacheConfigError
        There are too many arguments, or too few, or one of them is given twice or is not known.
    """
    how = f"the bars of `{cache}` are asked for by {', '.join(names)}"
    if len(placed) > len(names):
        message = f"{how}; not by {len(placed)} values"
        raise CacheConfigError(message)
    unknown = [name for name in named if name not in names]
    if unknown:
        message = f"{how}; not by {', '.join(unknown)}"
        raise CacheConfigError(message)
    twice = [name for name in names[: len(placed)] if name in named]
    if twice:
        message = f"{how}; given twice, by place and by name: {', '.join(twice)}"
        raise CacheConfigError(message)
    missing = [name for name in names[len(placed) :] if name not in {*named, *optional}]
    if missing:
        message = f"{how}; not given: {', '.join(missing)}"
        raise CacheConfigError(message)


def known_by(values: Sequence[Any]) -> tuple[Any, ...] | None:
    """Give what the series of a key is found by at once; `None` where only its text tells.

    For dictionaries 1, 1.0 and `True` are one key.
    """
    kinds = tuple(map(type, values))
    if _PLAIN.issuperset(kinds) or all(map(_is_plain, kinds)):
        return (*kinds, *values)
    return None


def _is_plain(kind: type) -> bool:
    return kind in _PLAIN or issubclass(kind, (enum.Enum, dt.timedelta))


def apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the parts of a key that its owner could change later, while its bars stay the same."""
    return {
        name: copy.deepcopy(value) if isinstance(value, list | tuple | dict | set) else value
        for name, value in values.items()
    }


def arguments_of(
    signature: inspect.Signature, called: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Give the arguments of a call by name, those among them that have their defaults.

    Raises
    ------
    TypeError
        The function can't be called so.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        message = f"{called}() can't be called so: {error}"
        raise TypeError(message) from None
    bound.apply_defaults()
    return bound.arguments


def is_same(value: Any, other: Any) -> bool:
    """Tell whether an argument is its default; what compares to no truth, as arrays do, is not."""
    if value is other:
        return True
    try:
        return bool(value == other)
    except (TypeError, ValueError):
        return False
