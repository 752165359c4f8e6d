"""Results to store, and a record of which of them a store must, may and must not have."""

import datetime as dt
import functools
import inspect
import json
import random
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bars import BarsHistory, BarsUser

import afml_cache
from afml_cache import Store, robust_cacheable, time_aware_cacheable
from runs import RunsHistory, RunsUser

Key = tuple[str, int]
KINDS = ("inline", "file", "mapped", "pickled", "dated")
SIZES = {  # of the array, in bytes
    "inline": (8, 15_000),
    "file": (30_000, 200_000),
    "mapped": (2_100_000, 5_000_000),
    "pickled": (8, 60_000),
    "dated": (8, 60_000),
}
# Caches may lose small results with their index.
LOST_WITH_INDEX = ("inline", "pickled", "dated")


class Thing:
    """A result that nothing but pickle can hold."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


class Hidden:
    """What the cached functions read beside their arguments, and what they leave behind."""

    version = 0
    ran = 0


def value_of(kind: str, number: int, version: int) -> Any:
    """The result of a call, made without the cache."""
    generator = random.Random(f"{kind} {number}")
    size = generator.randint(*SIZES[kind]) // 8
    array = (np.arange(size) * 2654435761 + number * 1000 + version) % 4294967291
    if kind == "pickled":
        return Thing(array)
    return [array, {"number": number, "version": version}] if number % 2 else array


expected = functools.lru_cache(maxsize=1000)(value_of)  # to compare with, never to store


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    match left:
        case np.ndarray():
            return left.dtype == right.dtype and np.array_equal(left, right)
        case list():
            return len(left) == len(right) and all(map(same, left, right))
        case Thing():
            return same(left.array, right.array)
    return left == right


def _produce(kind: str, number: int) -> Any:
    Hidden.ran += 1
    return value_of(kind, number, Hidden.version)


def inline(number: int) -> Any:
    return _produce("inline", number)


def file(number: int) -> Any:
    return _produce("file", number)


def mapped(number: int) -> Any:
    return _produce("mapped", number)


def pickled(number: int) -> Any:
    return _produce("pickled", number)


def dated(number: int, start: dt.date, end: dt.date) -> Any:
    return _produce("dated", number)


BODIES = {"inline": inline, "file": file, "mapped": mapped, "pickled": pickled}


def day(number: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=number)


class User(BarsUser, RunsUser):
    """A process that uses a store, and notes before and after each step what it does."""

    def __init__(self, root: Path, note: Callable[[str], None], max_size: int | None = None):
        self.note = note
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *_: self.warned(category, str(message))
        options: dict[str, Any] = {} if max_size is None else {"max_size": max_size}
        store = self.store = Store(root, **options)
        self.functions: dict[str, Any] = {
            kind: robust_cacheable(store=store, track_code=False)(body)
            for kind, body in BODIES.items()
        }
        self.functions["dated"] = time_aware_cacheable(store=store, track_code=False)(dated)

    def say(self, *words: object) -> None:
        self.note(json.dumps(words))

    def warned(self, category: type[Warning], text: str) -> None:
        self.bars_warned += self.has_bars
        self.say("warned", category.__name__, text)

    def arguments(self, kind: str, number: int) -> tuple[Any, ...]:
        return (number, day(number), day(number)) if kind == "dated" else (number,)

    def put(self, kind: str, number: int, version: int = 0) -> None:
        """Store a result that is not there yet, or another version of one that is."""
        Hidden.version = version
        self.say("putting", kind, number, version)
        function = self.functions[kind]
        value = (function.refresh if version else function)(*self.arguments(kind, number))
        right = same(value, expected(kind, number, version))
        self.say("put", kind, number, version) if right else self.say("wrong", kind, number)

    def clear(self, kind: str | None = None) -> None:
        """Drop the results of one function, or of all."""
        self.say("clearing", kind)
        clear = self.store.clear if kind is None else self.functions[kind].cache_clear
        self._drop(clear, "cleared", kind)

    def invalidate(self, first: int, last: int) -> None:
        """Drop the dated results from the first to the last number."""
        self.say("invalidating", first, last)
        days = (day(first), day(last))
        drop = functools.partial(afml_cache.invalidate, days, store=self.store)
        self._drop(drop, "invalidated", first, last)

    def _drop(self, drop: Callable[[], object], *done: object) -> None:
        try:
            drop()
        except afml_cache.CacheStoreError as error:
            self.say("warned", "refused", str(error))
        else:
            self.say(*done)

    def look(self, keys: Iterable[Key]) -> None:
        """Say of each key which version a call gives, or that its body ran; -1 is no version."""
        Hidden.version = 0
        for kind, number in keys:
            before = Hidden.ran
            value = self.functions[kind](*self.arguments(kind, number))
            found = (
                version for version in range(2) if same(value, expected(kind, number, version))
            )
            self.say("saw", kind, number, next(found, -1), Hidden.ran > before)

    def count(self) -> None:
        """Say how many errors the counters count."""
        infos = [function.cache_info() for function in self.functions.values()]
        errors = sum(info.errors + info.bypasses for info in infos)
        # series count none, and a run that can't be recorded is an error
        self.say("errors", errors + self.bars_warned + self.runs_refused)

    def report(self) -> None:
        """Say what is in the store, and what is wrong with it as a whole."""
        for problem in problems_of(self.store):
            self.say("problem", problem)
        self.report_bars()
        self.say("entries", [entry.key for entry in afml_cache.entries(store=self.store)])

    def close(self) -> None:
        """Let go of the store, so that it is closed."""
        self.count()
        self.functions.clear()
        self._bars = None
        self.close_runs()
        del self.store


def problems_of(store: Store) -> list[str]:
    """What `verify` finds, in versions that have it."""
    verify = getattr(afml_cache, "verify", None)
    if verify is None:
        return []
    report = verify(store)
    return [f"{problem.key}: {problem.reason}" for problem in report.problems]


def has_max_size() -> bool:
    """Whether stores can be told how large they may become."""
    return "max_size" in inspect.signature(Store).parameters


@dataclass
class History(BarsHistory, RunsHistory):
    """Which versions of each result a store may have; None among them means that it may lack it.

    Notes of what began widen this, notes of what ended narrow it, and so does what a look shows.
    """

    allowed: dict[Key, set[int | None]] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    unsure: dict[Key, int] = field(default_factory=dict)  # put while calls failed
    errors: int = 0
    lossy: bool = False  # what is in may be evicted
    lasting: bool = False  # what is in the index may turn out to be damaged

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            try:
                act, *words = json.loads(line)
            except ValueError:
                self.faults.append(line)  # of a traceback
                continue
            getattr(self, f"_{act}")(*words)

    def damage(self, *, lasting: bool = False) -> None:
        """The index was destroyed from outside; a lasting damage may be met only later."""
        self.lasting |= lasting
        for (kind, _), versions in self.allowed.items():
            if kind in LOST_WITH_INDEX:
                versions.add(None)

    def _putting(self, kind: str, number: int, version: int) -> None:
        self.allowed.setdefault((kind, number), {None}).add(version)

    def _put(self, kind: str, number: int, version: int) -> None:
        if self.failing:
            self.unsure[kind, number] = version
            return
        self.allowed[kind, number] = self._sure(kind, version)

    def _sure(self, kind: str, version: int) -> set[int | None]:
        may_go = self.lossy or (self.lasting and kind in LOST_WITH_INDEX)
        return {version, None} if may_go else {version}

    def _wrong(self, kind: str, number: int) -> None:
        self.faults.append(f"wrong result of {kind} {number}")

    def _clearing(self, kind: str | None) -> None:
        for key, versions in self.allowed.items():
            if kind in (None, key[0]):
                versions.add(None)

    def _cleared(self, kind: str | None) -> None:
        for key in self.allowed:
            if kind in (None, key[0]):
                self.allowed[key] = {None}

    def _invalidating(self, first: int, last: int) -> None:
        for (kind, number), versions in self.allowed.items():
            if kind == "dated" and first <= number <= last:
                versions.add(None)

    def _invalidated(self, first: int, last: int) -> None:
        for kind, number in self.allowed:
            if kind == "dated" and first <= number <= last:
                self.allowed[kind, number] = {None}

    def _saw(self, kind: str, number: int, version: int, ran: bool) -> None:
        allowed = self.allowed[kind, number]
        self.promises += None not in allowed
        if version == -1:
            self.faults.append(f"wrong: {kind} {number} is none of its versions")
        elif ran and None not in allowed:
            self.faults.append(f"lost: {kind} {number}, which may be {sorted(allowed)}")
        elif not ran and version not in allowed:
            self.faults.append(f"wrong: {kind} {number} is version {version} of {allowed}")
        stored = self.unsure.pop((kind, number), None)
        if stored is not None and (ran or version != stored) and not self.lossy:
            self.missed.append((kind, number))
        # A newer one that was written, and whose call did not come back, may turn up later.
        newer = {other for other in allowed if other is not None and other > version}
        self.allowed[kind, number] = self._sure(kind, version) | newer

    def _warned(self, category: str, text: str) -> None:
        self.warned.append(category)
        self.texts.append(text)

    def _errors(self, count: int) -> None:
        self.errors += count

    def _problem(self, text: str) -> None:
        self.faults.append(f"verify: {text}")

    def _entries(self, keys: list[str]) -> None:
        self.entries = keys
