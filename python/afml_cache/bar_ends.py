"""Where bars end: the last instant that rows have seen, told from their labels."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import LATEST
from afml_cache.timed_values import DAY, Labels, is_table, labels_in, offset_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache.ranges.timeframes import Timeframe

__all__ = ["Bars", "make_bars", "seen_until"]

_UNIX: Final = 719_163  # the ordinal of 1970-01-01
_YEAR: Final = 1970
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Bars:
    """How the bars are labelled that a function is given.

    Attributes
    ----------
    label
        "left" or "right": which edge of a bar its label is.
    timeframe
        How long a bar is; `None` for what its labels say.
    calendar
        The calendar by whose closes daily and longer bars end: its name or itself, or `None`.
    """

    label: str = "left"
    timeframe: Timeframe | None = None
    calendar: Any = None

    def seen_until(self, values: Iterable[object]) -> int | None:
        """Give the last instant that some values have seen, in nanoseconds UTC."""
        given: Any = [values] if is_table(values) else values
        parts = given.values() if isinstance(given, dict) else given
        ends = [self.end_of(labels) for part in parts for labels in labels_in(part)]
        return min(max(ends), LATEST) if ends else None

    def end_of(self, labels: Labels) -> int:
        """Give where the last bar ends."""
        if labels.until is not None:
            return labels.until
        if self.label == "right":
            return labels.last
        frame = self.timeframe or _frame_of(labels)
        if frame is None:
            return labels.last + (labels.step or 0)
        if not frame.is_dates:
            return labels.last + (frame.step or 0)
        return self._end_of_days(labels, frame)

    def _end_of_days(self, labels: Labels, frame: Timeframe) -> int:
        """Give the close of the last session of a bar, or the midnight after it."""
        wall = labels.last + offset_at(labels.last, labels.zone)
        stop = _month_after(wall, frame.count) if frame.unit == "M" else None
        days = frame.count * (_WEEK if frame.unit == "W" else 1)
        end = wall + days * DAY if stop is None else stop
        midnight = end - offset_at(end - wall + labels.last, labels.zone)
        if self.calendar is None:
            return midnight
        return max(labels.last, self._close(labels, wall, end) or midnight)

    def _close(self, labels: Labels, wall: int, end: int) -> int | None:
        """Give the last close of the sessions of some dates, if the calendar knows of any."""
        from afml_cache.ranges.calendars import sessions_of
        from afml_cache.ranges.zones import date_of

        sessions = sessions_of(self.calendar)
        first = wall - wall % DAY
        if wall % DAY:  # not a date: a session is of that of its exchange
            first = date_of(labels.last, sessions.zone)
        stop = first + max(end - wall, DAY)
        if first < sessions.known[0] or stop > sessions.known[1]:
            return None
        closes = sessions.opens_closes(first, stop)[1]
        return int(closes[-1]) if len(closes) else None


def make_bars(label: str = "left", timeframe: Any = None, calendar: Any = None) -> Bars:
    """Check how bars are labelled.

    Raises
    ------
    CacheConfigError
        `label` is neither "left" nor "right", `timeframe` names no length of a bar, or `calendar`
        is none.
    """
    if label not in {"left", "right"}:
        message = (
            f'`label` is "left" or "right", the edge of a bar that its label is; not {label!r}'
        )
        raise CacheConfigError(message)
    frame = None
    if timeframe is not None:
        from afml_cache.ranges.timeframes import timeframe as read

        frame = read(timeframe)
    if calendar is not None:
        from afml_cache.ranges.calendars import sessions_of

        sessions_of(calendar)
    return Bars(label, frame, calendar)


def seen_until(
    values: Iterable[object], *, label: str = "left", timeframe: Any = None, calendar: Any = None
) -> int | None:
    """Give the last instant that some values have seen.

    That is where their last bar ends: at its label and the length of a bar. The length is
    `timeframe`, else the `freq` of an index of pandas, else the median step of the labels. Daily
    and longer bars end at a midnight of their labels' zone, or at the close of their last session
    where there is a `calendar`; weeks seven days after their label, months with their calendar
    month. A period of pandas ends where it says.

    Parameters
    ----------
    values : iterable
        Frames, series and indexes of pandas with an index of instants or periods, or with a column
        that is named as times are ("time", "date", "timestamp" and so on); values of polars and
        pyarrow, whose first column of times or dates counts; and lists, tuples and dictionaries of
        these. Whatever else there is holds no time.
    label : {"left", "right"}
        Which edge of a bar its label is.
    timeframe : str, timedelta or Timeframe, optional
        How long a bar is, as in `RangeCache`.
    calendar : str or exchange_calendars.ExchangeCalendar, optional
        By which sessions close, such as "XNYS".

    Returns
    -------
    int or None
        Nanoseconds since 1970-01-01 UTC; `None` where nothing holds a time. Without a zone, labels
        are UTC. Missing labels do not count; order and repetitions mean nothing. A single label
        that is a midnight is of a daily bar, and another one of a bar without length. Of more than
        65,536 sorted rows the latest tell the step, and of more than 256 steps the latest.

    Raises
    ------
    CacheConfigError
        An option can't be right.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache.look_ahead import seen_until
    >>> hours = pd.date_range("2024-05-03 09:00", periods=3, freq="1h")
    >>> print(pd.Timestamp(seen_until([pd.Series(1.0, hours)])))
    2024-05-03 12:00:00
    """
    return make_bars(label, timeframe, calendar).seen_until(values)


def _frame_of(labels: Labels) -> Timeframe | None:
    """Tell how long a bar is, where that is a timeframe or whole days."""
    from afml_cache.ranges.timeframes import Timeframe, timeframe

    if labels.frequency is not None:
        with contextlib.suppress(CacheConfigError):
            return timeframe(labels.frequency)
    days = 1 if labels.step is None else round(labels.step / DAY)
    return Timeframe(days, "D") if labels.are_dates and days else None


def _month_after(wall: int, count: int) -> int:
    """Give the midnight with which the period of so many months ends that a date lies in."""
    date = dt.date.fromordinal(wall // DAY + _UNIX)
    months = (((date.year - _YEAR) * 12 + date.month - 1) // count + 1) * count
    begin = dt.date(_YEAR + months // 12, months % 12 + 1, 1)
    return (begin.toordinal() - _UNIX) * DAY
