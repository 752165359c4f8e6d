"""Runs that are passed on: written for other tools, and taken over from `afml.cache`."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afml_cache.runs import parquet
from afml_cache.runs.answers import Parts
from afml_cache.runs.identity import Code, Identity, trial_of
from afml_cache.runs.index import find, found
from afml_cache.runs.old_index import entries_of
from afml_cache.runs.reading import about_of, metadata_of, payload_of
from afml_cache.runs.recording import About, Recording
from afml_cache.runs.shown import as_json
from afml_cache.runs.view import View

if TYPE_CHECKING:
    import os

    from afml_cache._native import Run
    from afml_cache.runs.old_index import Entry

_OLD = "imported"


class Passing(View):
    """A view that passes runs on."""

    def export(self, run_id: str, folder: str | os.PathLike[str]) -> Path:
        """Write a run into a folder, for other tools.

        Parameters
        ----------
        run_id : str
        folder : str or os.PathLike
            Made where it is missing. It gets a folder named as the run, with `run.json` (what is
            known of it, its metrics, and which parts Parquet can't hold) and Parquet files of
            trades, equity and positions.

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
        payload = payload_of(self.native, run.run) or {}
        files, unwritten = parquet.written(payload)
        place = Path(folder) / run.run
        place.mkdir(parents=True)
        for name, content in files:
            (place / name).write_bytes(content)
        about = {**self._told(run, payload), "no_parquet": unwritten}
        text = json.dumps(_strict(about), indent=2, allow_nan=False)
        (place / "run.json").write_text(text + "\n", encoding="utf-8")
        return place

    def _told(self, run: Run, payload: dict[str, Any]) -> dict[str, Any]:
        metadata = dict(metadata_of(self.native, run, payload))
        times = {
            name: value.isoformat()
            for name, value in metadata.items()
            if isinstance(value, dt.datetime)
        }
        return {**metadata, **times, "metrics": dict(run.metrics), "state": run.state}

    def import_index(
        self, path: str | os.PathLike[str], *, dataset: str = "", purpose: str = ""
    ) -> list[str]:
        """Take over the runs of a `backtest_index.json` of `afml.cache`.

        Strategy, parameters, metrics, times and ids come along, and each counts as a trial. The
        data of those runs is known by the old digest alone, so that look-ups by data do not find
        them; trades are not taken over.

        Parameters
        ----------
        path : str or os.PathLike
            The file, or the folder that it lies in.
        dataset, purpose : str, default ""
            The family that they are trials of, beside their strategy.

        Returns
        -------
        list of str
            Ids of the runs here: the old ones, where those have 32 hexadecimal digits and no other
            run has them.

        Raises
        ------
        CacheConfigError
            The file is no such index.
        CacheStoreError
            They can't be written.
        OSError
            The file can't be read.
        """
        about = About(dataset, purpose)
        return [self._take_over(entry, about) for entry in entries_of(Path(path))]

    def _take_over(self, entry: Entry, about: About) -> str:
        known = find(self.native, entry.old_id)
        is_free = known is None or about_of(known).get("tags", {}).get(_OLD) == entry.old_id
        run_id = entry.old_id if is_free and entry.has_usual_id else entry.run
        trial = trial_of(entry.strategy, None, entry.parameters)
        recording = Recording(
            Identity(run_id, trial, entry.parameters_digest, entry.data),
            entry.strategy,
            entry.parameters,
            None,
            Parts(entry.metrics),
            Code(),
            About(about.dataset, about.purpose, notes=entry.notes, tags={_OLD: entry.old_id}),
            at_ns=entry.at_ns,
        )
        recording.save(self.native)
        return run_id


def _strict(value: Any) -> Any:
    """Give a value as JSON has it, which has no NaN."""
    value = as_json(value)
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_strict(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
