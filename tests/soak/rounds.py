"""What runs of many rounds have in common: how they are counted, grouped and started."""

import argparse
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scenarios import SCENARIOS, Place, Scenario
from system_calls import supported

LIVES = 8  # rounds on one folder
UNSUPPORTED = 77  # exit status where the kernel lacks what it takes
T = TypeVar("T")


@dataclass
class Tally:
    """What came of all rounds, and the stories of those that went wrong."""

    what: str
    rounds: int = 0
    promises: int = 0
    leftovers: int = 0
    faults: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)

    def add(self, there: Place, done: Sequence[object]) -> None:
        """Count one folder's life."""
        history = there.history
        self.promises += history.promises
        left = there.leftovers() + there.orphans()
        self.leftovers += len(left)
        self.faults += history.faults
        if history.faults or left:
            self.stories.append("; ".join(map(str, done)))
            self.stories += [f"    left over: {path}" for path in left]
            self.stories += [f"    {fault}" for fault in history.faults[:5]]

    def end(self, seed: int) -> int:
        """Say it all; what is returned is the exit status."""
        counts = {word: sum(word in fault for fault in self.faults) for word in ("lost", "wrong")}
        others = len(self.faults) - sum(counts.values())
        print("\n".join(self.stories))
        print(
            f"{self.rounds} {self.what}, {self.promises} promises checked, {counts['lost']} lost, "
            f"{counts['wrong']} wrong, {others} other faults, "
            f"{self.leftovers} files left over (seed {seed})"
        )
        return bool(self.faults)


def lives_of(rounds: list[T], scenario: Scenario) -> list[list[T]]:
    """Rounds that share a folder."""
    lives = 1 if scenario.new else LIVES
    return [rounds[start : start + lives] for start in range(0, len(rounds), lives)]


def kind_of(scenario: str) -> str:
    return next((kind for kind in ("bars", "runs") if scenario.startswith(kind)), "results")


def main(description: str, run: Callable[[int, int, list[str]], int]) -> int:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    for option in ("--only", "--skip"):
        parser.add_argument(
            option, choices=SCENARIOS, action="append", default=[], metavar="SCENARIO"
        )
    parser.add_argument(
        "--of", choices=("results", "bars", "runs"), help="of what the scenarios are"
    )
    options = parser.parse_args()
    if not supported():
        print("this needs Linux 5.5 or later on x86-64 or arm64, and seccomp")
        return UNSUPPORTED
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["POLARS_MAX_THREADS"] = "2"
    able = [name for name in SCENARIOS if options.of in (None, kind_of(name))]
    names = [name for name in options.only or able if name not in options.skip]
    return run(options.rounds, options.seed, names)
