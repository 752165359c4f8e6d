"""What is asked of the runs that were logged: the best, its model, and how several compare."""

from __future__ import annotations

import math
import tempfile
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError, TrackingError, warn
from afml_cache.mlflow.backend import repository
from afml_cache.mlflow.failures import is_away
from afml_cache.mlflow.files import MODEL
from afml_cache.mlflow.names import legal
from afml_cache.mlflow.runs import COMPUTED_BY, IS_HIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from afml_cache.mlflow.backend import Backend
    from afml_cache.mlflow.server import Server

# What MLflow makes of infinity in a database.
_INFINITE: Final = 1.7976931348623157e308
_FINISHED: Final = "attributes.status = 'FINISHED'"


def best_run(server: Server, experiment: str, metric: str, *, maximize: bool) -> str | None:
    """Give the run with the best metric of those that computed something, or `None`."""
    if not isinstance(metric, str) or not metric:
        message = f"`metric` is the name of a metric, not {metric!r}"
        raise CacheConfigError(message)
    found: str | None = server.ask(
        lambda backend: _best(backend, experiment, legal(metric), maximize=maximize)
    )
    return found


def _best(backend: Backend, experiment: str, metric: str, *, maximize: bool) -> str | None:
    identifier = backend.experiment(experiment, make=False)
    if identifier is None:
        return None
    backend.takes_longer()
    order = [f"metrics.`{metric}` {'DESC' if maximize else 'ASC'}"]
    # Hits repeat the metrics of the run that computed, as often as they like: the first search
    # leaves them out, and the second one, for runs without our tags, ends at the first as good.
    conditions = (f"{_FINISHED} and tags.{IS_HIT} = 'false'", _FINISHED)
    best: tuple[float, str] | None = None
    for condition in conditions:
        for run in backend.pages(identifier, condition, order):
            value = run.data.metrics.get(metric)
            if value is None:
                break
            better = best is None or (value > best[0] if maximize else value < best[0])
            if not better:
                break
            if not math.isnan(value) and run.data.tags.get(IS_HIT) != "true":
                best = value, str(run.info.run_id)
                break
    return None if best is None else best[1]


def load_model(server: Server, run_id: str) -> Any:
    """Give the model of a run, or of the run that computed what it found."""
    artifact_uri, path = server.ask(lambda backend: _place_of_model(backend, run_id))
    with tempfile.TemporaryDirectory(prefix="afml-cache-") as scratch:
        from afml_cache.mlflow.models import load_model as load

        return load(repository(artifact_uri, server.uri).download_artifacts(path, scratch))


def _place_of_model(backend: Backend, run_id: str) -> tuple[str, str]:
    run = _run(backend, run_id)
    computed_by = run.data.tags.get(COMPUTED_BY)
    if computed_by is not None:
        run = _run(backend, computed_by)
    backend.takes_longer()
    files = backend.repository(run.info.artifact_uri).list_artifacts()
    if any(info.path == MODEL and info.is_dir for info in files):
        return run.info.artifact_uri, MODEL
    # What MLflow 3 logs itself lies beside the run, and the run names it.
    for model in getattr(run.outputs, "model_outputs", None) or []:
        return backend.store.get_logged_model(model.model_id).artifact_location, ""
    name = run.info.run_id
    message = f"the run `{name}` has no model: its function returned none, or it was not logged"
    raise TrackingError(message)


def _run(backend: Backend, run_id: str) -> Any:
    try:
        return backend.store.get_run(run_id)
    except Exception as error:
        if is_away(error):
            raise
        message = f"there is no run `{run_id}` ({error})"
        raise TrackingError(message) from error


def compare(server: Server, run_ids: Iterable[str], metrics: Sequence[str] | None) -> Any:
    """Give a pandas frame with a row for each run."""
    import pandas as pd

    asked = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    runs: dict[str, Any] = server.ask(lambda backend: _known_runs(backend, asked))
    for run_id in asked:
        if run_id not in runs:
            message = f"there is no run `{run_id}` on `{server.shown}`, so it is not compared"
            warn("TrackingWarning", message)
    rows = [_row(run, metrics) for run in runs.values()]
    parameters = dict.fromkeys(f"param_{name}" for run in runs.values() for name in run.data.params)
    numbers = _metrics(runs, metrics)
    columns = ["timestamp", *parameters, *numbers]
    frame = pd.DataFrame(rows, columns=columns, index=pd.Index(list(runs), name="run_id"))
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _known_runs(backend: Backend, run_ids: list[str]) -> dict[str, Any]:
    known = {}
    for run_id in run_ids:
        try:
            known[run_id] = _run(backend, run_id)
        except TrackingError:
            continue
    return known


def _metrics(runs: dict[str, Any], metrics: Sequence[str] | None) -> list[str]:
    if metrics is not None:
        return list(dict.fromkeys(metrics))
    return sorted({name for run in runs.values() for name in run.data.metrics})


def _row(run: Any, metrics: Sequence[str] | None) -> dict[str, Any]:
    wanted = run.data.metrics if metrics is None else metrics
    parameters = {f"param_{name}": text for name, text in run.data.params.items()}
    numbers = {name: _unclipped(run.data.metrics.get(legal(name))) for name in wanted}
    return {"timestamp": run.info.start_time, **parameters, **numbers}


def _unclipped(value: float | None) -> float:
    """Give a metric as it was before a database made infinity finite; NaN for none."""
    if value is None:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= _INFINITE else value
