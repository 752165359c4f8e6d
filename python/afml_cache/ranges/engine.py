"""`CachedDataEngine`: any object with `get_bars`, each of its bars fetched once."""

from __future__ import annotations

import inspect
from typing import Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.arguments import arguments_of, is_same
from afml_cache.ranges.cache import RangeCache
from afml_cache.ranges.effects import gives_awaitable

# What takes any arguments: they tell series apart only where the key names them.
_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class CachedDataEngine:
    """An engine of bars around another one, which is asked for what is missing.

    `get_bars` has the parameters of the engine's own, gives and raises what `RangeCache.get` does,
    and is a coroutine function where the engine's is one.

    Parameters
    ----------
    engine
        Has `get_bars(symbol, start, end, timeframe)`, sync or async, both ends inclusive. All its
        other attributes are this one's too, and are set and deleted there.
    name : str, optional
        Names the cache; by default the class of the engine. Two engines of one class whose bars
        differ, by feed or account, need a name each.
    **options
        Those of `RangeCache`; `key` names the parameters of `get_bars` that tell series apart, by
        default all but start and end, and `closed` and `loader_closed` are "both" by default, so
        that `get_bars(symbol, now, now, timeframe)` is one bar.

    Attributes
    ----------
    cache : RangeCache
        Where its bars are kept: `prefetch`, `coverage`, `stats` and so on.

    Raises
    ------
    CacheConfigError
        `engine` has no `get_bars`, or an option can't be right. `get_bars` raises it for an
        argument that `key` leaves out and that is not its default.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import CachedDataEngine
    >>> class Vendor:
    ...     name = "a vendor"
    ...     def get_bars(self, symbol, start, end, timeframe):
    ...         return pd.DataFrame({"close": 1.0}, index=pd.date_range(start, end))
    >>> engine = CachedDataEngine(Vendor())
    >>> engine.cache.prefetch("AAPL", "1D", "2024-01-01", "2024-01-31")
    1
    >>> len(engine.get_bars("AAPL", "2024-01-05", "2024-01-05", "1D"))
    1
    >>> engine.name, engine.cache.stats()["api_calls"]
    ('a vendor', 1)
    """

    cache: RangeCache
    _engine: Any
    _signature: inspect.Signature
    _is_awaited: bool

    def __init__(self, engine: Any, *, name: str | None = None, **options: Any) -> None:
        get_bars = getattr(engine, "get_bars", None)
        if not callable(get_bars):
            wanted = "get_bars(symbol, start, end, timeframe)"
            message = f"{type(engine).__qualname__} has no method `{wanted}`"
            raise CacheConfigError(message)
        kind = type(engine)
        signature = inspect.signature(get_bars)
        kinds = {name: one.kind for name, one in signature.parameters.items()}
        key = tuple(
            name for name in kinds if name not in {"start", "end"} and kinds[name] not in _OPEN
        )
        options = {"closed": "both", "loader_closed": "both", "key": key, **options}
        cache = RangeCache(name or f"{kind.__module__}.{kind.__qualname__}", get_bars, **options)
        # The engine may have attributes of these names.
        vars(self).update(
            cache=cache,
            _engine=engine,
            _signature=signature,
            _is_awaited=gives_awaitable(get_bars),
        )

    @property
    def get_bars(self) -> Any:
        """Give bars, by the parameters of the engine's own `get_bars`."""
        return self._asynchronous if self._is_awaited else self._plain

    def __getattr__(self, name: str) -> Any:
        # No engine is made yet while a copy is; and how this one is copied is its own business.
        if name == "_engine" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._engine, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_of_engine(name):
            setattr(self._engine, name, value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_of_engine(name):
            delattr(self._engine, name)
        else:
            super().__delattr__(name)

    def _is_of_engine(self, name: str) -> bool:
        """Whether an attribute is the engine's: it has it, and neither this nor its class does."""
        own = vars(self)
        is_own = name in own or hasattr(type(self), name)
        return not is_own and "_engine" in own and hasattr(own["_engine"], name)

    def __repr__(self) -> str:
        return f"CachedDataEngine({self._engine!r})"

    def _plain(self, *args: Any, **kwargs: Any) -> Any:
        placed, named = self._asked(args, kwargs)
        return self.cache.get(*placed, **named)

    async def _asynchronous(self, *args: Any, **kwargs: Any) -> Any:
        placed, named = self._asked(args, kwargs)
        return await self.cache.aget(*placed, **named)

    def _asked(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Tell what a call asks for: by place, since parts may be named as options of `get` are."""
        called = f"{type(self._engine).__qualname__}.get_bars"
        asked: dict[str, Any] = {}
        for name, value in arguments_of(self._signature, called, args, kwargs).items():
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                asked |= value
            elif kind is not inspect.Parameter.VAR_POSITIONAL or value:
                asked[name] = value
        forgotten = set(asked) - {*self.cache.key, "start", "end"}
        defaults = {name: one.default for name, one in self._signature.parameters.items()}
        for name in sorted(forgotten):
            if not is_same(asked.pop(name), defaults.get(name, inspect.Parameter.empty)):
                message = (
                    f"`{name}` is no part of the key of {self.cache!r}, so bars that differ there "
                    f"would be taken for the same; add it to key=..."
                )
                raise CacheConfigError(message)
        names = (*self.cache.key, "start", "end")
        if all(name in asked for name in names):
            return [asked[name] for name in names], {}
        return [], asked
