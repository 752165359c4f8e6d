"""Bars to store in a series, and a record of what a store must, may and must not have of them.

Every act has a version of its own by which its vendor's bars are told from all others.
"""

import datetime as dt
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

import afml_cache
from afml_cache import RangeCache

FIRST = dt.date(2024, 1, 1)
NOW = int(dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc).timestamp()) * 1_000_000_000
SCHEMA = {"time": pl.Date, "close": pl.Float64, "volume": pl.Int64}
Day = tuple[str, int]


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def rows(symbol: str, first: int, stop: int, version: int) -> pl.DataFrame:
    """The bars of some days as the vendor has them in one version."""
    numbers = range(first, stop)
    mark = sum(symbol.encode())
    return pl.DataFrame(
        {
            "time": [day(number) for number in numbers],
            "close": [mark * 1e6 + number / 8 for number in numbers],
            "volume": [version * 1000 + number for number in numbers],
        },
        schema=SCHEMA,
    )


def versions(symbol: str, first: int, stop: int, table: pl.DataFrame) -> list[int]:
    """The version of each day's bar; -1 for all where one of them is none that ever was."""
    found = [volume // 1000 for volume in table["volume"].to_list()]
    if len(found) != stop - first:
        return [-1] * (stop - first)
    right = rows(symbol, first, stop, 0)["volume"].to_list()
    volumes = [number + 1000 * version for number, version in zip(right, found, strict=True)]
    like = rows(symbol, first, stop, 0).with_columns(pl.Series("volume", volumes))
    return found if table.equals(like) else [-1] * (stop - first)


class BarsUser:
    """The part of a user that has bars; what it does is noted before and after."""

    store: Any
    say: Any
    _bars: RangeCache | None = None
    bars_warned = 0

    @property
    def has_bars(self) -> bool:
        return self._bars is not None

    @property
    def bars(self) -> RangeCache:
        if self._bars is None:
            self._bars = RangeCache("bars", self._load, store=self.store, clock=lambda: NOW)
        return self._bars

    def _load(self, symbol: str, _timeframe: str, start: dt.date, end: dt.date) -> pl.DataFrame:
        first, stop = (start - FIRST).days, (end - FIRST).days
        self._asked += range(first, stop)
        return rows(symbol, first, stop, self._version)

    def get(self, symbol: str, first: int, stop: int, version: int) -> None:
        """Ask for bars, and say what came."""
        self._version, self._asked = version, []
        self.say("getting", symbol, first, stop, version)
        table = self.bars.get(symbol, "1D", day(first), day(stop))
        found = versions(symbol, first, stop, table)
        self.say("got", symbol, first, version, found, sorted(self._asked))

    def refresh(self, symbol: str, first: int, stop: int, version: int) -> None:
        """Have bars fetched again."""
        self._version, self._asked = version, []
        self.say("refreshing", symbol, first, stop, version)
        self.bars.refresh(symbol, "1D", day(first), day(stop))
        self.say("refreshed", symbol, first, stop, version)

    def drop(self, symbol: str, first: int, stop: int) -> None:
        """Forget bars."""
        self.say("dropping", symbol, first, stop)
        try:
            self.bars.invalidate(symbol, "1D", day(first), day(stop))
        except afml_cache.CacheStoreError as error:
            self.say("warned", "refused", str(error))
        else:
            self.say("dropped", symbol, first, stop)

    def compact(self) -> None:
        """Make segments fewer; remove what nobody needs."""
        try:
            self.bars.compact()
        except afml_cache.CacheStoreError as error:
            self.say("warned", "refused", str(error))

    def report_bars(self) -> None:
        """Say what is wrong with the series as a whole."""
        for problem in self.bars.verify().problems:
            self.say("problem", problem)
        self.compact()
        if self.bars.compact():
            self.say("problem", "a second time in a row there was something to make one")


@dataclass
class BarsHistory:
    """Which versions of each day's bar a store may have; None among them means it may lack it."""

    days: dict[Day, set[int | None]] = field(default_factory=dict)
    # Written by somebody who was killed, and entered in no catalog: it may come up if that is lost.
    ghosts: dict[Day, set[int]] = field(default_factory=dict)
    unsure_days: dict[Day, int] = field(default_factory=dict)  # put while calls failed
    faults: list[str] = field(default_factory=list)
    missed: list[Any] = field(default_factory=list)  # not there when looked for, of those
    promises: int = 0
    failing: bool = False  # what is put need not get in

    def lose_catalog(self) -> None:
        for one, ghosts in self.ghosts.items():
            self.days[one] |= ghosts

    def spans(self, generator: random.Random | None) -> list[tuple[str, int, int]]:
        """Spans to look at: all days, or those that must be there and some that need not."""
        known: dict[str, list[int]] = {}
        for (symbol, number), allowed in self.days.items():
            if generator is None or allowed != {None} or generator.random() < 0.3:
                known.setdefault(symbol, []).append(number)
        return [
            (symbol, *span)
            for symbol, numbers in known.items()
            for span in _joined(sorted(numbers))
        ]

    def _each(self, symbol: str, first: int, stop: int) -> Iterable[Day]:
        for number in range(first, stop):
            self.days.setdefault((symbol, number), {None})
            self.ghosts.setdefault((symbol, number), set())
            yield symbol, number

    def _getting(self, symbol: str, first: int, stop: int, version: int) -> None:
        for one in self._each(symbol, first, stop):
            # A store that can't be opened has nothing, and may be written to when it can be again.
            if None in self.days[one] or self.failing:
                self.days[one].add(version)
                self.ghosts[one].add(version)

    def _got(
        self, symbol: str, first: int, version: int, found: list[int], asked: list[int]
    ) -> None:
        for number, seen in enumerate(found, start=first):
            one, was_asked = (symbol, number), number in asked
            self._check(one, seen, version, asked.count(number))
            if not self.failing:
                self._settle(one, seen, was_asked=was_asked)
            elif was_asked:
                self.unsure_days[one] = seen

    def _check(self, one: Day, seen: int, version: int, asked: int) -> None:
        allowed = self.days[one]
        self.promises += None not in allowed
        if seen == -1 or (asked and seen != version):
            self.faults.append(f"wrong: {one} is of version {seen} when {version} was given")
        elif asked and None not in allowed and not self.failing:
            self.faults.append(f"lost: {one}, which may be {allowed}")
        elif not asked and seen not in allowed:
            self.faults.append(f"wrong: {one} is of version {seen}, which may be {allowed}")
        elif asked > 1:
            self.faults.append(f"asked for twice at once: {one}")

    def _settle(self, one: Day, seen: int, *, was_asked: bool) -> None:
        stored = self.unsure_days.pop(one, None)
        if stored is not None and (was_asked or seen != stored):
            self.missed.append(one)
        self.days[one] = {seen}
        if was_asked:
            self.ghosts[one] = set()

    def _refreshing(self, symbol: str, first: int, stop: int, version: int) -> None:
        for one in self._each(symbol, first, stop):
            self.days[one].add(version)
            self.ghosts[one].add(version)

    def _refreshed(self, symbol: str, first: int, stop: int, version: int) -> None:
        for one in self._each(symbol, first, stop):
            if self.failing:
                self.unsure_days[one] = version
                continue
            self.days[one], self.ghosts[one] = {version}, set()

    def _dropping(self, symbol: str, first: int, stop: int) -> None:
        for one in self._each(symbol, first, stop):
            self.days[one].add(None)

    def _dropped(self, symbol: str, first: int, stop: int) -> None:
        for one in self._each(symbol, first, stop):
            self.days[one], self.ghosts[one] = {None}, set()
            self.unsure_days.pop(one, None)


def _joined(numbers: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number:
            spans[-1] = (spans[-1][0], number + 1)
        else:
            spans.append((number, number + 1))
    return spans
