"""`range_cached`: an existing function of bars, each of them fetched once."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.cache import RangeCache

if TYPE_CHECKING:
    from collections.abc import Callable

_SELF = ("self", "cls")
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
    function: Callable[..., Any] | None = None,
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
        Names the cache; by default the function's module and qualified name.
    **options
        Those of `RangeCache`. `closed` and `loader_closed` are "both" by default: what the function
        itself means by its end, and so what its callers mean.

    Returns
    -------
    callable
        The function, with the same signature: every parameter but `self`, start and end is part of
        the key, so that all objects of a class share the bars of a method. A call gives and raises
        what `RangeCache.get` does; `.cache` is that `RangeCache`.

    Raises
    ------
    CacheConfigError
        The function has no such parameters, or none that holds the timeframe.

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
        self.start, self.end = start, end = ends
        self.signature = inspect.signature(function)
        names = list(self.signature.parameters)
        for wanted in (start, end):
            if wanted not in names:
                message = (
                    f"`{function.__qualname__}` has no parameter `{wanted}`; it has "
                    f"{', '.join(names)}: name them with start=... and end=..."
                )
                raise CacheConfigError(message)
        self.owner = names[0] if names[0] in _SELF else None
        key = tuple(one for one in names if one not in {start, end, self.owner})
        chosen = timeframe or next((one for one in key if one in _TIMEFRAMES), None)
        if chosen is None:
            message = (
                f"`{function.__qualname__}` has no parameter for the timeframe; name it, or the "
                'timeframe of its bars, with timeframe="1D"'
            )
            raise CacheConfigError(message)
        options = {"closed": "both", "loader_closed": "both", **options}
        called = name or f"{function.__module__}.{function.__qualname__}"
        loader = functools.partial(self._load, None)
        self.is_async = inspect.iscoroutinefunction(function)
        self.cache = RangeCache(called, loader, key=key, timeframe=chosen, **options)

    def _load(self, owner: Any, **given: Any) -> Any:
        start, end = given.pop("start"), given.pop("end")
        arguments = {**given, self.start: start, self.end: end}
        if self.owner is not None:
            arguments[self.owner] = owner
        bound = self.signature.bind_partial()
        bound.arguments.update(
            (name, arguments[name]) for name in self.signature.parameters if name in arguments
        )
        return self.function(*bound.args, **bound.kwargs)

    def _loader(self, owner: Any) -> Any:
        return None if owner is None else functools.partial(self._load, owner)

    def asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Tell from the arguments of a call whose it is, and what it asks for."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        owner = given.pop(self.owner) if self.owner is not None else None
        start, end = given.pop(self.start), given.pop(self.end)
        return owner, {**given, "start": start, "end": end}

    def wrapper(self) -> Any:
        """Give the function that answers instead of the one that fetches."""
        if self.is_async:

            @functools.wraps(self.function)
            async def answer(*args: Any, **kwargs: Any) -> Any:
                owner, asked = self.asked(args, kwargs)
                return await self.cache.aget(loader=self._loader(owner), **asked)

        else:

            @functools.wraps(self.function)
            def answer(*args: Any, **kwargs: Any) -> Any:
                owner, asked = self.asked(args, kwargs)
                return self.cache.get(loader=self._loader(owner), **asked)

        answer.cache = self.cache  # type: ignore[attr-defined]
        return answer
