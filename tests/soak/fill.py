"""Write far more than a store may take, from several processes, and look at its size all the time.

    python tests/soak/fill.py --gib 50 --cap "1 GiB"

Each process works through a trace of calls: cheap and dear, with results that are small and large,
some asked for often. The parent adds up the files of the folder over and over. At the end it says
how many seconds hits have saved, and how many they would in a cache of the same size that lets go
of what was used the longest ago.
"""

import argparse
import multiprocessing
import random
import stat
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from afml_cache import Store, robust_cacheable
from afml_cache.sizes import as_bytes

PROCESSES = 4
SIZES = (20_000, 120_000, 1_000_000, 6_000_000)
SECONDS = (0.01, 0.3, 8.0, 60.0)
# What an index that is being written takes beside the payloads, and what was freed in it.
BESIDE = 4 << 20
LOOKS = 4


def result(number: int) -> np.ndarray:
    """A result that no other call has, after a thousandth of the time that it stands for."""
    time.sleep(seconds_of(number) / 1000)
    return np.full(size_of(number) // 8, number, dtype="i8")


def size_of(number: int) -> int:
    return SIZES[number % len(SIZES)]


def seconds_of(number: int) -> float:
    """How long a call takes, in a world that is a thousand times slower."""
    return SECONDS[number // len(SIZES) % len(SECONDS)]


def trace(seed: int, total: float) -> list[int]:
    """Calls whose results come to so many bytes if each is computed: a few often, most once."""
    generator = random.Random(seed)
    calls, written, fresh = [], 0, 0
    while written < total:
        if generator.random() < 0.5:
            number = int(400 * generator.random() ** 3)
        else:
            fresh += 1
            number = 1000 + seed + PROCESSES * fresh
        calls.append(number)
        written += size_of(number)
    return calls


def work(root: Path, cap: int, seed: int, total: float, saved: "multiprocessing.Queue") -> None:
    store = Store(root, max_size=cap, memory=0)
    cached = robust_cacheable(store=store)(result)
    hits = 0.0
    for number in trace(seed, total):
        before = cached.cache_info().hits
        value = cached(number)
        hits += (cached.cache_info().hits - before) * seconds_of(number)
        assert value[0] == value[-1] == number
    saved.put((hits, cached.cache_info().errors))


def saved_by_recency(calls: list[int], cap: int) -> float:
    """Seconds that hits save where what was used the longest ago goes first."""
    held: OrderedDict[int, None] = OrderedDict()
    taken, saved = 0, 0.0
    for number in calls:
        if number in held:
            held.move_to_end(number)
            saved += seconds_of(number)
            continue
        held[number] = None
        taken += size_of(number)
        while taken > cap:
            taken -= size_of(held.popitem(last=False)[0])
    return saved


def walked(root: Path) -> int:
    """Bytes of all files, each once, whatever names it has while we look."""
    sizes = {}
    for path in root.rglob("*"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue  # it went while we looked
        sizes[found.st_ino] = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return sum(sizes.values())


def taken(root: Path) -> int:
    """What was taken at one time: a walk may count what went with what came in its place."""
    return min(walked(root) for _ in range(LOOKS))


def main(gib: float, cap: int) -> int:
    total = gib * 2**30 / PROCESSES
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        saved: multiprocessing.Queue = multiprocessing.Queue()
        workers = [
            multiprocessing.Process(target=work, args=(root, cap, seed, total, saved))
            for seed in range(PROCESSES)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        most = 0
        while any(worker.is_alive() for worker in workers):
            most = max(most, taken(root))
            time.sleep(0.01)
        for worker in workers:
            worker.join()
        spent = time.perf_counter() - start
        if any(worker.exitcode for worker in workers):
            return 1
        told = [saved.get() for _ in workers]
    hits, errors = sum(hit for hit, _ in told), sum(error for _, error in told)
    traces = [trace(seed, total) for seed in range(PROCESSES)]
    mixed = [number for calls in zip(*traces, strict=False) for number in calls]
    recent = saved_by_recency(mixed, cap)
    print(
        f"{gib:g} GiB of results by {PROCESSES} processes in {spent:.0f} s: at most "
        f"{most / 2**20:.0f} MiB of {cap / 2**20:.0f} taken, {errors} not stored; hits saved "
        f"{hits:.0f} s, by recency {recent:.0f} s"
    )
    return int(most > cap + BESIDE or errors > 0 or hits <= recent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=50)
    parser.add_argument("--cap", default="1 GiB")
    given = parser.parse_args()
    sys.exit(main(given.gib, as_bytes("--cap", given.cap)))
