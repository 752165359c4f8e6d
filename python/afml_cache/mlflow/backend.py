"""The store behind a tracking URI, and what is logged to it and read from it.

Everything goes through MLflow's tracking stores and artifact repositories with the URI given, never
through `mlflow.set_tracking_uri`, `mlflow.start_run` and the like, whose state is the user's.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.mlflow.failures import is_away
from afml_cache.mlflow.opening import folder_of, open_store, quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from afml_cache.mlflow.files import Snapshot

_SEARCH_SECONDS: Final = 10.0
_METRICS_AT_ONCE: Final = 1000
_PARAMETERS_AT_ONCE: Final = 100


class RunInfo(NamedTuple):
    """A run that was created, and where its files go."""

    run_id: str
    artifact_uri: str


class Backend:
    """A tracking store, opened; used by one thread at a time.

    Parameters
    ----------
    uri : str
        The tracking URI.
    seconds : float
        How long a server may take for one answer.
    """

    def __init__(self, uri: str, seconds: float) -> None:
        self._uri = uri
        self._folder = folder_of(uri)
        self.seconds = seconds
        """How long a server may take for one answer."""
        with quietly():
            self.store = open_store(uri, lambda: self.seconds)
        self._experiments: dict[str, str] = {}
        self._context: dict[str, str] | None = None

    def experiment(self, name: str, *, make: bool = True) -> str | None:
        """Give the id of an experiment, which is made if there is none."""
        known = self._experiments.get(name)
        if known is not None:
            return known
        found = self.store.get_experiment_by_name(name)
        if found is None:
            if not make:
                return None
            self._experiments[name] = self._make_experiment(name)
        else:
            self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _make_experiment(self, name: str) -> str:
        try:
            made: str = self.store.create_experiment(name, self._artifacts_of(name), [])
        except Exception:
            # Another process may have made it a moment ago.
            found = self.store.get_experiment_by_name(name)
            if found is None:
                raise
            made = found.experiment_id
        return made

    def _artifacts_of(self, experiment: str) -> str | None:
        """Give where the files of an experiment go: beside a local database, else MLflow says."""
        if self._folder is None:
            return None
        from afml_cache._native import digest

        words = "".join(sign if sign.isalnum() else "-" for sign in experiment)[:60]
        return (self._folder / f"{words}-{digest(experiment)[:8]}").as_uri()

    def create_run(
        self, experiment: str, name: str, start_ms: int, tags: Mapping[str, str]
    ) -> RunInfo:
        """Create a run, in state RUNNING."""
        from mlflow.entities import RunTag

        every = {**self._tags_of_context(), **tags}
        labels = [RunTag(key, value) for key, value in every.items()]
        user = every.get("mlflow.user", "unknown")
        try:
            identifier = self.experiment(experiment)
            run = self.store.create_run(identifier, user, start_ms, labels, name)
        except Exception:
            self._experiments.pop(experiment, None)  # somebody may have deleted it
            raise
        if not run.info.run_id:
            message = "what answers is no server of MLflow's: it made a run without an id"
            raise ConnectionError(message)
        return RunInfo(run.info.run_id, run.info.artifact_uri)

    def _tags_of_context(self) -> dict[str, str]:
        """Give user, script and commit, as MLflow notes them; they stay the same in a process."""
        if self._context is None:
            try:
                with quietly():
                    from mlflow.tracking.context.registry import resolve_tags

                    self._context = dict(resolve_tags())
            except Exception:  # noqa: BLE001 - notes of plugins; a run is a run without them
                self._context = {}
        return self._context

    def log(
        self,
        run_id: str,
        *,
        metrics: Iterable[tuple[str, float, int, int]] = (),
        parameters: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Log metrics (name, value, milliseconds since 1970, step) and parameters.

        What is refused is left out: each in words is given back.
        """
        from mlflow.entities import Metric, Param

        made = [Metric(*metric) for metric in metrics]
        named = [Param(*item) for item in (parameters or {}).items()]
        if len(made) + len(named) <= _PARAMETERS_AT_ONCE:
            try:
                self.store.log_batch(run_id, metrics=made, params=named, tags=[])
            except Exception as error:
                if is_away(error):
                    raise
            else:
                return []
        return [
            *self._log_all(run_id, "metrics", made, _METRICS_AT_ONCE, self.store.log_metric),
            *self._log_all(run_id, "params", named, _PARAMETERS_AT_ONCE, self.store.log_param),
        ]

    def _log_all(
        self, run_id: str, kind: str, items: list[Any], most: int, one: Callable[[str, Any], None]
    ) -> list[str]:
        refused = []
        for first in range(0, len(items), most):
            some = {"metrics": [], "params": [], kind: items[first : first + most]}
            try:
                self.store.log_batch(run_id, tags=[], **some)
            except Exception as error:
                if is_away(error):
                    raise
                refused.extend(self._log_each(run_id, kind, some[kind], one))
        return refused

    def _log_each(
        self, run_id: str, kind: str, items: list[Any], one: Callable[[str, Any], None]
    ) -> list[str]:
        """Log item by item what is refused together: most of it may be welcome."""
        refused = []
        for item in items:
            try:
                one(run_id, item)
            except Exception as error:
                if is_away(error):
                    raise
                refused.append(f"{kind[:-1]} `{item.key}` ({error})")
        return refused

    def log_files(self, run: RunInfo, snapshot: Snapshot) -> None:
        """Log the models and files of a snapshot."""
        from afml_cache.mlflow.models import write_model

        with tempfile.TemporaryDirectory(prefix="afml-cache-") as scratch:
            place = self.repository(run.artifact_uri)
            for name, model in snapshot.models.items():
                folder = pathlib.Path(scratch) / name
                with quietly():
                    write_model(model, folder)
                place.log_artifacts(str(folder), name)
            if snapshot.files is not None:
                place.log_artifacts(str(snapshot.files), "results")

    def log_json(self, run: RunInfo, name: str, value: object) -> None:
        """Log a value as a JSON file."""
        with tempfile.TemporaryDirectory(prefix="afml-cache-") as scratch:
            path = pathlib.Path(scratch) / name
            path.write_text(json.dumps(value, indent=1), encoding="utf-8")
            self.repository(run.artifact_uri).log_artifact(str(path))

    def repository(self, artifact_uri: str) -> Any:
        """Give the repository of artifacts at a place."""
        return repository(artifact_uri, self._uri)

    def finish(self, run_id: str, status: str, end_ms: int) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        from mlflow.entities import RunStatus

        self.store.update_run_info(run_id, RunStatus.from_string(status), end_ms, None)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        from mlflow.entities import RunTag

        self.store.set_tag(run_id, RunTag(key, value))

    def takes_longer(self) -> None:
        """Give the server more time for each answer: it has shown that it is there."""
        self.seconds = max(self.seconds, _SEARCH_SECONDS)

    def pages(self, experiment_id: str, condition: str, order: list[str]) -> Iterator[Any]:
        """Give the runs that meet a condition, as many at once as one reads."""
        from mlflow.entities import ViewType

        token = None
        while True:
            page = self.store.search_runs(
                [experiment_id], condition, ViewType.ACTIVE_ONLY, 100, order, token
            )
            yield from page
            token = page.token
            if not token:
                return


def repository(artifact_uri: str, tracking_uri: str) -> Any:
    """Give the repository of artifacts at a place that a server may stand before."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        return get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)
    except TypeError:  # the first versions of MLflow 3 ask the process for its tracking URI
        from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

        if artifact_uri.startswith("mlflow-artifacts:"):
            artifact_uri = MlflowArtifactsRepository.resolve_uri(artifact_uri, tracking_uri)
        return get_artifact_repository(artifact_uri)
