"""Calendars of `exchange_calendars`: made by name, and read into arrays."""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import importlib
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.zones import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Instants",
    "Table",
    "bounds",
    "calendar_named",
    "making",
    "name_of_holiday",
    "read",
    "special_dates",
    "widened",
]

Instants = NDArray[np.int64]

making = threading.RLock()
"""Held while a calendar is made, which takes up to two seconds."""

# Calendars take holidays of their rules from here on, whatever they are made for: it is where the
# rules of pandas begin by default. Earlier holidays would be sessions.
_EARLIEST: Final = (dt.date(1970, 1, 1).toordinal() - 719_163) * DAY
_LATEST: Final = (dt.date(2200, 1, 1).toordinal() - 719_163) * DAY
_NEVER: Final = -(2**63)  # what numpy has for no time


class Table(NamedTuple):
    """What was read of a calendar.

    `begin` and `end` bound the dates that it was made for; `dates`, `opens` and `closes` are its
    sessions; `starts` and `stops` are the spans of trading, which are more where there are breaks,
    and `sums` the trading time before each of them.
    """

    begin: int
    end: int
    dates: Instants
    opens: Instants
    closes: Instants
    starts: Instants
    stops: Instants
    sums: Instants


def bounds(calendar: Any) -> tuple[int, int]:
    """Give the dates that a calendar can speak of, as [begin, end)."""
    kind = type(calendar)
    first, last = kind.bound_min(), kind.bound_max()
    begin = _EARLIEST if first is None else max(_date(first), _EARLIEST)
    end = _LATEST if last is None else min(_date(last) + DAY, _LATEST)
    return begin, end


def widened(calendar: Any, begin: int, end: int) -> Table:
    """Make a calendar again for the dates in [begin, end), and read it."""
    kind: Any = type(calendar)
    made = _made(
        calendar.name,
        lambda: kind(start=_day(begin), end=_day(end - DAY), side=calendar.side),
    )
    return read(made)._replace(begin=begin, end=end)


def read(calendar: Any) -> Table:
    """Read a calendar into arrays."""
    dates = _nanoseconds(calendar.sessions)
    opens, closes = (_nanoseconds(calendar.schedule[name]) for name in ("open", "close"))
    begins, ends = (_nanoseconds(calendar.schedule[f"break_{name}"]) for name in ("start", "end"))
    pauses = begins != _NEVER
    starts = np.sort(np.concatenate((opens, ends[pauses])))
    stops = np.sort(np.concatenate((begins[pauses], closes)))
    sums = np.append(0, np.cumsum(stops - starts))[:-1]
    begin, end = int(dates[0]), int(dates[-1]) + DAY
    return Table(begin, end, dates, opens, closes, starts, stops, sums)


def _nanoseconds(times: Any) -> Instants:
    """Give an index or a column of times as nanoseconds, whatever its unit and zone."""
    index: Any = importlib.import_module("pandas").DatetimeIndex(times)
    counted: Instants = np.ascontiguousarray(index.as_unit("ns").asi8)
    counted.flags.writeable = False
    return counted


def calendar_named(name: str) -> Any:
    """Give the calendar of that name as it is made by default.

    Raises
    ------
    CacheConfigError
        There is none, it can't be made, or `exchange_calendars` can't be imported.
    """
    try:
        with _quietly():
            package: Any = importlib.import_module("exchange_calendars")
    except ImportError as error:
        message = (
            f"the calendar {name!r} needs the package `exchange_calendars`, which can't be "
            f"imported ({error}); install it, or leave `calendar` out"
        )
        raise CacheConfigError(message) from error
    names = package.get_calendar_names()
    if name not in names:
        close = difflib.get_close_matches(name.upper(), names, n=5, cutoff=0.5)
        like = f"; names like it: {', '.join(map(repr, close))}" if close else ""
        message = (
            f"`calendar` names none that `exchange_calendars` has: {name!r}{like}; "
            "`exchange_calendars.get_calendar_names()` gives all"
        )
        raise CacheConfigError(message)
    return _made(name, lambda: package.get_calendar(name))


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        with _quietly():
            return make()
    except Exception as error:
        versions = ", ".join(
            f"{each} {importlib.import_module(each).__version__}"
            for each in ("exchange_calendars", "pandas")
        )
        message = (
            f"the calendar {name!r} can't be made with {versions} "
            f"({type(error).__name__}: {str(error)[:100]}); try other versions, or leave "
            "`calendar` out"
        )
        raise CacheConfigError(message) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Drop what a calendar's making warns of: it uses what newer versions of pandas deprecate."""
    with making, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def name_of_holiday(calendar: Any, date: int) -> str:
    """Say why a date has no session: "weekend", the holiday's name, or "holiday"."""
    day = _day(date)
    weekmask = next(
        (mask for first, last, mask in _special_weeks(calendar) if first <= day <= last),
        calendar.weekmask,
    )
    if weekmask[day.weekday()] == "0":
        return "weekend"
    with _quietly(), contextlib.suppress(Exception):
        names = calendar.regular_holidays.holidays(day, day, return_name=True)
        return str(names.iloc[0]) if len(names) else "holiday"
    return "holiday"


def special_dates(calendar: Any) -> Instants:
    """Give the dates that are weekends as a rule and, by the calendar's exceptions, none.

    Versions of pandas differ in whether such a date is a session then.
    """
    days: list[Any] = []
    for first, last, weekmask in _special_weeks(calendar):
        for weekday, (special, usual) in enumerate(zip(weekmask, calendar.weekmask, strict=True)):
            if special > usual:
                begin = first + dt.timedelta(days=(weekday - first.weekday()) % 7)
                days += np.arange(_date(begin), _date(last) + DAY, 7 * DAY).tolist()
    return np.array(sorted(days), dtype=np.int64)


def _special_weeks(calendar: Any) -> Iterator[tuple[Any, Any, str]]:
    """Give the periods in which other weekdays are sessions than usually."""
    for first, last, weekmask in getattr(calendar, "special_weekmasks", None) or ():
        yield first or _day(_EARLIEST), last or _day(_LATEST), weekmask


def _date(day: Any) -> int:
    return (int(day.toordinal()) - 719_163) * DAY


def _day(date: int) -> Any:
    return importlib.import_module("pandas").Timestamp(date, unit="ns")
