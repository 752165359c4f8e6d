"""What rounds of `sweep_kills.py` are, and what came of them."""

import dataclasses
import random


@dataclasses.dataclass
class Spec:
    """What one round does."""

    items: list[int]
    workers: int
    executor: str
    interval: int
    batch_size: int

    @property
    def cost(self) -> int:
        """How many items are computed again for a kill."""
        return self.interval * self.workers


@dataclasses.dataclass
class Tally:
    """What came of all rounds."""

    rounds: int = 0
    kills: int = 0
    computed: int = 0
    again: int = 0
    lost: int = 0
    wrong: int = 0
    left: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)

    def end(self, seed: int) -> int:
        """Say it all; what is returned is the exit status."""
        print("\n".join(self.faults))
        others = len(self.faults) - self.lost - self.wrong - self.left
        print(
            f"{self.rounds} rounds, {self.kills} kills, {self.computed} items computed, "
            f"{self.again} computed again, {self.lost} lost, {self.wrong} wrong, "
            f"{others} other faults, {self.left} left over (seed {seed})"
        )
        return bool(self.faults)


def spec_of(generator: random.Random, before: list[int]) -> Spec:
    """Draw a round."""
    items = generator.sample(before, generator.randint(0, len(before)))
    items += [generator.randrange(10_000) for _ in range(generator.randint(30, 150))]
    items += generator.choices(items, k=generator.randint(0, 5))
    generator.shuffle(items)
    executor = generator.choice(["processes", "processes", "threads", "sequential"])
    workers = 1 if executor == "sequential" else generator.randint(1, 4)
    batch_size = generator.choice([0, 0, generator.randint(1, 40)])
    return Spec(items, workers, executor, generator.choice([1, 3, 10, 25]), batch_size)
