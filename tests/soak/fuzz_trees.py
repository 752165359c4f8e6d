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
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from forged import Payload, parse, plant_all, stored

ROWS = 1_000
IN_FILES = 100  # of them, the last ones
PATIENCE = 10.0  # seconds that one payload may take
MEMORY = 4 << 30
EXTREMES = (0, 1, 2, 31, 255, 256, 1 << 16, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
LATE = (
    "datetime", "decimal", "fractions", "uuid", "pathlib", "zoneinfo", "zoneinfo._common",
    "importlib.resources", "importlib.readers", "importlib.resources.readers",
    "pandas._libs.sparse", "pandas._libs.internals", "pandas.api.internals",
    "pandas.core.internals.blocks", "pandas.core.internals.managers", "pyarrow.ipc", "_strptime",
    "numpy.dtypes", "numpy._core._internal", "numpy._core.strings", "numpy.rec", "numpy.ma",
    "pyarrow.compute", "pandas.core.arrays.arrow", "pandas.tseries.holiday", "polars.exceptions",
)  # fmt: skip
TAGS = [*range(19), *range(24, 36), *range(48, 55), *range(64, 90), 96, 97, *range(112, 120)]
ODD_TAGS = [128, 129, 130, 131, 240, 241, 242, 243, 255]
WORDS = (
    b"|S0", b"<U0", b"|O8", b"O,i8", b"<M8[D]", b"<M8", b"<m8[25s]", b">f8", b"<f16", b"|V0",
    b"|V2147483647", b"|b1", b"<c32", b"ns", b"s", b"D", b"python", b"pyarrow", b"pyarrow_numpy",
    b"period[D]", b"period[ns]", b"UTC", b"Europe/Berlin", b"../../etc/passwd", b"u8", b"u32",
    b"IntegerArray", b"BooleanArray", b"FloatingArray", b"_p", b"FixedOffset", b"left", b"both",
    b"integer", b"block", b"cposix\nmkdir\n(V/tmp/fuzzed\ntR.",
)  # fmt: skip
PICKLE = b"\xf2" + struct.pack("<Q", 33) + b"cposix\nmkdir\n(V/tmp/fuzzed-tree\ntR."[:33]


# ---------------------------------------------------------------------------------- mutations


def flip(chance: random.Random, tree: bytes) -> bytes:
    changed = bytearray(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def retag(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree)) if chance.random() < 0.6 else 0
    tag = chance.choice(ODD_TAGS if chance.random() < 0.1 else TAGS)
    return tree[:at] + bytes([tag]) + tree[at + 1 :]


def renumber(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(max(1, len(tree) - 7))
    number = chance.choice((*EXTREMES, chance.randrange(70)))
    return tree[:at] + struct.pack("<Q", number) + tree[at + 8 :]


def count_off(chance: random.Random, tree: bytes) -> bytes:
    """Move a number that looks like a count by a little."""
    places = [at for at in range(len(tree) - 7) if tree[at + 2 : at + 8] == bytes(6)]
    if not places:
        return renumber(chance, tree)
    at = chance.choice(places)
    number = struct.unpack_from("<Q", tree, at)[0] + chance.choice((-2, -1, 1, 2, 7, 64))
    return tree[:at] + struct.pack("<Q", number % (1 << 64)) + tree[at + 8 :]


def reword(chance: random.Random, tree: bytes) -> bytes:
    """Put another word in the place of a text."""
    places = []
    for at in range(len(tree) - 8):
        (length,) = struct.unpack_from("<Q", tree, at)
        if 0 < length < 40 and tree[at + 8 : at + 8 + length].isascii():
            places.append((at, length))
    if not places:
        return flip(chance, tree)
    at, length = chance.choice(places)
    word = chance.choice(WORDS)
    return tree[:at] + struct.pack("<Q", len(word)) + word + tree[at + 8 + length :]


def cut(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree) + 1)
    end = min(len(tree), at + chance.choice((1, 8, 9, len(tree))))
    return tree[:at] + tree[end:]


def wrap(chance: random.Random, tree: bytes) -> bytes:
    around = chance.choice((b"\x0b", b"\x0c", b"\x0e", b"\x0f", b"\x31" + struct.pack("<Q", 1)))
    return around + struct.pack("<Q", 1) + tree


def plant_pickle(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree) + 1)
    return tree[:at] + PICKLE + tree[at:]


MUTATIONS = (flip, flip, retag, retag, renumber, count_off, count_off, reword, cut, wrap)
BYTES = (flip, flip, renumber, count_off, cut)


def spliced(chance: random.Random, one: Payload, other: Payload) -> Payload:
    """Give one payload's tree with another's inside, leaves of both."""
    shift, at = len(one.leaves), chance.randrange(len(one.tree) + 1)
    if chance.random() < 0.5:
        tree = b"\x0c" + struct.pack("<Q", 2) + one.tree + other.tree
    else:
        end = min(len(other.tree), at + chance.randrange(1, 64))
        tree = one.tree[:at] + other.tree[at:end] + one.tree[end:]
    leaves = other.leaves + one.leaves if shift and chance.random() < 0.5 else other.leaves
    return Payload(one.key, tree, list(leaves or one.leaves), one.meta)


def mutated(chance: random.Random, seeds: list[Payload], key: bytes) -> Payload:
    one = chance.choice(seeds)
    payload = Payload(key, one.tree, list(one.leaves), one.meta)
    if chance.random() < 0.15:
        payload = spliced(chance, payload, chance.choice(seeds))
        payload.key = key
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        payload.tree = chance.choice(MUTATIONS)(chance, payload.tree or b"\0")
    if chance.random() < 0.02:
        payload.tree = plant_pickle(chance, payload.tree)
    if payload.leaves and chance.random() < 0.5:
        at = chance.randrange(len(payload.leaves))
        payload.leaves[at] = chance.choice(BYTES)(chance, payload.leaves[at] or b"\0")
    if payload.leaves and chance.random() < 0.1:
        chance.shuffle(payload.leaves)
    if chance.random() < 0.05:
        payload.meta = chance.choice(BYTES)(chance, payload.meta)
    if chance.random() < 0.05:
        payload.seconds = chance.choice((float("nan"), float("inf"), -1.0, 1e300))
        payload.created = chance.choice((-(1 << 63), (1 << 63) - 1, 0))
    if chance.random() < 0.01:
        payload.leaves.append(bytes(2 << 20))  # so large that it is mapped where it is in a file
    if chance.random() < 0.05:
        payload.changed = lambda head: scramble(chance, head)
    return payload


def scramble(chance: random.Random, head: bytearray) -> None:
    """Put extreme numbers into the header or the table of leaves."""
    (meta, tree, leaves) = struct.unpack_from("<3Q", head, 56)
    places = [48, 56, 64, 72, 80, 88, *range(152 + meta + tree, 152 + meta + tree + 32 * leaves, 8)]
    struct.pack_into("<Q", head, chance.choice(places), chance.choice((*EXTREMES, 64, 128, 192)))


# ------------------------------------------------------------------------------------- worker


def open_cached(root: Path):
    from afml_cache import Store, robust_cacheable

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
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    small = 1_000_000
    match value:
        case np.ndarray():
            held = value
            while isinstance(held, np.ndarray) and held.base is not None:
                held = held.base
            bytes(memoryview(np.ascontiguousarray(value)).cast("B")[:small]) if (
                value.nbytes and not value.dtype.hasobject
            ) else None
            if value.size < small:
                value.tolist()
        case pd.DataFrame() | pd.Series() | pd.Index():
            repr(value)
            if value.size < small:
                value.copy()
                value.to_numpy()
                value.memory_usage(deep=True)
        case pl.DataFrame():
            repr(value)
            if value.height < small:
                value.rows()
        case pl.Series():
            repr(value)
            if value.len() < small:
                value.to_list()
        case pa.Table() | pa.RecordBatch() | pa.Array() | pa.ChunkedArray():
            repr(value)
            if len(value) < small:
                value.to_pylist()
        case dict():
            for pair in value.items():
                touch(pair[0])
                touch(pair[1])
        case list() | tuple() | set() | frozenset():
            if len(value) < small:
                for item in value:
                    touch(item)
        case _:
            repr(value)


def listen(state: dict[str, object]) -> None:
    """Note what code is run or looked for while a payload is decoded."""

    def hear(event: str, args: tuple[object, ...]) -> None:
        if not state["decoding"]:
            return
        runs = event in {"exec", "compile", "marshal.loads", "pickle.find_class", "os.mkdir"}
        starts = event.startswith(("os.exec", "os.system", "os.posix_spawn", "subprocess.", "ctypes"))
        if runs or starts or (event == "import" and args[0] not in sys.modules):
            # `zoneinfo` looks for a zone that the system has not among the modules of `tzdata`.
            if not any(name in repr(args) for name in ("tzdata", "importlib")):
                state["heard"].append(f"{event} {args!r:.200}")

    sys.addaudithook(hear)


def decode(root: Path, rows: list[int]) -> None:
    """Call for each row; a line before and after, so that the parent knows where a crash was."""
    import resource

    import numpy as np
    import pandas as pd
    import pandas.tseries.frequencies
    import polars as pl
    import pyarrow as pa
    import zoneinfo

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
        except BaseException as error:
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


# ------------------------------------------------------------------------------------- parent


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-X", "faulthandler", __file__, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def collect_seeds(folder: Path) -> list[Payload]:
    """Store every kind of value that needs no pickle."""
    from afml_cache import Store
    from results import CASES, LARGE, MIDDLE

    from afml_cache import robust_cacheable

    store = Store(folder / "seeds", allow_pickle=False)
    small = {
        name: make for name, make in CASES.items()
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
        if phase != "decoded" or worker.returncode < 0 and "MemoryError" not in told:
            self.keep(current, f"exit {worker.returncode} while {phase}\n{told[:3000]}\n...\n{told[-3000:]}")
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
            subprocess.run(["rm", "-rf", root], check=True)
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
