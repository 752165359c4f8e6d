"""From what is kept of a run to what users see of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheError, CacheStoreError, warn
from afml_cache.instants import as_datetime
from afml_cache.runs.answers import SLOTS
from afml_cache.runs.result import BacktestMetadata, BacktestResult, PrunedResult

if TYPE_CHECKING:
    import datetime as dt

    from afml_cache._native import Run, Runs

# In names of files too.
_ID: Final = re.compile("[0-9a-f]{16,}")

_told: set[str] = set()


def payload_of(runs: Runs, run_id: str) -> dict[str, Any] | None:
    """Read what was kept of a run; one that can't be believed is told, and counts as none."""
    try:
        payload = runs.answer(run_id)
    except CacheStoreError as error:
        message = f"runs can't be read, and backtests are computed again: {error}"
        tell_once("CacheReadWarning", message)
        _told.add(_ID.sub("", str(error)))
        return None
    except Exception as error:  # noqa: BLE001 - also of the modules that its classes are in
        message = (
            f"what the run {run_id} in `{runs.folder}` returned can't be read, and calling it "
            f"computes it again: {error}"
        )
        tell_once("CacheReadWarning", message)
        return None
    return payload if isinstance(payload, dict) else None


def tell_of_damage(runs: Runs) -> None:
    """Warn of what can't be read in the log of all that happened."""
    try:
        damaged = runs.damaged
    except CacheError:
        return  # whatever is asked next says it
    if damaged:
        tell_once(
            "CacheReadWarning",
            f"the log of runs in `{runs.folder}` can't be read in {damaged} places, and what was "
            "recorded there is lost: a backtest that is called is computed again; put the file "
            "back from a copy if there is one",
        )


def tell_once(category: str, message: str, *, cause: str = "") -> None:
    """Warn, unless the same was told before, of whichever run; or its cause was, of all runs."""
    told = _ID.sub("", message)
    if told not in _told and _ID.sub("", cause) not in _told:
        _told.add(told)
        warn(category, message)


def about_of(run: Run) -> dict[str, Any]:
    """Give what is kept of a run as JSON."""
    about: dict[str, Any] = json.loads(run.about)
    return about


def parameters_in_words(run: Run) -> dict[str, Any]:
    """Give the parameters of a run, as far as JSON has them."""
    parameters: dict[str, Any] = about_of(run).get("parameters", {})
    return parameters


def range_of(run: Run) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Give the first and the last instant of a run's data, in UTC."""
    if run.time_range is None:
        return None, None
    first, last = run.time_range
    return as_datetime(first), as_datetime(last)


def timestamp(run: Run) -> dt.datetime:
    """Give when a run was computed first, in UTC."""
    return as_datetime(run.at_ns)


def numbers(run: Run) -> dict[str, float]:
    """Give the metrics of a run that are numbers."""
    return {name: value for name, value in run.metrics if not isinstance(value, str)}


def parameters_of(runs: Runs, run: Run, payload: dict[str, Any] | None = None) -> dict[Any, Any]:
    """Give the parameters of a run, typed; as far as JSON has them where its payload is gone."""
    held = payload if payload is not None else payload_of(runs, run.run)
    if held is not None and isinstance(held.get("parameters"), dict):
        return dict(held["parameters"])
    return parameters_in_words(run)


def metadata_of(runs: Runs, run: Run, payload: dict[str, Any] | None = None) -> BacktestMetadata:
    """Give what is known of a run beside what it returned."""
    about = about_of(run)
    start, end = range_of(run)
    commit, dirty = about.get("git", (None, None))
    return BacktestMetadata(
        strategy_name=run.strategy,
        parameters=parameters_of(runs, run, payload),
        data_hash=run.data,
        start_date=start,
        end_date=end,
        timestamp=timestamp(run),
        run_id=run.run,
        splits=about.get("splits"),
        performance_summary=numbers(run),
        seconds=run.seconds,
        git_commit=commit,
        git_dirty=dirty,
        host=about.get("host", ""),
        notes=about.get("notes", ""),
        tags=about.get("tags", {}),
        costs=about.get("costs", {}),
        no_parquet=about.get("no_parquet", {}),
    )


def result_of(runs: Runs, run: Run, payload: dict[str, Any]) -> BacktestResult:
    """Give a run as it is read: of a pruned one, its metrics."""
    metadata = metadata_of(runs, run, payload)
    if run.state == "pruned":
        return PrunedResult(metadata, payload["metrics"])
    rest = (payload.get(name) for name in SLOTS[1:])
    return BacktestResult(metadata, payload["metrics"], *rest)
