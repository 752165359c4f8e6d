"""Several processes that share the series of a store, and one that looks at what they get."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from range_model import Known, World
from range_sequences import WRITTEN, Session, Step, worlds
from range_told import heard

HERE = Path(__file__).parent
COUNT = 4
WRITERS = ("refresh", "invalidate")


class Round(NamedTuple):
    """What each process does, all of them at the same time."""

    restated: Step | None
    """What the vendor changes first."""
    asked: list[list[Step]]


class Processes:
    """Processes that wait for lines."""

    def __init__(self, store: Any) -> None:
        self.store = store
        command = [sys.executable, str(HERE / "range_worker.py"), str(store.path)]
        roots = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.said = (store.path / "said.txt").open("w+")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
        self.all = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.said,
                text=True,
                env=environment,
            )
            for _ in range(COUNT)
        ]

    def do(self, name: str, log: Path, world: World, parts: list[list[Step]]) -> list[list[Any]]:
        """Have each of them do its part; give what they answer."""
        for process, part in zip(self.all, parts, strict=True):
            shown = [dataclasses.asdict(step) for step in part]
            process.stdin.write(f"{(name, str(log), dataclasses.asdict(world), shown)!r}\n")
            process.stdin.flush()
        lines = [process.stdout.readline() for process in self.all]
        for process, line in zip(self.all, lines, strict=True):
            assert line, f"process {process.pid} ended: {self.complaint()}"
        return [json.loads(line) for line in lines]

    def complaint(self) -> str:
        """Give the end of what they said besides answers."""
        self.said.seek(0)
        return self.said.read()[-3000:]

    def close(self) -> None:
        for process in self.all:
            process.stdin.close()
        for process in self.all:
            process.wait(60)
            process.stdout.close()
        self.said.close()


@contextlib.contextmanager
def running(store: Any) -> Iterator[Processes]:
    """Start them, and end them afterwards."""
    processes = Processes(store)
    try:
        yield processes
    finally:
        processes.close()


class Watched(Session):
    """What several processes may answer, by the calls that all of them made."""

    def __init__(self, world: World, processes: Processes, name: str, log: Path) -> None:
        super().__init__(world, processes.store, name)
        self.processes, self.log = processes, log
        self.heard = 0
        self.before: dict[str, dict[int, Known]] = {}
        self.ends: dict[tuple[str, int], Known] = {}
        """Ticks at the ends of calls, which may have been asked for and invalidated since."""
        self.is_shaken = False

    def play(self, rounds: list[Round]) -> None:
        for one in rounds:
            self.round(one)
            if self.problems:
                return
        self.disk.close()

    def round(self, one: Round) -> None:
        """Have it done, and look at every answer and at the files."""
        first = [] if one.restated is None else [one.restated]
        for step in first:
            self._restate(step)
        done = [step for part in one.asked for step in part]
        self.is_shaken = any(step.what in WRITERS for step in done)
        self.vendor.forgives = self.is_shaken or self.world.refetches
        self.before = {symbol: dict(books) for symbol, books in self.vendor.known.items()}
        parts = [[*first, *part] for part in one.asked]
        answers = self.processes.do(self.name, self.log, self.world, parts)
        self.listen()
        for part, given in zip(parts, answers, strict=True):
            for step, answer in zip(part, given, strict=True):
                if step.what == "get":
                    rows, missing = heard(answer)
                    self.check_answer(self.key(step)[0], self.range(step)[1], rows, missing)
        self.forget(done)
        self.check_disk()
        self.check_again()

    def listen(self) -> None:
        """Note what the vendor gave to any of them."""
        with self.log.open("rb") as log:
            log.seek(self.heard)
            lines = log.read()
        self.heard += len(lines)
        for line in lines.splitlines():
            symbol, first, stop = json.loads(line)
            self.vendor._answer(symbol, first, stop, "well")
        self.ends = {(symbol, label): found for symbol, label, found in self.vendor.at_ends}
        self.look()

    def wrong(self, symbol: str, label: int, rows: Any, *, gap: bool) -> str | None:
        """Say what is wrong; what is fetched again meanwhile may be answered as it was."""
        before = self.before.get(symbol, {}).get(label)
        is_changing = self.is_shaken or self.world.refetches
        if is_changing and before is not None and rows == before.rows:
            return None
        end = self.ends.get((symbol, label))
        if self.is_shaken and end is not None and rows == end.rows:
            return None
        # Where it was forgotten meanwhile, an answer without it is believed.
        if self.is_shaken and not rows and not self.vendor.current(symbol, label):
            return None
        return super().wrong(symbol, label, rows, gap=gap)

    def forget(self, done: list[Step]) -> None:
        """Expect nothing on disk of what was invalidated and not fetched again."""
        for step in done:
            if step.what != "invalidate":
                continue
            symbol, (first, stop) = self.key(step)[0], self.whole(step, self.range(step)[1])
            books, on_disk = self.vendor.known[symbol], self.disk.rows(symbol)
            for label in [one for one in books if first <= one < stop]:
                if self.disk.piece(symbol, label) is None:
                    del books[label]
                elif label not in on_disk and not self.vendor.current(symbol, label):
                    books[label] = books[label]._replace(rows=())


def near(what: Any) -> Any:
    """Draw a step that looks at the same places as the others."""
    return st.builds(
        Step,
        what=what,
        begin=st.integers(0, 400),
        end=st.integers(300, 1000),
        off=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
        written=st.sampled_from(WRITTEN),
        count=st.integers(0, 5),
    )


@st.composite
def meetings(draw: Any) -> tuple[World, list[Round]]:
    """Draw what several processes do, round by round."""
    world = draw(worlds())
    world = dataclasses.replace(world, cap=None, settle=0, overlap=0)
    gets = near(st.just("get"))
    quiet = near(st.sampled_from(["get", "get", "get", "prefetch", "compact", "drop"]))
    loud = near(st.sampled_from(["get", "get", *WRITERS]))
    ranges = near(st.just("restate"))
    part, asked = st.lists(quiet, min_size=1, max_size=3), st.lists(gets, min_size=1, max_size=2)
    loud_part = st.lists(loud, min_size=1, max_size=3)
    rounds = [Round(None, [draw(part) for _ in range(COUNT)])]
    for _ in range(draw(st.integers(1, 3))):
        rounds.append(Round(draw(ranges), [draw(loud_part) for _ in range(COUNT)]))
        rounds.append(Round(None, [draw(asked) for _ in range(COUNT)]))
    return world, rounds
