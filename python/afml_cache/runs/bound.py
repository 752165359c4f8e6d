"""A cached backtest that is a method, bound to its instance or class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect

    from afml_cache.runs.decorator import CachedBacktest


class BoundBacktest:
    """A cached backtest with its first argument; it has all that the backtest has."""

    def __init__(self, backtest: CachedBacktest, instance: Any) -> None:
        self.__func__ = backtest
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give the answer of a backtest: kept, or computed and then kept."""
        return self.__func__(self.__self__, *args, **kwargs)

    def run_id(self, *args: Any, **kwargs: Any) -> str:
        """Give the id of the run of a call, whether it is there or not."""
        return self.__func__.run_id(self.__self__, *args, **kwargs)

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the run of a call is there, with what it returned."""
        return self.__func__.is_cached(self.__self__, *args, **kwargs)

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a backtest whatever is kept, and keep what it returns."""
        return self.__func__.refresh(self.__self__, *args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        whole = self.__func__.strategy.signature
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __repr__(self) -> str:
        return f"<{self.__func__!r} bound to {self.__self__!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundBacktest):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __cache_key__(self) -> Any:
        return self.__func__, self.__self__

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.__func__.__name__)
