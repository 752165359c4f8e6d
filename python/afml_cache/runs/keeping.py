"""What becomes of runs: pinned, pruned, deleted, exported, taken over."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import span
from afml_cache.runs import retention
from afml_cache.runs.answers import Parts
from afml_cache.runs.identity import Identity, trial_of
from afml_cache.runs.index import found
from afml_cache.runs.reading import metadata_of, payload_of
from afml_cache.runs.recording import About, Code, Recording, shown
from afml_cache.runs.view import View

if TYPE_CHECKING:
    import os

    from afml_cache._native import Run

_DAY = 86_400 * 10**9


class Keeping(View):
    """A view that changes what is kept."""

    def pin(self, run_id: str) -> None:
        """Have a run keep what it returned, whatever `keep_top` says.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.pin(found(self.native, run_id).run, pinned=True)

    def unpin(self, run_id: str) -> None:
        """Take back what `pin` said.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.pin(found(self.native, run_id).run, pinned=False)

    def delete(self, run_id: str) -> None:
        """Remove a run; what was tried stays in the ledger.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.delete(found(self.native, run_id).run)

    def prune(
        self,
        keep_top: int,
        *,
        strategy: str | None = None,
        metric: str = "sharpe_ratio",
        maximize: bool = True,
    ) -> list[str]:
        """Leave the metrics alone to all runs but the best of each strategy and the pinned ones.

        Parameters
        ----------
        keep_top : int
            How many runs of each strategy keep what they returned.
        strategy : str, optional
            Of this one only.
        metric : str, default "sharpe_ratio"
            By which they rank; runs without it go first.
        maximize : bool, default True
            Whether more of it is better.

        Returns
        -------
        list of str
            Ids of the runs that were pruned. Calling such a backtest again restores it.
        """
        chosen = retention.retention_of(keep_top, metric, maximize=maximize)
        names = [name for name, _ in self.native.count()] if strategy is None else [strategy]
        if chosen is None:
            message = "`keep_top` is how many runs of each strategy keep their trades, not None"
            raise CacheConfigError(message)
        return [run for name in names for run in retention.prune(self.native, name, chosen)]

    def clear_old_runs(
        self, days: float | None = None, *, before: Any = None, strategy: str | None = None
    ) -> int:
        """Remove runs that were computed long ago, and are not pinned.

        Parameters
        ----------
        days : float, optional
            Those that are older than so many days.
        before : datetime, date or str, optional
            Those from before this instant, in UTC where it has no zone.
        strategy : str, optional
            Of this one only.

        Returns
        -------
        int
            How many runs went. The ledger keeps what was tried.

        Raises
        ------
        CacheConfigError
            Neither `days` nor `before` says which, or they can't be right.
        """
        limit = _limit(days, before)
        old = [
            run.run
            for run in self.native.select(strategy=strategy)
            if run.at_ns < limit and not run.pinned
        ]
        for run in old:
            self.native.delete(run)
        return len(old)

    def get_cache_stats(self) -> dict[str, Any]:
        """Give how many runs there are, of which strategies, and what they take.

        Returns
        -------
        dict
            `total_runs`, `strategies` (runs by strategy), `cache_size_mb`, `runs_dir`.
        """
        strategies = dict(self.native.count())
        return {
            "total_runs": sum(strategies.values()),
            "strategies": strategies,
            "cache_size_mb": self.native.size_bytes / 1e6,
            "runs_dir": str(self.native.folder),
        }

    def export(self, run_id: str, folder: str | os.PathLike[str]) -> Path:
        """Write a run into a folder, for other tools.

        Parameters
        ----------
        run_id : str
        folder : str or os.PathLike
            Made where it is missing. It gets a folder named as the run, with `run.json` (what is
            known of it, and its metrics) and Parquet files of trades, equity and positions.

        Returns
        -------
        Path
            The folder of the run.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        FileExistsError
            There is such a folder already.
        """
        run = found(self.native, run_id)
        place = Path(folder) / run.run
        place.mkdir(parents=True)
        for file in sorted(self.native.folder_of(run.run).glob("*.parquet")):
            shutil.copyfile(file, place / file.name)
        text = json.dumps(_as_json(self, run), indent=2, default=shown)
        (place / "run.json").write_text(text + "\n", encoding="utf-8")
        return place

    def import_index(self, path: str | os.PathLike[str]) -> list[str]:
        """Take over the runs of a `backtest_index.json` of `afml.cache`.

        Strategy, parameters, metrics and times come along. The data of those runs is known by the
        old digest alone, so that look-ups by data do not find them; trades are not taken over.

        Parameters
        ----------
        path : str or os.PathLike
            The file, or the folder that it lies in.

        Returns
        -------
        list of str
            Ids of the runs here.

        Raises
        ------
        CacheConfigError
            The file is no such index.
        OSError
            It can't be read.
        """
        from afml_cache.runs.old_index import entries_of

        return [self._take_over(entry) for entry in entries_of(Path(path))]

    def _take_over(self, entry: Any) -> str:
        trial = trial_of(entry.strategy, None, entry.parameters)
        identity = Identity(entry.run, trial, entry.parameters_digest, entry.data)
        about = About(notes=entry.notes, tags={"imported": entry.old_id})
        recording = Recording(
            identity,
            entry.strategy,
            entry.parameters,
            None,
            Parts(entry.metrics),
            Code(),
            about,
            at_ns=entry.at_ns,
        )
        recording.save(self.native)
        run_id: str = entry.run
        return run_id


def _limit(days: float | None, before: Any) -> int:
    if (days is None) == (before is None):
        message = "clear_old_runs takes `days` or `before`: which runs are old?"
        raise CacheConfigError(message)
    if before is not None:
        instant = span(before)
        if instant is None:
            message = (
                f"`before` is a date, a datetime or a text such as '2024-05-03', not {before!r}"
            )
            raise CacheConfigError(message)
        return instant.first
    if isinstance(days, bool) or not isinstance(days, int | float) or not days >= 0:
        message = f"`days` is a number that is not negative, not {days!r}"
        raise CacheConfigError(message)
    return time.time_ns() - round(days * _DAY)


def _as_json(view: View, run: Run) -> dict[str, Any]:
    metadata = vars(metadata_of(view.native, run))
    times = {
        name: value.isoformat()
        for name, value in metadata.items()
        if isinstance(value, dt.datetime)
    }
    payload = payload_of(view.native, run.run) or {}
    return {**metadata, **times, "metrics": dict(run.metrics), "state": run.state} | (
        {} if payload else {"answer": "missing"}
    )
