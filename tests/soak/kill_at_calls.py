"""Kill a process at every system call by which it changes the disk; nothing may be lost or wrong.

    python tests/soak/kill_at_calls.py --rounds 2000

Each scenario is first run through, which counts its calls. It is then killed at the entry of each,
and after a part of each write, on folders that live through several kills. A new process then sees
whether every result whose call came back is there, with its exact value, whether nothing that was
dropped came back, whether the store goes on, and what is left lying about.
"""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rounds import LIVES, Tally, lives_of, main
from scenarios import SCENARIOS, Place, place
from system_calls import Call, Kill

MOST = 120  # points at which one scenario is killed, chosen at random where there are more


@dataclass(frozen=True)
class Point:
    """The instant of a kill: at which call of which scenario, and how much of it is done."""

    scenario: str
    call: int
    name: str
    share: float = 0

    def __str__(self) -> str:
        return f"{self.scenario}, {self.share:.2f} of call {self.call} ({self.name})"

    def decide(self, call: Call) -> Kill | None:
        return Kill(int(call.bytes * self.share)) if call.number == self.call else None


def points_of(name: str, folder: Path, generator: random.Random) -> list[Point]:
    """Every instant at which a scenario can be killed: before each call, and within each write."""
    calls: list[Call] = []
    with place(folder, SCENARIOS[name]) as there:
        there.disturbed(SCENARIOS[name], 1, calls.append)
        if there.history.faults:
            message = f"{name} fails on its own: {there.history.faults}"
            raise RuntimeError(message)
    cuttable = [call for call in calls if call.bytes > 1]
    return [
        *(Point(name, call.number, call.name) for call in calls),
        *(Point(name, call.number, call.name, generator.random()) for call in cuttable),
    ]


def kill(there: Place, point: Point, number: int, tally: Tally) -> None:
    ended = there.disturbed(SCENARIOS[point.scenario], number, point.decide)
    tally.rounds += ended.killed
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
            there.rebuild()
        if not any(SCENARIOS[point.scenario].damage for point in points):
            there.history.faults += there.history.texts
        tally.add(there, points[:number])


def mixed(points: list[Point], generator: random.Random) -> list[Point]:
    """Kills of any scenario that can share a folder with others."""
    able = [point for point in points if SCENARIOS[point.scenario].max_size is None]
    return generator.choices(able, k=LIVES)


def run(kills: int, seed: int, names: list[str]) -> int:
    generator = random.Random(seed)
    tally = Tally("kills")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "life"
        points = {name: points_of(name, folder, generator) for name in names}
        everywhere = [point for found in points.values() for point in found]
        for name, found in points.items():
            most = min(MOST, len(found), max(1, kills * 2 // 3 // len(names)))
            for life in lives_of(generator.sample(found, most), SCENARIOS[name]):
                live(life, folder, tally)
        while tally.rounds < kills and not all(SCENARIOS[name].max_size for name in names):
            live(mixed(everywhere, generator), folder, tally)
    return tally.end(seed)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, run))
