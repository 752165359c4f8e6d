"""A function that is computed by periods: its calls, and what is asked about them."""

from __future__ import annotations

import functools
import inspect
import time
from typing import TYPE_CHECKING, Any

from afml_cache import _native, _pickled, code
from afml_cache.exceptions import CacheConfigError
from afml_cache.incremental.arguments import Given, given
from afml_cache.incremental.bound import IncrementalMethod
from afml_cache.incremental.checking import MarginCheck, compare
from afml_cache.incremental.explaining import PeriodsExplanation, PeriodState
from afml_cache.incremental.joining import joined
from afml_cache.incremental.pieces import Piece, pieces_of
from afml_cache.info import CacheInfo
from afml_cache.look_ahead import note_seen
from afml_cache.time_ranges import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from afml_cache._native import Function
    from afml_cache.incremental.rules import Rules

__all__ = ["Incremental", "by_periods"]


def by_periods(decorator: str, native: Function, rules: Rules) -> Incremental:
    """Have a cached function computed by periods.

    Raises
    ------
    CacheConfigError
        It is a coroutine function, or something other than the rows that it sees is to tell calls
        apart.
    """
    if native.settings()["key"] is not None:
        message = (
            f"{decorator} takes either `by` or `key`: periods are told apart by the rows that they "
            "see, which `key` leaves out"
        )
        raise CacheConfigError(message)
    if inspect.iscoroutinefunction(native.__wrapped__):
        message = (
            f"{decorator} can't have a coroutine function computed by periods; give `by` to a "
            "plain function, and await it with asyncio.to_thread"
        )
        raise CacheConfigError(message)
    return Incremental(native, rules)


class Incremental:
    """A cached function that is computed by periods; `time_aware_cacheable(by=...)` makes it.

    Each period is an ordinary call of the cached function, with its own rows and its margins in
    the place of the frame, and has an entry of its own; in mode "off" the function is called with
    the whole frame. What a cached function has is about the whole call here: it is cached when all
    of its periods are, and `invalidate` removes them all.
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(self, settled: Function, rules: Rules) -> None:
        from afml_cache.decorators import assemble

        functools.update_wrapper(self, settled.__wrapped__)
        settings = settled.settings()
        self._settled = settled
        # What is not complete yet is computed by a function of the same name, and so of the same
        # keys, whose results are in memory only.
        timing = Unfinished.of(settings["timing"])
        self._unfinished = assemble(settled.__wrapped__, {**settings, "timing": timing})
        self._rules = rules
        self._bars = settings["bars"]
        self._ignored = settings["options"]["ignore"]
        self.__signature__ = inspect.signature(settled.__wrapped__, follow_wrapped=False)

    @property
    def cache_name(self) -> str:
        """`module.qualname`."""
        return self._settled.cache_name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give the result of the whole frame, put together from those of its periods."""
        return self._answered(lambda function: function, args, kwargs)

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Compute every period whatever is stored, and store the new results."""
        return self._answered(lambda function: function.refresh, args, kwargs)

    def call(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Do as `refresh`, and give the seconds that it took as well, as joblib does."""
        start = time.perf_counter()
        result = self.refresh(*args, **kwargs)
        return result, {"duration": time.perf_counter() - start}

    def cache_info(self) -> CacheInfo:
        """Give what the calls of periods have done in this process."""
        counts = zip(self._settled.cache_info(), self._unfinished.cache_info(), strict=True)
        return CacheInfo._make(one + other for one, other in counts)

    def cache_clear(self) -> int:
        """Remove the results of every period, and set the counters to zero."""
        self._unfinished.reset_counters()
        return self._settled.cache_clear()

    def reset_counters(self) -> None:
        """Set the counters of this process to zero."""
        self._settled.reset_counters()
        self._unfinished.reset_counters()

    def cache_key(self, *args: Any, **kwargs: Any) -> str:
        """Give the key of the call with the whole frame: what it is told apart by from others.

        Periods have keys of their own, which `explain` tells.
        """
        return self._settled.cache_key(*args, **kwargs)

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the results of all periods are stored."""
        calls = self._calls_of_periods(args, kwargs)
        return all(self._settled.is_cached(*one, **named) for _, one, named in calls)

    def check_call_in_cache(self, *args: Any, **kwargs: Any) -> bool:
        """Do as `is_cached`, under the name that joblib has for it."""
        return self.is_cached(*args, **kwargs)

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Remove the results of all periods of a call; say whether there were any."""
        calls = self._calls_of_periods(args, kwargs)
        gone = [self._settled.invalidate(*one, **named) for _, one, named in calls]
        return any(gone)

    def explain(self, *args: Any, **kwargs: Any) -> PeriodsExplanation:
        """Say which periods of a call hit, and why the others miss."""
        found = self._given(args, kwargs)
        states = []
        for piece, one, named in self._calls_of_periods(args, kwargs):
            told = self._settled.explain(*one, **named)
            if piece is None or found is None:
                states.append(PeriodState("the whole", None, None, True, told))
                continue
            first, last = (found.timeline.label(row) for row in (piece.start, piece.stop - 1))
            states.append(PeriodState(piece.period, first, last, piece.is_complete, told))
        return PeriodsExplanation(self.cache_name, self.cache_key(*args, **kwargs), tuple(states))

    def check(
        self, /, *args: Any, rtol: float = 1e-9, atol: float = 1e-12, **kwargs: Any
    ) -> MarginCheck:
        """Compare the result of a call with that of the function with the whole frame.

        A function that looks further than `lookback` and `lookahead` say gives other rows at the
        ends of periods. The whole is computed past the cache, the periods as in any call.

        Parameters
        ----------
        *args, **kwargs
            Those of the call.
        rtol, atol : float
            Numbers are equal whose distance is not more than `atol`, or than `rtol` of the larger
            one: running sums of pandas are rounded in another way when they begin elsewhere. With
            0 both, all bits count.

        Returns
        -------
        MarginCheck
            True if all rows are the same; its `first` says which row differs, and of which period.
        """
        whole = self.__wrapped__(*args, **kwargs)
        found = self._given(args, kwargs)
        if found is None:
            return MarginCheck(self.cache_name, 0)
        pieces = self._pieces(found)
        parts = self._of_periods(lambda function: function, found, pieces)
        return compare(self.cache_name, found.timeline, pieces, (whole, parts), (rtol, atol))

    def settings(self) -> dict[str, Any]:
        """Give what it was made with, beside the function and its name."""
        return {**self._settled.settings(), "periods": self._rules.said()}

    def __get__(self, instance: Any, _owner: Any = None) -> Any:
        return self if instance is None else IncrementalMethod(self, instance)

    def __cache_key__(self) -> object:
        return self._settled, self._rules.said()

    def __reduce__(self) -> Any:
        if _pickled.is_by_name(self):
            return self.__qualname__
        function = self._settled.__wrapped__
        made = self._settled.settings(), self._rules
        return _rebuilt, (function, *made, code.sources_of(function))

    def __repr__(self) -> str:
        return repr(self._settled)

    def _answered(
        self, how: Callable[[Function], Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        found = None if _native.current_mode() == "off" else self._given(args, kwargs)
        if found is None:
            return how(self._settled)(*args, **kwargs)
        return self._of_periods(how, found, self._pieces(found))

    def _of_periods(self, how: Callable[[Function], Any], found: Given, pieces: list[Piece]) -> Any:
        """Compute or look up each period, and put them together."""
        if _native.is_watching():
            note_seen(self._bars.seen_until([found.timeline.frame]))

        def results() -> Iterator[tuple[Piece, Any]]:
            for piece in pieces:
                args, kwargs = found.seeing(piece.first, piece.end)
                function = self._settled if piece.is_complete else self._unfinished
                yield piece, how(function)(*args, **kwargs)

        return joined(self.cache_name, found.timeline, results())

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given | None:
        """Find the frame of a call; `None` where it is empty, or the call does not fit."""
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError:  # which the function itself says best
            return None
        found = given(self.cache_name, bound)
        if found is not None and found.place[0] in self._ignored:
            message = (
                f"`{self.cache_name}` is computed by periods, and these are told apart by the rows "
                f"of `{found.place[0]}`; take it out of `ignore`"
            )
            raise CacheConfigError(message)
        return found

    def _pieces(self, found: Given) -> list[Piece]:
        return list(pieces_of(found.timeline, self._rules, self._bars))

    def _calls_of_periods(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Iterator[tuple[Piece | None, tuple[Any, ...], dict[str, Any]]]:
        """Give the arguments of each period's call; of a frame without rows, those of the call."""
        found = self._given(args, kwargs)
        if found is None:
            yield None, args, kwargs
            return
        for piece in self._pieces(found):
            yield piece, *found.seeing(piece.first, piece.end)


def _rebuilt(
    function: Any, settings: dict[str, Any], rules: Rules, sources: dict[bytes, Any]
) -> Incremental:
    """Put a function together again, in another process."""
    return Incremental(_pickled.rebuild(function, settings, sources), rules)
