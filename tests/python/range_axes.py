"""What the tests of axes share: times in words, and axes by name."""

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd

from afml_cache.ranges.axes import axis_of
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.timeframes import timeframe

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def axis(written, calendar=None, naive="UTC", zone=None):
    sessions = None if calendar is None else sessions_of(calendar)
    return axis_of(timeframe(written), sessions, naive, zone)


def date(*parts):
    """A session date as a position."""
    return (dt.date(*parts).toordinal() - 719_163) * DAY


def day(position):
    """A position as a date."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=position // DAY)


def at(text, zone="UTC"):
    """An instant as a position."""
    return pd.Timestamp(text, tz=zone).as_unit("ns").value


def instant_of(wall, zone):
    """The instant of a wall time, as Python has it."""
    since = wall.replace(tzinfo=ZoneInfo(zone)) - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    return since // dt.timedelta(microseconds=1) * 1000
