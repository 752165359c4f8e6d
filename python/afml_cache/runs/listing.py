"""Frames of the ledger."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from afml_cache.instants import as_datetime
from afml_cache.runs.families import standing_of
from afml_cache.runs.reading import timestamp

if TYPE_CHECKING:
    from afml_cache._native import Run, Runs
    from afml_cache.runs.families import Family

_COLUMNS = ("run_id", "kind", "timestamp", "state", "periods", "sharpe", "note")


def trials_frame(runs: Runs, family: Family) -> Any:
    """List trials, looks at tests and failures of a family."""
    import pandas as pd

    number = standing_of(runs, family).number
    rows = [_row(run, "trial") for run in runs.trials(number)]
    rows += [
        _row(run, "test")
        for run in runs.select(strategy=family.strategy, tests=True)
        if (run.dataset, run.purpose) == family[1:]
    ]
    for run_id, at_ns, about in runs.failures(number):
        error = json.loads(about).get("error", "")
        rows.append((run_id, "failure", as_datetime(at_ns), "absent", 0, math.nan, error))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(run: Run, kind: str) -> tuple[Any, ...]:
    periods, sharpe = 0, math.nan
    if run.moments is not None:
        periods, mean, deviation, *_ = run.moments
        sharpe = mean / deviation if deviation > 0 else math.nan
    return run.run, kind, timestamp(run), run.state, periods, sharpe, run.reason
