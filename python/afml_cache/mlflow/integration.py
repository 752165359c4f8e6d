"""The tracker as scripts hold it: one server, one experiment."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.mlflow import questions
from afml_cache.mlflow.experiment import ExperimentRun, OpenRun, Values, current_run, parent_run
from afml_cache.mlflow.names import legal
from afml_cache.mlflow.runs import LONGEST_TAG, Call, now_ms
from afml_cache.mlflow.server import Server
from afml_cache.store import checked_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from afml_cache._native import Store

__all__ = ["MLflowCacheIntegration", "get_mlflow_cache", "setup_mlflow_cache"]


class MLflowCacheIntegration:
    """Tracks cached functions with MLflow, beside the cache and never in its way.

    Making one contacts nobody and writes nothing: the server is asked when there is something to
    log, by a thread of its own. A call waits for it at most `timeout` seconds; after a failure
    nobody waits, and nothing is logged, until it answers again.

    Parameters
    ----------
    experiment_name : str, default "afml-cache"
        The experiment of MLflow's that runs go to; made where there is none.
    tracking_uri : str or Path, optional
        Where runs are logged, as MLflow has it. By default `$MLFLOW_TRACKING_URI`, else a database
        `mlflow.db` in the cache folder, with the files of runs beside it.
    store : Store, str or os.PathLike, optional
        Where `experiment_run` keeps results; the default store if it is left out.
    timeout : float, default 2
        Seconds that a call waits for the server, and that it may take for one answer.
    pause : float, default 30
        Seconds for which it is left alone after a failure; the pause doubles while it fails, up to
        ten minutes.

    Raises
    ------
    CacheConfigError
        An argument has a value that can't be right.
    """

    def __init__(
        self,
        experiment_name: str = "afml-cache",
        tracking_uri: str | Path | None = None,
        *,
        store: Store | str | os.PathLike[str] | None = None,
        timeout: float = 2.0,
        pause: float = 30.0,
    ) -> None:
        if not isinstance(experiment_name, str) or not experiment_name.strip():
            message = f"`experiment_name` is a name, not {experiment_name!r}"
            raise CacheConfigError(message)
        for name, seconds in (("timeout", timeout), ("pause", pause)):
            if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
                message = f"`{name}` is a number of seconds, not {seconds!r}"
                raise CacheConfigError(message)
        self.experiment_name = experiment_name
        self._given = experiment_name, tracking_uri, checked_store(store), timeout, pause
        self.server = Server(_as_uri(tracking_uri), timeout, pause)
        self._values = Values(self._given[2])

    def __reduce__(self) -> Any:
        return _make, self._given

    def __repr__(self) -> str:
        return f"MLflowCacheIntegration({self.experiment_name!r})"

    @property
    def tracking_uri(self) -> str:
        """Where runs are logged."""
        return self.server.uri

    @contextlib.contextmanager
    def experiment_run(
        self, name: str, tags: Mapping[str, Any] | None = None
    ) -> Iterator[ExperimentRun]:
        """Open a run, for as long as a `with` statement.

        Tracked functions that are called inside are logged as its children; it is itself a child of
        the run that is open around it, of this kind or of `mlflow.start_run`. An exception ends it
        as FAILED, and goes on to the caller.

        Parameters
        ----------
        name : str
            The run's name.
        tags : mapping, optional
            Tags of the run.

        Yields
        ------
        ExperimentRun
            With `get_cached`, `cache_result`, `log_metric`, `log_metrics`, `log_param`,
            `log_params` and `run_id`.
        """
        parent = current_run(self.server) or parent_run(self.server.uri)
        made = {legal(str(key)): str(value)[:LONGEST_TAG] for key, value in (tags or {}).items()}
        call = Call(name, None, made, self.experiment_name, self.server, now_ms(), parent)
        run = OpenRun(call)
        token = run.begin()
        status = "KILLED"
        try:
            yield ExperimentRun(run, self.experiment_name, self._values)
            status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            run.end(token, status)

    def get_best_run(self, metric: str, maximize: bool = True) -> str | None:
        """Find the run of the experiment with the best value of a metric.

        Runs that failed, that log a hit, or whose metric is NaN do not count.

        Parameters
        ----------
        metric : str
            Its name, as the function named it.
        maximize : bool, default True
            Whether more is better.

        Returns
        -------
        str or None
            The run's id; `None` if no run has the metric.

        Raises
        ------
        TrackingError
            The server gives no answer.
        CacheConfigError
            `metric` is no name.
        ImportError
            MLflow is not installed.
        """
        return questions.best_run(self.server, self.experiment_name, metric, maximize=maximize)

    def load_model_from_run(self, run_id: str) -> Any:
        """Load the model that a run logged; that of a hit is its computing run's.

        Loading runs code that is stored with the model: load from servers that you trust.

        Parameters
        ----------
        run_id : str
            As `get_best_run` gives it.

        Returns
        -------
        object
            The estimator, or the `pyfunc` model of another library's.

        Raises
        ------
        TrackingError
            There is no such run, it has no model, or the server gives no answer.
        ImportError
            MLflow is not installed.
        """
        return questions.load_model(self.server, run_id)

    def compare_runs(self, run_ids: Iterable[str], metrics: Sequence[str] | None = None) -> Any:
        """Put runs side by side.

        Parameters
        ----------
        run_ids : iterable of str, or str
            Which ones, or which one. Unknown ones are left out, with a `TrackingWarning`.
        metrics : sequence of str, optional
            The metrics that become columns, NaN where a run has none; all that there are if it is
            left out.

        Returns
        -------
        pandas.DataFrame
            Indexed by `run_id`, with `timestamp` (its start, UTC), `param_<name>` for each
            parameter (text), and the metrics (float64).

        Raises
        ------
        TrackingError
            The server gives no answer.
        ImportError
            MLflow is not installed.
        """
        return questions.compare(self.server, run_ids, metrics)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all is logged; says whether it is.

        Parameters
        ----------
        timeout : float, default 10
            Seconds to wait at most.
        """
        return self.server.flush(timeout)

    def stats(self) -> dict[str, Any]:
        """Count what became of what was to be logged, in this process.

        Returns
        -------
        dict
            `runs` and `hits` logged; `pending` ones; `dropped`, since the server was away;
            parameters, metrics and files that were `refused`; results of `get_cached` that were
            given `unchecked`; and whether the server is `away`.
        """
        return {
            **self.server.counts,
            "pending": self.server.pending,
            "unchecked": self._values.unchecked,
            "away": self.server.is_away,
        }


@functools.lru_cache(maxsize=100)
def _make(
    experiment: str, uri: str | Path | None, store: Store | None, timeout: float, pause: float
) -> MLflowCacheIntegration:
    """Make one anew in the process that unpickles it, and one for all that were the same."""
    return MLflowCacheIntegration(experiment, uri, store=store, timeout=timeout, pause=pause)


def _as_uri(tracking_uri: Any) -> str | None:
    if tracking_uri is None or tracking_uri == "":
        return None
    if isinstance(tracking_uri, os.PathLike):
        return pathlib.Path(tracking_uri).absolute().as_uri()
    if isinstance(tracking_uri, str):
        return tracking_uri
    message = f"`tracking_uri` is a URI or a path, not {tracking_uri!r}"
    raise CacheConfigError(message)


class _Chosen:
    """The integration of this process."""

    integration: MLflowCacheIntegration | None = None


def setup_mlflow_cache(
    experiment_name: str = "afml-cache",
    tracking_uri: str | Path | None = None,
    **options: Any,
) -> MLflowCacheIntegration:
    """Choose where tracked functions of this process are logged; contacts nobody.

    Functions that were decorated before follow it from their next call on.

    Parameters
    ----------
    experiment_name, tracking_uri, **options
        Those of `MLflowCacheIntegration`.

    Returns
    -------
    MLflowCacheIntegration
        The one that `get_mlflow_cache` gives from now on.

    Raises
    ------
    CacheConfigError
        An argument has a value that can't be right.

    Examples
    --------
    >>> from afml_cache import get_mlflow_cache, setup_mlflow_cache
    >>> tracker = setup_mlflow_cache("strategies", tracking_uri="http://localhost:5000")
    >>> get_mlflow_cache() is tracker
    True
    """
    _Chosen.integration = MLflowCacheIntegration(experiment_name, tracking_uri, **options)
    return _Chosen.integration


def chosen() -> MLflowCacheIntegration | None:
    """Give the integration that was set up, if one was."""
    return _Chosen.integration


def get_mlflow_cache() -> MLflowCacheIntegration:
    """Give the integration that was set up, or one with defaults."""
    if _Chosen.integration is None:
        _Chosen.integration = MLflowCacheIntegration()
    return _Chosen.integration
