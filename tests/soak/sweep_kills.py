"""Kill sweeps at random instants, and let them go on; what they give is what a loop gives.

    python tests/soak/sweep_kills.py --rounds 100

Each round is a list of items, an earlier one's in another order, cut and extended, some of them
twice. A script sweeps it, or runs it in batches, with workers, threads or by itself. It is killed
as a whole, or a worker of it, or interrupted with Ctrl-C, at instants of their own, and started
again until it is through. Then what it gave must be, byte for byte, what a loop gives, and no item
may have been computed oftener than a kill costs: `checkpoint_interval` items a worker.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
from swept_rounds import Spec, Tally, spec_of
from swept_script import evaluate, packed

LIVES = 6  # rounds on one folder
PATIENCE = 60.0  # seconds
MARK = "AFML_SOAK_SWEEP"
ENDED = {"done", "failed", "interrupted"}
KEPT_LOCKS = ("changes", "index", "users-")
OLD = 30 * 24 * 3600


class Folder:
    """Where rounds share a store."""

    def __init__(self, folder: Path, tally: Tally, generator: random.Random) -> None:
        self.folder = folder
        self.tally = tally
        self.generator = generator
        self.store = folder / "store"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.known: set[int] = set()
        self.items: list[int] = []
        self.name = ""

    def fault(self, kind: str, text: str) -> None:
        """Note what is not as it should be."""
        if kind:
            setattr(self.tally, kind, getattr(self.tally, kind) + 1)
        self.tally.faults.append(f"{self.name}: {text}")

    def round(self, number: int) -> None:
        """Have one list swept, through kills."""
        spec = spec_of(self.generator, self.items)
        self.items = list(dict.fromkeys([*self.items, *spec.items]))
        self.name = f"round {number} ({dataclasses.replace(spec, items=[])})"
        log = self.folder / f"log{number}"
        log.touch()
        cost = 0
        for attempt in range(self.generator.randint(1, 3)):
            ways = ["parent", "ctrl-c", "ctrl-c twice", "worker"]
            how = self.generator.choice(ways if spec.executor == "processes" else ways[:-1])
            if self.attempt(spec, log, f"{number}-{attempt}", how):
                cost += spec.cost
                self.tally.kills += 1
            self.look()
        self.attempt(spec, log, f"{number}-last", "")
        self.check(spec, log, number, cost)
        self.tally.rounds += 1

    def attempt(self, spec: Spec, log: Path, name: str, how: str) -> bool:
        """Run the script, and kill it in some way; whether that came before its end."""
        settings = self.folder / "settings.json"
        settings.write_text(json.dumps(dataclasses.asdict(spec)))
        said = self.folder / f"said{name}"
        script = Path(__file__).with_name("swept_script.py")
        command = [sys.executable, script, settings, log, self.folder / "out"]
        environment = {
            **os.environ,
            "AFML_CACHE": str(self.store),
            "TMPDIR": str(self.temporary),
            MARK: str(self.folder),
        }
        with said.open("wb") as errors:
            child = subprocess.Popen(command, env=environment, stdout=errors, stderr=errors)
            hit = bool(how) and self.strike(child, log, how)
            try:
                status = child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                self.fault("", f"{name} hangs after {how or 'nothing'}:\n{said.read_text()}")
                return hit
        self.judge(said.read_text(), status, how if hit else "")
        self.wait_for_end(name)
        return hit

    def strike(self, child: subprocess.Popen[bytes], log: Path, how: str) -> bool:
        """Wait for an instant, and kill."""
        if self.generator.random() < 0.3:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(self.generator.random() * 1.5)
        else:
            left = len(set(self.items) - set(map(int, log.read_text().split())) - self.known)
            goal = log.stat().st_size + self.generator.randint(1, 4 * left + 4)
            while child.poll() is None and log.stat().st_size < goal:
                time.sleep(0.001)
            time.sleep(self.generator.random() * 0.02)
        if child.poll() is not None:
            return False
        if how == "parent":
            child.kill()
        elif how == "worker":
            return self.kill_worker(child.pid)
        else:
            child.send_signal(signal.SIGINT)
        if how == "ctrl-c twice":
            time.sleep(self.generator.random() * 0.05)
            child.send_signal(signal.SIGINT)
        return True

    def kill_worker(self, parent: int) -> bool:
        """Kill one of the workers, if there are any."""
        try:
            workers = psutil.Process(parent).children()
            self.generator.choice(workers).kill()
        except (psutil.NoSuchProcess, IndexError):
            return False
        return True

    def judge(self, said: str, status: int, how: str) -> None:
        """See whether it ended as one that was killed in that way does."""
        last = said.strip().splitlines()[-1] if said.strip() else ""
        silent = status == 0 and not said
        # Before Python listens to Ctrl-C, and when it does no more, the signal is the end.
        deaf = status == -signal.SIGINT and not said
        fine = {
            "": silent,
            "parent": status == -signal.SIGKILL and not said,
            "ctrl-c": silent or deaf or last == "KeyboardInterrupt",
            "ctrl-c twice": silent or deaf or "KeyboardInterrupt" in said,
            "worker": silent or "WorkerDied" in last,
        }
        if not fine[how]:
            self.fault("", f"ended with {status} after {how or 'nothing'}:\n{said}")

    def wait_for_end(self, name: str) -> None:
        """See that nothing that it started still runs."""
        until = time.monotonic() + 10
        while running := list(self.running()):
            if time.monotonic() > until:
                self.fault("left", f"{name} left processes {running}")
                for process in running:
                    process.kill()
            time.sleep(0.01)

    def running(self) -> Iterator[psutil.Process]:
        """Give the processes of this folder."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == str(self.folder):
                    yield process

    def look(self) -> None:
        """See that the journal can be read, whatever was killed."""
        from afml_cache import CacheError, sweeps

        try:
            strange = {one.state for one in sweeps(store=self.store)} - ENDED
        except CacheError as error:
            self.fault("", f"sweeps() raised {type(error).__name__}: {error}")
        else:
            if strange:
                self.fault("", f"sweeps that nobody runs are {strange}")

    def check(self, spec: Spec, log: Path, number: int, cost: int) -> None:
        """See what it gave, and how often items were computed."""
        if not (output := self.folder / "out").exists():
            self.fault("lost", "there is no output")
        elif output.read_bytes() != self.naive(spec):
            self.fault("wrong", "the output is not that of a loop")
        counts = Counter(map(int, log.read_text().split()))
        new = set(spec.items) - self.known
        if missing := new - counts.keys():
            self.fault("wrong", f"items {missing} were never computed")
        if known := counts.keys() & self.known:
            self.fault("lost", f"items {known} of earlier rounds were computed again")
        again = sum(counts.values()) - len(counts)
        if again > cost:
            self.fault("lost", f"{again} items were computed again, at most {cost} may be")
        self.known |= new
        self.tally.computed += len(new)
        self.tally.again += again
        for path in (self.folder / "out", log, *self.folder.glob(f"said{number}-*")):
            path.unlink(missing_ok=True)

    def naive(self, spec: Spec) -> bytes:
        """Give what it should give: rows of a loop, in one batch where they are a file."""
        from afml_cache import BatchRunner, Store, robust_cacheable

        rows = [evaluate(item, os.devnull) for item in spec.items]
        if spec.batch_size == 0:
            return packed(rows)
        with tempfile.TemporaryDirectory() as folder:
            given = robust_cacheable(store=Store(f"{folder}/store"))(dict(enumerate(rows)).get)
            options = {"executor": "sequential", "output_dir": folder, "progress": False}
            return BatchRunner(given, range(len(rows)), len(rows), **options).run().read_bytes()

    def sweep_up(self) -> None:
        """See that nothing is left but what the store keeps."""
        then = time.time() - OLD
        left = [path for path in self.temporary.rglob("*") if path.is_file()]
        tidied = [*self.store.glob("v1/tmp/*"), *self.store.glob("v1/locks/*")]
        for path in tidied:
            os.utime(path, (then, then))
        command = [sys.executable, "-c", "import afml_cache; afml_cache.gc()"]
        subprocess.run(command, env={**os.environ, "AFML_CACHE": str(self.store)}, check=True)
        left += self.store.glob("v1/tmp/*")
        left += [
            path for path in self.store.glob("v1/locks/*") if not path.name.startswith(KEPT_LOCKS)
        ]
        left += [
            path
            for path in self.folder.glob("batches/*")
            if not path.name.startswith("results_") or path.suffix != ".parquet"
        ]
        if left:
            self.fault("left", f"left over: {', '.join(map(str, left[:5]))}, {len(left)} in all")


def run(rounds: int, seed: int) -> int:
    generator = random.Random(seed)
    tally = Tally()
    for first in range(0, rounds, LIVES):
        folder = Path(tempfile.mkdtemp(prefix="sweep-kills-"))
        try:
            there = Folder(folder, tally, generator)
            for number in range(first, min(first + LIVES, rounds)):
                there.round(number)
            there.sweep_up()
        finally:
            shutil.rmtree(folder)
    return tally.end(seed)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    options = parser.parse_args()
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    return run(options.rounds, options.seed)


if __name__ == "__main__":
    raise SystemExit(main())
