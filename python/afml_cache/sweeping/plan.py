"""A sweep as it is told to be, but for its items: the options checked, and what comes of them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from afml_cache import config, groups
from afml_cache._native import Function, current_mode, default_store, digest
from afml_cache.decorators import CodeOptions
from afml_cache.exceptions import CacheConfigError, CacheMissError
from afml_cache.instants import length_of
from afml_cache.scratch_space import consumer
from afml_cache.scratch_space.places import names_of
from afml_cache.sizes import as_bytes
from afml_cache.sweeping.checks import (
    check_function,
    checked_callable,
    checked_flag,
    checked_text,
    refuse_unknown,
)
from afml_cache.sweeping.crew import crew_of
from afml_cache.sweeping.engine import Engine
from afml_cache.sweeping.items import items_of, shape_of
from afml_cache.sweeping.journal import Journal, SweepStatus
from afml_cache.sweeping.kinds_of_work import work_of
from afml_cache.sweeping.progress import Reporter
from afml_cache.sweeping.room import admission
from afml_cache.sweeping.rules import Rules
from afml_cache.sweeping.shown import shortly
from afml_cache.sweeping.task import Task

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Sequence

    from afml_cache._native import Store
    from afml_cache.sweeping.crew import Crew
    from afml_cache.sweeping.items import Items
    from afml_cache.sweeping.progress import Progress
    from afml_cache.sweeping.state import States
    from afml_cache.sweeping.work import Work

__all__ = ["ItemOptions", "Plan", "SweepOptions", "make_plan"]

_INTERVAL: Final = 10
_RETRIES: Final = {
    "all": ("failed", "timed out"),
    "failed": ("failed",),
    "timeout": ("timed out",),
    None: (),
}
_ON_ERROR: Final = {"raise": True, "keep going": False}


class ItemOptions(CodeOptions, total=False):
    """Options of a sweep and of batches, all by keyword; `sweep` says what they mean."""

    common: Sequence[Any] | Mapping[str, Any]
    unpack: bool
    workers: int | None
    executor: Literal["processes", "threads", "sequential"] | concurrent.futures.Executor | None
    threads_per_worker: int
    checkpoint_interval: int | None
    retry: Literal["all", "failed", "timeout"] | None
    max_attempts: int
    timeout: float | str | None
    on_error: Literal["raise", "keep going"]
    seed: int
    consume: Callable[[Any], Any] | None
    group: str | None
    desc: str | None
    progress: bool | None
    progress_callback: Callable[[Progress], object] | None
    scratch: str | Iterable[str]
    needs: int | str | None


class SweepOptions(ItemOptions, total=False):
    """Options of a sweep."""

    force_rerun: bool


_OWN: Final = SweepOptions.__annotations__.keys() - CodeOptions.__annotations__.keys()


def make_plan(function: Callable[..., Any], given: SweepOptions) -> Plan:
    """Check what a sweep is told to be.

    Raises
    ------
    CacheConfigError, TypeError
        An option can't be right, or there is none of its name.
    """
    check_function(function)
    refuse_unknown("sweep", given, SweepOptions.__annotations__)
    options: Any = {name: value for name, value in given.items() if name not in _OWN}
    common = given.get("common", ())
    consume = checked_callable("consume", given.get("consume"))
    timeout = _seconds(given.get("timeout"))
    workers, executor = given.get("workers"), given.get("executor")
    return Plan(
        work=work_of(function, _shared(common), options, consume),
        crew=crew_of(workers, executor, given.get("threads_per_worker", 1), timeout),
        rules=_rules(given),
        common=common,
        unpack=checked_flag("unpack", given.get("unpack", False)),
        seed=given.get("seed", 0),
        interval=_interval(given.get("checkpoint_interval")),
        group=checked_text("group", given.get("group"), "labeling"),
        desc=checked_text("desc", given.get("desc"), "Labeling"),
        progress=_progress(given.get("progress")),
        callback=checked_callable("progress_callback", given.get("progress_callback")),
        scratch=_names(given.get("scratch", ())),
        needs=_bytes(given.get("needs")),
    )


def _rules(given: SweepOptions) -> Rules:
    group = given.get("group")
    return Rules(
        looks_up=not checked_flag("force_rerun", given.get("force_rerun", False))
        and groups.looks_up("sweep", group),
        writes=groups.writes(group),
        retry=_chosen("retry", given.get("retry", "all"), _RETRIES),
        max_attempts=_count("max_attempts", given.get("max_attempts", 1)),
        raises=_chosen("on_error", given.get("on_error", "raise"), _ON_ERROR),
    )


@dataclass(frozen=True)
class Plan:
    """A sweep, but for its items."""

    work: Work
    crew: Crew
    rules: Rules
    common: Any
    unpack: bool
    seed: int
    interval: int
    group: str | None
    desc: str | None
    progress: bool | None
    callback: Callable[[Progress], object] | None
    scratch: tuple[str, ...]
    needs: int | None

    @property
    def store(self) -> Store:
        """The store of the function."""
        native = getattr(self.work, "native", None)
        own = native.settings()["store"] if isinstance(native, Function) else None
        return own or default_store()

    def items(self, values: Iterable[Any]) -> Items:
        """Tell what items are.

        Raises
        ------
        TypeError
            An item does not fit the signature of the function.
        """
        shape = shape_of(self.work, self.common, self.unpack, self.seed)
        return items_of(values, self.work, shape)

    def status(self, items: Items) -> SweepStatus:
        """Describe the sweep before it begins."""
        name = self.work.name
        shown = self.desc or name.rpartition(".")[2]
        return SweepStatus(items.id, shown, name, self.group, "running", items.length)

    def run(self, items: Items) -> States:
        """Work through items.

        Raises
        ------
        ItemError
            An item failed, and that ends the sweep.
        """
        with contextlib.ExitStack() as around:
            made_for = None
            if self.scratch:
                is_known = None not in items.listed_keys()
                told = items.id if is_known else secrets.token_hex(16)
                key = digest(("afml-cache sweep", self.work.name, told))
                what = f"the sweep `{self.status(items).name}`"
                made_for = around.enter_context(consumer(key, self.scratch, what))
            states = self._swept(items)
            if made_for is not None and not states.failures:
                made_for.commit()
            return states

    def _swept(self, items: Items) -> States:
        store, status = self.store, self.status(items)
        with admission(self.needs, f"an item of `{status.name}`") as room:
            task = Task(
                self.work,
                items.shape,
                self.interval,
                anew=not self.rules.looks_up,
                keeps=self.rules.writes,
                owns_process=self.crew.is_of_processes,
                scratch=names_of(self.scratch),
            )
            single = room is not None or self.crew.timeout is not None
            rules = replace(self.rules, workers=self.crew.workers, single=single, room=room)
            engine = Engine(self.work, items, rules, Journal(store), status)
            engine.prepare()
            self._work_through(engine, task, store)
        return engine.states

    def _work_through(self, engine: Engine, task: Task, store: Store) -> None:
        with contextlib.ExitStack() as around:
            hands = None
            if engine.states.pending:
                _refuse_frozen(engine)
                hands = self.crew.hands(task, store)
            reporter = Reporter(
                engine.status.name,
                engine.states.items.length,
                shown=self.progress,
                callback=self.callback,
                memory=(lambda: 0) if hands is None else hands.memory,
            )
            around.callback(engine.finish, reporter)
            if hands is None:
                engine.raise_failure()
                return
            around.enter_context(engine.held())
            try:
                engine.run(hands, reporter)
            except BaseException:
                engine.stop(hands)
                raise
            hands.close()


def _refuse_frozen(engine: Engine) -> None:
    if current_mode() != "frozen":
        return
    item = engine.states.pending[0]
    place = engine.states.items.place(item)
    message = (
        f"{len(engine.states.pending)} items of `{engine.status.function}` have no stored result, "
        f"the first is item {place} ({shortly(item.value)}), and nothing is computed in "
        'mode "frozen"'
    )
    raise CacheMissError(message)


def _interval(given: Any) -> int:
    """Give after how many results a worker commits."""
    usual = config.settings().get("checkpoint_interval", _INTERVAL)
    return _count("checkpoint_interval", usual if given is None else given)


def _shared(common: Any) -> tuple[Any, ...]:
    """Give what all items share.

    Raises
    ------
    CacheConfigError
        It is neither several arguments nor a mapping of them.
    """
    if isinstance(common, Mapping):
        return tuple(common.values())
    if isinstance(common, tuple | list):
        return tuple(common)
    message = (
        "`common` is a tuple of arguments that follow the item, or a mapping of arguments by name, "
        f"not {type(common).__name__}; for a single one write `common=(value,)`"
    )
    raise CacheConfigError(message)


def _seconds(timeout: Any) -> float | None:
    if timeout is None:
        return None
    seconds = length_of("timeout", timeout) / 1e9
    if seconds <= 0:
        message = f"`timeout` must be longer than nothing, not {timeout!r}"
        raise CacheConfigError(message)
    return seconds


def _bytes(needs: Any) -> int | None:
    return None if needs is None else as_bytes("needs", needs)


def _progress(given: Any) -> bool | None:
    return None if given is None else checked_flag("progress", given)


def _chosen(name: str, given: Any, known: Mapping[Any, Any]) -> Any:
    if not isinstance(given, Hashable) or given not in known:
        shown = ", ".join(map(repr, known))
        message = f"`{name}` is one of {shown}, not {given!r}"
        raise CacheConfigError(message)
    return known[given]


def _count(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        message = f"`{name}` must be a whole number from 1, not {given!r}"
        raise CacheConfigError(message)
    return given


def _names(given: Any) -> tuple[str, ...]:
    if not isinstance(given, str | Iterable):
        message = f"`scratch` takes names of folders, not {given!r}"
        raise CacheConfigError(message)
    found = (given,) if isinstance(given, str) else tuple(given)
    names_of(found)
    return found
