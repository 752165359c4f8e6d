"""The time that a simulation has reached: what "up to now" means inside of it."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import span

if TYPE_CHECKING:
    from collections.abc import Iterator

_now: ContextVar[Any] = ContextVar("afml_cache.as_of", default=None)


@contextlib.contextmanager
def as_of(t: Any) -> Iterator[None]:
    """Have requests without an end go up to `t`, in what this context calls.

    They give the bars that are closed at `t`, as far as ends of bars are known: of daily and longer
    ones that is the close of the session by a calendar, else midnight. A date is taken for its
    begin. Threads that are started within do not know of it, as of any context variable.

    Whether a bar is final is judged by the clock on the wall all the same: a simulation of last
    year finds last year's bars final.

    Parameters
    ----------
    t : datetime, date, Timestamp, datetime64 or str
        The time that the simulation has reached.

    Raises
    ------
    CacheConfigError
        `t` names no time.

    Examples
    --------
    >>> from afml_cache import as_of
    >>> with as_of("2024-05-03"):
    ...     pass  # bars.get("AAPL", "1D", "2024-04-01") ends before 2024-05-03
    """
    if span(t) is None:
        message = f"`as_of` takes a time, not {t!r}"
        raise CacheConfigError(message)
    token = _now.set(t)
    try:
        yield
    finally:
        _now.reset(token)


def simulated_now() -> Any:
    """Give the time that the simulation around has reached, if there is one."""
    return _now.get()
