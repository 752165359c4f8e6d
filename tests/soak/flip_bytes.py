"""Flip bytes of a store, as a bad disk does; no flip may come out as a wrong value or an error.

    python tests/soak/flip_bytes.py
    python tests/soak/flip_bytes.py --sample 300
    python tests/soak/flip_bytes.py --large --flips 10000

Each byte of a small store is flipped in turn: those of its index, its log, its payloads and all
that lies beside them. The flip is made in a copy whose files are new, so that nothing is trusted
for having been checked before. With --large, many bytes at once of a store of hundreds of results.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from promises import KINDS, History, Key, User
from system_calls import PATIENCE, unwatched

CHUNK = 200  # copies that one process opens
HEAD = 4096  # bytes of a mapped payload that are all flipped; of those behind it one in STRIDE
STRIDE = 499
# small ones of their kinds; one of the pickles is in the index, the other in a file
KEYS: list[Key] = [
    ("inline", 109),
    ("file", 8),
    ("mapped", 196),
    ("pickled", 3),
    ("pickled", 125),
    ("dated", 26),
]
MANY: list[Key] = [
    (kind, number)
    for kind, count in zip(KINDS, (100, 60, 25, 60, 60), strict=True)
    for number in range(count)
]


@dataclass(frozen=True)
class Flip:
    file: str
    place: int
    mask: int

    def __str__(self) -> str:
        return f"byte {self.place} of {self.file}, {self.mask:#04x}"


@dataclass
class Tally:
    flips: int = 0
    kept: int = 0
    computed: int = 0
    faults: list[str] = field(default_factory=list)

    def read(self, lines: Iterable[str], flips: Iterable[list[Flip]]) -> None:
        """Count what a process said of the copies that it opened."""
        for line, group in zip(lines, flips, strict=False):
            kept, computed, *faults = line.split("\t")
            self.flips += len(group)
            self.kept += int(kept)
            self.computed += int(computed)
            said = "; ".join(map(str, group[:3]))
            self.faults += [f"{said}: {fault}" for fault in faults]

    def end(self, seed: int) -> int:
        wrong = sum("wrong" in fault for fault in self.faults)
        print("\n".join(self.faults[:40]))
        print(
            f"{self.flips} flips, {self.kept} results found, {self.computed} computed again, "
            f"{wrong} wrong, {len(self.faults) - wrong} other faults (seed {seed})"
        )
        return bool(self.faults)


def build(root: Path, keys: list[Key]) -> None:
    """Store results; the last of them are still in the index's log."""
    half = len(keys) // 2

    def put(user: User, some: list[Key]) -> None:
        for kind, number in some:
            user.put(kind, number)

    def closing(note: Callable[[str], None]) -> None:
        user = User(root, note)
        put(user, keys[:half])
        user.close()

    for work in (closing, lambda note: put(User(root, note), keys[half:])):
        ended = unwatched(work)
        if ended.status:
            raise RuntimeError(ended.noted)


def copied(source: Path, target: Path, flips: list[Flip]) -> None:
    """Copy a store and flip bytes of it. Payloads are linked, which changes their times as well."""
    touched = {flip.file for flip in flips}
    target.mkdir(mode=0o700)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(mode=0o700)
        elif "payloads" in path.parts and str(path.relative_to(source)) not in touched:
            os.link(path, place)
        else:
            shutil.copy(path, place)
    for flip in flips:
        with (target / flip.file).open("r+b") as file:
            file.seek(flip.place)
            (byte,) = file.read(1)
            file.seek(flip.place)
            file.write(bytes([byte ^ flip.mask]))


def look(root: Path, keys: list[Key]) -> str:
    """Ask a store for all its results: how many it had, how many it had not, and what is wrong."""
    lines: list[str] = []
    history = History(allowed={key: {0, None} for key in keys})
    try:
        user = User(root, lines.append)
        user.look(keys)
        user.count()
        user.close()
    except Exception as error:  # noqa: BLE001 - this is what must not happen, whatever it is
        history.faults.append(f"{type(error).__name__}: {error}")
    history.read(lines)
    ran = [line for line in lines if line.endswith("true]")]
    known = {"CacheReadWarning", "CacheWriteWarning"}
    history.faults += [f"a {category}" for category in set(history.warned) - known]
    return "\t".join([str(len(keys) - len(ran)), str(len(ran)), *history.faults])


def open_copies(source: Path, groups: list[list[Flip]], keys: list[Key], tally: Tally) -> None:
    """Open one copy after another in a process of its own; one that dies is a fault."""
    target = source.with_name("copy")

    def work(note: Callable[[str], None]) -> None:
        for flips in groups:
            signal.alarm(PATIENCE)
            copied(source, target, flips)
            said = look(target, keys)
            shutil.rmtree(target)
            note(said)

    ended = unwatched(work)
    shutil.rmtree(target, ignore_errors=True)
    tally.read(ended.lines, groups)
    if ended.status:
        done = len(ended.lines)
        tally.faults.append(f"{groups[done][:3]}: the process ended with {ended.status}")
        open_copies(source, groups[done + 1 :], keys, tally)


def files_of(root: Path) -> dict[str, int]:
    found = [path for path in sorted(root.rglob("*")) if path.is_file() and path.stat().st_size]
    return {str(path.relative_to(root)): path.stat().st_size for path in found}


def every_flip(root: Path, generator: random.Random) -> Iterator[Flip]:
    for name, size in files_of(root).items():
        step = STRIDE if size > 2**20 and "payloads" in name else 1
        for place in [*range(min(size, HEAD)), *range(HEAD, size, step)]:
            yield Flip(name, place, generator.randrange(1, 256))


def random_flips(root: Path, count: int, generator: random.Random) -> list[Flip]:
    """Half of them anywhere, and half with as many in each file."""
    sizes = files_of(root)
    names = generator.choices([*sizes], k=count // 2)
    names += generator.choices([*sizes], [*sizes.values()], k=count - count // 2)
    return [
        Flip(name, generator.randrange(sizes[name]), generator.randrange(1, 256)) for name in names
    ]


def run(options: argparse.Namespace) -> int:
    generator = random.Random(options.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_CONFIG_HOME"] = f"{temporary}/config"
        root = Path(temporary) / "store"
        keys = MANY if options.large else KEYS
        build(root, keys)
        if options.large:
            flips = random_flips(root, options.flips, generator)
            groups = [flips[start : start + 50] for start in range(0, len(flips), 50)]
        else:
            each = list(every_flip(root, generator))
            groups = [[flip] for flip in (generator.sample(each, options.sample or len(each)))]
        for start in range(0, len(groups), CHUNK):
            open_copies(root, groups[start : start + CHUNK], keys, tally)
    return tally.end(options.seed)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sample", type=int, help="so many of the small store's bytes only")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--flips", type=int, default=10_000, help="of the large store")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
