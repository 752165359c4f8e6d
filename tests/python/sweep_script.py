"""A sweep in a script of its own, which notes in a file each item that is computed.

sweep_script.py LOG ITEMS WORKERS INTERVAL OUTPUT [KILL_AT]: with `KILL_AT` the process kills itself
when so many items are noted.
"""

import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afml_cache import sweep


@dataclass
class Labelled:
    """What an item gives: a class that only this script has."""

    config: int
    labels: np.ndarray
    seed: int


def note(log, item):
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{item}\n".encode())
    os.close(descriptor)


def label(config, prices, log, seed):
    note(log, config)
    return Labelled(config, prices[:50] * config + np.random.rand(50), seed)  # noqa: NPY002


def end_at(log, count):
    """Kill this process as soon as so many items are noted."""
    while not (log.exists() and len(log.read_text().split()) >= count):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def main(log, items, workers, interval, output, kill_at=0):
    if int(kill_at):
        threading.Thread(target=end_at, args=(Path(log), int(kill_at)), daemon=True).start()
    found = sweep(
        label,
        range(int(items)),
        common=(np.arange(1000.0), log),
        workers=int(workers),
        checkpoint_interval=int(interval),
        ignore="log",
        progress=False,
    )
    Path(output).write_bytes(b"".join(pickle.dumps(vars(one)) for one in found))


if __name__ == "__main__":
    main(*sys.argv[1:])
