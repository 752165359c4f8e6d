"""Frames of runs: compared, ranked, listed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import as_datetime
from afml_cache.runs.reading import about_of, parameters_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache._native import Run, Runs

_ID: Final = "run_id"
_PARAMETER: Final = "param_"
_COLUMNS: Final = ("strategy", "timestamp", "start_date", "end_date")
_STORE: Final = "afml_cache"

# Finds the runs of a store that a ranking came from, by its folder.
_sources: dict[str, Runs] = {}


def row_of(run: Run, metrics: list[str] | None = None) -> dict[str, Any]:
    """Give a run as a row: its id, what it is of, its parameters, and these metrics or all."""
    start, end = run.time_range or (None, None)
    parameters = about_of(run).get("parameters", {})
    return {
        _ID: run.run,
        "strategy": run.strategy,
        "timestamp": timestamp(run),
        "start_date": None if start is None else as_datetime(start),
        "end_date": None if end is None else as_datetime(end),
        **{f"{_PARAMETER}{name}": value for name, value in parameters.items()},
        **{name: value for name, value in run.metrics if metrics is None or name in metrics},
    }


def state_of(run: Run) -> dict[str, Any]:
    """Give what else is known of a run."""
    return {
        "dataset": run.dataset,
        "purpose": run.purpose,
        "kind": "test" if run.is_test else "trial",
        "state": run.state,
        "pinned": run.pinned,
        "seconds": run.seconds,
        "data_hash": run.data,
    }


def is_wanted(
    row: Mapping[str, Any],
    where: Any,
) -> bool:
    """Whether a row has these values, or a function says so.

    Raises
    ------
    CacheConfigError
        `where` is neither.
    """
    if where is None:
        return True
    if callable(where):
        return bool(where(row))
    if not isinstance(where, Mapping):
        message = (
            f"`where` is a mapping of columns to values, or a function of a row, not {where!r}"
        )
        raise CacheConfigError(message)
    return all(name in row and row[name] == value for name, value in where.items())


def parameters_shown(run: Run) -> str:
    """Give the parameters of a run in a few words."""
    parameters = about_of(run).get("parameters", {})
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def frame_of(
    rows: list[dict[str, Any]], columns: Iterable[str] = (), behind: Iterable[str] = ()
) -> Any:
    """Put rows into a pandas frame, indexed by run id, with these columns whatever there is."""
    import pandas as pd

    last = list(behind)
    there = dict.fromkeys(chain.from_iterable(rows))
    wanted = dict.fromkeys((*_COLUMNS, *_parameters(there), *columns))
    names = [name for name in {**wanted, **there} if name not in {_ID, *last}] + last
    index = pd.Index([row[_ID] for row in rows], name=_ID, dtype=object)
    made = {name: _column([row.get(name) for row in rows], name, pd) for name in names}
    return pd.DataFrame(made, index=index, columns=names)


def polars_frame_of(rows: list[dict[str, Any]]) -> Any:
    """Put rows into a polars frame."""
    import polars as pl

    there = dict.fromkeys(chain.from_iterable(rows))
    names = dict.fromkeys((_ID, *_COLUMNS, *_parameters(there), *there))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pl.DataFrame(columns, strict=False)


def _parameters(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if name.startswith(_PARAMETER))


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
        name.removeprefix(_PARAMETER): each
        for name, each in shown.items()
        if each == each  # noqa: PLR0124
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
