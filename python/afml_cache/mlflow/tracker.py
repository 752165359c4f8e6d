"""Who watches the calls of a tracked function, and has them logged."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from afml_cache._native import current_mode
from afml_cache.exceptions import warn
from afml_cache.mlflow import integration as integrations
from afml_cache.mlflow.experiment import current_run, parent_run
from afml_cache.mlflow.failures import in_words
from afml_cache.mlflow.parameters import Argument, bound, parameters
from afml_cache.mlflow.records import Record, Records
from afml_cache.mlflow.results import examine
from afml_cache.mlflow.runs import (
    Call,
    Described,
    Keeping,
    log_computed,
    log_failed,
    log_hit,
    now_ms,
)
from afml_cache.mlflow.texts import inline
from afml_cache.mlflow.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Store
    from afml_cache.mlflow.integration import MLflowCacheIntegration

# How many results' records a function remembers, beside those in the store.
_REMEMBERED: Final = 10_000


class Tracking(NamedTuple):
    """Checked options of `mlflow_cached`."""

    tags: dict[str, str]
    log_artifacts: bool
    experiment: str | None
    integration: MLflowCacheIntegration | None
    log_hits: Literal["all", "first", False]


class Begun(NamedTuple):
    """A body that runs: its call, and what it was given when it began."""

    call: Call
    described: Described
    how: str


class Tracker:
    """Has the calls of one function logged; raises nothing but interrupts.

    Parameters
    ----------
    function : callable
        The function as it was decorated.
    name : str
        `module.qualname`.
    options : Tracking
        How it is tracked.
    store : Store, optional
        Where its results are.
    ignored : tuple of str or None
        The parameters that are no part of its key, which a hit's may differ in; `None` for all.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        options: Tracking,
        store: Store | None,
        ignored: tuple[str, ...] | None,
    ) -> None:
        self._given = function, name, options, store, ignored
        self._function, self._name, self._options, _, self._ignored = self._given
        self._records = Records(store)
        self._known: dict[tuple[str, str], Record] = {}
        self._troubled = False

    def __reduce__(self) -> Any:
        function, name, options, store, ignored = self._given
        # Another process has not set anything up.
        there = options.integration or integrations.chosen()
        return Tracker, (function, name, options._replace(integration=there), store, ignored)

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self._function, follow_wrapped=False)

    def begins(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None, /) -> Begun | None:
        """Describe the arguments before the body can change them."""
        try:
            call = self._call()
            call.server.notices.speak()
            if not call.server.is_tried:
                call.server.count("dropped")
                return None
            return Begun(call, self._described(args, kwargs), current_mode())
        except Exception as error:  # noqa: BLE001 - no call fails for what is logged of it
            self._trouble(error)
            return None

    def _described(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Described:
        arguments = bound(self._signature, args, kwargs)
        every = parameters((argument.name, argument.value) for argument in arguments)
        if self._ignored == ():
            return Described(every, every.values)
        keyed = [one for one in arguments if not self._is_ignored(one)]
        return Described(every, parameters((one.name, one.value) for one in keyed).values)

    def _is_ignored(self, argument: Argument) -> bool:
        return self._ignored is None or argument.parameter in self._ignored

    def computed(self, key: str | None, begun: Begun | None, value: Any, /) -> None:
        """Have a computation logged, and wait for that as long as a call may."""
        job = self._computed(key, begun, value)
        if job is not None and begun is not None:
            server = begun.call.server
            server.wait(job)
            server.notices.speak()

    async def computed_in_task(self, key: str | None, begun: Begun | None, value: Any, /) -> None:
        """Do as `computed`, without holding up the event loop."""
        job = self._computed(key, begun, value)
        if job is None or begun is None:
            return
        server = begun.call.server
        patience = server.patience()
        if patience:
            # It takes longer to import than all of this package.
            import asyncio

            try:
                await asyncio.wait_for(_over(job), patience)
            except asyncio.TimeoutError:
                server.lags()
        server.notices.speak()

    def _computed(self, key: str | None, begun: Begun | None, value: Any) -> Job | None:
        if begun is None:
            return None
        try:
            call, described, how = begun
            call.key, call.ended = key, now_ms()
            findings = examine(value, files=True, rest=self._options.log_artifacts)
            keeping = Keeping(self._records, how)
            if key is not None:
                self._known.pop((key, call.server.place_of(call.experiment)), None)
            size = 0 if findings.snapshot is None else findings.snapshot.size
            job = Job(
                lambda backend: log_computed(backend, call, described, findings, keeping), size=size
            )
            return job if call.server.put(job) else None
        except Exception as error:  # noqa: BLE001 - no call fails for what is logged of it
            self._trouble(error)
            return None

    def failed(self, begun: Begun | None, error: BaseException, /) -> None:
        """Have it logged that a body raised; nobody waits for that."""
        if begun is None:
            return
        try:
            call, described, _ = begun
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            said, call.ended = in_words(error), now_ms()
            job = Job(lambda backend: log_failed(backend, call, described.every, status, said))
            call.server.put(job)
        except Exception as trouble:  # noqa: BLE001 - no call fails for what is logged of it
            self._trouble(trouble)

    def hit(
        self, key: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, /
    ) -> None:
        """Have a hit logged some time, as it was described when it was computed."""
        if self._options.log_hits is False:
            return
        try:
            self._hit(key, value, args, kwargs)
        except Exception as error:  # noqa: BLE001 - no call fails for what is logged of it
            self._trouble(error)

    def _hit(
        self, key: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> None:
        call = self._call(key)
        server = call.server
        server.notices.speak()
        if not server.is_tried:
            server.count("dropped")
            return
        place = server.place_of(call.experiment)
        record = self._known.get((key, place))
        if record is not None and self._options.log_hits == "first":
            return
        metrics = examine(value, files=False, rest=False).metrics
        if record is None:
            record = self._records.find(key, place)
            if record is None:
                record = Record(None, self._described(args, kwargs).keyed, metrics)
            self._remember((key, place), record)
        if repr(record.metrics) != repr(metrics):
            # Another result than the one that was logged: one that was put, say.
            record = record._replace(run_id="", metrics=metrics)
        keeping = Keeping(self._records, current_mode())
        learn = functools.partial(self._learn, (key, place))
        called = self._as_called(record, args, kwargs)
        job = Job(lambda backend: log_hit(backend, call, called, keeping, learn))
        server.put(job, can_wait=True)

    def _learn(self, key: tuple[str, str], run_id: str) -> None:
        """Remember which run computed a result; the empty text says that nobody knows."""
        record = self._known.get(key)
        if record is not None:
            self._known[key] = record._replace(run_id=run_id)

    def _remember(self, key: tuple[str, str], record: Record) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = record

    def _as_called(
        self, record: Record, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> Record:
        """Add what this call was given for parameters that are no part of the key."""
        if self._ignored == ():
            return record
        ours = [
            (argument.name, argument.value)
            for argument in bound(self._signature, args, kwargs)
            if self._is_ignored(argument) and inline(argument.value) is not None
        ]
        return record._replace(parameters={**record.parameters, **parameters(ours).values})

    def _call(self, key: str | None = None) -> Call:
        chosen = self._options.integration or integrations.get_mlflow_cache()
        server = chosen.server
        return Call(
            name=self._name.rpartition(".")[2],
            function=self._name,
            tags=self._options.tags,
            experiment=self._options.experiment or chosen.experiment_name,
            server=server,
            started=now_ms(),
            parent=current_run(server) or parent_run(server.uri),
            key=key,
        )

    def _trouble(self, error: Exception) -> None:
        """Say once that something went wrong that should not have."""
        if not self._troubled:
            self._troubled = True
            warn(
                "TrackingWarning",
                f"`{self._name}` could not be tracked ({in_words(error)}); its results are cached "
                "as ever",
            )


async def _over(job: Job) -> None:
    """Wait in a task until a job is over."""
    import asyncio

    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def tell() -> None:
        try:
            loop.call_soon_threadsafe(over.set)
        except RuntimeError:  # the loop was closed: nobody waits any more
            return

    job.then(tell)
    await over.wait()
