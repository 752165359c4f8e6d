"""The time that a simulation has reached: what "up to now" means inside of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from afml_cache import _native
from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import has_zone, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import ContextVar

    from afml_cache.instants import Span

_DAY: Final = 86_400 * 10**9

_simulation: ContextVar[_native.Simulation] = _native.simulation_variable()


@contextlib.contextmanager
def as_of(t: Any) -> Iterator[None]:
    """Let nothing that this context calls know more than could be known at `t`.

    Requests to a range cache without an end go up to `t`: they give the bars that are closed then,
    as far as ends of bars are known: of daily and longer ones that is the close of the session by a
    calendar, else midnight. A date is taken for its begin. Threads that are started within do not
    know of it, as of any context variable.

    A stored result whose inputs have seen beyond `t` raises `LookAheadError`, where a time without
    a zone is UTC. A result that is computed inside from bars up to "now" is stored for this `t`
    alone: no call outside, or inside another `as_of`, is answered with it.

    Whether a bar is final is judged by the clock on the wall all the same: a simulation of last
    year finds last year's bars final. A loader is called as outside, since what it gives is kept
    for all.

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
    found = span(t)
    if found is None:
        message = f"`as_of` takes a time, not {t!r}"
        raise CacheConfigError(message)
    token = _simulation.set(_native.Simulation(t, found.first, _name(t, found)))
    try:
        yield
    finally:
        _simulation.reset(token)


def simulation() -> _native.Simulation | None:
    """Give the simulation around, if there is one."""
    return _simulation.get(None)


def simulated_now() -> Any:
    """Give the time that the simulation around has reached, if there is one."""
    found = _simulation.get(None)
    return None if found is None else found.time


def _name(t: object, found: Span) -> str:
    """Name a time by all that requests to a range cache make of it.

    A whole day is a date, and a time without a zone is of the zone that the cache says.
    """
    until = found.last if found.last - found.first >= _DAY - 1 else found.first
    zone = "zone" if has_zone(t) else f"no zone {getattr(t, 'fold', 0)}"
    return f"{found.first} {until} {zone}"
