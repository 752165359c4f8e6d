"""What is logged of a call: a run for each computation, and one for each hit."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.mlflow.failures import in_words, is_away
from afml_cache.mlflow.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from afml_cache.mlflow.backend import Backend, RunInfo
    from afml_cache.mlflow.experiment import OpenRun
    from afml_cache.mlflow.parameters import Parameters
    from afml_cache.mlflow.records import Records
    from afml_cache.mlflow.results import Findings
    from afml_cache.mlflow.server import Server

IS_HIT: Final = "cache_hit"
COMPUTED_BY: Final = "computed_by"
KEY: Final = "cache_key"
FUNCTION: Final = "cache_function"
ERROR: Final = "error"
NOT_FINITE: Final = "metrics_not_finite"
PARENT: Final = "mlflow.parentRunId"
_IN_FULL: Final = "parameters_in_full.json"
LONGEST_TAG: Final = 5000


class Described(NamedTuple):
    """The arguments of a call.

    Attributes
    ----------
    every : Parameters
        All of them.
    keyed : dict
        Those that are part of its key, and so the same for each hit: names to texts.
    """

    every: Parameters
    keyed: dict[str, str]


class Keeping(NamedTuple):
    """What becomes of the knowledge which run computed a result.

    Attributes
    ----------
    records : Records
        Where it is kept.
    how : str
        The mode of the call, which may keep nothing.
    """

    records: Records
    how: str


def now_ms() -> int:
    """Give the time in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


@dataclasses.dataclass(slots=True)
class Call:
    """What is to be a run: one call of a tracked function, or a run of the user's own.

    Attributes
    ----------
    name : str
        The run's name.
    function : str or None
        `module.qualname`; `None` where there is no function.
    tags : dict
        The user's tags.
    experiment : str
        The name of the experiment.
    server : Server
        Where it is logged.
    started : int
        Milliseconds since 1970.
    parent : OpenRun or str or None
        The run that it is a part of.
    key : str or None
        The key of its result.
    ended : int
        Milliseconds since 1970.
    """

    name: str
    function: str | None
    tags: dict[str, str]
    experiment: str
    server: Server
    started: int
    parent: OpenRun | str | None
    key: str | None = None
    ended: int = 0

    def create(self, backend: Backend, tags: Mapping[str, str]) -> RunInfo:
        """Create its run."""
        every = {**self.tags, **tags}
        if self.function is not None:
            every[FUNCTION] = self.function
        parent = self.parent if isinstance(self.parent, str | None) else self.parent.run_id
        if parent is not None:
            every[PARENT] = parent
        if self.key is not None:
            every[KEY] = self.key
        name = every.pop("mlflow.runName", self.name)
        return backend.create_run(self.experiment, name, self.started, every)

    def refused(self, what: list[str]) -> None:
        """Count what was not logged, and say so once for each function."""
        if what:
            self.server.count("refused", len(what))
            self.server.notices.tell(
                f"refused {self.function or self.name}",
                f"not all of `{self.function or self.name}` was logged to `{self.server.shown}`: "
                f"{', '.join(what[:3])}{', ...' if len(what) > 3 else ''}; "  # noqa: PLR2004
                "the result is cached, and the rest of the run is there",
            )


def log_computed(
    backend: Backend,
    call: Call,
    described: Described,
    findings: Findings,
    keeping: Keeping,
) -> None:
    """Log a computation."""
    run = call.create(backend, {IS_HIT: "false", **_not_finite(findings.metrics)})
    if call.key is not None:
        record = Record(run.run_id, described.keyed, findings.metrics)
        place = call.server.place_of(call.experiment)
        keeping.records.keep(call.key, place, record, keeping.how)
    refused = [*findings.left_out, *_log_numbers(backend, call, run, described.every, findings)]
    if findings.snapshot is not None:
        snapshot = findings.snapshot
        refused += _tried("files", lambda: backend.log_files(run, snapshot))
    backend.finish(run.run_id, "FINISHED", call.ended)
    call.refused(refused)
    call.server.count("runs")


def _log_numbers(
    backend: Backend, call: Call, run: RunInfo, described: Parameters, findings: Findings
) -> list[str]:
    metrics = points(findings.metrics.items(), call.ended)
    refused = backend.log(run.run_id, metrics=metrics, parameters=described.values)
    if described.in_full:
        in_full = described.in_full
        refused += _tried(_IN_FULL, lambda: backend.log_json(run, _IN_FULL, in_full))
    return refused


def _tried(what: str, log: Any) -> list[str]:
    """Log what a run can do without; give what stood against it."""
    try:
        log()
    except Exception as error:
        if is_away(error):
            raise
        return [f"{what} ({in_words(error)})"]
    return []


def points(
    metrics: Iterable[tuple[str, float]], at_ms: int, step: int = 0
) -> list[tuple[str, float, int, int]]:
    """Give metrics as MLflow takes them."""
    return [(name, value, at_ms, step) for name, value in metrics]


def _not_finite(metrics: Mapping[str, float]) -> dict[str, str]:
    """Give the tag that tells of numbers that a store may change: infinity to the largest float."""
    found = {name: str(value) for name, value in metrics.items() if not math.isfinite(value)}
    return {NOT_FINITE: json.dumps(found)[:LONGEST_TAG]} if found else {}


def log_failed(
    backend: Backend, call: Call, described: Parameters, status: str, error: str
) -> None:
    """Log a body that raised."""
    run = call.create(backend, {IS_HIT: "false", ERROR: error[:LONGEST_TAG]})
    call.refused(backend.log(run.run_id, parameters=described.values))
    backend.finish(run.run_id, status, call.ended)
    call.server.count("runs")


def log_hit(
    backend: Backend,
    call: Call,
    record: Record,
    keeping: Keeping,
    learn: Callable[[str], None],
) -> None:
    """Log a hit, with the run that computed its result where that is known.

    `learn` is told the id of that run where it has to be looked for.
    """
    run_id = record.run_id
    if run_id is None and call.key is not None:
        run_id = _computed_by(backend, call, call.key, record, keeping)
        learn(run_id)
    tags = {IS_HIT: "true", **_not_finite(record.metrics)}
    if run_id:
        tags[COMPUTED_BY] = run_id
    run = call.create(backend, tags)
    metrics = points(record.metrics.items(), call.started)
    call.refused(backend.log(run.run_id, metrics=metrics, parameters=record.parameters))
    backend.finish(run.run_id, "FINISHED", call.started)
    call.server.count("hits")


def _computed_by(backend: Backend, call: Call, key: str, record: Record, keeping: Keeping) -> str:
    """Find the run that computed a result, and keep what is found; the empty text is nothing."""
    place = call.server.place_of(call.experiment)
    kept = keeping.records.find(key, place)
    if kept is not None and kept.run_id is not None:
        return kept.run_id
    run_id = _searched(backend, call.experiment, key)
    if kept is None or run_id is not None:
        keeping.records.keep(key, place, record._replace(run_id=run_id), keeping.how)
    return run_id or ""


def _searched(backend: Backend, experiment: str, key: str) -> str | None:
    identifier = backend.experiment(experiment, make=False)
    if identifier is None:
        return None
    condition = f"tags.{KEY} = '{key}' and tags.{IS_HIT} = 'false'"
    runs = backend.pages(identifier, condition, ["attributes.start_time DESC"])
    computed = next((run for run in runs if run.info.status == "FINISHED"), None)
    return None if computed is None else str(computed.info.run_id)
