"""The data-access tracker: which data was looked at, when, by whom, and what for."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afml_cache import _contamination
from afml_cache._access_log import NAME, AccessLog
from afml_cache._looks import record_of
from afml_cache.exceptions import CacheStoreError, warn

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = [
    "DataAccessTracker",
    "get_data_tracker",
    "log_data_access",
    "print_contamination_report",
    "save_access_log",
]

_log = logging.getLogger("afml_cache")


class DataAccessTracker:
    """Counts how often each dataset was looked at, by all processes, in a file that is kept.

    Whoever tunes on a test set until the result is good has trained on it. So each look counts, and
    is written down before the data is used: one line, appended in one write, which outlives the
    process however it ends.

    Parameters
    ----------
    log_file : str or os.PathLike, optional
        The file, with comma-separated values; by default `data_access_log.csv` in the folder of
        the default store, where clearing the cache leaves it alone. One of `afml.cache` is gone on
        with.

    Attributes
    ----------
    log_file : pathlib.Path
        The file.
    access_log : list of dict
        Every access so far, of all processes, with those that could not be written yet. The keys
        are `timestamp` (ISO 8601, UTC), `dataset`, `start_date`, `end_date`, `purpose`,
        `data_shape` and `caller` (`file:function:line`), the values texts, or `None` where nothing
        was told.
    bad_lines : int
        Lines of the file that are no accesses, as damage leaves them.

    Notes
    -----
    A file that can't be written costs a `CacheWriteWarning`; the accesses are kept in memory and
    written with the next one, or by `save_log`.

    Examples
    --------
    >>> from afml_cache import DataAccessTracker
    >>> tracker = DataAccessTracker()
    >>> for _ in range(3):
    ...     tracker.log_access("eurusd_2024", "2024-07-01", "2024-12-31", "test", (4344, 5))
    >>> count, level, records = tracker.analyze_contamination("eurusd_2024")
    >>> count, level, records[0]["purpose"]
    (3, 'WARNING', 'test')
    """

    def __init__(self, log_file: str | os.PathLike[str] | None = None) -> None:
        self._log = AccessLog(None if log_file is None else Path(log_file))

    def __cache_key__(self) -> object:
        return str(self._log.chosen or NAME)

    def __repr__(self) -> str:
        return f"DataAccessTracker({str(self.log_file)!r})"

    @property
    def log_file(self) -> Path:
        """The file; that of the default store moves with `configure`."""
        return self._log.path

    @property
    def access_log(self) -> list[dict[str, Any]]:
        """Every access so far, of all processes."""
        return self._log.read()[0]

    @property
    def bad_lines(self) -> int:
        """How many lines of the file are no accesses."""
        return self._log.read()[1]

    def log_access(
        self,
        dataset_name: str,
        start_date: Any,
        end_date: Any,
        purpose: str,
        data_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Count one look at a dataset.

        Parameters
        ----------
        dataset_name : str
            Which dataset, in one line.
        start_date, end_date
            First and last moment that was looked at, both included: timestamps, dates, or texts
            such as "2024-05"; `None` where they are not known.
        purpose : str
            What for, such as "train", "test", "validate" or "optimize".
        data_shape : tuple of int, optional
            Rows and columns.

        Raises
        ------
        CacheConfigError
            A name that is no text of one line.
        """
        record = record_of(dataset_name, start_date, end_date, purpose, data_shape)
        try:
            self._log.add(record)
        except CacheStoreError as error:
            warn("CacheWriteWarning", str(error))

    def save_log(self) -> None:
        """Make sure that every access is in the file, and the file on the disk.

        Each is written when it is logged: this is for those that could not be, and for the power.

        Raises
        ------
        CacheStoreError
            The file can't be written.
        """
        self._log.write(safely=True)

    def analyze_contamination(
        self, dataset_name: str, exclude_purposes: Iterable[str] | None = None
    ) -> tuple[int, str, list[dict[str, Any]]]:
        """Tell how often a dataset was looked at, and what that means for a result on it.

        Parameters
        ----------
        dataset_name : str
            Which dataset.
        exclude_purposes : iterable of str, optional
            Purposes that do not count, such as `["train"]`.

        Returns
        -------
        count : int
            How many accesses there were.
        level : str
            By the most looks that any one moment of it had: "CLEAN" (none), "ACCEPTABLE" (one or
            two), "WARNING" (up to ten) or "CONTAMINATED". The tests of a walk do not overlap, so
            each of them counts by itself.
        records : list of dict
            The accesses, as in `access_log`.
        """
        named = [exclude_purposes] if isinstance(exclude_purposes, str) else exclude_purposes
        left_out = set(named or ())
        records = [
            record
            for record in self.access_log
            if record["dataset"] == dataset_name and record["purpose"] not in left_out
        ]
        level = _contamination.level_of(_contamination.most_looks(records))
        return len(records), level, records

    def get_contamination_report(self) -> pd.DataFrame:
        """Give a row for each dataset.

        Returns
        -------
        pandas.DataFrame
            With the columns `dataset`, `total_accesses`, `warning_level`, `train_accesses`,
            `test_accesses`, `validate_accesses`, `optimize_accesses`, `first_access`,
            `last_access` (texts, ISO 8601) and `most_looks`, by which the level goes.
        """
        import pandas as pd

        rows = _contamination.report_of(self.access_log)
        return pd.DataFrame(rows, columns=list(_contamination.REPORT))

    def print_contamination_report(self) -> None:
        """Print what each dataset was looked at for, and what to make of many looks.

        Lines have 80 columns at most: longer names are folded.
        """
        records, bad = self._log.read()
        rows = _contamination.report_of(records)
        sys.stdout.write("\n".join(_contamination.lines_of(rows, bad)) + "\n")

    def export_detailed_log(self, output_file: str | os.PathLike[str]) -> None:
        """Write all accesses as JSON, with the report.

        Parameters
        ----------
        output_file : str or os.PathLike
            Replaced if it is there. It has the keys `summary`, `detailed_log`, `generated_at`,
            `total_accesses` and `bad_lines`.

        Raises
        ------
        OSError
            It can't be written.
        """
        import json

        records, bad = self._log.read()
        exported = {
            "summary": _contamination.report_of(records),
            "detailed_log": records,
            "generated_at": dt.datetime.now(dt.timezone.utc).isoformat(),
            "total_accesses": len(records),
            "bad_lines": bad,
        }
        path = Path(output_file)
        draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(exported, indent=2), encoding="utf-8")
        draft.replace(path)

    def clear_log(self) -> int:
        """Forget every access: removes the file, for all processes.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        CacheStoreError
            The file can't be removed.
        """
        count = len(self.access_log)
        self._log.forget()
        _log.warning("forgot %d data accesses of `%s`", count, self.log_file)
        return count


@functools.cache
def get_data_tracker() -> DataAccessTracker:
    """Give the tracker of this process, whose log is in the folder of the default store.

    Examples
    --------
    >>> from afml_cache import get_data_tracker, log_data_access
    >>> log_data_access("goog_2012", "2012-01-01", "2012-12-31", "validate")
    >>> get_data_tracker().analyze_contamination("goog_2012")[:2]
    (1, 'ACCEPTABLE')
    """
    return DataAccessTracker()


def log_data_access(
    dataset_name: str,
    start_date: Any,
    end_date: Any,
    purpose: str,
    data_shape: tuple[int, ...] | None = None,
) -> None:
    """Count one look at a dataset, as `DataAccessTracker.log_access` of `get_data_tracker()`."""
    get_data_tracker().log_access(dataset_name, start_date, end_date, purpose, data_shape)


def print_contamination_report() -> None:
    """Print how often each dataset was looked at, in the log of `get_data_tracker()`."""
    get_data_tracker().print_contamination_report()


def save_access_log() -> None:
    """Make sure that the log of `get_data_tracker()` is on the disk."""
    get_data_tracker().save_log()
