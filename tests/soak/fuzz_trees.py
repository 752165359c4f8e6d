"""Decode payloads that nobody wrote; nothing may crash, hang, run code or raise into the call.

    python tests/soak/fuzz_trees.py --minutes 30

Every kind of value is stored once. Each round mutates their payloads, makes the checks fit again,
and puts them in the place of the entries of a store, in the index and in files, where a worker
process calls the cached function and touches whatever it gets. A finding is printed with its seed
and kept as a file that `--replay` takes.
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zoneinfo
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from afml_cache import Store, robust_cacheable

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from forged import Payload, parse, plant_all, stored
from mutations import mutated
from results import CASES, LARGE, MIDDLE

ROWS = 1_000
IN_FILES = 100  # of them, the last ones
PATIENCE = 10.0  # seconds that one payload may take
MEMORY = 4 << 30
READ = 1_000_000  # what is longer is not read item by item
LATE = (
    "datetime", "decimal", "fractions", "uuid", "pathlib", "zoneinfo", "zoneinfo._common",
    "importlib.resources", "importlib.readers", "importlib.resources.readers",
    "pandas._libs.sparse", "pandas._libs.internals", "pandas.api.internals",
    "pandas.core.internals.blocks", "pandas.core.internals.managers", "pyarrow.ipc", "_strptime",
    "numpy.dtypes", "numpy._core._internal", "numpy._core.strings", "numpy.rec", "numpy.ma",
    "pyarrow.compute", "pandas.core.arrays.arrow", "pandas.tseries.holiday", "polars.exceptions",
)  # fmt: skip


def open_cached(root: Path):
    def computed(row: int) -> str:
        return f"computed {row}" + " " * (0 if row < ROWS - IN_FILES else 20_000)

    return robust_cacheable(store=Store(root))(computed)


def fill(root: Path) -> None:
    """Store what the mutations take the place of, and say under which keys."""
    cached = open_cached(root)
    for row in range(ROWS):
        cached(row)
    print(json.dumps([cached.cache_key(row) for row in range(ROWS)]))


def touch(value: object) -> None:
    """Read all that a value holds; whatever it raises is its owner's to see."""
    repr(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if hasattr(value, "dtype") and getattr(value, "nbytes", 0) and hasattr(value, "flat"):
        np.ascontiguousarray(value).tobytes()
    if not hasattr(value, "__len__") or isinstance(value, str) or len(value) > READ:
        return
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            touch(item)
    for way in ("tolist", "to_list", "to_pylist", "rows", "to_numpy", "copy", "memory_usage"):
        with contextlib.suppress(Exception):
            getattr(value, way)()


def listen(state: dict[str, object]) -> None:
    """Note what code is run or looked for while a payload is decoded."""

    def hear(event: str, args: tuple[object, ...]) -> None:
        if not state["decoding"]:
            return
        runs = event in {"exec", "compile", "marshal.loads", "pickle.find_class", "os.mkdir"}
        starts = event.startswith(
            ("os.exec", "os.system", "os.posix_spawn", "subprocess.", "ctypes")
        )
        if runs or starts or (event == "import" and args[0] not in sys.modules):
            shown = repr(args)
            # `zoneinfo` looks for a zone that the system has not among the modules of `tzdata`.
            if "tzdata" not in shown and "importlib" not in shown:
                state["heard"].append(f"{event} {shown:.200}")

    sys.addaudithook(hear)


def decode(root: Path, rows: list[int]) -> None:
    """Call for each row; a line before and after, so that the parent knows where a crash was."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    cached = open_cached(root)
    for module in LATE:
        importlib.import_module(module)
    np.dtype("M8[ns]"), pd.Timestamp(0, tz="UTC"), pl.Series([1]).to_list(), pa.array([1])
    cached(ROWS), open_cached(root)(ROWS), cached.refresh(ROWS)
    with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError):
        zoneinfo.ZoneInfo("No/Where")
    state = {"decoding": False, "heard": []}
    listen(state)
    for row in rows:
        print(f"begin {row}", flush=True)
        state["decoding"], state["heard"] = True, []
        try:
            value = cached(row)
        except BaseException as error:  # noqa: BLE001 - a panic is none
            print(f"raised {row} {type(error).__name__}: {error!s:.300}", flush=True)
            value = None
        state["decoding"] = False
        for heard in state["heard"]:
            print(f"ran {row} {heard}", flush=True)
        print(f"decoded {row}", flush=True)
        ours = isinstance(value, str) and value.startswith("computed")
        with contextlib.suppress(Exception):
            touch(value)
        print(f"end {row} {'refused' if ours else 'hit'}", flush=True)
        del value


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-X", "faulthandler", __file__, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def collect_seeds(folder: Path) -> list[Payload]:
    """Store every kind of value that needs no pickle."""
    store = Store(folder / "seeds", allow_pickle=False)
    small = {
        name: make
        for name, make in CASES.items()
        if str(LARGE) not in name and str(MIDDLE) not in name and "large" not in name
    }

    def made(name: str) -> object:
        return small[name]()

    warnings.simplefilter("ignore")
    cached = robust_cacheable(store=store, ignore_deps=("small",))(made)
    for name in small:
        with contextlib.suppress(Exception):
            cached(name)
    payloads = [*stored(folder / "seeds").values()]
    return [one for one in payloads if len(one.tree) + sum(map(len, one.leaves)) < 60_000]


class Round:
    """One batch of mutated payloads, and a worker that decodes them."""

    def __init__(self, root: Path, payloads: list[Payload], findings: Path, label: str) -> None:
        self.root, self.payloads, self.findings, self.label = root, payloads, findings, label
        self.hits = self.refused = 0
        self.found: list[str] = []

    def run(self) -> None:
        rows = list(range(len(self.payloads)))
        while rows:
            last = self.listen(rows)
            if last is None:
                return
            rows = rows[rows.index(last) + 1 :]

    def listen(self, rows: list[int]) -> int | None:
        """Run a worker; give the row at which it stopped, if it did."""
        worker = start("--decode", self.root, json.dumps(rows))
        current, phase = rows[0], "starting"
        timer = time.monotonic()
        os.set_blocking(worker.stdout.fileno(), False)
        rest = ""
        while True:
            with contextlib.suppress(BlockingIOError, TypeError):
                rest += worker.stdout.read(1 << 16) or ""
            *lines, rest = rest.split("\n")
            for line in lines:
                timer = time.monotonic()
                kind, _, told = line.partition(" ")
                number, _, told = told.partition(" ")
                current, phase = int(number), kind
                self.take(kind, current, told)
            if worker.poll() is not None and not lines:
                break
            if time.monotonic() - timer > PATIENCE + (50 if phase == "starting" else 0):
                worker.send_signal(signal.SIGABRT)
                worker.wait()
                if phase != "decoded":
                    self.keep(current, f"hang while {phase}\n{worker.stderr.read()[-3000:]}")
                return current
            time.sleep(0.005)
        if worker.returncode == 0:
            return None
        told = worker.stderr.read()
        if phase != "decoded" or worker.returncode < 0:
            self.keep(
                current,
                f"exit {worker.returncode} while {phase}\n{told[:3000]}\n...\n{told[-3000:]}",
            )
        return current

    def take(self, kind: str, row: int, told: str) -> None:
        if kind == "end":
            self.hits += told == "hit"
            self.refused += told == "refused"
        elif kind in {"raised", "ran"}:
            self.keep(row, f"{kind} {told}")

    def keep(self, row: int, what: str) -> None:
        path = self.findings / f"{self.label}-{row}"
        path.write_bytes(self.payloads[row].write())
        self.found.append(f"{path}: {what}")
        print(f"FINDING {path}: {what}", flush=True)


def prepare(root: Path) -> list[bytes]:
    ended = start("--fill", root)
    shown, told = ended.communicate()
    if ended.returncode:
        raise SystemExit(told)
    return [bytes.fromhex(key) for key in json.loads(shown.splitlines()[-1])]


def run(minutes: float, seed: int, findings: Path) -> int:
    print(f"seed {seed}, findings in {findings}", flush=True)
    until, number, total, found = time.monotonic() + 60 * minutes, 0, [0, 0], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = collect_seeds(folder)
        print(f"{len(seeds)} payloads to start from", flush=True)
        while time.monotonic() < until:
            root = folder / f"store-{number}"
            chance = random.Random(f"{seed} {number}")
            payloads = [mutated(chance, seeds, key) for key in prepare(root)]
            plant_all(root, payloads)
            batch = Round(root, payloads, findings, f"{seed}-{number}")
            batch.run()
            total = [total[0] + batch.hits, total[1] + batch.refused]
            found += batch.found
            number += 1
            shutil.rmtree(root)
            if number % 20 == 0:
                print(f"{number} rounds, {total[0]} decoded, {total[1]} refused", flush=True)
    print(f"{total[0]} decoded, {total[1]} refused, {len(found)} findings (seed {seed})")
    return bool(found)


def replay(path: Path, findings: Path) -> int:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "store"
        keys = prepare(root)
        payload = parse(path.read_bytes())
        payload.key = keys[0]
        plant_all(root, [payload])
        batch = Round(root, [payload], findings, "replay")
        batch.run()
        print(f"{batch.hits} decoded, {batch.refused} refused")
        return bool(batch.found)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "fuzzed")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--decode", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        fill(options.fill)
        return 0
    if options.decode:
        decode(Path(options.decode[0]), json.loads(options.decode[1]))
        return 0
    options.findings.mkdir(parents=True, exist_ok=True)
    if options.replay:
        return replay(options.replay, options.findings)
    return run(options.minutes, options.seed, options.findings)


if __name__ == "__main__":
    raise SystemExit(main())
