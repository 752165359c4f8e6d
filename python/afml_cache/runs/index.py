"""The runs of a store as a mapping, which is always what is there now."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import RunNotFoundError
from afml_cache.runs.reading import parameters_of, timestamp

if TYPE_CHECKING:
    from types import EllipsisType

    from afml_cache._native import Run, Runs

_ID: Final = re.compile("[0-9a-fA-F]{32}")
_latest = threading.local()


def note_latest(runs: Runs, run_id: str | None) -> None:
    """Remember which run this thread recorded or hit last; `None` for a call that left no run."""
    vars(_latest)[str(runs.folder)] = run_id


def latest(runs: Runs) -> str | None:
    """Give the run that this thread recorded or hit last."""
    found: str | None = vars(_latest).get(str(runs.folder))
    return found


def found(runs: Runs, run_id: Any) -> Run:
    """Find a run.

    Raises
    ------
    RunNotFoundError
        There is none of that id.
    """
    run = find(runs, run_id)
    if run is None:
        message = (
            f"there is no run {run_id!r} in `{runs.folder}`; a run's id has 32 hexadecimal digits, "
            "and `runs()` lists those that there are"
        )
        raise RunNotFoundError(message)
    return run


def find(runs: Runs, run_id: Any) -> Run | None:
    """Find a run; `None` where there is none of that id."""
    return runs.find(run_id) if is_id(run_id) else None


def find_all(runs: Runs, run_ids: list[Any]) -> list[Run | None]:
    """Find runs; `None` in the place of each id of which there is none."""
    known = dict.fromkeys(run_id for run_id in run_ids if is_id(run_id))
    found = dict(zip(known, runs.find_all(list(known)), strict=True))
    return [found.get(run_id) if isinstance(run_id, str) else None for run_id in run_ids]


def ids_of(run_ids: Iterable[str] | str) -> list[str]:
    """Give ids as a list, of a single one too."""
    return [run_ids] if isinstance(run_ids, str) else list(run_ids)


def is_id(run_id: Any) -> bool:
    """Whether this can be a run's id: 32 hexadecimal digits."""
    return isinstance(run_id, str) and _ID.fullmatch(run_id) is not None


class RunIndex(Mapping[Any, Any]):
    """Runs by their ids: strategy, parameters, data hash, timestamp and metrics of each.

    `index[...]` is the id of the run that this thread recorded or hit last.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def __getitem__(self, run_id: str | EllipsisType) -> Any:
        if run_id is ...:
            last = latest(self._runs)
            if last is None:
                message = (
                    "this thread recorded or hit no run so far, or its last backtest was not kept: "
                    "a warning said why"
                )
                raise RunNotFoundError(message)
            return last
        run = found(self._runs, run_id)
        return {
            "strategy": run.strategy,
            "parameters": parameters_of(self._runs, run),
            "data_hash": run.data,
            "timestamp": timestamp(run),
            "metrics": dict(run.metrics),
        }

    def __contains__(self, run_id: object) -> bool:
        return find(self._runs, run_id) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs.ids())

    def __len__(self) -> int:
        return sum(count for _, count in self._runs.count())

    def __repr__(self) -> str:
        return f"<{len(self)} runs in {self._runs.folder}>"
