"""What is stored: a list of it, and its removal by the time that it looked at."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache._native import Store, default_store
from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import EARLIEST, LATEST, as_datetime, span

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

__all__ = ["EntryInfo", "entries", "invalidate"]

_log = logging.getLogger("afml_cache")


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """One stored result.

    Attributes
    ----------
    function : str
        `module.qualname`.
    key : str
        32 hexadecimal digits, as `f.cache_key(...)` gives them.
    start_ns, end_ns : int or None
        First and last instant that the call looked at, both included, in nanoseconds since
        1970-01-01 UTC; `None` for an end that is open, or where there is no time range.
    start, end : datetime or None
        The same as aware datetimes in UTC, cut to microseconds.
    timed : bool
        Whether there is a time range.
    created : datetime
        When it was computed, aware, in UTC.
    seconds : float
        How long that took.
    size_bytes : int
        Bytes of the stored payload.
    pinned : bool
        Whether it is kept whatever room is needed.
    """

    function: str
    key: str
    start_ns: int | None
    end_ns: int | None
    timed: bool
    created: dt.datetime
    seconds: float
    size_bytes: int
    pinned: bool = False

    @property
    def start(self) -> dt.datetime | None:
        """The first instant, UTC, cut to microseconds."""
        return None if self.start_ns is None else as_datetime(self.start_ns)

    @property
    def end(self) -> dt.datetime | None:
        """The last instant, UTC, cut to microseconds."""
        return None if self.end_ns is None else as_datetime(self.end_ns)


def entries(
    time_range: tuple[Any, Any] | None = None,
    *,
    function: str | Callable[..., Any] | None = None,
    store: Store | None = None,
) -> list[EntryInfo]:
    """List the stored results.

    Parameters
    ----------
    time_range : (start, end), optional
        Only those whose time range overlaps this one, both ends included: texts, dates, datetimes
        or pandas' and NumPy's instants and periods. A text covers its whole period, a date its day,
        a time without a zone is UTC, `None` is open. A result without a time range is in no such
        list.
    function : callable or str, optional
        Only those of this function: itself, or its `module.qualname`.
    store : Store, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    list of EntryInfo
        By function, then by start. Results that are kept in memory only are not among them.

    Raises
    ------
    CacheConfigError
        `time_range` is no pair of instants, or ends before it starts; `function` is no cached
        function.
    CacheStoreError
        The store can't be opened.

    Examples
    --------
    >>> from afml_cache import entries, robust_cacheable
    >>> @robust_cacheable
    ... def square(x):
    ...     return x * x
    >>> square(3), square(4)
    (9, 16)
    >>> [entry.size_bytes > 0 for entry in entries(function=square)]
    [True, True]
    """
    place = default_store() if store is None else store
    chosen = None if time_range is None else _range(time_range)
    return _rows(place.select(chosen, function_name(function), remove=False))


def invalidate(
    time_range: tuple[Any, Any],
    *,
    function: str | Callable[..., Any] | None = None,
    store: Store | None = None,
) -> list[EntryInfo]:
    """Remove every result that looked at a time range, as when its data was restated.

    What is being computed at this moment is not stored afterwards. Results without a time range,
    as those of `robust_cacheable`, stay: their arguments are in their keys.

    Parameters
    ----------
    time_range : (start, end)
        As in `entries`; `(None, None)` is all time.
    function, store
        As in `entries`.

    Returns
    -------
    list of EntryInfo
        What was removed.

    Raises
    ------
    CacheConfigError
        `time_range` is no pair of instants, or ends before it starts; `function` is no cached
        function.
    CacheStoreError
        The store can't be opened or changed.

    Examples
    --------
    >>> from afml_cache import invalidate, time_aware_cacheable
    >>> @time_aware_cacheable
    ... def bars(symbol, start, end):
    ...     return [1.1, 1.2]
    >>> bars("EURUSD", "2023-01", "2023-03")
    [1.1, 1.2]
    >>> [entry.end.isoformat() for entry in invalidate(("2023-02-14", None), function=bars)]
    ['2023-03-31T23:59:59.999999+00:00']
    """
    place = default_store() if store is None else store
    found = place.select(_range(time_range), function_name(function), remove=True)
    removed = _rows(found)
    _log.info("removed %d entries of %s from `%s`", len(removed), time_range, place.path)
    return removed


def _rows(found: list[tuple[Any, ...]]) -> list[EntryInfo]:
    rows = [
        EntryInfo(
            function,
            key,
            start_ns=None if start in {None, EARLIEST} else start,
            end_ns=None if end in {None, LATEST} else end,
            timed=start is not None,
            created=as_datetime(created),
            seconds=seconds,
            size_bytes=size,
            pinned=pinned,
        )
        for function, key, start, end, created, seconds, size, pinned in found
    ]
    return sorted(rows, key=lambda row: (row.function, row.start_ns or EARLIEST, row.key))


def _range(time_range: Any) -> tuple[int, int]:
    if not isinstance(time_range, tuple | list) or len(time_range) != 2:  # noqa: PLR2004
        message = f"`time_range` must be a pair of instants, not {time_range!r}"
        raise CacheConfigError(message)
    start, end = time_range
    first = EARLIEST if start is None else _instant(start).first
    last = LATEST if end is None else _instant(end).last
    if last < first:
        message = f"`time_range` ends before it starts: {start!r} to {end!r}"
        raise CacheConfigError(message)
    return first, last


def _instant(value: object) -> Any:
    found = span(value)
    if found is None:
        message = (
            f"`time_range` takes dates, datetimes, or texts such as "
            f'"2024-05-03 14:30+02:00", not {value!r}'
        )
        raise CacheConfigError(message)
    return found


def function_name(function: str | Callable[..., Any] | None) -> str | None:
    """Give the name of a cached function, or that name itself."""
    if function is None or isinstance(function, str):
        return function
    named = getattr(function, "cache_key", None)
    # A coroutine function has it from the native one.
    for cached in (function, getattr(named, "__self__", None)):
        name = getattr(cached, "cache_name", None)
        if named is not None and isinstance(name, str):
            return name
    message = f"`function` must be a cached function or its name, not {function!r}"
    raise CacheConfigError(message)
