"""Frames of runs: compared, ranked, listed."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Runs, Store
from afml_cache.exceptions import CacheConfigError, CacheError
from afml_cache.runs.index import find, is_id
from afml_cache.runs.reading import parameters_in_words, parameters_of, range_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache._native import Run

_ID: Final = "run_id"
_PARAMETER: Final = "param_"
_COLUMNS: Final = ("strategy", "timestamp", "start_date", "end_date")
_STORE: Final = "afml_cache"
STATE: Final = ("dataset", "purpose", "kind", "state", "pinned", "seconds", "data_hash")
_TIMES: Final = frozenset({"timestamp", "start_date", "end_date"})
_DTYPES: Final[dict[str, type]] = {
    **dict.fromkeys(("strategy", "dataset", "purpose", "kind", "state", "data_hash"), str),
    "overfit_note": str,
    "n_trials": int,
    "pinned": bool,
}

# Up to here, each whole number is a float.
_EXACT: Final = 2**53

# Finds the runs that a ranking came from, by the path of their store.
_sources: dict[str, Runs] = {}


def row_of(run: Run, metrics: list[str] | None = None) -> dict[str, Any]:
    """Give a run as a row: its id, what it is of, its parameters, and these metrics or all."""
    start, end = range_of(run)
    parameters = parameters_in_words(run)
    return {
        **{name: value for name, value in run.metrics if metrics is None or name in metrics},
        **{f"{_PARAMETER}{name}": value for name, value in parameters.items()},
        _ID: run.run,
        "strategy": run.strategy,
        "timestamp": timestamp(run),
        "start_date": start,
        "end_date": end,
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


def is_wanted(row: Mapping[str, Any], where: Any) -> bool:
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


def ranked(runs: list[Run], metric: str, maximize: bool) -> list[Run]:
    """Order runs by a metric, best first; those where it is no finite number are left out."""
    scores = [(run, dict(run.metrics).get(metric)) for run in runs]
    finite = [
        (run, score)
        for run, score in scores
        if isinstance(score, (int, float)) and math.isfinite(score)
    ]
    sign = -1 if maximize else 1
    finite.sort(key=lambda pair: (sign * pair[1], pair[0].number))
    return [run for run, _ in finite]


def parameters_shown(run: Run) -> str:
    """Give the parameters of a run in a few words."""
    parameters = parameters_in_words(run)
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def frame_of(
    rows: list[dict[str, Any]], columns: Iterable[str] = (), behind: Iterable[str] = ()
) -> Any:
    """Put rows into a pandas frame, indexed by run id, with these columns whatever there is."""
    import pandas as pd

    index = pd.Index([row[_ID] for row in rows], name=_ID, dtype=object)
    made = {}
    for name in _names(rows, columns, behind):
        values = [row.get(name) for row in rows]
        if name in _TIMES:
            made[name] = pd.to_datetime(values, utc=True).as_unit("ns")
        else:
            made[name] = pd.Series(values, index=index, dtype=_DTYPES.get(name) or _dtype(values))
    return pd.DataFrame(made, index=index)


def _dtype(values: list[Any]) -> type | None:
    """Give the dtype of values that pandas would not find by itself, or would round."""
    if all(value is None for value in values):
        return float
    is_whole = all(isinstance(value, int) for value in values)
    return None if is_whole or all(map(_is_exact, values)) else object


def _is_exact(value: Any) -> bool:
    """Whether a float could stand for it, if it is a whole number."""
    return not isinstance(value, int) or abs(value) <= _EXACT


def polars_frame_of(rows: list[dict[str, Any]]) -> Any:
    """Put rows into a polars frame; a column of values that have no dtype in common is text."""
    import polars as pl

    names = (_ID, *_names(rows, (), STATE))
    return pl.DataFrame(
        [_polars_column(name, [row.get(name) for row in rows], pl) for name in names]
    )


def _polars_column(name: str, values: list[Any], pl: Any) -> Any:
    if name in _TIMES:
        return pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
    dtypes = {str: pl.String, float: pl.Float64, int: pl.Int64, bool: pl.Boolean}
    kinds = {type(value) for value in values if value is not None}
    kinds = kinds or {_DTYPES.get(name, float)}
    if kinds == {int, float} and all(map(_is_exact, values)):
        kinds = {float}
    if kinds == {int} and not all(value is None or abs(value) < 2**63 for value in values):
        kinds = {object}
    if len(kinds) == 1 and kinds <= dtypes.keys():
        return pl.Series(name, values, dtype=dtypes[kinds.pop()], strict=False)
    texts = [None if value is None else json.dumps(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _names(rows: list[dict[str, Any]], columns: Iterable[str], behind: Iterable[str]) -> list[str]:
    """Order the columns: what a run is, its parameters, those that are asked for, all others."""
    found = dict.fromkeys(chain.from_iterable(rows))
    parameters = [name for name in found if name.startswith(_PARAMETER)]
    last = list(behind)
    names = dict.fromkeys((*_COLUMNS, *parameters, *columns, *found))
    return [name for name in names if name not in {_ID, *last}] + last


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
    first = value if getattr(value, "ndim", 2) == 1 else value.iloc[0]
    with contextlib.suppress(CacheError):  # the store can't be opened any more
        runs = _source(value)
        run = None if runs is None else find(runs, first.name)
        if runs is not None and run is not None:
            return parameters_of(runs, run)
    shown = {name: first[name] for name in first.index if name.startswith(_PARAMETER)}
    return {
        name.removeprefix(_PARAMETER): each
        for name, each in shown.items()
        if each == each  # noqa: PLR0124
    }


def is_ranking(value: Any) -> bool:
    """Whether a value is a frame of runs, such as a ranking or a comparison, or a row of one."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None:
        return False
    if isinstance(value, pandas.Series):
        return is_id(value.name) and "strategy" in value.index
    named = isinstance(value, pandas.DataFrame) and value.index.name == _ID
    return named and "strategy" in value.columns


def comes_from(frame: Any, store: Store) -> Any:
    """Note which store a ranking is of, so that its parameters are found typed."""
    path = str(store.path)
    _sources[path] = Runs(store)
    frame.attrs[_STORE] = path
    return frame


def _source(ranking: Any) -> Runs | None:
    """Give the runs that a ranking is of, in a process that has not made it too."""
    path = ranking.attrs.get(_STORE)
    if isinstance(path, str) and path not in _sources and Path(path).is_dir():
        _sources[path] = Runs(Store(path))
    return _sources.get(path)
