"""Time columns of frames to positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import polars as pl

from afml_cache.ranges.zones import DAY, HIGHEST, LOWEST

if TYPE_CHECKING:
    from afml_cache.ranges.made_calendars import Instants

__all__ = ["dates_of", "instants_of", "midnights_of", "walls_of"]

_SCALES: Final = {"ms": 1_000_000, "us": 1000, "ns": 1}
# More than any clock is set back at once.
_SET_BACK: Final = 3 * 3_600_000_000_000


def instants_of(times: pl.Series, naive: str, *, unique: bool) -> Instants:
    """Give the instants of a column of times.

    Parameters
    ----------
    times
        Of type Datetime or Date; a date is its midnight.
    naive
        The zone of times without one, or "raise".
    unique
        Whether a wall time that is there twice, where the clock was set back, is two times.

    Raises
    ------
    ValueError
        It has nulls or times that its zone does not have, or is no column of times.
    """
    walls = _counted(times)
    zone = getattr(times.dtype, "time_zone", None)
    if zone is not None or naive == "UTC":
        return walls  # a column with a zone counts from 1970 in UTC
    _refuse_naive(times, naive)
    return _localized(times.name, walls, naive, unique=unique)


def dates_of(times: pl.Series, naive: str, zone: str, labels: str | None = None) -> Instants:
    """Give the session dates of a column of times, as midnights in UTC.

    A time that is midnight in its own zone, which is `labels` where that is given, is the date that
    begins then; another one is the date that it falls on in `zone`.
    """
    counted = _counted(times)
    if times.dtype == pl.Date:
        return counted
    own = getattr(times.dtype, "time_zone", None)
    if own is None:
        _refuse_naive(times, naive)
    else:
        own = labels or own
    walls = counted if own is None else _walls(counted, own)
    others = np.flatnonzero(walls % DAY)
    if len(others) and (own or naive) != zone:
        moved = counted[others]
        if own is None and naive != "UTC":
            moved = _localized(times.name, moved, naive, unique=False)
        walls = walls.copy()
        walls[others] = _walls(moved, zone)
    return walls - walls % DAY


def midnights_of(times: pl.Series, zone: str | int) -> tuple[Instants, Instants]:
    """Give which of a column of instants are midnights of a zone, and the dates that begin then."""
    counted = _counted(times)
    walls = counted + zone if isinstance(zone, int) else _walls(counted, zone)
    at = np.flatnonzero(walls % DAY == 0)
    return at, walls[at]


def walls_of(times: pl.Series, zone: str) -> Instants:
    """Give the wall times of a column in a zone; of one without a zone, as they are."""
    counted = _counted(times)
    return counted if getattr(times.dtype, "time_zone", None) is None else _walls(counted, zone)


def _counted(times: pl.Series) -> Instants:
    """Give nanoseconds since 1970, in UTC or as if it were."""
    dtype = times.dtype
    if not isinstance(dtype, pl.Datetime | pl.Date):
        _refuse_type(times)
    if times.null_count():
        message = (
            f"the time column {times.name!r} has {times.null_count()} empty values, and a bar "
            "without a time can't be kept; have the loader drop such rows"
        )
        raise ValueError(message)
    scale = DAY if isinstance(dtype, pl.Date) else _SCALES[dtype.time_unit]
    counted: Instants = times.to_numpy().view(np.int64)  # to_physical goes through a query
    if (
        len(counted)
        and not LOWEST <= int(counted.min()) * scale <= int(counted.max()) * scale <= HIGHEST
    ):
        message = (
            f"the time column {times.name!r} has times outside of 1678 to 2261, from "
            f"{times.min()!s} to {times.max()!s}; its unit may be another than the loader thinks"
        )
        raise ValueError(message)
    return counted if scale == 1 else counted * scale


def _walls(instants: Instants, zone: str) -> Instants:
    """Give the wall times of instants in a zone."""
    if zone == "UTC":
        return instants
    aware = pl.Series(instants).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    walls: Instants = aware.dt.replace_time_zone(None).to_physical().to_numpy()
    return walls


def _localized(name: str, walls: Instants, zone: str, *, unique: bool) -> Instants:
    """Give the instants of wall times."""
    naive = pl.Series(walls).cast(pl.Datetime("ns"))
    early, late = (
        naive.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")
    )
    if early.null_count():
        missing = naive.filter(early.is_null())[0]
        message = (
            f"the time column {name!r} has {missing}, which the clocks of {zone} skip, so its "
            "times are in another zone; have the loader give it with them, or name it with `naive`"
        )
        raise ValueError(message)
    first: Instants = early.to_physical().to_numpy()
    second: Instants = late.to_physical().to_numpy()
    twice = np.flatnonzero(first != second)
    if not len(twice):
        return first
    again = _second_pass(walls[twice], unique=unique)
    if again.max() > 1 or walls[0] - walls[-1] > _SET_BACK:  # newest first
        again = _second_pass(walls[twice][::-1], unique=unique)[::-1]
    if again.max() > 1:
        message = (
            f"the time column {name!r} has {naive[int(twice[0])]}, which comes twice in {zone}, "
            "and its rows are in no order that tells which is meant; have the loader sort them, or "
            "give their zone"
        )
        raise ValueError(message)
    told: Instants = first.copy()
    told[twice[again == 1]] = second[twice[again == 1]]
    return told


def _second_pass(walls: Instants, *, unique: bool) -> Instants:
    """Count how often the clock was set back before each of the times that come twice.

    That is 0 or 1 for sorted rows, more where they are in no order. The hours of each year count
    for themselves.
    """
    steps = np.diff(walls, prepend=walls[:1])
    begins = np.abs(steps) > DAY
    begins[0] = True
    back = ~begins & ((steps < 0) | (unique & (steps == 0)))
    passes = np.cumsum(back)
    groups = np.cumsum(begins) - 1
    counted: Instants = passes - passes[np.flatnonzero(begins)][groups]
    return counted


def _refuse_naive(times: pl.Series, naive: str) -> None:
    if naive == "raise":
        message = (
            f'the time column {times.name!r} has no time zone, and `naive="raise"` was chosen; '
            "have the loader give it one, or say with `naive` which it is"
        )
        raise ValueError(message)


def _refuse_type(times: pl.Series) -> NoReturn:
    message = (
        f"the time column {times.name!r} is of type {times.dtype}; it is to hold datetimes or "
        "dates: have the loader parse texts, and say of numbers what they count, as "
        '`pandas.to_datetime(numbers, unit="ms", utc=True)` does'
    )
    raise ValueError(message)
