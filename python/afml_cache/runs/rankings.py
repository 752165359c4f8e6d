"""Frames of runs: compared, ranked, listed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.reading import about_of, numbers, parameters_of, timestamp
from afml_cache.instants import as_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from afml_cache._native import Run, Runs

_ID: Final = "run_id"
_PARAMETER: Final = "param_"
_COLUMNS: Final = ("strategy", "timestamp", "start_date", "end_date")
_STORE: Final = "afml_cache"

# Finds the runs of a store that a ranking came from, by its folder.
_sources: dict[str, Runs] = {}


def row_of(run: Run) -> dict[str, Any]:
    """Give a run as a row: its id, what it is of, its parameters and metrics."""
    start, end = run.time_range or (None, None)
    parameters = about_of(run).get("parameters", {})
    return {
        _ID: run.run,
        "strategy": run.strategy,
        "timestamp": timestamp(run),
        "start_date": None if start is None else as_datetime(start),
        "end_date": None if end is None else as_datetime(end),
        **{f"{_PARAMETER}{name}": value for name, value in parameters.items()},
        **dict(run.metrics),
    }


def frame_of(rows: list[dict[str, Any]], columns: Iterable[str] = ()) -> Any:
    """Put rows into a pandas frame, indexed by run id, with these columns whatever there is."""
    import pandas as pd

    wanted = list(dict.fromkeys((*_COLUMNS, *_parameters(rows), *columns)))
    extra = dict.fromkeys(name for row in rows for name in row if name != _ID)
    names = wanted + [name for name in extra if name not in wanted]
    index = pd.Index([row[_ID] for row in rows], name=_ID, dtype=object)
    made = {name: _column([row.get(name) for row in rows], name, pd) for name in names}
    return pd.DataFrame(made, index=index, columns=names)


def _parameters(rows: list[dict[str, Any]]) -> Iterable[str]:
    return dict.fromkeys(
        name for row in rows for name in row if name.startswith(_PARAMETER)
    )


def _column(values: list[Any], name: str, pd: Any) -> Any:
    if name in {"timestamp", "start_date", "end_date"}:
        return pd.to_datetime(values, utc=True)
    if all(value is None for value in values):
        return [float("nan")] * len(values)
    return values


def best_parameters(value: Any) -> Any:
    """Give the parameters of the first row of a ranking, typed; anything else as it is.

    Raises
    ------
    CacheConfigError
        The ranking has no rows.
    """
    if not is_ranking(value):
        return value
    if not len(value):
        message = (
            "the ranking that was given as parameters has no rows: no run of the strategy has "
            "that metric as a finite number; look at `runs()` for what there is"
        )
        raise CacheConfigError(message)
    runs = _sources.get(value.attrs.get(_STORE, ""))
    run = None if runs is None else runs.find(value.index[0])
    if runs is not None and run is not None:
        return parameters_of(runs, run)
    first = value.iloc[0]
    shown = {name: first[name] for name in value.columns if name.startswith(_PARAMETER)}
    return {
        name.removeprefix(_PARAMETER): each for name, each in shown.items() if each == each  # noqa: PLR0124
    }


def is_ranking(value: Any) -> bool:
    """Whether a value is a frame that `find_best_parameters` or `compare_runs` gave."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, pandas.DataFrame):
        return False
    return value.index.name == _ID and "strategy" in value.columns


def comes_from(frame: Any, runs: Runs) -> Any:
    """Note which runs a ranking is of, so that its parameters are found typed."""
    folder = str(runs.folder)
    _sources[folder] = runs
    frame.attrs[_STORE] = folder
    return frame
