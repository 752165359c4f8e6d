"""`sweep`: a function over many items, each of which is computed once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from afml_cache import config, groups
from afml_cache._native import Function, current_mode, default_store
from afml_cache.exceptions import CacheConfigError, CacheMissError
from afml_cache.instants import length_of
from afml_cache.sweeping.crew import crew_of
from afml_cache.sweeping.engine import Engine, Rules
from afml_cache.sweeping.items import items_of, shape_of
from afml_cache.sweeping.journal import Journal, SweepStatus
from afml_cache.sweeping.listing import status
from afml_cache.sweeping.progress import Reporter
from afml_cache.sweeping.shown import shortly
from afml_cache.sweeping.task import Task
from afml_cache.sweeping.work import work_of

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Unpack

    from afml_cache._native import Store
    from afml_cache.decorators import CodeOptions
    from afml_cache.sweeping.crew import Crew
    from afml_cache.sweeping.progress import Progress
    from afml_cache.sweeping.state import States
    from afml_cache.sweeping.work import Work

__all__ = ["Plan", "Sweep", "sweep"]

_INTERVAL: Final = 10
_RETRIES: Final = {
    "all": ("failed", "timed out"),
    "failed": ("failed",),
    "timeout": ("timed out",),
    None: (),
}
_ON_ERROR: Final = {"raise": True, "keep going": False}


class Sweep:
    """The type of `sweep`, which is called, and has `status`."""

    status = staticmethod(status)

    def __call__(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        common: Sequence[Any] | Mapping[str, Any] = (),
        unpack: bool = False,
        workers: int | None = None,
        executor: Literal["processes", "threads", "sequential"]
        | concurrent.futures.Executor
        | None = None,
        threads_per_worker: int = 1,
        checkpoint_interval: int | None = None,
        retry: Literal["all", "failed", "timeout"] | None = "all",
        max_attempts: int = 1,
        timeout: float | str | None = None,
        on_error: Literal["raise", "keep going"] = "raise",
        seed: int = 0,
        consume: Callable[[Any], Any] | None = None,
        group: str | None = None,
        force_rerun: bool = False,
        desc: str | None = None,
        progress: bool | None = None,
        progress_callback: Callable[[Progress], object] | None = None,
        **options: Unpack[CodeOptions],
    ) -> list[Any]:
        """Call a function for each item, compute only what is not there, and go on after a stop.

        The call of an item is `function(item, *common)`. Its result is kept as that of a cached
        function's call is, by the content of item, `common` and code: a list that is reordered,
        extended or cut computes what is new, and so does the next call after a kill. An item that
        appears twice is computed once.

        Parameters
        ----------
        function : callable
            What is done with an item. A cached function keeps its own options and results.
        items : iterable
            The items, in any order.
        common : tuple, list or mapping, default ()
            Arguments behind the item, or by name: digested once, and sent to each worker once.
        unpack : bool, default False
            Whether an item that is a tuple is several arguments, and one that is a mapping several
            by name.
        workers : int, optional
            How many processes, or threads. Without it, and without `executor`, items are computed
            here, one after the other.
        executor : {"processes", "threads", "sequential"} or concurrent.futures.Executor, optional
            Who computes: processes of our own if `workers` are given, or somebody else's, such as
            `client.get_executor()` of Dask, with a store that all of them share.
        threads_per_worker : int, default 1
            Native threads (BLAS, OpenMP, polars) of each worker, so that results do not depend on
            how many workers there are.
        checkpoint_interval : int, optional
            After how many results a worker commits what it has, at most 100; by default that of
            `configure`, else 10. It does so after 30 seconds in any case, and at once after an
            item that took over a second.
        retry : {"all", "failed", "timeout", None}, default "all"
            Which items that failed in an earlier call are tried again; the others stay failed.
        max_attempts : int, default 1
            How often an item is tried in this call, if it fails in a way that `retry` names.
        timeout : float or str, optional
            Seconds that an item may take, or a text such as "5min". With processes of our own the
            one that takes longer is killed; elsewhere it is given up, and a late result is kept.
        on_error : {"raise", "keep going"}, default "raise"
            Whether the first failure ends the sweep, or is in the list in the item's place.
        seed : int, default 0
            The seed of the sweep. A function that takes `seed` or `rng` is given one of the item's
            own: H(seed, item) in 32 bits, or NumPy's `default_rng` of all of its bits. Processes of
            our own seed the generators of `random` and NumPy with it before each item.
        consume : callable, optional
            Called with each result where it was computed; what it gives is kept in its place.
        group : str, optional
            A group such as "labeling", whose results `configure(cache_labeling=False)` turns off
            and `clear_group` removes.
        force_rerun : bool, default False
            Compute all items, whatever is there, as `--force-rerun` does.
        desc : str, optional
            What the sweep is called, in the bar and in `sweeps()`; by default as the function.
        progress : bool, optional
            Whether to show a bar; by default in terminals and notebooks, and lines in the log
            "afml_cache.sweeps" elsewhere.
        progress_callback : callable, optional
            Called with a `Progress` now and then, and at the end.
        **options
            Those of `cacheable` that say what counts as code: `version`, `ignore`, `files`, ...

        Returns
        -------
        list
            The results, in the order of the items; each is the stored one, as the next call will
            give it. With `on_error="keep going"` an `ItemError` stands where an item failed.

        Raises
        ------
        ItemError
            An item failed; its cause is what it raised. What the others gave is kept.
        CacheConfigError, TypeError
            An argument can't be right.
        CacheMissError
            The mode is "frozen", and something is not there.

        Notes
        -----
        Ctrl-C ends it within a second with processes of our own, else after the running items.

        Examples
        --------
        >>> from afml_cache import sweep
        >>> def label(threshold, prices):
        ...     return sum(price > threshold for price in prices)
        >>> sweep(label, [1.0, 1.2, 1.0], common=([1.1, 1.3],), progress=False)
        [2, 1, 2]
        >>> sweep.status("label").hits
        0
        """
        plan = Plan(
            work=work_of(function, _shared(common), options, consume),
            crew=crew_of(workers, executor, threads_per_worker, _seconds(timeout)),
            rules=Rules(
                looks_up=not force_rerun and groups.looks_up("sweep", group),
                writes=groups.writes(group),
                retry=_chosen("retry", retry, _RETRIES),
                max_attempts=_count("max_attempts", max_attempts),
                raises=_chosen("on_error", on_error, _ON_ERROR),
            ),
            common=common,
            unpack=unpack,
            seed=seed,
            interval=interval_of(checkpoint_interval),
            group=group,
            desc=desc,
            progress=progress,
            callback=progress_callback,
        )
        return plan.run(items).listed()

    def __repr__(self) -> str:
        return "<sweep>"


sweep = Sweep()


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

    def run(self, values: Iterable[Any]) -> States:
        """Work through items.

        Raises
        ------
        ItemError
            An item failed, and that ends the sweep.
        """
        shape = shape_of(self.work, self.common, self.unpack, self.seed)
        items = items_of(values, self.work, shape)
        store, name = store_of(self.work), self.work.name
        rules = replace(self.rules, workers=self.crew.workers, single=self.crew.timeout is not None)
        task = Task(
            self.work,
            shape,
            self.interval,
            anew=not rules.looks_up,
            keeps=rules.writes,
            seeds_generators=self.crew.is_of_processes,
        )
        status = SweepStatus(
            items.id,
            self.desc or name.rpartition(".")[2],
            name,
            self.group,
            "running",
            items.length,
        )
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
    message = (
        f"{len(engine.states.pending)} items of `{engine.status.function}` have no stored result, "
        f"the first is item {item.places[0]} ({shortly(item.value)}), and nothing is computed in "
        'mode "frozen"'
    )
    raise CacheMissError(message)


def store_of(work: Work) -> Store:
    """Give the store of a sweep: that of the function."""
    native = getattr(work, "native", None)
    own = native.settings()["store"] if isinstance(native, Function) else None
    return own or default_store()


def interval_of(given: Any) -> int:
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


def _chosen(name: str, given: Any, known: Mapping[Any, Any]) -> Any:
    if given not in known:
        shown = ", ".join(map(repr, known))
        message = f"`{name}` is one of {shown}, not {given!r}"
        raise CacheConfigError(message)
    return known[given]


def _count(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        message = f"`{name}` must be a whole number from 1, not {given!r}"
        raise CacheConfigError(message)
    return given
