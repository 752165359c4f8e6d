"""Sequences of what one does with a range cache, each step held against the naive model."""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import strategies as st
from range_disk import Disk
from range_model import DAY, Known, Row, Span, Vendor, World, iso, rows_of

from afml_cache.exceptions import LoaderError, PartialCoverageError
from afml_cache.ranges.cache import RangeCache
from afml_cache.ranges.states import NEVER, RECHECKS

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
WRITTEN = ("utc", "york", "naive", "timestamp", "text", "open")
SAMPLE = random.sample
OUTPUTS = (None, "pandas", "polars")


@dataclass(frozen=True)
class Step:
    """One thing that is done; ranges are given in parts of all labels, from 0 to 1000."""

    what: str
    symbol: int = 0
    begin: int = 0
    end: int = 1000
    off: tuple[int, int] = (0, 0)
    """How far start and end lie beside a label, in quarters of a bar."""
    written: str = "utc"
    moods: tuple[str, ...] = ()
    count: int = 1


class Session:
    """A cache, its vendor and its store, and what is wrong with them."""

    def __init__(self, world: World, store: Any, name: str) -> None:
        self.world, self.store, self.name = world, store, name
        self.vendor = Vendor(world)
        self.disk = Disk(store.path, name)
        self.problems: list[str] = []
        self.requests = 0
        self.sampled: list[tuple[int, Span]] = []
        """Bars that were drawn to be verified, each with how many calls there had been."""
        self.begin()

    def begin(self, **options: Any) -> None:
        """Have a new cache over the same store, as a new process would."""
        self.bars = RangeCache(
            self.name,
            options.pop("loader", self.vendor.load),
            store=self.store,
            clock=self.vendor.clock,
            **{**self.world.options(), **options},
        )

    def say(self, what: str) -> None:
        if len(self.problems) < 6:
            self.problems.append(what)

    def do(self, step: Step) -> None:
        getattr(self, f"_{step.what}")(step)
        self.check_disk()
        self.check_again()

    def check_again(self) -> None:
        """Tell of bars that were given although they had been, and were final."""
        for symbol, label in self.vendor.again:
            self.say(f"the bar {symbol} {iso(label)} was given again")

    def place(self, part: int, off: int) -> int:
        """Give a position from how far it lies in all labels, and how far beside one."""
        labels = self.vendor.labels
        at = labels[min(part * len(labels) // 1000, len(labels) - 1)]
        at += self.world.step if part == 1000 else 0
        if self.vendor.axis.timeframe.is_dates:
            return at + off * DAY
        return at + off * self.world.step // 4 // 1000 * 1000

    def key(self, step: Step) -> tuple[str, str]:
        return self.vendor.symbols[step.symbol], self.world.timeframe

    def range(self, step: Step) -> tuple[tuple[Any, Any], tuple[int, int]]:
        """Give start and end as the caller writes them, and the labels that are meant."""
        unit = 1 if step.written == "timestamp" else 1000
        self.vendor.finer |= unit == 1
        parts = zip((step.begin, step.end), step.off, strict=True)
        first, stop = sorted(self.place(*one) // unit * unit for one in parts)
        times = self.written(first, step.written), self.written(stop, step.written)
        if step.written == "open" and self.vendor.now < self.vendor.labels[-1] + self.world.step:
            first = min(first, self.vendor.now) // 1000 * 1000
            if self.vendor.axis.timeframe.is_dates:
                first = self.vendor.axis.floor(first)
            return (self.written(first, "utc"), None), (first, self.vendor.limits().future)
        if self.world.closed == "both":
            stop += DAY if self.vendor.axis.timeframe.is_dates else 1
        if first >= stop:
            return times, (first, first)
        if self.vendor.axis.timeframe.is_dates:
            return times, (self.vendor.axis.floor(first), self.vendor.axis.ceil(stop))
        return times, (first, stop)

    def written(self, position: int, how: str) -> Any:
        time = EPOCH + dt.timedelta(microseconds=position // 1000)
        if self.vendor.axis.timeframe.is_dates:
            naive = time.replace(tzinfo=None)
            return {"york": time.date(), "text": str(time.date()), "utc": time}.get(how, naive)
        if how == "york":
            return time.astimezone(ZoneInfo("America/New_York"))
        if how == "naive":
            return time.replace(tzinfo=None)
        if how == "timestamp":
            return pd.Timestamp(position, unit="ns", tz="UTC")
        return time.isoformat() if how == "text" else time

    def _get(self, step: Step) -> None:
        self.requests += 1
        (start, end), clip = self.range(step)
        key = self.key(step)
        output = OUTPUTS[step.count % 3] if self.world.output is None else self.world.output
        answer, missing = self._asked(step, lambda: self.bars.get(*key, start, end, output=output))
        self.check_answer(key[0], clip, rows_of(answer), missing)
        if not missing:
            self._again(key, start, end, output, rows_of(answer))

    def _asked(self, step: Step, ask: Any) -> tuple[Any, list[tuple[int, int]]]:
        """Ask with the vendor in its moods; give what came, and what is said to be missing."""
        moods = [self._mood(mood, step.what) for mood in step.moods]
        before = len(self.vendor.calls)
        self.vendor.moods = moods
        self.vendor.forgives = self.world.refetches or step.what in {"refresh", "verify"}
        try:
            answer, missing = ask(), []
        except PartialCoverageError as error:
            answer, missing = error.data, [tuple(map(self._at, one)) for one in error.missing]
            self._expect_failure(before, error)
        except LoaderError as error:
            # All of it is there, and is answered when it is asked for again.
            self._expect_failure(before, error)
            self.vendor.moods = []
            answer, missing = ask(), []
        else:
            for number, call in enumerate(self.vendor.calls[before:], before):
                first, stop = self._meant(step, number)
                # Of a whole day, what nobody asked for may be missing.
                is_asked = not self.world.align or (call.first < stop and first < call.stop)
                if is_asked and call.mood in {"fails", "end"}:
                    self.say(f"no error, although the vendor {call.mood} in {call}")
        finally:
            self.vendor.moods = []
        return answer if answer is not None else [], missing

    def _meant(self, step: Step, number: int) -> Span:
        """Give the labels for which a call was made; for bars of a sample it is one by one."""
        if step.what != "verify":
            return self.range(step)[1]
        return next(span for begun, span in reversed(self.sampled) if begun <= number)

    def _mood(self, mood: str, what: str) -> str:
        # No row stands at an end that is included, or rounded as those of ticks are.
        # Where all is fetched again, its error would leave some of it as it was.
        if mood == "end" and (
            self._is_tick or self.world.loader_closed == "both" or what == "refresh"
        ):
            return "well"
        return "well" if mood.startswith("cut") and self._is_tick else mood

    def _expect_failure(self, before: int, error: Exception) -> None:
        if not any(call.mood in {"fails", "end"} for call in self.vendor.calls[before:]):
            self.say(f"an error although the vendor made none: {error}")

    def _at(self, time: Any) -> int:
        if isinstance(time, dt.datetime):
            return (time - EPOCH) // dt.timedelta(microseconds=1) * 1000
        return (time.toordinal() - EPOCH.toordinal()) * DAY

    def _again(self, key: Any, start: Any, end: Any, output: Any, rows: Any) -> None:
        """Ask the same once more: no call, no write, and the same."""
        calls, disk = len(self.vendor.calls), self.disk.snapshot()
        if rows_of(self.bars.get(*key, start, end, output=output)) != rows:
            self.say(f"asked twice, {start} to {end}, and two answers")
        for call in self.vendor.calls[calls:]:
            self.say(f"a warm request calls {call.mood} {iso(call.first)} to {iso(call.stop)}")
        if self.disk.snapshot() != disk:
            self.say(f"a warm request for {start} to {end} writes")

    def check_answer(
        self, symbol: str, clip: tuple[int, int], rows: Any, missing: list[tuple[int, int]]
    ) -> None:
        self.look()
        found: dict[int, tuple[Any, ...]] = {}
        last = None
        for at, row in rows:
            if last is not None and (at < last or (at == last and not self._is_tick)):
                self.say(f"{iso(at)} comes after {iso(last)}")
            if not clip[0] <= at < clip[1]:
                self.say(f"{iso(at)} was not asked for: {iso(clip[0])} to {iso(clip[1])}")
            last, found[at] = at, (*found.get(at, ()), row)
        labels = self.vendor.labels
        within = labels[bisect.bisect_left(labels, clip[0]) : bisect.bisect_left(labels, clip[1])]
        for at in set(found) - set(within):
            self.say(f"{symbol} {iso(at)} never was")
        for label in within:
            # What is missing is told in microseconds.
            gap = any(begin <= label < end + 1000 for begin, end in missing)
            what = self.wrong(symbol, label, found.get(label, ()), gap=gap)
            if what:
                self.say(f"{symbol} {iso(label)}: {what}")

    @property
    def _is_tick(self) -> bool:
        return self.world.timeframe == "tick"

    def wrong(self, symbol: str, label: int, rows: Any, *, gap: bool) -> str | None:
        """Say what is wrong with the rows of a label in an answer."""
        known = self.vendor.known[symbol].get(label)
        limits = self.vendor.limits()
        if label >= limits.future:
            return "has not begun" if rows else None
        if label in self.vendor.unseen[symbol]:
            return self.unproven(symbol, label, rows)
        if known is None:
            return "unknown rows" if rows else None if gap else "was never asked for"
        if known.final:
            return None if rows == known.rows else f"{rows} instead of {known.rows}"
        return None if gap or not known.rows else self.outdated(label, rows, known)

    def outdated(self, label: int, rows: Any, known: Known) -> str | None:
        """Say what is wrong with rows that were not final when they were given."""
        if label < self.vendor.limits().settled:
            return f"is final, but what was given before is answered: {rows}"
        if self.vendor.now >= known.sent + self.world.ttl * self.world.step:
            return "is too old"
        return None if rows == known.rows else f"{rows} instead of {known.rows}, forming"

    def unproven(self, symbol: str, label: int, rows: Any) -> str | None:
        """Say what is wrong with a label that the vendor's last answer did not reach."""
        known = self.vendor.known[symbol].get(label)
        if rows and (known is None or rows != known.rows):
            return f"{rows}, which were not given"
        if known is not None and known.final and rows != known.rows:
            return f"the rows {known.rows} are lost to an answer that was cut"
        piece = self.disk.piece(symbol, label)
        if piece is None or piece.recheck < NEVER or known is not None:
            return None
        if piece.attempt >= len(RECHECKS):
            return None
        return f"cut off before its {self.vendor.unseen[symbol][label]}, and missing: {piece}"

    def look(self) -> None:
        """Read what is stored, which tells of bars at an end whether they were asked for."""
        self.disk.load()
        for symbol, label, found in self.vendor.at_ends:
            known = self.vendor.known[symbol]
            is_forming = label >= self.vendor.limits().opened
            kept = self._forming(symbol, label) if is_forming else self.disk.rows(symbol).get(label)
            is_there = self.disk.piece(symbol, label) or is_forming
            if is_there and ((kept or ()) == found.rows or label not in known):
                known[label] = found
        self.vendor.at_ends.clear()

    def _forming(self, symbol: str, label: int) -> tuple[Row, ...]:
        """Give the rows of a label that are in memory alone."""
        for series in self.bars._series.opened.values():
            if series.tail is not None and series.name.startswith(f"{self.name} {symbol} "):
                rows = rows_of(series.tail.table.to_pandas())
                return tuple(row for at, row in rows if at == label)
        return ()

    def check_disk(self) -> None:
        """Compare what is said to be known with the files."""
        self.look()
        for symbol in self.vendor.symbols:
            for what in self.disk.overlaps(symbol):
                self.say(what)
            on_disk = self.disk.rows(symbol)
            for label, known in self.vendor.known[symbol].items():
                if label in self.vendor.unseen[symbol] or not known.final:
                    continue
                rows = on_disk.pop(label, ())
                if rows != known.rows:
                    piece = self.disk.piece(symbol, label)
                    self.say(f"{symbol} {iso(label)}: {rows} on disk, not {known.rows}: {piece}")

    def _prefetch(self, step: Step) -> None:
        (start, end), _ = self.range(step)
        self._asked(step, lambda: self.bars.prefetch(*self.key(step), start, end))

    def _refresh(self, step: Step) -> None:
        (start, end), clip = self.range(step)
        _, missing = self._asked(step, lambda: self.bars.refresh(*self.key(step), start, end))
        if not missing and clip[0] < clip[1]:
            self._get(dataclasses.replace(step, what="get", moods=()))

    def _invalidate(self, step: Step) -> None:
        (start, end), clip = self.range(step)
        symbol, timeframe = self.key(step)
        if step.count == 0:
            self.bars.invalidate(symbol, timeframe)
            clip = (-(2**63), 2**63 - 1)
        else:
            self.bars.invalidate(symbol, timeframe, start, end)
            clip = self.whole(step, clip)
        for books in (self.vendor.known[symbol], self.vendor.unseen[symbol]):
            for label in [one for one in books if clip[0] <= one < clip[1]]:
                del books[label]

    def whole(self, step: Step, clip: tuple[int, int]) -> tuple[int, int]:
        """Give the bars that an interval touches; of ticks, what the caller can't tell apart."""
        if clip[0] >= clip[1]:
            return clip
        unit, axis = 1 if step.written in {"timestamp", "text"} else 1000, self.vendor.axis
        stop = -(-clip[1] // unit) * unit if self._is_tick else clip[1]
        return axis.floor(clip[0]), axis.ceil(stop)

    def _compact(self, step: Step) -> None:
        key = self.key(step) if step.count else ()
        self.bars.compact(*key)
        before = self.disk.snapshot()
        gone = self.bars.compact(*key)
        if gone or self.disk.snapshot() != before:
            self.say(f"compacted twice, and the second time {gone} segments went")

    def _verify(self, step: Step) -> None:
        key = self.key(step) if step.count else ()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "sample", self._sample)
            found, _ = self._asked(step, lambda: self.bars.verify(*key, sample=step.count % 3))
        for problem in found.problems if found else []:
            self.say(problem)

    def _sample(self, bars: list[int], count: int) -> Iterator[int]:
        """Draw bars, and keep the books of which is asked for when."""
        for bar in SAMPLE(bars, count):
            self.sampled.append((len(self.vendor.calls), (bar, self.vendor.axis.next(bar))))
            yield bar

    def _advance(self, step: Step) -> None:
        self.vendor.now += step.count**2 * self.world.step + step.begin * self.world.step // 1000

    def _go(self, step: Step) -> None:
        """Have it be a time within the labels, if it is not later already."""
        if self.vendor.calls:
            return
        self.vendor.now = self.place(step.begin, step.off[0])

    def _restate(self, step: Step) -> None:
        _, (first, stop) = self.range(step)
        labels = [one for one in self.vendor.labels if first <= one < stop]
        self.vendor.truth[self.key(step)[0]].restate(labels)

    def _renew(self, _: Step) -> None:
        self.begin()

    def _drop(self, _: Step) -> None:
        for series in self.bars._series.opened.values():
            series.windows.clear()
            series.hot = None


MOODS = st.one_of(
    st.sampled_from(["well", "fails", "doubled", "unsorted", "outside", "end"]),
    st.builds("cut {} {}".format, st.sampled_from(["first", "last"]), st.integers(1, 60).map(str)),
)
OTHERS = (
    "prefetch",
    "refresh",
    "invalidate",
    "compact",
    "verify",
    "advance",
    "restate",
    "renew",
    "drop",
)


ANY = st.one_of(st.just("get"), st.sampled_from(OTHERS))
NONE = st.just(())
WELL_OR_NOT = st.lists(MOODS, max_size=3).map(tuple)


def steps(what: Any = ANY, moods: Any = WELL_OR_NOT, symbols: Any = (0, 0, 0, 1)) -> Any:
    """Draw one step; half of all are requests."""
    return st.builds(
        Step,
        what=what,
        symbol=st.sampled_from(symbols),
        begin=st.integers(0, 1000),
        end=st.integers(0, 1000),
        off=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
        written=st.sampled_from(WRITTEN),
        moods=moods,
        count=st.integers(0, 5),
    )


@st.composite
def worlds(draw: Any) -> World:
    """Draw a vendor and a cache's options."""
    frame = draw(st.sampled_from(["1min", "1h", "1D", "1W", "1M", "tick"]))
    is_tick = frame == "tick"
    cap = draw(st.one_of(st.none(), st.integers(10, 120)))
    declared = is_tick or draw(st.booleans())
    side = "first" if is_tick else draw(st.sampled_from(["first", "last"]))
    is_short = frame in {"1min", "tick"}  # of which a day is many calls, and a month thousands
    align = draw(st.sampled_from([None, None, None, "day", "day" if is_short else "month"]))
    return World(
        timeframe=frame,
        calendar=draw(st.sampled_from([None, "XNYS", "24/7"])),
        seed=draw(st.integers(0, 99)),
        density=draw(st.sampled_from([1.0, 0.97, 0.6, 0.05])),
        holes=draw(st.integers(0, 6)),
        given=draw(st.sampled_from(["polars", "pandas"])),
        closed=draw(st.sampled_from(["left", "both"])),
        loader_closed=draw(st.sampled_from(["left", "both"])),
        cap=cap,
        cap_side=side,
        declared=declared,
        max_span=draw(st.one_of(st.none(), st.integers(100 if is_short and align else 5, 300))),
        merge_gaps=draw(st.sampled_from([0, 0, 0, 10])),
        align=align,
        settle=draw(st.sampled_from([0, 0, 3])),
        ttl=draw(st.sampled_from([0.5, 2, 50])),
        overlap=draw(st.sampled_from([0, 0, 0, 2])),
        concurrency=draw(st.sampled_from([1, 1, 3])),
    )


@st.composite
def sequences(draw: Any) -> tuple[World, list[Step]]:
    """Draw a world, and what is done in it: at one time, or while time goes on."""
    world = draw(worlds())
    done = draw(st.lists(steps(), min_size=2, max_size=12))
    if draw(st.booleans()):
        return world, done
    begun = Step("go", begin=draw(st.integers(0, 1000)), off=(draw(st.integers(-3, 3)), 0))
    if draw(st.booleans()):
        return world, [begun, *done]
    # As those who trade do: up to now, again and again.
    later = st.builds(
        Step, what=st.just("advance"), begin=st.integers(0, 1000), count=st.integers(0, 2)
    )
    latest = steps(st.just("get")).map(lambda step: dataclasses.replace(step, written="open"))
    pairs = draw(st.lists(st.tuples(latest, later), min_size=1, max_size=6))
    return world, [begun, *itertools.chain(*pairs), *done[:3]]
