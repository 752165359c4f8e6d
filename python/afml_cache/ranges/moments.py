"""Starts and ends as callers give them, read into wall times with what is known of their zone."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import span
from afml_cache.ranges.zones import (
    DAY,
    HIGHEST,
    LOWEST,
    date_of,
    instant_of_wall,
    nanoseconds,
)

__all__ = ["Moment", "moment"]

_SECOND: Final = 1_000_000_000
_UNIX: Final = 719_163  # the ordinal of 1970-01-01
_SECONDS: Final = np.dtype("datetime64[s]")
_NANOSECONDS: Final = np.dtype("datetime64[ns]")
_COARSE: Final = frozenset("YMWD")
_OFFSET: Final = r"(Z|UTC|[+-]\d{2}:?\d{2})\s*"
_TAKES: Final = "a datetime, a date, a pandas Timestamp, a numpy datetime64 or a text such as"


class Moment(NamedTuple):
    """A time, or a whole period of days.

    Attributes
    ----------
    wall
        Its clock time in its own zone, in nanoseconds as if that zone were UTC.
    offset
        How far that zone is ahead of UTC then, in nanoseconds; `None` for a naive time.
    until
        The wall time at which a period ends that was named whole; `None` for a time of day.
    fold
        1 for the second of two equal wall times.
    given
        What the caller gave.
    """

    wall: int
    offset: int | None = None
    until: int | None = None
    fold: int = 0
    given: object = None

    def instant(self, naive: str) -> int:
        """Give the instant at which it begins; `naive` is as in `RangeCache`."""
        return self._instant(self.wall, naive)

    def instant_until(self, naive: str) -> int | None:
        """Give the instant at which a period ends."""
        return None if self.until is None else self._instant(self.until, naive)

    def midnight(self, naive: str) -> int | None:
        """Give the date that it begins, if it is midnight in its own zone: no other is asked."""
        if self.wall % DAY:
            return None
        if naive == "raise" and self.until is None and self.offset is None:
            self._refuse()
        return self.wall

    def date(self, naive: str, zone: str) -> int:
        """Give the date in `zone` of a time that is no midnight."""
        if self.offset is None and naive == zone:
            return self.wall - self.wall % DAY
        return date_of(self.instant(naive), zone)

    def _instant(self, wall: int, naive: str) -> int:
        if self.offset is not None:
            return wall - self.offset
        if naive == "raise":
            self._refuse()
        return instant_of_wall(wall, naive, self.fold)

    def _refuse(self) -> NoReturn:
        message = (
            f'{self.given} has no time zone, and `naive="raise"` was chosen; give it one, or say '
            'with `naive` which it is, such as "UTC"'
        )
        raise CacheConfigError(message)


def moment(value: object, role: str) -> Moment:
    """Read the start or the end of a request, which `role` names.

    Raises
    ------
    CacheConfigError
        It is no time.
    """
    found: Moment | None = None
    if isinstance(value, dt.datetime):
        found = _of_datetime(value)
    elif isinstance(value, dt.date):
        day = (value.toordinal() - _UNIX) * DAY
        found = _within(day, until=day + DAY, given=value)
    elif isinstance(value, str):
        found = _of_text(str(value))
    elif isinstance(value, np.datetime64):
        found = _of_datetime64(value)
    return found or _refuse(value, role)


def _of_datetime(value: dt.datetime) -> Moment | None:
    """Read a datetime or a `Timestamp`, part by part, which goes beyond what 64 bits hold."""
    if value != value:  # noqa: PLR0124 - `NaT` is a datetime
        return None
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    nanos = value.microsecond * 1000 + getattr(value, "nanosecond", 0)
    wall = (value.toordinal() - _UNIX) * DAY + seconds * _SECOND + nanos
    offset = None if value.tzinfo is None else value.utcoffset()
    counted = None if offset is None else nanoseconds(offset)
    if LOWEST <= wall <= HIGHEST:
        return Moment(wall, counted, None, value.fold, value)
    return _within(wall, counted, given=value)


def _within(
    wall: int, offset: int | None = None, until: int | None = None, given: object = None
) -> Moment:
    """Take what is out of bounds for the nearest bound."""
    if until is not None:
        until = min(max(until, LOWEST), HIGHEST)
    return Moment(min(max(wall, LOWEST), HIGHEST), offset, until, given=given)


def _of_datetime64(value: Any) -> Moment | None:
    """Read a `datetime64`; those of days or longer are whole periods."""
    if value != value:  # noqa: PLR0124 - `NaT`
        return None
    coarse = value.dtype.str[len("<M8[") : -1].lstrip("0123456789") in _COARSE
    try:
        wall = _wall(value)
    except OverflowError:  # attoseconds, of which a second has too many
        return None
    return _within(wall, until=_wall(value + 1) if coarse else None, given=value)


def _wall(value: Any) -> int:
    seconds = int(value.astype(_SECONDS).astype(np.int64)) * _SECOND
    if not LOWEST < seconds < HIGHEST:
        return seconds
    return int(value.astype(_NANOSECONDS).astype(np.int64))


@functools.lru_cache(maxsize=1024)
def _of_text(text: str) -> Moment | None:
    found = span(text)
    if found is None:
        return None
    written = re.search(_OFFSET + "$", text)
    offset = _offset(written[1]) if written else None
    first, last = found.first + (offset or 0), found.last + (offset or 0)
    whole = last - first >= DAY - 1
    return _within(first, offset, last + 1 if whole else None, text)


def _offset(zone: str) -> int:
    if zone in {"Z", "UTC"}:
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return (seconds if zone[0] == "+" else -seconds) * _SECOND


def _refuse(value: object, role: str) -> NoReturn:
    message = f'`{role}` takes {_TAKES} "2024-05-03", not {value!r}'
    if isinstance(value, int | float):
        message += (
            "; a number does not say what it counts, which "
            '`pandas.Timestamp(number, unit="ms", tz="UTC")` does'
        )
    raise CacheConfigError(message)
