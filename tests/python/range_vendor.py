"""A vendor in memory that keeps a record of what it was asked for, and a wall clock to be moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from afml_cache import RangeCache

Frame = pd.DataFrame


def utc(text: Any, naive: str = "UTC") -> pd.Timestamp:
    """Give an instant; `naive` is the zone of times without one."""
    time = pd.Timestamp(text).as_unit("ns")
    return (time.tz_localize(naive) if time.tzinfo is None else time).tz_convert("UTC")


def days(first: str, last: str) -> pd.DatetimeIndex:
    """Give the midnights in UTC from one day to another, both among them."""
    return pd.date_range(first, last, freq="D", tz="UTC", name="time").as_unit("ns")


def hours(first: str, last: str) -> pd.DatetimeIndex:
    """Give the full hours from one to another, both among them."""
    return pd.date_range(first, last, freq="h", tz="UTC", name="time").as_unit("ns")


def bars(times: pd.DatetimeIndex) -> Frame:
    """Make bars, each from its time alone."""
    count = (times.tz_convert("UTC") - utc("2020-01-01")) // pd.Timedelta("1min")
    close = 100 + (count.to_numpy() % 977) / 8
    volume = (count.to_numpy() % 10_007).astype(np.int64)
    times = pd.DatetimeIndex(times, freq=None, name="time")
    return Frame({"open": close - 0.25, "close": close, "volume": volume}, index=times)


class Clock:
    """The wall clock of a cache."""

    def __init__(self, text: str = "2030-01-01") -> None:
        self.now = utc(text).value

    def __call__(self) -> int:
        return self.now

    def set(self, text: str) -> None:
        self.now = utc(text).value

    def move(self, length: str) -> None:
        self.now += pd.Timedelta(length).value


class Vendor:
    """Gives its bars from `start` on and before `end`, or up to it where `closed` is "both".

    Attributes
    ----------
    naive : str
        The zone in which it reads times without one.
    asked : list of (start, end)
        What it was asked for, as it was.
    series : list of (symbol, timeframe)
        Of which series.
    given : Counter
        How often it gave the bar of each time.
    answer : callable, optional
        Takes the bars that it would give, and gives what is given instead.
    """

    def __init__(self, times: pd.DatetimeIndex, closed: str = "left", naive: str = "UTC") -> None:
        self.bars = bars(times)
        self.closed = closed
        self.naive = naive
        self.asked: list[tuple[Any, Any]] = []
        self.series: list[tuple[str, Any]] = []
        self.given: Counter[pd.Timestamp] = Counter()
        self.answer: Callable[[Frame], Any] | None = None

    def between(self, start: Any, end: Any, closed: str = "left") -> Frame:
        """Give bars without having been asked."""
        at = self.bars.index
        first, last = utc(start, self.naive), utc(end, self.naive)
        return self.bars[(at >= first) & (at <= last if closed == "both" else at < last)]

    def load(self, symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        self.asked.append((start, end))
        self.series.append((symbol, timeframe))
        found = self.between(start, end, self.closed)
        if self.answer is not None:
            found = self.answer(found)
        if isinstance(found, Frame):
            self.given.update(found.index)
        return found

    async def aload(self, symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        return self.load(symbol, timeframe, start, end)

    @property
    def spans(self) -> list[tuple[str, str]]:
        """What it was asked for, as texts that are easily read."""
        return [(shown(start), shown(end)) for start, end in self.asked]

    @property
    def given_twice(self) -> list[pd.Timestamp]:
        """The times whose bars it gave more than once."""
        return [time for time, count in self.given.items() if count > 1]


def shown(time: Any) -> str:
    """Write a time in UTC: a midnight as its date, others to the minute."""
    time = utc(time)
    return str(time.date()) if time == time.normalize() else f"{time:%Y-%m-%d %H:%M}"


def same(left: Frame, right: Frame) -> None:
    """See that two frames of bars are equal, but for the frequency of their index."""
    pd.testing.assert_frame_equal(left, right, check_freq=False)


def cache_of(vendor: Vendor, **options: Any) -> RangeCache:
    """Make a cache around a vendor; two of them share what is stored, and nothing in memory."""
    options = {
        "clock": Clock(),
        "retries": 0,
        "loader_closed": vendor.closed,
        "naive": vendor.naive,
        **options,
    }
    return RangeCache("bars", vendor.load, **options)


def told(error: BaseException, *parts: str) -> None:
    """See that a message names all of these."""
    missing = [part for part in parts if part not in str(error)]
    assert not missing, f"{missing} in {error}"
