"""Kill writing processes at random instants; nothing that was stored may be lost or wrong.

    python tests/soak/kill_writers.py --rounds 200

Four processes store results of all sizes in one folder. Each writes a line to a log of its own
after the call came back, so every line is a promise. The parent kills them with SIGKILL, each at
an instant of its own, and a new process then checks every promise: a hit, with the exact value.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

WRITERS = 4
KEYS = 3_000
FOLDER_LIVES = 10  # rounds on one folder, the first of them on an empty one
SIZES = {"inline": (1, 1_500), "file": (3_000, 60_000), "mapped": (300_000, 500_000)}


def kind_of(number: int) -> str:
    return ("inline", "inline", "file", "mapped" if number % 12 == 3 else "file")[number % 4]


def value_of(number: int) -> object:
    """The result of one number, made without the cache."""
    generator = random.Random(number)
    size = generator.randint(*SIZES[kind_of(number)])
    array = (np.arange(size) * 2654435761 + number) % 4294967291
    return [array, {"number": number, "bytes": bytes([number % 256]) * (size // 10)}][
        : 1 + number % 2
    ]


def same(left: object, right: object) -> bool:
    match left:
        case np.ndarray():
            return (
                type(right) is np.ndarray
                and left.dtype == right.dtype
                and np.array_equal(left, right)
            )
        case list():
            return type(right) is list and len(left) == len(right) and all(map(same, left, right))
    return left == right


def produce(number: int) -> object:
    return value_of(number)


def open_cached(root: Path) -> object:
    from afml_cache import Store, robust_cacheable

    return robust_cacheable(store=Store(root), ignore_deps=("value_of",))(produce)


def write(root: Path, log: Path, seed: int) -> None:
    """Store results for ever, and promise each in the log."""
    generator = random.Random(seed)
    with log.open("ab", buffering=0) as promises:

        def note(line: str) -> None:
            promises.write(f"{line}\n".encode())

        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *_: note(
            f"warning {category.__name__}: {message}"
        )
        try:
            cached = open_cached(root)
            note("ready")
            while True:
                number = generator.randrange(KEYS)
                again = generator.random() < 0.1
                value = (cached.refresh if again else cached)(number)
                note(f"{number}" if same(value, value_of(number)) else f"wrong value for {number}")
        except BaseException as error:
            note(f"error {type(error).__name__}: {error}")
            raise


def check(root: Path, logs: list[Path]) -> list[str]:
    """What is not as it was promised."""
    warnings.simplefilter("error")
    promised: set[int] = set()
    faults: list[str] = []
    for log in logs:
        # the last line may have been cut by the kill
        for line in log.read_text().split("\n")[:-1]:
            if line.isdecimal():
                promised.add(int(line))
            elif line != "ready":
                faults.append(line)
    cached = open_cached(root)
    for number in sorted(promised):
        if not cached.is_cached(number):
            faults.append(f"lost {number} ({kind_of(number)})")
        elif not same(cached(number), value_of(number)):
            faults.append(f"wrong value for {number} ({kind_of(number)})")
    info = cached.cache_info()
    lost = sum(fault.startswith("lost") for fault in faults)
    if info.misses or info.errors:
        faults.append(f"{info.misses} misses and {info.errors} errors beside {lost} lost")
    print(f"checked {len(promised)}", flush=True)
    return faults


def run_round(root: Path, logs: Path, generator: random.Random) -> None:
    """Start the writers and kill each at an instant of its own."""
    writers, paths = [], []
    for place in range(WRITERS):
        paths.append(logs / f"{time.time_ns()}-{place}")
        paths[-1].touch()
        seed = str(generator.randrange(2**31))
        command = [sys.executable, __file__, "--write", root, paths[-1], seed]
        writers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    if generator.random() < 0.75:  # else: while they still open the store
        while not all(path.stat().st_size for path in paths):
            time.sleep(0.001)
    for writer in generator.sample(writers, WRITERS):
        time.sleep(generator.random() * 0.25)
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        writer.wait()


def run(rounds: int, seed: int) -> int:
    generator = random.Random(seed)
    checked = 0
    with contextlib.ExitStack() as stack:
        for number in range(rounds):
            if number % FOLDER_LIVES == 0:
                stack.close()
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                (folder / "logs").mkdir()
            run_round(folder / "store", folder / "logs", generator)
            command = [
                sys.executable,
                __file__,
                "--check",
                folder / "store",
                *(folder / "logs").iterdir(),
            ]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                print(f"round {number} of seed {seed}:\n{result.stdout}{result.stderr}")
                return 1
            checked += int(result.stdout.split()[-1])
    print(f"{rounds} rounds, {checked} results checked, none lost, none wrong (seed {seed})")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--write", nargs=3, metavar=("ROOT", "LOG", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument("--check", nargs="+", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        root, log, seed = options.write
        write(Path(root), Path(log), int(seed))
    if options.check:
        root, *logs = map(Path, options.check)
        faults = check(root, logs)
        print("\n".join(faults), file=sys.stderr)
        return bool(faults)
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    return run(options.rounds, options.seed)


if __name__ == "__main__":
    raise SystemExit(main())
