"""What an axis says of a request and of now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.zones import DAY

if TYPE_CHECKING:
    from afml_cache.ranges.callers import Caller

__all__ = ["Limits", "Request", "check_closed", "part", "refuse_order", "weekdays"]

_MONDAY: Final = 4 * DAY


class Request(NamedTuple):
    """A request in positions.

    Attributes
    ----------
    first, stop
        What is to be stored for it: [first, stop), widened to whole bars or periods. Equal for a
        request of nothing.
    clip_first, clip_stop
        Labels that the answer has: [clip_first, clip_stop).
    caller
        How the caller writes times.
    """

    first: int
    stop: int
    clip_first: int
    clip_stop: int
    caller: Caller

    def before(self, stop: int, clip: int) -> Request:
        """Give the part of it before a place, and of its answer what comes before a label."""
        if min(clip, self.clip_stop) <= self.clip_first:
            first = self.clip_first
            return Request(first, first, first, first, self.caller)
        return self._replace(stop=min(stop, self.stop), clip_stop=min(clip, self.clip_stop))


class Limits(NamedTuple):
    """Where bars are final, closed, and yet to begin.

    Attributes
    ----------
    settled
        Labels below belong to bars that closed at least `settle` ago.
    opened
        Labels below belong to closed bars.
    future
        Labels from here on belong to bars that have not begun.
    """

    settled: int
    opened: int
    future: int


def check_closed(closed: str) -> None:
    """Refuse what says of no end whether it is included.

    Raises
    ------
    CacheConfigError
        It is neither "left" nor "both".
    """
    if closed not in {"left", "both"}:
        message = f'`closed` takes "left" (the end is excluded) or "both", not {closed!r}'
        raise CacheConfigError(message)


def refuse_order(start: object, end: object) -> NoReturn:
    """Refuse a start that is after the end."""
    message = f"the start, {start}, is after the end, {end}; give them the other way round"
    raise CacheConfigError(message)


def part(first: int, stop: int, known: tuple[int, int]) -> tuple[int, int]:
    """Give the part of an interval that is known, which lies inside of it and may be empty."""
    low = min(max(first, known[0]), stop)
    return low, max(min(stop, known[1]), low)


def weekdays(first: int, stop: int) -> int:
    """Give the time from one position to another that is no Saturday or Sunday."""
    return _weekdays_before(stop) - _weekdays_before(first)


def _weekdays_before(position: int) -> int:
    weeks, since = divmod(position - _MONDAY, 7 * DAY)
    return weeks * 5 * DAY + min(since, 5 * DAY)
