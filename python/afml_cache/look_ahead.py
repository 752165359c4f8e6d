"""What a result has seen of time, and that no simulation is handed what lies beyond its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afml_cache import _native
from afml_cache.bar_ends import seen_until
from afml_cache.exceptions import LookAheadError
from afml_cache.instants import as_datetime
from afml_cache.ranges.simulation import simulation

if TYPE_CHECKING:
    from afml_cache._native import Watched

__all__ = ["note_seen", "refuse_future", "seen_until", "simulation", "watched"]


def watched() -> Watched:
    """Watch what a `with` statement reads, for those who keep its result themselves.

    Cached functions that it calls, computed or not, and bars that it gets from range caches tell up
    to when they have seen; cached functions themselves are watched so. Threads that are started
    within are not, as of any context variable.

    Returns
    -------
    Watched
        A context manager with `until`, the last instant that was seen in nanoseconds UTC, or
        `None`; and `open_ended`: whether bars were asked for up to "now", be it that of the clock
        or of the `as_of` around. What was computed so within `as_of` is true of that alone: it is
        to be found by what `simulation().key(key)` makes of its key.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import robust_cacheable
    >>> from afml_cache.look_ahead import watched
    >>> @robust_cacheable
    ... def mean(prices):
    ...     return float(prices.mean())
    >>> with watched() as seen:
    ...     mean(pd.Series([1.0, 2.0], pd.date_range("2024-05-01", periods=2)))
    1.5
    >>> print(pd.Timestamp(seen.until), seen.open_ended)
    2024-05-03 00:00:00 False
    """
    return _native.Watched()


def note_seen(until: int | None, *, open_ended: bool = False) -> None:
    """Tell every computation around what was just read.

    Parameters
    ----------
    until : int or None
        The last instant that it has seen, in nanoseconds UTC.
    open_ended : bool, default False
        Whether it depends on what "now" is.
    """
    _native.note_seen(until, open_ended=open_ended)


def refuse_future(name: str, seen: int | None) -> None:
    """Raise `LookAheadError` for what has seen beyond the time of the `as_of` around, if any.

    Parameters
    ----------
    name : str
        What has seen it, for the message.
    seen : int or None
        The last instant, in nanoseconds UTC; `None` for what holds no time.

    Examples
    --------
    >>> from afml_cache import as_of
    >>> from afml_cache.look_ahead import refuse_future
    >>> refuse_future("strategy", 10**18)
    >>> with as_of("2001-09-09T01:46:39Z"):  # doctest: +ELLIPSIS
    ...     refuse_future("strategy", 10**18)
    Traceback (most recent call last):
        ...
    afml_cache.exceptions.LookAheadError: `strategy` ... has seen until 2001-09-09T01:46:40+00:00...
    """
    _native.refuse_future(name, seen)


def from_the_future(function: str, seen: int, now: int, open_ended: bool = False) -> LookAheadError:
    """Make the error for what has seen beyond the time of a simulation, both in ns UTC."""
    until, time = as_datetime(seen), as_datetime(now)
    remedy = (
        "have it computed as of then by `refresh`"
        if open_ended
        else "pass what ends by then (a bar ends at its label and its length, unless "
        '`label="right"` says that it ends at its label)'
    )
    message = (
        f"`{function}` has a stored result that has seen until {until.isoformat()}, beyond "
        f"{time.isoformat()}, the time of `as_of`; {remedy}"
    )
    return LookAheadError(message, function=function, seen=until, as_of=time)
