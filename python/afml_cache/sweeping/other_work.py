"""The work of what keeps its own results, such as artifacts and cached backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache._native import digest
from afml_cache.decorators import (
    name_of,
)
from afml_cache.exceptions import UncacheableArgumentError
from afml_cache.sweeping.work import Begun, Call, Key, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class OtherWork:
    """What keeps its own results: artifacts, cached backtests, functions that somebody observes."""

    def __init__(self, function: Any, consume: Callable[[Any], Any] | None = None) -> None:
        self.cached = function
        self.function = getattr(function, "__wrapped__", function)
        self.consume = consume
        self.name = getattr(function, "cache_name", None) or name_of(function)
        self.prefix: tuple[Any, ...] = ()
        self._answer = getattr(function, "saved", function)
        self._answer_anew = getattr(function, "saved_anew", function.refresh)

    def keys(self, calls: Sequence[Call]) -> list[Key]:
        """Give the keys of calls."""
        return [self._key(call) for call in calls]

    def _key(self, call: Call) -> Key:
        ask = getattr(self.cached, "run_id", None) or self.cached.cache_key
        try:
            key = str(ask(*call.args, **call.kwargs))
            # An artifact is its file, too: others may be made of the same.
            path = getattr(self.cached, "path", None)
            return key if path is None else digest((key, str(path(*call.args, **call.kwargs))))
        except UncacheableArgumentError as error:
            return error

    def stored(self, calls: Sequence[Call]) -> list[tuple[Any] | None]:
        """Give what is there for calls."""
        return [(self.compute(call, False),) if self._is_there(call) else None for call in calls]

    def _is_there(self, call: Call) -> bool:
        ask = getattr(self.cached, "is_current", None) or self.cached.is_cached
        try:
            return bool(ask(*call.args, **call.kwargs))
        except UncacheableArgumentError:
            return False

    def begin(self, call: Call, anew: bool) -> Begun:  # noqa: ARG002 - it knows by itself
        """Call it, whatever is there."""
        return Begun("compute")

    def compute(self, call: Call, anew: bool) -> Any:
        """Call it."""
        value = (self._answer_anew if anew else self._answer)(*call.args, **call.kwargs)
        return value if self.consume is None else self.consume(value)

    def folders(self, call: Call) -> set[Path]:  # noqa: ARG002 - it stores by itself
        """Give none."""
        return set()

    def fill(self, results: Sequence[Result]) -> list[bool]:
        """Do nothing: it has stored what it gave."""
        raise NotImplementedError

    def is_unchanged(self) -> bool:
        """Whether nothing is to be stored that depends on changed content; it looks by itself."""
        return True

    def code_parts(self, call: Call) -> dict[str, str]:  # noqa: ARG002 - its keys are its own
        """Give nothing: it has the code that it came with."""
        return {}
