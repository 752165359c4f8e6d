"""`CachedDataEngine`: any object with `get_bars`, each of its bars fetched once."""

from __future__ import annotations

import inspect
from typing import Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.cache import RangeCache
from afml_cache.ranges.effects import gives_awaitable


class CachedDataEngine:
    """An engine of bars around another one, which is asked for what is missing.

    Parameters
    ----------
    engine
        Has `get_bars(symbol, start, end, timeframe)`, sync or async, both ends inclusive. All its
        other attributes are this one's too.
    name : str, optional
        Names the cache; by default the class of the engine.
    **options
        Those of `RangeCache`; `key` names the parameters of `get_bars` that tell series apart, by
        default all but start and end.

    Attributes
    ----------
    cache : RangeCache
        Where its bars are kept: `prefetch`, `coverage`, `stats` and so on.

    Raises
    ------
    CacheConfigError
        `engine` has no `get_bars`.

    Examples
    --------
    >>> from afml_cache import CachedDataEngine
    >>> class Vendor:
    ...     def get_bars(self, symbol, start, end, timeframe): ...
    >>> engine = CachedDataEngine(Vendor(), calendar="XNYS")
    >>> engine.cache.key
    ('symbol', 'timeframe')
    """

    def __init__(self, engine: Any, *, name: str | None = None, **options: Any) -> None:
        get_bars = getattr(engine, "get_bars", None)
        if get_bars is None:
            message = (
                f"{type(engine).__qualname__} has no `get_bars(symbol, start, end, timeframe)`"
            )
            raise CacheConfigError(message)
        kind = type(engine)
        self._engine = engine
        self._signature = inspect.signature(get_bars)
        key = tuple(name for name in self._signature.parameters if name not in {"start", "end"})
        options = {"closed": "both", "loader_closed": "both", "key": key, **options}
        self.cache = RangeCache(
            name or f"{kind.__module__}.{kind.__qualname__}", get_bars, **options
        )
        self.get_bars = self._asynchronous if gives_awaitable(get_bars) else self._plain

    def __getattr__(self, name: str) -> Any:
        if name == "_engine":  # not made yet: a copy is being made
            raise AttributeError(name)
        return getattr(self._engine, name)

    def __repr__(self) -> str:
        return f"CachedDataEngine({self._engine!r})"

    def _plain(self, *args: Any, **kwargs: Any) -> Any:
        return self.cache.get(**self._asked(args, kwargs))

    async def _asynchronous(self, *args: Any, **kwargs: Any) -> Any:
        return await self.cache.aget(**self._asked(args, kwargs))

    def _asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        asked = dict(bound.arguments)
        forgotten = set(asked) - {*self.cache.key, "start", "end"}
        defaults = {name: one.default for name, one in self._signature.parameters.items()}
        for name in forgotten:
            if asked.pop(name) != defaults[name]:
                message = (
                    f"`{name}` is no part of the key of {self.cache!r}, so bars that differ there "
                    f"would be taken for the same; add it to key=..."
                )
                raise CacheConfigError(message)
        return asked
