"""The ways to call a function for many items, and the processes in which they are timed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.items import double, evaluate, touched
from benchmarks.measure import SUBJECT
from benchmarks.peers import wrapper

WORKERS = 2
# As many items as a sweep gives a worker at most.
CHUNK = 256
PARALLEL = "joblib.Parallel, joblib.Memory"

Run = Callable[[], Any]


def sweeping(**options: Any) -> Callable[[Path, int], Run]:
    """`sweep`, told who is to work."""

    def made(folder: Path, count: int) -> Run:
        package = import_module("afml_cache")
        package.configure(cache_dir=folder / "afml_cache")
        return lambda: package.sweep(double, range(count), progress=False, **options)

    return made


def on_executor(folder: Path, count: int) -> Run:
    """`sweep` on an executor of the standard library."""

    def run() -> Any:
        with ProcessPoolExecutor(WORKERS) as executor:
            return sweeping(executor=executor)(folder, count)()

    return run


def bare(chunk: int) -> Callable[[Path, int], Run]:
    """That executor by itself, which keeps nothing."""

    def made(_: Path, count: int) -> Run:
        def run() -> Any:
            with ProcessPoolExecutor(WORKERS) as executor:
                return list(executor.map(double, range(count), chunksize=chunk))

        return run

    return made


def parallel(folder: Path, count: int) -> Run:
    """joblib's processes, and its cache."""
    library = import_module("joblib")
    cached = library.delayed(wrapper("joblib.Memory", folder)(double))
    return lambda: library.Parallel(n_jobs=WORKERS)(cached(number) for number in range(count))


def loop(who: str) -> Callable[[Path, int], Run]:
    """A cached function in a loop."""

    def made(folder: Path, count: int) -> Run:
        cached = wrapper(who, folder)(double)
        return lambda: [cached(number) for number in range(count)]

    return made


WAYS: dict[str, Callable[[Path, int], Run]] = {
    "here": sweeping(),
    "processes": sweeping(workers=WORKERS),
    "threads": sweeping(workers=WORKERS, executor="threads"),
    "executor": on_executor,
    "bare, one by one": bare(1),
    "bare, in chunks": bare(CHUNK),
    PARALLEL: parallel,
    "joblib.Memory": loop("joblib.Memory"),
    "diskcache.memoize": loop("diskcache.memoize"),
}


def calls(way: str, folder: Path, count: int, times: int) -> list[float]:
    """Seconds of each of several calls over the same items, in this process."""
    run = WAYS[way](folder, count)
    seen = []
    for _ in range(times):
        start = time.perf_counter()
        found = run()
        seen.append(time.perf_counter() - start)
        if list(found) != [2 * number for number in range(count)]:
            message = f"{way} gave something else than the function"
            raise RuntimeError(message)
    return seen


def batches(who: str, folder: Path, count: int, size: int) -> list[float]:
    """Seconds that so many batches take, and merging their files."""
    if who != SUBJECT:
        message = f"{who} has no batches"
        raise ValueError(message)
    package = import_module("afml_cache")
    package.configure(cache_dir=folder / "afml_cache")
    output = folder / "batches"
    start = time.perf_counter()
    runner = package.BatchRunner(
        evaluate,
        range(count * size),
        size,
        output_dir=output,
        progress=False,
        executor="sequential",  # so that to fill it takes less
    )
    done = runner.run_all_batches()
    there = time.perf_counter()
    runner.merge_results()
    if not all(result.success for result in done):
        message = "a batch failed"
        raise RuntimeError(message)
    return [there - start, time.perf_counter() - there]


def shared(who: str, folder: Path, rows: int, count: int) -> list[float]:
    """Seconds until the first of some items has read a frame, and what its workers take."""
    from benchmarks.work import bars

    frame = bars(rows)
    run = shared_ways(frame, folder, count)[who]
    start = time.monotonic()
    found = run()
    first = min(done for done, *_ in found) - start
    resident = {process: bytes_ for _, process, bytes_, _ in found}
    own = {process: bytes_ for _, process, _, bytes_ in found}
    return [first, len(own), sum(resident.values()), sum(own.values())]


def shared_ways(frame: Any, folder: Path, count: int) -> dict[str, Run]:
    """Who sends a frame to workers."""
    package, library = import_module("afml_cache"), import_module("joblib")
    package.configure(cache_dir=folder / "afml_cache")
    cached = library.delayed(wrapper("joblib.Memory", folder)(touched))
    return {
        SUBJECT: lambda: package.sweep(
            touched, range(count), common=(frame,), workers=WORKERS, progress=False
        ),
        PARALLEL: lambda: library.Parallel(n_jobs=WORKERS)(
            cached(number, frame) for number in range(count)
        ),
    }


if __name__ == "__main__":
    chosen = {"calls": calls, "batches": batches, "shared": shared}[sys.argv[1]]
    first, second = map(int, sys.argv[4:])
    print(json.dumps(chosen(sys.argv[2], Path(sys.argv[3]), first, second)))
