"""A process that asks a range cache for bars, as another one tells it line by line.

Its vendor is its own, and the same as that of all others; each call of it is a line of a file.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

from range_model import World
from range_sequences import Session, Step
from range_told import told

from afml_cache import Store
from afml_cache.exceptions import PartialCoverageError


class Worker(Session):
    """A session whose vendor tells what it gives."""

    def __init__(self, world: World, store: Store, name: str, log: Path) -> None:
        super().__init__(world, store, name)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.begin(loader=self.load)

    def load(self, symbol: str, timeframe: str, start: Any, end: Any) -> Any:
        first, stop = self.vendor.position(start), self.vendor.position(end)
        stop += self.world.loader_closed == "both"
        os.write(self.log, f"{json.dumps([symbol, first, stop])}\n".encode())
        return self.vendor.load(symbol, timeframe, start, end)

    def obey(self, step: Step) -> Any:
        """Do a step; give rows, and what is missing."""
        key, (times, _) = self.key(step), self.range(step)
        if step.what == "get":
            try:
                return told(self.bars.get(*key, *times), ())
            except PartialCoverageError as error:
                return told(error.data, [tuple(map(self._at, one)) for one in error.missing])
        if step.what in {"refresh", "prefetch", "invalidate"}:
            getattr(self.bars, step.what)(*key, *times)
        elif step.what == "compact":
            self.bars.compact(*key)
        elif step.what == "drop":
            self._drop(step)
        elif step.what == "restate":
            self._restate(step)
        return told([], ())


def main(path: str) -> None:
    store, workers = Store(path), {}
    for line in sys.stdin:
        name, log, world, steps = ast.literal_eval(line)
        if name not in workers:
            workers.clear()
            workers[name] = Worker(World(**world), store, name, Path(log))
        answers = [workers[name].obey(Step(**step)) for step in steps]
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
