"""Eight processes in one store at once: calls a second, and whether every result is there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.fresh import HOME
from benchmarks.measure import SUBJECT, Table
from benchmarks.peers import wrapper
from benchmarks.work import add

COUNT, KEYS, TIMES = 8, 2_000, 5
CASE = f"{COUNT} processes, a call"


def processes(table: Table, folder: Path) -> None:
    """Everybody who can share a folder; each process asks for the same keys from another place."""
    for who in (SUBJECT, "joblib.Memory", "diskcache.memoize"):
        place = folder / who.split(".")[0]
        place.mkdir(mode=0o700)
        try:
            seconds, note = hammered(who, place)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            table.add(CASE, who, None, note=str(error)[:90])
            continue
        table.add(CASE, who, seconds, note=note)


def hammered(who: str, place: Path) -> tuple[float, str]:
    """Seconds of a call, all processes taken together, and what was found afterwards."""
    command = [sys.executable, "-m", "benchmarks.processes", who, str(place)]
    running = [
        subprocess.Popen(
            [*command, str(number)], cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(COUNT)
    ]
    for one in running:
        one.stdout.readline()  # it is ready
    start = time.perf_counter()
    for one in running:
        one.stdin.close()
    wrong = sum(json.loads(one.stdout.read()) for one in running)
    taken = time.perf_counter() - start
    failed = sum(one.wait() != 0 for one in running)
    calls = COUNT * KEYS * TIMES
    note = f"{calls / taken:,.0f} calls a second; {wrong} wrong, {failed} processes failed"
    return taken / calls, f"{note}, {lost(place)} results lost" if who == SUBJECT else note


def lost(place: Path) -> int:
    """How many of our results are not there any more."""
    cached = wrapper(SUBJECT, place)(add)
    for key in range(KEYS):
        cached(key, 0)
    return int(cached.cache_info().misses)


def hammer(who: str, place: Path, number: int) -> int:
    """Ask for every key several times; how many answers were wrong."""
    cached = wrapper(who, place)(add)
    cached(-1, 0)
    print("ready", flush=True)
    sys.stdin.read()
    first = number * KEYS // COUNT
    keys = [(first + step) % KEYS for step in range(KEYS)]
    return sum(cached(key, 0) != key for _ in range(TIMES) for key in keys)


if __name__ == "__main__":
    print(json.dumps(hammer(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
