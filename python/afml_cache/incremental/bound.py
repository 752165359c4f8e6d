"""A function that is computed by periods, as a method."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from afml_cache.incremental.calls import Incremental

__all__ = ["IncrementalMethod"]

# What a bound method does with its instance before the other arguments.
_OF_A_CALL: Final = (
    *("cache_key", "call", "check", "check_call_in_cache", "explain"),
    *("invalidate", "is_cached", "refresh"),
)


class IncrementalMethod:
    """A function that is computed by periods, bound to an instance."""

    def __init__(self, function: Incremental, instance: Any) -> None:
        self.__func__ = function
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do as the function does, with the instance before the other arguments."""
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__func__, name)
        return functools.partial(found, self.__self__) if name in _OF_A_CALL else found

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, IncrementalMethod)
            and self.__func__ is other.__func__
            and self.__self__ is other.__self__
        )

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __cache_key__(self) -> object:
        return self.__func__, self.__self__

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.__func__.__name__)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"
