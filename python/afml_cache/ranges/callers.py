"""What the loader is asked for: positions in the type, the unit and the zone of the caller's."""

from __future__ import annotations

import datetime as dt
import re
import sys
from typing import Any, Final, NamedTuple

import numpy as np

from afml_cache.ranges.moments import moment
from afml_cache.ranges.zones import instant_of_wall, wall_of

__all__ = ["Caller"]

_WALL_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall time has no zone
_UNITS: Final = ("Y", "Q", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")
# Those that are tried where the caller's own is too long.
_USUAL: Final = ("D", "s", "ms", "us", "ns")
_FRACTIONS: Final = {1: "ms", 2: "us", 3: "ns"}
_TEXT: Final = re.compile(
    r"""\s*\d{4}(?P<Q>-?Q\d)?(?P<M>-\d{1,2})?(?P<D>-\d{1,2})?(?P<compact>\d{4})?
    (?P<gap>[T\s]+)?(?P<h>\d{1,2})?(?P<m>:\d\d)?(?P<s>:\d\d)?(?P<fraction>\.\d+)?
    (?P<zone>\s*(?:Z|UTC|[+-]\d{2}:?\d{2}))?\s*""",
    re.VERBOSE,
)


class Caller(NamedTuple):
    """Starts and ends as a caller writes them.

    Attributes
    ----------
    start, end
        What it gave; where the end is `None`, ends are written like the start.
    naive
        The zone of times without one.
    """

    start: object
    end: object
    naive: str = "UTC"

    def first(self, position: int, *, dates: bool) -> Any:
        """Write a start: an instant, or a date as the midnight of the caller's zone.

        A type that counts microseconds gets it rounded down.
        """
        return _written(_Place(position, self._zone(dates), "Y", up=False), self.start)

    def last(self, position: int, *, dates: bool, inclusive: bool) -> Any:
        """Write an end.

        One that is included is not written as a period that would cover more: as a month, or as
        a day on an axis of instants. One that is excluded is rounded up.
        """
        longest = "Y" if not inclusive else "D" if dates else "h"
        return _written(_Place(position, self._zone(dates), longest, not inclusive), self._ends)

    @property
    def names_days(self) -> bool:
        """Whether ends are days, without a time."""
        return moment(self._ends, "end").until is not None

    @property
    def precision(self) -> int:
        """Nanoseconds that an end can tell apart."""
        return _precision(self._ends)

    @property
    def precision_of_start(self) -> int:
        """Nanoseconds that a start can tell apart."""
        return _precision(self.start)

    @property
    def _ends(self) -> object:
        return self.start if self.end is None else self.end

    def _zone(self, dates: bool) -> str | None:
        return None if dates else "UTC" if self.naive == "raise" else self.naive


class _Place(NamedTuple):
    """A position to be written; on an axis of dates there is no zone of naive times."""

    position: int
    naive: str | None
    longest: str
    up: bool

    @property
    def wall(self) -> int:
        """The wall time of it for a time without a zone."""
        return self.position if self.naive is None else wall_of(self.position, self.naive)

    @property
    def fold(self) -> int:
        """1 for the second of two equal wall times."""
        if self.naive in {None, "UTC"}:
            return 0
        return int(instant_of_wall(self.wall, str(self.naive)) != self.position)

    def unit(self, own: str, wall: int) -> str:
        """Give the caller's own unit where it tells this time, else one that does."""
        shorter = _UNITS.index(own)
        units = [own, *(each for each in _USUAL if _UNITS.index(each) > shorter)]
        allowed = [each for each in units if _UNITS.index(each) >= _UNITS.index(self.longest)]
        return next(each for each in allowed if _is_exact(wall, each))


def _written(place: _Place, like: Any) -> Any:
    if _is_timestamp(like):
        return _as_timestamp(place, like)
    if isinstance(like, dt.date):
        return _as_datetime(place, like) if getattr(like, "tzinfo", None) else _naive(place, like)
    if isinstance(like, str):
        return _as_text(place, str(like))
    own = str(like.dtype)[len("datetime64[") : -1].lstrip("0123456789")
    shown = own if own in _UNITS else "ns"
    return np.datetime64(place.wall, "ns").astype(f"datetime64[{place.unit(shown, place.wall)}]")


def _naive(place: _Place, like: dt.date) -> dt.date:
    """Write it as a datetime, and as a date where it is to be one and can."""
    local = _WALL_EPOCH + dt.timedelta(microseconds=_microseconds(place.wall, place.up))
    day = not isinstance(like, dt.datetime) and place.longest != "h"
    return local.date() if day and local.time() == dt.time() else local.replace(fold=place.fold)


def _as_datetime(place: _Place, like: Any) -> dt.datetime:
    """Write it in the zone of an aware datetime, whatever class the zone is of."""
    zone = like.tzinfo
    local = _WALL_EPOCH + dt.timedelta(microseconds=_microseconds(place.position, place.up))
    if place.naive is not None:
        return local.replace(tzinfo=dt.timezone.utc).astimezone(zone)
    if hasattr(zone, "localize"):  # one of pytz has the offset of its first years unless asked
        localized: dt.datetime = zone.localize(local, is_dst=True)
        return localized
    return local.replace(tzinfo=zone)


def _as_timestamp(place: _Place, like: Any) -> Any:
    pandas: Any = sys.modules["pandas"]
    if place.naive is not None and like.tzinfo is not None:
        made = pandas.Timestamp(place.position, unit="ns", tz="UTC").tz_convert(like.tzinfo)
        return made.as_unit(place.unit(like.unit, place.position))
    made = pandas.Timestamp(place.wall, unit="ns").as_unit(place.unit(like.unit, place.wall))
    if like.tzinfo is None:
        return made.replace(fold=1) if place.fold else made
    return made.tz_localize(like.tzinfo, ambiguous=True, nonexistent="shift_forward")


def _as_text(place: _Place, text: str) -> str:
    parts: Any = _TEXT.fullmatch(text)
    offset = moment(text, "start").offset
    wall = place.wall if offset is None or place.naive is None else place.position + offset
    own = place.unit(_own_unit(parts), wall)
    if own == "Q":
        year, month = str(np.datetime64(wall, "ns").astype("datetime64[M]")).split("-")
        return f"{year}{parts['Q'][:-1]}{(int(month) + 2) // 3}"
    written = str(np.datetime64(wall, "ns").astype(f"datetime64[{own}]"))
    if parts["compact"] and own == "D":
        return written.replace("-", "")
    return written.replace("T", parts["gap"] or "T") + (parts["zone"] or "")


def _own_unit(parts: Any) -> str:
    if parts["fraction"]:
        return _FRACTIONS[(len(parts["fraction"]) + 1) // 3]
    named = (unit for unit in ("s", "m", "h", "D", "M", "Q") if parts[unit])
    return next(named, "D" if parts["compact"] else "Y")


def _is_exact(wall: int, unit: str) -> bool:
    exact = np.datetime64(wall, "ns")
    whole = exact.astype(f"datetime64[{'M' if unit == 'Q' else unit}]")
    return bool(whole == exact) and (unit != "Q" or int(whole.astype("int64")) % 3 == 0)


def _precision(like: object) -> int:
    return 1000 if isinstance(like, dt.date) and not _is_timestamp(like) else 1


def _is_timestamp(value: object) -> bool:
    return isinstance(value, dt.datetime) and type(value).__module__.startswith("pandas")


def _microseconds(counted: int, up: bool) -> int:
    return -(-counted // 1000) if up else counted // 1000
