"""Cached functions each call of which is counted as a look at a dataset."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, TypeVar

from afml_cache import _pickled
from afml_cache._looks import checked_name
from afml_cache.decorators import robust_cacheable, time_aware_cacheable
from afml_cache.instants import EARLIEST, LATEST, as_datetime
from afml_cache.time_ranges import bounds_of, first_table
from afml_cache.tracker import log_data_access

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Function
    from afml_cache.instants import Span

__all__ = ["data_tracking_cacheable", "time_aware_data_tracking_cacheable"]

F = TypeVar("F", bound="Callable[..., Any]")

# What of a cached function gives a result, and so looks at the data.
_COMPUTING: Final = ("refresh", "call")


def data_tracking_cacheable(dataset_name: str, purpose: str, **options: Any) -> Callable[[F], F]:
    """Keep the results of a function, and count each call as a look at a dataset.

    A call counts whether it hits or misses: who gets a stored result has seen the data as well. It
    is counted in the log of `get_data_tracker()`, with the first and last instant and the shape of
    the first time-indexed argument; where there is none, with the bounds that parameters named
    `start`, `start_date` or `from_`, and `end`, `end_date` or `to` give; and where there are none
    of these either, with those of the result.

    Parameters
    ----------
    dataset_name : str
        Which dataset the function looks at.
    purpose : str
        What for, such as "train", "test", "validate" or "optimize".
    **options
        Those of `robust_cacheable`.

    Returns
    -------
    callable
        A decorator. The function has all that `robust_cacheable` gives it; `refresh` and `call`
        count as calls.

    Raises
    ------
    TypeError, CacheConfigError
        As `robust_cacheable` does; and for a name that is no text of one line.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import data_tracking_cacheable, get_data_tracker
    >>> @data_tracking_cacheable(dataset_name="eurusd_test", purpose="test")
    ... def score(bars):
    ...     return float(bars["close"].mean())
    >>> bars = pd.DataFrame({"close": 1.1}, index=pd.date_range("2024", periods=3, tz="UTC"))
    >>> score(bars), score(bars), score.cache_info().hits
    (1.1, 1.1, 1)
    >>> get_data_tracker().analyze_contamination("eurusd_test")[:2]
    (2, 'ACCEPTABLE')
    """
    return _decorator(robust_cacheable, dataset_name, purpose, options)


def time_aware_data_tracking_cacheable(
    dataset_name: str, purpose: str, **options: Any
) -> Callable[[F], F]:
    """Keep the results of a function with their time ranges, and count each call as a look.

    `data_tracking_cacheable` says how calls are counted, `time_aware_cacheable` what is kept.

    Parameters
    ----------
    dataset_name, purpose : str
        As in `data_tracking_cacheable`.
    **options
        Those of `time_aware_cacheable`.

    Returns
    -------
    callable
        A decorator.

    Raises
    ------
    TypeError, CacheConfigError
        As `data_tracking_cacheable` does.

    Examples
    --------
    >>> from afml_cache import get_data_tracker, time_aware_data_tracking_cacheable
    >>> @time_aware_data_tracking_cacheable("eurusd_2024_q3", "validate")
    ... def load(symbol, start_date, end_date):
    ...     return [1.1, 1.2]
    >>> load("EURUSD", "2024-07-01", end_date="2024-09-30")
    [1.1, 1.2]
    >>> _, _, (access,) = get_data_tracker().analyze_contamination("eurusd_2024_q3")
    >>> access["start_date"], access["end_date"]
    ('2024-07-01 00:00:00+00:00', '2024-09-30 23:59:59.999999+00:00')
    """
    return _decorator(time_aware_cacheable, dataset_name, purpose, options)


def _decorator(
    cacheable: Any, dataset_name: str, purpose: str, options: dict[str, Any]
) -> Callable[[F], F]:
    names = checked_name("dataset_name", dataset_name), checked_name("purpose", purpose)

    def decorate(function: Any) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(decorate(function.__func__))
        cached = cacheable(**options)(function)
        if inspect.iscoroutinefunction(function):
            return _awaitable(cached, _Look(*names, function))
        return Tracked(cached, names)

    return decorate


class _Look:
    """How the calls of one function count."""

    def __init__(self, dataset: str, purpose: str, function: Callable[..., Any]) -> None:
        self._dataset = dataset
        self._purpose = purpose
        self._function = function

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Count a call, if its arguments tell what it looks at."""
        try:
            found = first_table((*args, *kwargs.values()))
            if found is not None:
                self._log(*found)
                return True
            named = inspect.signature(self._function).bind(*args, **kwargs)
            named.apply_defaults()
            bounds = bounds_of(named.arguments)
        except Exception:  # noqa: BLE001 - the call itself says what is wrong with its arguments
            return False
        if bounds is not None:
            self._log(bounds, None)
        return bounds is not None

    def end(self, result: object) -> None:
        """Count a call whose arguments did not tell: by its result, or without any dates."""
        self._log(*(first_table((result,)) or (None, None)))

    def _log(self, looked_at: Span | None, shape: tuple[int, ...] | None) -> None:
        first = None if looked_at is None or looked_at.first == EARLIEST else looked_at.first
        last = None if looked_at is None or looked_at.last == LATEST else looked_at.last
        start, end = (None if bound is None else as_datetime(bound) for bound in (first, last))
        log_data_access(self._dataset, start, end, self._purpose, shape)


class Tracked:
    """A cached function that counts its calls; it has all that the cached function has."""

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(self, cached: Function, names: tuple[str, str]) -> None:
        functools.update_wrapper(self, cached.__wrapped__)
        self._cached = cached
        self._names = names
        self._look = _Look(*names, cached.__wrapped__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._counted(self._cached, *args, **kwargs)

    def __get__(self, instance: Any, _owner: Any = None) -> Any:
        return self if instance is None else TrackedMethod(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._cached, name)
        return functools.partial(self._counted, found) if name in _COMPUTING else found

    def __cache_key__(self) -> object:
        return self._cached

    def __reduce__(self) -> Any:
        if _pickled.is_by_name(self):
            return self.__qualname__
        return Tracked, (self._cached, self._names)

    def __repr__(self) -> str:
        return repr(self._cached)

    def _counted(self, called: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self._look.begin(args, kwargs):
            return called(*args, **kwargs)
        result = None
        try:
            result = called(*args, **kwargs)
        finally:  # a call that raises has looked as well
            self._look.end(result)
        return result


class TrackedMethod:
    """A cached function that counts its calls, bound to an instance."""

    def __init__(self, function: Tracked, instance: Any) -> None:
        self.__func__ = function
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in _COMPUTING:
            return functools.partial(getattr(self.__func__, name), self.__self__)
        return getattr(self.__func__._cached.__get__(self.__self__), name)  # noqa: SLF001

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TrackedMethod)
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


def _awaitable(cached: Any, look: _Look) -> Any:
    """Wrap a cached coroutine function."""

    def counted(called: Any) -> Any:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            if look.begin(args, kwargs):
                return await called(*args, **kwargs)
            result = None
            try:
                result = await called(*args, **kwargs)
            finally:  # a call that raises has looked as well
                look.end(result)
            return result

        return functools.update_wrapper(wrapper, called)

    tracked = counted(cached)
    tracked.__wrapped__ = cached.__wrapped__
    tracked.refresh = counted(cached.refresh)
    return tracked
