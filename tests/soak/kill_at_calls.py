"""Kill a process at every system call by which it changes the disk; nothing may be lost or wrong.

    python tests/soak/kill_at_calls.py --kills 2000

Each scenario is first run through, which counts its calls. It is then killed at the entry of each,
and after a part of each write, on folders that live through several kills. A new process then sees
whether every result whose call came back is there, with its exact value, whether nothing that was
dropped came back, whether the store goes on, and what is left lying about.
"""

import argparse
import os
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import SCENARIOS, Place, Scenario, place
from system_calls import Call, Kill, supported

LIVES = 8  # kills on one folder
MOST = 120  # points at which one scenario is killed, chosen at random where there are more


@dataclass(frozen=True)
class Point:
    """The instant of a kill: at which call of which scenario, and how much of it is done."""

    scenario: str
    call: int
    share: float

    def __str__(self) -> str:
        return f"{self.scenario}, call {self.call}, {self.share:.2f} of it"

    def decide(self, call: Call) -> Kill | None:
        return Kill(int(call.bytes * self.share)) if call.number == self.call else None


@dataclass
class Tally:
    kills: int = 0
    promises: int = 0
    leftovers: int = 0
    faults: list[str] = field(default_factory=list)

    def line(self, seed: int) -> str:
        counts = {word: sum(word in fault for fault in self.faults) for word in ("lost", "wrong")}
        others = len(self.faults) - sum(counts.values())
        return (
            f"{self.kills} kills, {self.promises} promises checked, {counts['lost']} lost, "
            f"{counts['wrong']} wrong, {others} other faults, "
            f"{self.leftovers} files left over (seed {seed})"
        )


def points_of(name: str, folder: Path, generator: random.Random) -> list[Point]:
    """Every instant at which a scenario can be killed: before each call, and within each write."""
    calls: list[Call] = []
    with place(folder, SCENARIOS[name]) as there:
        there.disturbed(SCENARIOS[name], 1, calls.append)
        if there.history.faults:
            message = f"{name} fails on its own: {there.history.faults}"
            raise RuntimeError(message)
    found = [Point(name, call.number, 0.0) for call in calls]
    found += [Point(name, call.number, generator.random()) for call in calls if call.bytes > 1]
    return found


def kill(there: Place, point: Point, number: int, tally: Tally) -> None:
    ended = there.disturbed(SCENARIOS[point.scenario], number, point.decide)
    tally.kills += ended.killed
    if not ended.killed and ended.status:
        there.history.faults.append(f"a process ended with {ended.status}")
    there.check(number)


def live(points: list[Point], folder: Path, tally: Tally) -> None:
    """Kill one process after another on one folder, and take its index away at last."""
    scenario = SCENARIOS[points[0].scenario]
    with place(folder, scenario) as there:
        for number, point in enumerate(points, start=1):
            kill(there, point, number * 10, tally)
            if there.history.faults:
                break
        else:
            tally.leftovers += len(there.leftovers() + there.orphans())
            there.rebuild(1)
        tally.promises += there.history.promises
        if not any(SCENARIOS[point.scenario].damage for point in points):
            there.history.faults += there.history.warned
        done = "; ".join(map(str, points[:number]))
        tally.faults += [f"{fault} (after {done})" for fault in there.history.faults]


def mixed(points: list[Point], generator: random.Random) -> list[Point]:
    """Kills of any scenario that can share a folder with others."""
    able = [point for point in points if SCENARIOS[point.scenario].max_size is None]
    return generator.choices(able, k=LIVES)


def lives_of(points: list[Point], scenario: Scenario) -> list[list[Point]]:
    lives = 1 if scenario.new else LIVES
    return [points[start : start + lives] for start in range(0, len(points), lives)]


def run(kills: int, seed: int, names: list[str]) -> int:
    generator = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "life"
        points = {name: points_of(name, folder, generator) for name in names}
        everywhere = [point for found in points.values() for point in found]
        for name, found in points.items():
            most = min(MOST, len(found), max(1, kills // len(names)))
            for life in lives_of(generator.sample(found, most), SCENARIOS[name]):
                live(life, folder, tally)
        while tally.kills < kills:
            live(mixed(everywhere, generator), folder, tally)
    for fault in tally.faults[:40]:
        print(fault)
    print(tally.line(seed))
    return bool(tally.faults)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--only", choices=SCENARIOS, action="append", metavar="SCENARIO")
    options = parser.parse_args()
    if not supported():
        parser.error("this needs Linux 5.5 or later on x86-64 or arm64, and seccomp")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return run(options.kills, options.seed, options.only or list(SCENARIOS))


if __name__ == "__main__":
    raise SystemExit(main())
