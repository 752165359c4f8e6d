"""A vendor of bars as bad as they come, and the naive model of what a range cache answers.

The model knows of each label what the vendor gave when it last gave an answer that reached it. It
knows no intervals, no segments and no coverage.
"""

from __future__ import annotations

import datetime as dt
import functools
import random
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from afml_cache.ranges.axes import axis_of
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.timeframes import timeframe

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
UNIX = dt.date(1970, 1, 1).toordinal()
# From when to when there are labels; the clocks of New York change within the first and the last.
SPANS = {
    "1min": ("2024-03-08 18:00", "2024-03-11 16:00"),
    "1h": ("2024-03-01 00:00", "2024-03-18 00:00"),
    "1D": ("2023-09-01", "2024-04-15"),
    "1W": ("2022-01-03", "2024-04-15"),
    "1M": ("2018-01-01", "2024-04-01"),
    "tick": ("2024-03-08 14:30", "2024-03-08 16:30"),
}
STEPS = {
    "1min": 60 * SECOND,
    "1h": 3600 * SECOND,
    "1D": DAY,
    "1W": 7 * DAY,
    "1M": 30 * DAY,
    "tick": 20 * SECOND,
}

Row = tuple[float, int]
Span = tuple[int, int]


class VendorError(Exception):
    """The exchange can't be reached."""


@dataclass(frozen=True)
class World:
    """How a vendor's bars are, and how the cache is set up that asks for them."""

    timeframe: str = "1h"
    calendar: str | None = None
    seed: int = 0
    density: float = 1.0
    holes: int = 0
    given: str = "polars"
    output: str | None = None
    closed: str = "left"
    loader_closed: str = "left"
    cap: int | None = None
    """How many rows an answer has at most."""
    cap_side: str = "first"
    """Which rows an answer has that is cut."""
    declared: bool = True
    """Whether the cache is told of the cap."""
    max_span: int | None = None
    merge_gaps: int = 0
    align: str | None = None
    settle: int = 0
    ttl: float = 2
    overlap: int = 0
    concurrency: int = 1

    @property
    def step(self) -> int:
        return STEPS[self.timeframe]

    @property
    def refetches(self) -> bool:
        """Whether the cache is told to fetch again what it has."""
        return bool(self.merge_gaps or self.overlap)

    def options(self) -> dict[str, Any]:
        def length(bars: float | None) -> Any:
            return None if bars is None else dt.timedelta(microseconds=bars * self.step // 1000)

        return {
            "time": "time",
            "calendar": self.calendar,
            "closed": self.closed,
            "loader_closed": self.loader_closed,
            "max_rows": self.cap if self.declared else None,
            "max_span": length(self.max_span),
            "merge_gaps": length(self.merge_gaps),
            "align": self.align,
            "settle": length(self.settle),
            "volatile_ttl": length(self.ttl),
            "overlap": self.overlap,
            "concurrency": self.concurrency,
            "retries": 0,
        }


class Known(NamedTuple):
    """What the vendor gave at a label: rows, when, and whether they were final."""

    rows: tuple[Row, ...]
    sent: int
    final: bool


class Call(NamedTuple):
    """A call of the vendor: what it was asked for, and what it did."""

    symbol: str
    first: int
    stop: int
    mood: str
    rows: int


class Truth:
    """The bars of one symbol, as they are now."""

    def __init__(self, world: World, symbol: str, labels: list[int]) -> None:
        self.world = world
        self.random = random.Random(f"{world.seed} {symbol}")
        self.rows: dict[int, list[Row]] = {}
        for label in labels:
            if self.random.random() < world.density:
                self.rows[label] = self._made()
        for _ in range(world.holes):
            begin = self.random.randrange(len(labels))
            for label in labels[begin : begin + self.random.randrange(2, 60)]:
                self.rows.pop(label, None)

    def _made(self) -> list[Row]:
        count = self.random.choice((1, 1, 2, 4)) if self.world.timeframe == "tick" else 1
        return [(round(self.random.uniform(50, 150), 4), self._size()) for _ in range(count)]

    def _size(self) -> int:
        return self.random.randrange(1, 10**9)

    def restate(self, labels: list[int]) -> None:
        """Change bars, take some away, and add some."""
        for label in labels:
            what = self.random.random()
            if what < 0.7:
                if label in self.rows:
                    self.rows[label] = self._made()
            elif what < 0.85:
                self.rows.pop(label, None)
            else:
                self.rows[label] = self._made()


class Vendor:
    """Gives bars, well or badly, and keeps the books of what it gave."""

    def __init__(self, world: World, symbols: tuple[str, ...] = ("AAA", "BBB")) -> None:
        self.world = world
        sessions = None if world.calendar is None else sessions_of(world.calendar)
        self.axis = axis_of(timeframe(world.timeframe), sessions)
        self.labels = labels_of(world)
        self.now = self.labels[-1] + 400 * DAY
        self.symbols = symbols
        self.truth = {symbol: Truth(world, symbol, self.labels) for symbol in symbols}
        self.known: dict[str, dict[int, Known]] = {symbol: {} for symbol in symbols}
        self.unseen: dict[str, dict[int, str]] = {symbol: {} for symbol in symbols}
        """Labels that the last answer for them did not reach, and on which side it was cut."""
        self.calls: list[Call] = []
        self.moods: list[str] = []
        self.again: list[tuple[str, int]] = []
        """Bars that were given although they had been, and were final."""
        self.at_ends: list[tuple[str, int, Known]] = []
        """Ticks and days at an end of a call: asked for, or only given since ends are widened."""
        self.finer = False
        """Whether it was asked for times that others can't tell."""
        self.forgives = False
        self.lock = threading.RLock()
        self._limits: dict[int, Any] = {}

    def clock(self) -> int:
        return self.now

    def limits(self) -> Any:
        """Tell which bars are final now, closed, and yet to begin."""
        if self.now not in self._limits:
            self._limits = {
                self.now: self.axis.limits(self.now, self.world.settle * self.world.step)
            }
        return self._limits[self.now]

    def current(self, symbol: str, label: int) -> tuple[Row, ...]:
        """Give the rows of a label as they are now; those of a bar that is forming move."""
        rows = self.truth[symbol].rows.get(label, [])
        limits = self.limits()
        if not rows or label >= limits.future:
            return ()
        if label >= limits.settled:
            return tuple((price, size + self.now % 997 + 1) for price, size in rows)
        return tuple(rows)

    def load(self, symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        """Answer; to be given to a cache as its loader."""
        assert timeframe == self.world.timeframe
        first, stop = self.position(start), self.position(end)
        if self.world.loader_closed == "both":
            stop += 1
        with self.lock:
            mood = self.moods.pop(0) if self.moods else "well"
            return self._answer(symbol, first, stop, mood)

    def position(self, time: Any) -> int:
        """Read a time of the cache's."""
        if self.axis.timeframe.is_dates:
            # Until a bar has shown when days are labelled, an inclusive end is that of its day.
            return (pd.Timestamp(time).toordinal() - UNIX) * DAY
        read = pd.Timestamp(time)
        read = read.tz_localize("UTC") if read.tzinfo is None else read
        return int(read.as_unit("ns").value)

    def _answer(self, symbol: str, first: int, stop: int, mood: str) -> Any:
        if mood == "fails":
            self.calls.append(Call(symbol, first, stop, mood, 0))
            raise VendorError
        labels = [label for label in self.labels if first <= label < stop]
        rows = [(label, row) for label in labels for row in self.current(symbol, label)]
        cap, side = self.world.cap, self.world.cap_side
        if mood.startswith("cut"):
            _, side, count = mood.split()
            cap = int(count)
        low, high = first, stop
        full = cap is not None and len(rows) >= cap
        if full and (len(rows) > cap or self.world.timeframe == "tick"):
            rows = rows[:cap] if side == "first" else rows[-cap:]
            low, high = self._reached(rows, first, stop, side)
        self._note(symbol, labels, (first, stop), (low, high), side)
        self.calls.append(Call(symbol, first, stop, mood, len(rows)))
        return self._frame(self._spoiled(rows, first, stop, mood))

    def _reached(
        self, rows: list[tuple[int, Row]], first: int, stop: int, side: str
    ) -> tuple[int, int]:
        """Tell of which labels an answer that is cut says all; ticks of one time may be cut."""
        is_tick = self.world.timeframe == "tick"
        if side == "first":
            return first, rows[-1][0] if is_tick else rows[-1][0] + 1
        return rows[0][0] + 1 if is_tick else rows[0][0], stop

    @property
    def _is_tick(self) -> bool:
        return self.world.timeframe == "tick"

    @property
    def _rounds_ends(self) -> bool:
        return self._is_tick and self.world.loader_closed == "both"

    def _note_again(self, symbol: str, label: int, first: int, stop: int) -> None:
        # What a datetime tells no finer is given with its neighbours.
        finer = self._is_tick and (self.finer or self.world.seed % 2 == 0)
        is_edge = finer and self._is_at_edge(label, (first, stop))
        if not self.forgives and not is_edge:
            self.again.append((symbol, label))

    def _is_at_edge(self, label: int, asked: Span) -> bool:
        """Tell whether a tick is given since ends are rounded: an inclusive one to behind it."""
        last = (asked[1] - 1) // 1000
        edges = {asked[0] // 1000, last, asked[1] // 1000, last - self._rounds_ends}
        return label // 1000 in edges

    def _proven(self, symbol: str, labels: list[int], asked: Span, reached: Span) -> Span:
        """Tell of which labels an answer says that they have no bar any more.

        One without any says that of none: what is stored outlives it. Neither do bars say so of
        what lies before the first and behind the last, which is asked for by itself.
        """
        there = [one for one in labels if reached[0] <= one < reached[1]]
        there = [one for one in there if self.current(symbol, one)]
        if not there:
            return asked[0], asked[0]
        return asked if self._is_tick else (there[0], there[-1])

    def _note(self, symbol: str, labels: list[int], asked: Span, reached: Span, side: str) -> None:
        limits = self.limits()
        known, unseen = self.known[symbol], self.unseen[symbol]
        proven = self._proven(symbol, labels, asked, reached)
        for label in labels:
            if not reached[0] <= label < reached[1]:
                unseen[label] = side
                continue
            rows = self.current(symbol, label)
            found = Known(rows, self.now, label < limits.settled)
            before = known.get(label)
            # One that is finer than ends may lie behind what was asked for.
            is_told = self._is_tick and (before is not None or label % 1000)
            is_end = label == asked[1] - 1 and self._rounds_ends
            # A day more is asked for where its label could be the one of the day before.
            is_new_day = self.world.timeframe == "1D" and before is None
            is_end |= is_new_day and label >= asked[1] - DAY
            if is_end or (is_told and self._is_at_edge(label, asked)):
                self.at_ends.append((symbol, label, found))
                continue
            if before is not None and before.final and before.rows:
                if rows:
                    self._note_again(symbol, label, *asked)
                elif not proven[0] <= label < proven[1]:
                    continue
            known[label] = found
            unseen.pop(label, None)

    def _spoiled(
        self, rows: list[tuple[int, Row]], first: int, stop: int, mood: str
    ) -> list[tuple[int, Row]]:
        chance = random.Random(len(self.calls))
        if mood == "doubled" and self.world.timeframe != "tick":
            rows = [one for row in rows for one in self._twice(row, chance)]
        elif mood == "unsorted":
            # Ticks of one time stay in their order, which nobody else could tell.
            groups: dict[int, list[tuple[int, Row]]] = {}
            for row in rows:
                groups.setdefault(row[0], []).append(row)
            order = list(groups)
            chance.shuffle(order)
            rows = [row for label in order for row in groups[label]]
        elif mood == "outside":
            others = [one for one in self.labels if one < first - DAY or one > stop + DAY]
            wrong = [(label, (1.0, 1)) for label in chance.sample(others, min(3, len(others)))]
            rows = wrong[:1] + rows + wrong[1:]
        elif mood == "end":
            rows = [*rows, (stop, (1.0, 1))]
        return rows

    def _twice(self, row: tuple[int, Row], chance: random.Random) -> list[tuple[int, Row]]:
        what = chance.random()
        if what < 0.6:
            return [row]
        return [row, row] if what < 0.8 else [(row[0], (2.0, 2)), row]

    def _frame(self, rows: list[tuple[int, Row]]) -> Any:
        dates = self.axis.timeframe.is_dates
        times = np.array([label for label, _ in rows], dtype="int64").view("datetime64[ns]")
        close = np.array([price for _, (price, _) in rows], dtype="float64")
        volume = np.array([size for _, (_, size) in rows], dtype="int64")
        if self.world.given == "pandas":
            index = pd.DatetimeIndex(times, name="time")
            index = index if dates else index.tz_localize("UTC")
            return pd.DataFrame({"close": close, "volume": volume}, index=index)
        table = pl.DataFrame({"time": times, "close": close, "volume": volume})
        dtype = pl.Date() if dates else pl.Datetime("ns", "UTC")
        time = pl.col("time")
        return table.with_columns(
            time.cast(dtype) if dates else time.dt.replace_time_zone("UTC").cast(dtype)
        )


def labels_of(world: World) -> list[int]:
    """Give every time that may have a bar."""
    return _labels(
        world.timeframe, world.calendar, world.seed if world.timeframe == "tick" else world.seed % 2
    )


@functools.lru_cache(maxsize=64)
def _labels(frame: str, calendar: str | None, seed: int) -> list[int]:
    begin, end = (pd.Timestamp(text) for text in SPANS[frame])
    if frame == "tick":
        chance = random.Random(seed)
        # Those of some vendors are finer than a datetime can tell.
        unit = 1000 if seed % 2 else 1
        drawn = sorted(chance.sample(range((end - begin).value // unit), 300))
        near = [one + 1 for one in drawn[::7]]
        return sorted({int(begin.value) + unit * one for one in drawn + near})
    frequency = {"1min": "1min", "1h": "1h", "1D": "1D", "1W": "W-MON", "1M": "MS"}
    places = pd.date_range(begin, end, freq=frequency[frame]).as_unit("ns").asi8.tolist()
    if calendar is None:
        weekends = frame == "1D" and seed
        return [one for one in places if not weekends or (one // DAY + 3) % 7 < 5]
    axis = axis_of(timeframe(frame), sessions_of(calendar))
    return [one for one in places if not axis.is_closed(one, axis.next(one))]


def rows_of(answer: Any) -> list[tuple[int, Row]]:
    """Give the rows of an answer, whatever it is, with their positions."""
    if isinstance(answer, list) or not len(answer.columns):
        assert not len(answer)
        return []
    if isinstance(answer, pd.DataFrame):
        if "time" not in answer.columns:
            answer = answer.reset_index()
        table = pl.DataFrame(
            {
                "time": pd.DatetimeIndex(answer["time"]).as_unit("ns").asi8,
                "close": answer["close"].to_numpy(),
                "volume": answer["volume"].to_numpy(),
            }
        )
    else:
        table = answer if isinstance(answer, pl.DataFrame) else pl.DataFrame(answer)
        time = pl.col("time").cast(pl.Datetime("ns")).cast(pl.Int64)
        table = table.select(time, "close", "volume")
    return [(at, (price, size)) for at, price, size in table.iter_rows()]


def iso(position: int) -> str:
    return str(np.datetime64(position, "ns"))
