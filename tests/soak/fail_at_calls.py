"""Let every system call that changes the disk fail; the user has the results all the same.

    python tests/soak/fail_at_calls.py --rounds 2000

One call fails with an error of the disk, or that call and all after it do. No cached function may
raise or return a wrong result; a result that did not get into the store is told of by a warning,
one for each kind of trouble, and a counter; and what was in the store before is still there.
"""

import errno
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from kill_at_calls import points_of
from rounds import Tally, lives_of, main
from scenarios import SCENARIOS, Place, place
from system_calls import OPENS, Call

FULL = ("ENOSPC", "EDQUOT", "EIO")
REFUSED = ("EACCES", "EROFS", "EIO")
OPENING = ("EMFILE", "ENFILE", "ENOSPC", "EACCES", "EROFS", "EIO")


@dataclass(frozen=True)
class Failure:
    """Which call of a scenario fails, with what, and whether all after it fail too."""

    scenario: str
    call: int
    error: str
    for_good: bool

    def __str__(self) -> str:
        often = "and all after it fail" if self.for_good else "fails"
        return f"{self.scenario}, call {self.call} {often} with {self.error}"

    def decide(self, call: Call) -> int | None:
        fails = call.number >= self.call if self.for_good else call.number == self.call
        return getattr(errno, self.error) if fails else None


def failures_of(name: str, folder: Path, generator: random.Random) -> list[Failure]:
    """A failure of each call, and of each call with all after it."""

    def error(call: str) -> str:
        able = OPENING if call in OPENS else FULL if "write" in call else REFUSED
        return generator.choice(able)

    return [
        Failure(name, point.call, error(point.name), for_good)
        for point in points_of(name, folder, generator)
        for for_good in (False, True)
        if point.share == 0
    ]


def fail(there: Place, failure: Failure, number: int) -> None:
    """Let a scenario fail; see what it said, and what is there then."""
    history = there.history
    scenario = SCENARIOS[failure.scenario]
    ended = there.disturbed(scenario, number, failure.decide, failing=True)
    if ended.status:
        history.faults.append(f"a process ended with {ended.status}")
    told, counted = Counter(history.warned), history.errors
    history.warned, history.errors, history.missed = [], 0, []
    told.pop("refused", None)
    history.faults += [f"{count} of {category}" for category, count in told.items() if count > 1]
    if told and not counted:
        history.faults.append(f"nothing counted, and {[*told]}")
    there.check(number)
    if not told:
        history.faults += [f"{key} was not stored, and nothing said so" for key in history.missed]


def live(failures: list[Failure], folder: Path, tally: Tally) -> None:
    """One failure after another on one folder."""
    with place(folder, SCENARIOS[failures[0].scenario]) as there:
        for number, failure in enumerate(failures, start=1):
            fail(there, failure, number * 10)
            tally.rounds += 1
            if there.history.faults:
                break
        else:
            there.rebuild()
        tally.add(there, failures[:number])


def run(rounds: int, seed: int, names: list[str]) -> int:
    generator = random.Random(seed)
    tally = Tally("failures")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "life"
        for name in names:
            found = failures_of(name, folder, generator)
            some = generator.sample(found, min(len(found), max(1, rounds // len(names))))
            for life in lives_of(some, SCENARIOS[name]):
                live(life, folder, tally)
    return tally.end(seed)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, run))
