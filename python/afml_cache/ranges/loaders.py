"""The user's loader: how it is called, and how often."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.fetches import (
    NOTHING,
    Effort,
    Fetched,
    Nothing,
    Policy,
    fetch,
    make_policy,
)
from afml_cache.ranges.steps import Call, gives_awaitable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "NOTHING",
    "Effort",
    "Fetched",
    "Loader",
    "Nothing",
    "Policy",
    "fetch",
    "make_policy",
    "name_of",
]

_PARAMETER = inspect.Parameter
_PLACED: Final = (_PARAMETER.POSITIONAL_ONLY, _PARAMETER.POSITIONAL_OR_KEYWORD)


class Loader:
    """A user's function that gets bars from a vendor.

    Parameters
    ----------
    function
        Takes the values of the key, and from when to when, by these names or in this order. It may
        be a coroutine function.
    key
        Names of what tells series apart, such as `("symbol", "timeframe")`.
    start, end
        Names of its parameters for the two times.

    Attributes
    ----------
    name : str
        What it is called in messages.
    awaitable : bool
        Whether it is a coroutine function.

    Raises
    ------
    CacheConfigError
        It can't be called so, or it has a parameter that the key forgets.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        key: tuple[str, ...],
        *,
        start: str = "start",
        end: str = "end",
    ) -> None:
        self.function = _checked(function)
        self.name = name_of(function)
        self.awaitable = gives_awaitable(function)
        self._key = key
        self._times = (start, end)
        self._by_name = self._takes_names()

    def call(self, values: Mapping[str, object], start: object, end: object) -> Call:
        """Give the call for a series, by the values of its key, and a time range."""
        given = {name: values[name] for name in self._key}
        given |= dict(zip(self._times, (start, end), strict=True))
        if self._by_name:
            return Call(
                self.function, (), given, inline=self.awaitable, abandonable=True, apart=True
            )
        placed = tuple(given.values())
        return Call(self.function, placed, inline=self.awaitable, abandonable=True, apart=True)

    def around(self, function: Callable[..., Any]) -> Loader:
        """Give a loader around another function, which is called as this one is."""
        other = copy.copy(self)
        other.function = _checked(function)
        other.awaitable = gives_awaitable(function)
        return other

    def _takes_names(self) -> bool:
        """Whether it is called by keyword; else by position, which is checked here."""
        wanted = (*self._key, *self._times)
        try:
            parameters = inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # some that are written in C do not tell
            return False
        kinds = {each.kind for each in parameters.values()}
        anything = _PARAMETER.VAR_KEYWORD in kinds and _PARAMETER.VAR_POSITIONAL not in kinds
        if all(_takes(parameters.get(name), anything=anything) for name in wanted):
            forgotten = [name for name in _required(parameters) if name not in wanted]
            if forgotten:
                raise self._forgets(parameters, forgotten)
            return True
        self._check_places(parameters, wanted)
        return False

    def _check_places(self, parameters: _Parameters, wanted: tuple[str, ...]) -> None:
        required = _required(parameters)
        placed = [name for name, each in parameters.items() if each.kind in _PLACED]
        first = placed[: len(wanted)]
        if any(name not in first for name in required):
            unknown = [name for name in required if name not in wanted]
            raise self._forgets(parameters, unknown or required)
        more = any(each.kind is _PARAMETER.VAR_POSITIONAL for each in parameters.values())
        same = all(name not in wanted or name == wanted[place] for place, name in enumerate(first))
        # One of more that have defaults may be meant for something else than what it would get.
        sure = len(placed) == len(wanted) or all(name in required for name in first)
        if not (same and sure) or (len(first) < len(wanted) and not more):
            raise self._differs(parameters, wanted)

    def _differs(self, parameters: _Parameters, wanted: tuple[str, ...]) -> CacheConfigError:
        return CacheConfigError(
            f"`{self.name}` takes {_listed(parameters)}, and can't be called with "
            f"{_listed(wanted)}, by these names or in this order; name its own parameters, as in "
            f"{self._fitting(parameters)}, or pass a `lambda {', '.join(wanted)}: ...` that calls "
            "it"
        )

    def _forgets(self, parameters: _Parameters, names: list[str]) -> CacheConfigError:
        return CacheConfigError(
            f"`{self.name}` takes {_listed(names)}, which `key` does not have: series that differ "
            f"there would be taken for one; pass {self._fitting(parameters)}, or give it a default "
            "that all calls keep"
        )

    def _fitting(self, parameters: _Parameters) -> str:
        required = _required(parameters)
        if not set(self._times) <= set(parameters):  # by position, the times come last
            required = required[:-2]
        names = [
            name
            for name in parameters
            if name not in self._times and (name in required or name in self._key)
        ]
        quoted = ", ".join(f'"{name}"' for name in names or self._key)
        return f"key=({quoted}{'' if ', ' in quoted else ','})"


def _checked(function: Any) -> Any:
    if callable(function):
        return function
    message = (
        "the loader is a function that takes the parts of the key, start and end, and gives the "
        f"bars between; not {function!r}"
    )
    raise CacheConfigError(message)


_Parameters: TypeAlias = "Mapping[str, inspect.Parameter]"


def _takes(parameter: inspect.Parameter | None, *, anything: bool) -> bool:
    """Whether there is a parameter that takes a keyword."""
    if parameter is None:
        return anything
    return parameter.kind in {_PARAMETER.POSITIONAL_OR_KEYWORD, _PARAMETER.KEYWORD_ONLY}


def _required(parameters: _Parameters) -> list[str]:
    several = {_PARAMETER.VAR_POSITIONAL, _PARAMETER.VAR_KEYWORD}
    return [
        name
        for name, each in parameters.items()
        if each.default is _PARAMETER.empty and each.kind not in several
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def name_of(function: Any) -> str:
    """Give what a function is called in messages."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))
