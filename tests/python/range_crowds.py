"""Many who ask one vendor at once: in threads, as tasks, and with several caches over one store."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any, NamedTuple

from hypothesis import strategies as st
from range_model import Known, World, rows_of
from range_sequences import NONE, Session, Step, steps, worlds

from afml_cache.exceptions import PartialCoverageError
from afml_cache.ranges.cache import RangeCache

PATIENCE = 120  # seconds before a test calls it a hang
GENTLE = st.sampled_from(["well", "well", "fails", "doubled", "unsorted", "outside"])


class Crowd(NamedTuple):
    """Who asks for what, in which world."""

    world: World
    begin: int | None
    """How far the labels have come, in thousandths; `None` where all of them are over."""
    callers: list[list[Step]]
    caches: int
    moods: list[str]
    rests: list[int]
    """How often the loader lets others go on before it answers, call by call."""
    cancelled: dict[int, int]
    """Which tasks are cancelled, and how many turns after they began."""


class Answer(NamedTuple):
    """What one of them got."""

    symbol: str
    clip: tuple[int, int]
    rows: Any
    missing: list[tuple[int, int]]


class Together(Session):
    """A session in which several ask at once."""

    def __init__(self, crowd: Crowd, store: Any, name: str) -> None:
        self.crowd = crowd
        super().__init__(crowd.world, store, name)
        if crowd.begin is not None:
            self.vendor.now = self.place(crowd.begin, 0)
        self.vendor.moods = list(crowd.moods)
        self.vendor.forgives = crowd.world.refetches
        self.rests = list(crowd.rests)

    def wrong(self, symbol: str, label: int, rows: Any, *, gap: bool) -> str | None:
        """Say what is wrong; what one of them could not fetch, another may have fetched."""
        return None if gap and not rows else super().wrong(symbol, label, rows, gap=gap)

    def outdated(self, label: int, rows: Any, known: Known) -> str | None:
        """Say what is wrong with rows that are forming: two who ask at once may have others."""
        return (
            None if label >= self.vendor.limits().opened else super().outdated(label, rows, known)
        )

    def caches(self, loader: Any) -> list[RangeCache]:
        """Give several caches, as several processes would have."""
        made = []
        for _ in range(self.crowd.caches):
            self.begin(loader=loader)
            made.append(self.bars)
        return made

    def told(self, step: Step, answer: Any) -> Answer:
        symbol, clip = self.key(step)[0], self.range(step)[1]
        if isinstance(answer, PartialCoverageError):
            missing = [tuple(map(self._at, one)) for one in answer.missing]
            return Answer(symbol, clip, rows_of(answer.data), missing)
        return Answer(symbol, clip, rows_of(answer), [])

    def check(self, answers: list[Answer]) -> None:
        """Look at all answers, and at what is stored in the end."""
        for answer in answers:
            self.check_answer(*answer)
        self.check_disk()
        self.check_again()

    def finish(self, answers: list[Answer]) -> None:
        """Look at them; then all of it is asked for once more, by one who meets nobody."""
        self.check(answers)
        self.vendor.moods = []
        for symbol in range(len(self.vendor.symbols)):
            self.do(Step("get", symbol=symbol))
        self.disk.close()


def in_threads(together: Together) -> list[Answer]:
    """Have each caller in a thread of its own."""
    caches = together.caches(together.vendor.load)
    barrier = threading.Barrier(len(together.crowd.callers))
    answers: list[Answer] = []
    broken: list[BaseException] = []

    def ask(number: int, asked: list[Step]) -> None:
        try:
            barrier.wait(PATIENCE)
            bars = caches[number % len(caches)]
            for step in asked:
                times, _ = together.range(step)
                answers.append(together.told(step, _get(bars, together.key(step), times)))
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            broken.append(error)

    threads = [
        threading.Thread(target=ask, args=caller, daemon=True)
        for caller in enumerate(together.crowd.callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a caller hangs"
    if broken:
        raise broken[0]
    return answers


def _get(bars: RangeCache, key: Any, times: Any) -> Any:
    try:
        return bars.get(*key, *times)
    except PartialCoverageError as error:
        return error


def as_tasks(together: Together) -> list[Answer]:
    """Have each caller as a task; some of them are cancelled."""

    async def load(symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        for _ in range(together.rests.pop(0) if together.rests else 0):
            await asyncio.sleep(0)
        return together.vendor.load(symbol, timeframe, start, end)

    caches = together.caches(load)
    answers: list[Answer] = []

    async def ask(number: int, asked: list[Step]) -> None:
        bars = caches[number % len(caches)]
        for step in asked:
            times, _ = together.range(step)
            answers.append(together.told(step, await _aget(bars, together.key(step), times)))

    crowd = together.crowd
    asyncio.run(_all([ask(*one) for one in enumerate(crowd.callers)], crowd.cancelled))
    together.begin()
    return answers


async def _all(callers: list[Any], cancelled: dict[int, int]) -> None:
    tasks = [asyncio.ensure_future(caller) for caller in callers]
    turns = 0
    for number, turn in sorted(cancelled.items(), key=lambda one: one[1]):
        for _ in range(turns, turn):
            await asyncio.sleep(0)
        turns = turn
        if number < len(tasks):
            tasks[number].cancel()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
    for number, one in enumerate(done):
        if one is not None and number not in cancelled:
            raise one


async def _aget(bars: RangeCache, key: Any, times: Any) -> Any:
    try:
        return await bars.aget(*key, *times)
    except PartialCoverageError as error:
        return error


@st.composite
def crowds(draw: Any, cancelled: bool = False) -> Crowd:
    """Draw who asks for what."""
    world = draw(worlds())
    cap = world.cap if world.declared and world.cap_side == "first" else None
    world = dataclasses.replace(world, cap=cap, concurrency=draw(st.sampled_from([1, 3])))
    gets = steps(st.just("get"), NONE)
    turns = st.integers(0, 60)
    return Crowd(
        world,
        begin=draw(st.one_of(st.none(), st.integers(0, 1000))),
        callers=draw(st.lists(st.lists(gets, min_size=1, max_size=3), min_size=2, max_size=5)),
        caches=draw(st.sampled_from([1, 1, 2])),
        moods=draw(st.lists(GENTLE, max_size=6)),
        rests=draw(st.lists(st.integers(0, 20), max_size=12)),
        cancelled=draw(st.dictionaries(st.integers(0, 4), turns, max_size=3)) if cancelled else {},
    )
