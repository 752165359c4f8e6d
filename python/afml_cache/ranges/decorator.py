"""`range_cached`: an existing function of bars, each of them fetched once."""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.arguments import arguments_of, is_same, names_of_parts
from afml_cache.ranges.cache import RangeCache
from afml_cache.ranges.effects import gives_awaitable
from afml_cache.ranges.loaders import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

_SELF = ("self", "cls")
_NONE: Final = inspect.Parameter.empty
# What takes any arguments, and what it has where there are none.
_EMPTY: Final[dict[Any, Any]] = {
    inspect.Parameter.VAR_POSITIONAL: (),
    inspect.Parameter.VAR_KEYWORD: {},
}
_TIMEFRAMES = (
    "timeframe",
    "interval",
    "freq",
    "frequency",
    "resolution",
    "bar_size",
    "granularity",
)


def range_cached(
    function: Any = None,
    /,
    *,
    start: str = "start",
    end: str = "end",
    timeframe: str | None = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """Have a function of bars fetch each bar once.

    Parameters
    ----------
    function : callable, optional
        Gives the bars of a range, as the loader of a `RangeCache` does; sync or async, and a method
        too.
    start, end : str
        The parameters that begin and end the range. An end of `None` is up to now.
    timeframe : str, optional
        The parameter that holds the timeframe, or the timeframe of every series, such as "1h"; by
        default the parameter with one of the usual names, such as timeframe, interval or freq.
    name : str, optional
        Names the cache; by default the function's module and qualified name. What has none, such as
        a `functools.partial` or an object that is called, needs one.
    **options
        Those of `RangeCache`. `key` names the parameters that tell series apart, by default all but
        `self`, start and end; the others keep their defaults. `closed` and `loader_closed` are
        "both" by default: what the function itself means by its end, and so what its callers mean.

    Returns
    -------
    callable
        The function, with the same signature: `self` is no part of the key, so that all objects of
        a class share the bars of a method. A call gives and raises what `RangeCache.get` does;
        `.cache` is that `RangeCache`. That of a method gives what is there, and has no object to
        fetch the rest with: only calls of the method do.

    Raises
    ------
    CacheConfigError
        The function has no such parameters, or none that holds the timeframe, or no name. A call
        raises it for an argument that `key` leaves out and that is not its default.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import range_cached
    >>> @range_cached(timeframe="1D")
    ... def get_bars(symbol, start, end):
    ...     return pd.DataFrame({"close": 1.0}, index=pd.date_range(start, end))
    >>> len(get_bars("AAPL", "2024-01-01", "2024-01-31"))
    31
    >>> get_bars.cache.gaps("AAPL", "2024-01-05", "2024-02-02")
    [(datetime.date(2024, 2, 1), datetime.date(2024, 2, 3))]
    """
    if function is None:
        return functools.partial(
            range_cached, start=start, end=end, timeframe=timeframe, name=name, **options
        )
    if isinstance(function, classmethod):
        message = f"put `@classmethod` above `@range_cached` of `{name_of(function.__func__)}`"
        raise CacheConfigError(message)
    if isinstance(function, staticmethod):
        inner = _Wrapped(function.__func__, (start, end), timeframe, name, options)
        return staticmethod(inner.wrapper())
    return _Wrapped(function, (start, end), timeframe, name, options).wrapper()


class _Wrapped:
    """One function, and its cache."""

    def __init__(
        self,
        function: Callable[..., Any],
        ends: tuple[str, str],
        timeframe: str | None,
        name: str | None,
        options: dict[str, Any],
    ) -> None:
        self.function = function
        self.start, self.end = ends
        self._given = ends, timeframe, name, options
        self._called = name_of(function)
        self.signature = self._signature()
        names = list(self.signature.parameters)
        self.owner = names[0] if names[0] in _SELF else None
        parts = [one for one in names if one not in {*ends, self.owner}]
        options = {"closed": "both", "loader_closed": "both", "key": tuple(parts), **options}
        key = names_of_parts(options["key"])
        self._check_key(key, parts)
        # What no part of the key tells apart, and each call leaves as it is.
        self._fixed = {
            one: self.signature.parameters[one].default for one in parts if one not in key
        }
        options["timeframe"] = self._timeframe(timeframe, key)
        loader = functools.partial(self._load, None)
        self.is_async = gives_awaitable(function)
        self.cache = RangeCache(name or self._full_name(), loader, **options)

    def __reduce__(self) -> Any:
        module, name = (getattr(self.function, one, "") for one in ("__module__", "__qualname__"))
        try:
            if _found(module, name) is self:
                return _found, (module, name)
        except (ImportError, AttributeError, ValueError):
            pass
        return _Wrapped, (self.function, *self._given)

    def _signature(self) -> inspect.Signature:
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            message = (
                "`range_cached` takes a function that tells its parameters, not "
                f"{self.function!r}: wrap it in one that has them"
            )
            raise CacheConfigError(message) from None
        names = list(signature.parameters)
        if self.start == self.end:
            message = f"`start` and `end` name two parameters of `{self._called}`, not {self.end!r}"
            raise CacheConfigError(message)
        for wanted in (self.start, self.end):
            if wanted not in names:
                message = (
                    f"`{self._called}` has no parameter `{wanted}`; it has "
                    f"{', '.join(names)}: name them with start=... and end=..."
                )
                raise CacheConfigError(message)
        return signature

    def _check_key(self, key: tuple[str, ...], parts: list[str]) -> None:
        unknown = [one for one in key if one not in parts]
        if unknown:
            message = (
                f"`{self._called}` has no parameter `{unknown[0]}` that could be part of its key; "
                f"key=... takes some of {', '.join(parts)}"
            )
            raise CacheConfigError(message)
        kinds = self.signature.parameters
        needed = [one for one in parts if one not in key and kinds[one].default is _NONE]
        needed = [one for one in needed if kinds[one].kind not in _EMPTY]
        if needed:
            message = (
                f"`{self._called}` takes `{needed[0]}`, which key=... leaves out: bars that differ "
                "there would be taken for the same; add it, or give it a default that all calls "
                "keep"
            )
            raise CacheConfigError(message)

    def _timeframe(self, timeframe: str | None, key: tuple[str, ...]) -> str:
        chosen = timeframe or next((one for one in key if one in _TIMEFRAMES), None)
        if chosen is None:
            message = (
                f"`{self._called}` has no parameter for the timeframe in its key "
                f"({', '.join(key)}); name it, or the timeframe of its bars, with "
                'timeframe="1D"'
            )
            raise CacheConfigError(message)
        return chosen

    def _full_name(self) -> str:
        name = getattr(self.function, "__qualname__", None)
        if name is None:
            message = (
                f"{self.function!r} has no name, by which its bars would be found: say "
                'name="..." to `range_cached`, another one for each that gives other bars'
            )
            raise CacheConfigError(message)
        return f"{self.function.__module__}.{name}"

    def _load(self, owner: Any, /, **given: Any) -> Any:
        start, end = given.pop("start"), given.pop("end")
        arguments = {**given, self.start: start, self.end: end}
        if self.owner is not None:
            arguments[self.owner] = self._checked(owner)
        bound = self.signature.bind_partial()
        bound.arguments.update(
            (name, arguments[name]) for name in self.signature.parameters if name in arguments
        )
        return self.function(*bound.args, **bound.kwargs)

    def _checked(self, owner: Any) -> Any:
        if owner is None:
            name = self._called.rpartition(".")[2]
            message = (
                f"`{self._called}` is a method, and its `.cache` has no `{self.owner}` to call it "
                f"with, so nothing can be fetched that way: call the method itself, as in "
                f"`engine.{name}(...)`, and what it has fetched is in the `.cache` too"
            )
            raise CacheConfigError(message)
        return owner

    def _loader(self, owner: Any) -> Any:
        return None if owner is None else functools.partial(self._load, owner)

    def asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
        """Tell from the arguments of a call whose it is, and what it asks for.

        That is by place: a part of the key may be named as an option of `get` is.
        """
        given = arguments_of(self.signature, self._called, args, kwargs)
        for name, default in self._fixed.items():
            usual = _EMPTY.get(self.signature.parameters[name].kind, default)
            if not is_same(given[name], usual):
                message = (
                    f"`{name}` is no part of the key of {self.cache!r}, so bars that differ there "
                    "would be taken for the same; add it to key=..."
                )
                raise CacheConfigError(message)
        owner = None if self.owner is None else given[self.owner]
        return owner, [given[name] for name in (*self.cache.key, self.start, self.end)]

    def wrapper(self) -> Any:
        """Give the function that answers instead of the one that fetches."""
        if self.is_async:

            @functools.wraps(self.function)
            async def answer(*args: Any, **kwargs: Any) -> Any:
                owner, asked = self.asked(args, kwargs)
                return await self.cache.aget(*asked, loader=self._loader(owner))

        else:

            @functools.wraps(self.function)
            def answer(*args: Any, **kwargs: Any) -> Any:
                owner, asked = self.asked(args, kwargs)
                return self.cache.get(*asked, loader=self._loader(owner))

        answer.cache = self.cache  # type: ignore[attr-defined]
        answer._wrapped = self  # type: ignore[attr-defined]  # noqa: SLF001 - for pickles of it
        return answer


def _found(module: str, name: str) -> Any:
    """Give what a decorated function is found by its name with: what its cache is made of."""
    return operator.attrgetter(f"{name}._wrapped")(importlib.import_module(module))
