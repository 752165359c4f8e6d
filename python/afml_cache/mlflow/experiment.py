"""`experiment_run`: a run of one's own, with results kept by name."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheMissError
from afml_cache.mlflow.names import legal
from afml_cache.mlflow.parameters import parameters
from afml_cache.mlflow.records import internal
from afml_cache.mlflow.results import number
from afml_cache.mlflow.runs import IS_HIT, now_ms, points
from afml_cache.mlflow.worker import Job
from afml_cache.modes import looks_up, mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from afml_cache._native import Store
    from afml_cache.mlflow.backend import Backend, RunInfo
    from afml_cache.mlflow.runs import Call
    from afml_cache.mlflow.server import Server

Point = tuple[str, float, int, int]

_current: ContextVar[OpenRun | None] = ContextVar("afml_cache.mlflow.run", default=None)


def current_run(server: Server) -> OpenRun | None:
    """Give the run of the innermost `experiment_run` of this context, if it is on this server."""
    run = _current.get()
    return run if run is not None and run.server is server else None


def parent_run(uri: str) -> str | None:
    """Give the run that the user has open with MLflow in this thread, if it is on this server."""
    fluent = sys.modules.get("mlflow.tracking.fluent")
    active = None if fluent is None else fluent.active_run()
    if active is None:
        return None
    theirs: str = sys.modules["mlflow"].get_tracking_uri()
    return str(active.info.run_id) if theirs.rstrip("/") == uri.rstrip("/") else None


class OpenRun:
    """A run that is open for as long as a `with` statement."""

    def __init__(self, call: Call) -> None:
        self.server = call.server
        self._created = Job(lambda backend: call.create(backend, {IS_HIT: "false"}))
        self._call = call
        self._lock = threading.Lock()
        self._logging = self._created
        self._batches: list[tuple[list[Point], dict[str, str]]] = []

    @property
    def run_id(self) -> str | None:
        """The id that the server gave; `None` where it gave none, or not yet."""
        created: RunInfo | None = self._created.value
        return None if created is None else created.run_id

    def begin(self) -> Any:
        """Have it created, and make it the parent of what runs in this context."""
        if self.server.put(self._created):
            self.server.wait(self._created)
        self.server.notices.speak()
        return _current.set(self)

    def end(self, token: Any, status: str) -> None:
        """End it."""
        _current.reset(token)
        ended = now_ms()
        job = Job(lambda backend: self._end(backend, status, ended))
        if self.server.put(job):
            self.server.wait(job)
        self.server.notices.speak()

    def _end(self, backend: Backend, status: str, ended: int) -> None:
        self._log(backend)
        if self.run_id is not None:
            backend.finish(self.run_id, status, ended)
            self.server.count("runs")

    def log(self, metrics: list[Point], described: dict[str, str]) -> None:
        """Have metrics and parameters logged; nobody waits for that."""
        with self._lock:
            is_due = not self._batches or self._logging.is_over
            if not self._batches or self._batches[-1][1].keys() & described.keys():
                self._batches.append(([], {}))  # each value of a parameter is one of its own
            self._batches[-1][0].extend(metrics)
            self._batches[-1][1].update(described)
            if is_due:
                self._logging = Job(self._log)
        if is_due and not self.server.put(self._logging):
            self._taken()
        self.server.notices.speak()

    def _taken(self) -> list[tuple[list[Point], dict[str, str]]]:
        with self._lock:
            batches, self._batches = self._batches, []
        return batches

    def _log(self, backend: Backend) -> None:
        """Log all that has come in the meantime."""
        batches, run_id = self._taken(), self.run_id
        if run_id is None:
            self.server.count("dropped", len(batches))
            return
        for metrics, described in batches:
            self._call.refused(backend.log(run_id, metrics=metrics, parameters=described))

    def log_in_full(self, texts: dict[str, str]) -> None:
        """Have texts logged as a file that are too long for parameters."""
        created = self._created

        def work(backend: Backend) -> None:
            if created.value is not None:
                backend.log_json(created.value, f"parameters_{now_ms()}.json", texts)

        self.server.put(Job(work))


class Values:
    """Results kept by name, within an experiment.

    Parameters
    ----------
    store : Store, optional
        Where they are kept; the default store if it is left out.
    """

    def __init__(self, store: Store | None) -> None:
        self._named = internal(named_result, store)
        self.unchecked = 0

    def find(self, experiment: str, name: str, depends_on: tuple[Any, ...]) -> Any:
        """Give what is kept, or `None`."""
        if not looks_up():
            return None
        try:
            with mode("frozen"):
                found = self._named(experiment, name, depends_on)
        except CacheMissError:
            return None
        if not depends_on:
            self.unchecked += 1
        return found

    def keep(self, experiment: str, name: str, depends_on: tuple[Any, ...], value: Any) -> bool:
        """Keep a result; says whether it is in."""
        return self._named.put(value, experiment, name, depends_on)


def named_result(experiment: str, name: str, depends_on: tuple[Any, ...]) -> Any:
    """Stand for what is kept by name: it is put, and never computed."""
    raise LookupError(experiment, name, depends_on)


class ExperimentRun:
    """A run that is under way, as `experiment_run` gives it."""

    def __init__(self, run: OpenRun, experiment: str, values: Values) -> None:
        self._run = run
        self._experiment = experiment
        self._values = values

    @property
    def run_id(self) -> str | None:
        """The run's id; `None` while the server is away."""
        return self._run.run_id

    def get_cached(self, name: str, depends_on: Any = ()) -> Any:
        """Give the result that is kept by a name within the experiment, or `None`.

        Parameters
        ----------
        name : str
            What it was kept as.
        depends_on : tuple
            What it was made of: data by content, functions by code, as in keys of calls. Without
            it nothing tells whether the result is still right, and `stats()["unchecked"]` of the
            integration counts it.

        Raises
        ------
        UncacheableArgumentError
            Something in `depends_on` has no content to tell it by.
        """
        return self._values.find(self._experiment, name, _as_tuple(depends_on))

    def cache_result(self, name: str, value: Any, depends_on: Any = ()) -> bool:
        """Keep a result by a name within the experiment; says whether it is kept.

        Parameters
        ----------
        name : str
            What `get_cached` finds it by.
        value : object
            What is kept: anything that a cached function could return.
        depends_on : tuple
            What it is made of, as for `get_cached`.

        Raises
        ------
        UncacheableArgumentError
            Something in `depends_on` has no content to tell it by.
        """
        return self._values.keep(self._experiment, name, _as_tuple(depends_on), value)

    def log_metric(self, name: str, value: float, step: int = 0) -> None:
        """Log a number.

        Parameters
        ----------
        name : str
            Where MLflow does not take it, it is changed.
        value : float
            Of Python or NumPy; NaN and infinity count.
        step : int, default 0
            Its place among the values of one name.

        Raises
        ------
        TypeError
            It is none.
        """
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers by their names.

        Parameters
        ----------
        metrics : mapping of str to float
        step : int, default 0
            As for `log_metric`.

        Raises
        ------
        TypeError
            One of them is no number.
        """
        found = [(legal(name), _number(name, value)) for name, value in metrics.items()]
        self._run.log(points(found, now_ms(), step), {})

    def log_param(self, name: str, value: Any) -> None:
        """Log a parameter, as those of a call are logged: a mapping key by key, data by digest."""
        self.log_params({name: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters by their names."""
        described = parameters(params.items())
        self._run.log([], described.values)
        if described.in_full:
            self._run.log_in_full(described.in_full)


def _number(name: str, value: Any) -> float:
    found = number(value)
    if found is None:
        message = f"the metric `{name}` is a number, not {value!r}"
        raise TypeError(message)
    return found


def _as_tuple(depends_on: Any) -> tuple[Any, ...]:
    """Give a tuple of what something was made of; what is no list or tuple is one thing."""
    return tuple(depends_on) if isinstance(depends_on, list | tuple) else (depends_on,)
