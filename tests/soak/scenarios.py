"""What a process does to a store while something happens to it, one scenario after another."""

import contextlib
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bars_scenarios as bars
import runs_scenarios as runs
from promises import KINDS, History, User, has_max_size
from system_calls import Call, Decision, Ended, unwatched, watched

OLD = 2 * 24 * 3600  # seconds, after which what is left of a dead process may be swept away
CAP = 6_000_000  # bytes of the store that evicts; its index's log alone may take four million
Work = Callable[[User, int], object]


def put_all(user: User, number: int) -> None:
    for kind in KINDS:
        user.put(kind, number)


def fill_log(user: User, number: int) -> None:
    """Small results until SQLite has moved its log into the database, and more."""
    for step in range(400):
        user.put("inline", number * 1000 + step)


def refresh_all(user: User, number: int) -> None:
    for kind in KINDS:
        user.put(kind, number, version=1)


def clear_two(user: User, _: int) -> None:
    user.clear("inline")
    user.clear("file")


def put_and_close(user: User, number: int) -> None:
    user.put("inline", number)
    user.put("file", number)
    user.close()


def evict(user: User, number: int) -> None:
    for step in range(12):
        user.put("file", number * 100 + step)
        user.put("inline", number * 100 + step)


def fill(user: User, number: int) -> None:
    for step in range(1, 6):
        evict(user, number + step)


@dataclass
class Scenario:
    """Work that is disturbed, and what goes before it."""

    work: Work
    before: Work | None = None
    damage: Callable[[Path], None] | None = None
    new: bool = False  # on a folder that does not exist yet
    max_size: int | None = None


def indexes(root: Path) -> list[Path]:
    return sorted(root.glob("v1/index-*.sqlite3"))


def overwrite(root: Path) -> None:
    for index in indexes(root):
        index.write_bytes(b"garbage " * 1000)


def empty(root: Path) -> None:
    for index in indexes(root):
        index.write_bytes(b"")
        for suffix in ("-wal", "-shm"):
            index.with_name(index.name + suffix).unlink(missing_ok=True)


def remove(root: Path) -> None:
    for path in root.glob("v1/index-*"):
        path.unlink()


def halve(root: Path) -> None:
    for index in indexes(root):
        os.truncate(index, index.stat().st_size // 2)


def age(root: Path) -> None:
    """What an earlier version left: its index is taken over."""
    for index in indexes(root):
        with contextlib.closing(sqlite3.connect(index)) as connection:
            connection.execute("PRAGMA user_version = 1")


def put_two(user: User, number: int) -> None:
    user.put("inline", number + 1)
    user.put("file", number + 1)


SCENARIOS = {
    "a small result": Scenario(lambda user, number: user.put("inline", number)),
    "a file": Scenario(lambda user, number: user.put("file", number)),
    "a mapped file": Scenario(lambda user, number: user.put("mapped", number)),
    "a pickle": Scenario(lambda user, number: user.put("pickled", number)),
    "a refresh": Scenario(refresh_all, put_all),
    "a clear of functions": Scenario(clear_two, put_all),
    "a clear of all": Scenario(lambda user, _: user.clear(), put_all),
    "an invalidation": Scenario(lambda user, number: user.invalidate(number - 1, number), put_all),
    "a new folder": Scenario(put_all, new=True),
    "a close": Scenario(put_and_close),
    "a full log": Scenario(fill_log),
    "an index of garbage": Scenario(put_two, put_all, overwrite),
    "an empty index": Scenario(put_two, put_all, empty),
    "no index": Scenario(put_two, put_all, remove),
    "half an index": Scenario(put_two, put_all, halve),
    "an index of an earlier version": Scenario(put_two, put_all, age),
}
SCENARIOS |= {
    "bars": Scenario(bars.append),
    "bars day by day": Scenario(bars.append_day_by_day),
    "bars again": Scenario(bars.refresh, bars.append),
    "bars between bars": Scenario(bars.append_twice, bars.append),
    "bars dropped": Scenario(bars.drop, bars.append),
    "bars dropped and fetched": Scenario(bars.drop_and_append, bars.append_twice),
    "bars made one": Scenario(bars.compact, bars.append_day_by_day),
    "bars in a new folder": Scenario(bars.append, new=True),
    "bars of a lost catalog": Scenario(bars.append_twice, bars.append_day_by_day, bars.lose),
    "bars of half a catalog": Scenario(bars.append_twice, bars.append_day_by_day, bars.halve),
}
SCENARIOS |= {
    "runs": Scenario(runs.record),
    "runs again": Scenario(runs.record_again, runs.record),
    "runs, many": Scenario(runs.record_many),
    "runs in a full log": Scenario(runs.record_until_moved),
    "runs deleted": Scenario(runs.delete, runs.record),
    "runs deleted and recorded": Scenario(runs.delete_and_record, runs.record),
    "runs pruned": Scenario(runs.prune, runs.record),
    "runs pruned and recorded": Scenario(runs.prune_and_record, runs.record),
    "runs in a new folder": Scenario(runs.record, new=True),
    "runs of a lost index": Scenario(runs.record_again, runs.record, runs.lose),
    "runs of half an index": Scenario(runs.record_again, runs.record, runs.halve),
}
if has_max_size():
    SCENARIOS["an eviction"] = Scenario(evict, max_size=CAP)


@dataclass
class Place:
    """A folder that lives through several rounds, and all that is known of it."""

    folder: Path
    max_size: int | None = None
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.history.lossy = self.max_size is not None
        # a secret of its own: it is made in the first round
        os.environ["XDG_CONFIG_HOME"] = str(self.folder / "config")

    @property
    def root(self) -> Path:
        return self.folder / "store"

    def _user(self, work: Callable[[User], object]) -> Callable[[Callable[[str], None]], object]:
        return lambda note: work(User(self.root, note, self.max_size))

    def disturbed(
        self,
        scenario: Scenario,
        number: int,
        decide: Callable[[Call], Decision],
        *,
        failing: bool = False,
    ) -> Ended:
        """Do what a scenario does, while `decide` has its way with it."""
        before = scenario.before
        if before is not None:
            self.undisturbed(lambda user: before(user, number))
        if scenario.damage is not None:
            scenario.damage(self.root)
            if scenario.damage in {bars.lose, bars.halve}:
                self.history.lose_catalog()
            elif scenario.damage not in {runs.lose, runs.halve}:
                self.history.damage(lasting=scenario.damage is halve)

        def work(user: User) -> None:
            scenario.work(user, number)
            user.count()

        ended = watched(self._user(work), decide)
        self.history.failing = failing
        self.history.read(ended.lines)
        self.history.failing = False
        return ended

    def undisturbed(self, work: Callable[[User], object]) -> None:
        ended = unwatched(self._user(work))
        self.history.read(ended.lines)
        if ended.status:
            self.history.faults.append(f"a process ended with {ended.status}")

    def check(self, number: int) -> None:
        """See whether a new process finds what it should, and can go on."""
        self.age_leftovers()

        spans = self.history.spans(random.Random(number))

        def look(user: User) -> None:
            user.look(list(self.history.allowed))
            for symbol, first, stop in spans:
                user.get(symbol, first, stop, number + 9)
            user.look_at_runs(list(self.history.runs))
            user.put("inline", -number)
            user.put("file", -number)
            user.report()

        self.undisturbed(look)
        self.history.faults += bars.faults(self.root)

    def rebuild(self) -> None:
        """Take the index away: a new one must know no less, and nothing that was dropped."""
        remove(self.root)
        self.history.damage()
        bars.lose(self.root)
        self.history.lose_catalog()
        runs.lose(self.root)
        spans = self.history.spans(None)

        def look(user: User) -> None:
            user.look(list(self.history.allowed))
            for symbol, first, stop in spans:
                user.get(symbol, first, stop, 1_000_000)
            user.look_at_runs(list(self.history.runs))
            user.report()

        self.undisturbed(look)

    def leftovers(self) -> list[Path]:
        """Files that no process needs any more."""
        drafts = [path for path in self.root.glob("v1/tmp/*") if path.is_file()]
        ours = {"ID", "CURRENT"}
        strangers = [
            path
            for path in [*self.root.glob("v1/*"), *self.folder.glob("config/afml/*")]
            if path.is_file()
            and path.name not in ours | {"cache.key"}
            and not path.name.startswith(("index-", "ledger"))
        ]
        return drafts + strangers + runs.drafts(self.root)

    def orphans(self) -> list[Path]:
        """Payloads that no entry names."""
        seen: set[str] = set()
        found = []
        for path in sorted(
            self.root.glob("v1/payloads/*/*"), key=lambda path: path.stat().st_ctime
        ):
            key = path.name.partition("-")[0]
            if key not in self.history.entries or key in seen:
                found.append(path)
            seen.add(key)
        known = set(self.history.run_ids)
        return found + bars.strays(self.root) + list(runs.strays(self.root, known))

    def age_leftovers(self) -> None:
        then = time.time() - OLD
        for path in self.leftovers():
            os.utime(path, (then, then))
        bars.age(self.root, then)
        runs.age(self.root, then)


@contextlib.contextmanager
def place(folder: Path, scenario: Scenario) -> Iterator[Place]:
    """A folder for rounds of a scenario; a store is in it, unless the scenario makes it."""
    folder.mkdir()
    try:
        there = Place(folder, scenario.max_size)
        first = put_all if scenario.max_size is None else fill
        if not scenario.new:
            there.undisturbed(lambda user: first(user, 0))
        yield there
    finally:
        shutil.rmtree(folder, ignore_errors=True)
