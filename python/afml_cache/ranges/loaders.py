"""The user's loader: how it is called, and how often."""

from __future__ import annotations

import copy
import enum
import functools
import inspect
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.rates import make_rate_limit
from afml_cache.ranges.retries import Retries, Tries, make_retries
from afml_cache.ranges.steps import Call, Pause, gives_awaitable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from afml_cache.ranges.rates import RateLimit
    from afml_cache.ranges.retries import Kind
    from afml_cache.ranges.steps import Step

_log = logging.getLogger("afml_cache")

_KINDS: Final = ("empty", "retry", "fatal")
_PARAMETER = inspect.Parameter
_PLACED: Final = (_PARAMETER.POSITIONAL_ONLY, _PARAMETER.POSITIONAL_OR_KEYWORD)


class Nothing(enum.Enum):
    """The one value of `NOTHING`."""

    NOTHING = "nothing"

    def __repr__(self) -> str:
        return self.name


NOTHING: Final = Nothing.NOTHING
"""Stands for an answer without rows, where `classify` says that an exception means that."""


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
        self.function = function
        self.name = _name(function)
        self.awaitable = gives_awaitable(function)
        self._key = key
        self._times = (start, end)
        self._by_name = self._takes_names()

    def call(self, values: Mapping[str, object], start: object, end: object) -> Call:
        """Give the call for a series, by the values of its key, and a time range."""
        given = {name: values[name] for name in self._key}
        given |= dict(zip(self._times, (start, end), strict=True))
        if self._by_name:
            return Call(self.function, (), given, inline=self.awaitable, abandonable=True)
        placed = tuple(given.values())
        return Call(self.function, placed, inline=self.awaitable, abandonable=True)

    def around(self, function: Callable[..., Any]) -> Loader:
        """Give a loader around another function, which is called as this one is."""
        other = copy.copy(self)
        other.function = function
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
        if not same or (len(first) < len(wanted) and not more):
            text = (
                f"`{self.name}` takes {_listed(parameters)}, and can't be called with "
                f"{_listed(wanted)}, by these names or in this order; name in `key` the parameters "
                f"that tell series apart: {self._fitting(parameters)}"
            )
            raise CacheConfigError(text)

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
        quoted = ", ".join(f'"{name}"' for name in names)
        return f"key=({quoted}{',' if len(names) == 1 else ''})"


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


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all calls of a loader; `make_policy` checks the options."""

    retries: Retries
    limit: RateLimit | None = None
    classify: Callable[[Exception], Kind | None] | None = None

    def kind_of(self, error: Exception) -> Kind | None:
        """Ask the user's `classify` what an exception means; `None` for the usual."""
        kind = None if self.classify is None else self.classify(error)
        if kind is not None and kind not in _KINDS:
            message = (
                f"`classify` gave {kind!r} for a {type(error).__qualname__}; it gives "
                '"empty", "retry", "fatal", or None for the usual rules'
            )
            raise CacheConfigError(message) from error
        return kind


def make_policy(
    *,
    retries: object = 0,
    rate_limit: object = None,
    identical: object = None,
    classify: Any = None,
) -> Policy:
    """Check the options of a cache that say how its loader is called.

    Parameters
    ----------
    retries
        How many further tries a failed call gets, after 0.5 s and then twice as long each time, up
        to a minute, with some jitter; or a `Retrying` of tenacity's, whose `stop`, `wait` and
        `retry` are used, and no callback.
    rate_limit
        "60/10min", a list of such texts, or what pyrate-limiter makes.
    identical
        Time between two calls with the same arguments, in seconds or as a timedelta.
    classify
        Says what an exception means: "empty" that there are no rows, "retry", "fatal", or `None`
        for the usual rules.

    Raises
    ------
    CacheConfigError
        One of them can't be right, or needs a package that is not installed.
    """
    if classify is not None and not callable(classify):
        message = f"`classify` takes a function of an exception, not {classify!r}"
        raise CacheConfigError(message)
    return Policy(make_retries(retries), make_rate_limit(rate_limit, identical), classify)


@dataclass(slots=True)
class Effort:
    """What a fetch has taken so far: tries of the loader, and seconds waited between them."""

    tries: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the loader gave, or `NOTHING`, and what it took."""

    value: object
    effort: Effort


def fetch(
    loader: Loader,
    values: Mapping[str, object],
    start: object,
    end: object,
    policy: Policy,
    *,
    effort: Effort | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Step[Fetched]:
    """Call the loader, as soon as the rate limit lets it, and again where that may help.

    Parameters
    ----------
    loader, values, start, end
        What is called, and with what.
    policy
        How it is called.
    effort
        Kept up to date, so that it can be told of a fetch that failed too.
    clock, wall
        Seconds that only grow, and since 1970.

    Raises
    ------
    Exception
        What the last call raised.
    """
    effort = effort or Effort()
    call = loader.call(values, start, end)
    tries = Tries(policy.retries, call, clock, wall)
    while True:
        if policy.limit is not None:
            same = (*values.items(), start, end)
            effort.waited += yield from policy.limit.admit(loader.name, same, clock)
        effort.tries += 1
        try:
            value = yield call
        except CacheConfigError:  # said to who wrote it, and no answer of the vendor's
            raise
        except Exception as error:
            kind = policy.kind_of(error)
            if kind == "empty":
                return Fetched(NOTHING, effort)
            pause = yield from tries.pause_after(error, kind)
            if pause is None:
                raise
            _log.info("`%s` is tried again in %.1f s after %r", loader.name, pause, error)
        else:
            pause = yield from tries.pause_instead_of(value)
            if pause is None:
                return Fetched(value, effort)
            del value
        yield Pause(pause)
        effort.waited += pause
