"""Time zones: wall clock times and dates of instants, and back, in nanoseconds.

A wall time is counted as if its zone were UTC.
"""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from typing import Final

from afml_cache.exceptions import CacheConfigError

__all__ = [
    "DAY",
    "HIGHEST",
    "LOWEST",
    "date_of",
    "instant_of_wall",
    "midnight",
    "nanoseconds",
    "wall_of",
    "zone_of",
]

DAY: Final = 86_400_000_000_000
LOWEST: Final = -106_650 * DAY
"""The first position, 1678-01-01; earlier times are taken for it."""
HIGHEST: Final = 106_286 * DAY
"""The last one, 2261-01-01; later times are taken for it."""

_MICROSECOND: Final = 1000
_SECOND: Final = 1_000_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_WALL_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall time has no zone


@functools.lru_cache(maxsize=64)
def zone_of(name: str, option: str = "naive") -> zoneinfo.ZoneInfo:
    """Give the zone of that name.

    Raises
    ------
    CacheConfigError
        There is none; `option` is what named it.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        message = (
            f"`{option}` names no time zone that this machine knows: {name!r}; it takes "
            '"UTC" or a name such as "America/New_York" (on Windows, install `tzdata`)'
        )
        raise CacheConfigError(message) from error


def nanoseconds(length: dt.timedelta) -> int:
    """Count a timedelta of Python's own."""
    return (length.days * 86_400 + length.seconds) * _SECOND + length.microseconds * _MICROSECOND


def wall_of(instant: int, zone: str) -> int:
    """Give the wall time of an instant."""
    if zone == "UTC":
        return instant
    return instant + _offset(_EPOCH + dt.timedelta(seconds=instant // _SECOND), zone)


def instant_of_wall(wall: int, zone: str, fold: int = 0) -> int:
    """Give the instant of a wall time.

    One that comes twice is the first time unless `fold` is 1; one that the clock skips is read
    with the offset before it, as PEP 495 has it.
    """
    if zone == "UTC":
        return wall
    local = _WALL_EPOCH + dt.timedelta(seconds=wall // _SECOND)
    offset = local.replace(tzinfo=zone_of(zone), fold=fold).utcoffset()
    return wall - nanoseconds(offset or dt.timedelta(0))


def date_of(instant: int, zone: str) -> int:
    """Give the date on which an instant falls in a zone, as that date's midnight in UTC."""
    wall = wall_of(instant, zone)
    return wall - wall % DAY


def midnight(date: int, zone: str) -> int:
    """Give the instant at which a date begins in a zone, be it at midnight or after."""
    return instant_of_wall(date, zone)


def _offset(moment: dt.datetime, zone: str) -> int:
    offset = moment.astimezone(zone_of(zone)).utcoffset()
    return nanoseconds(offset or dt.timedelta(0))
