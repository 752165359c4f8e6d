"""Bars passed as files: written for others, and taken in where one already has them."""

from __future__ import annotations

import os
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.basis import check_prices
from afml_cache.ranges.completing import offered
from afml_cache.ranges.effects import run
from afml_cache.ranges.exporting import check_apart, check_holds, named, nothing_of
from afml_cache.ranges.forms import write, zone_of
from afml_cache.ranges.importing import answer_of, check_basis
from afml_cache.ranges.intervals import without
from afml_cache.ranges.modes import check_writes
from afml_cache.ranges.outdating import Longer
from afml_cache.ranges.places import begun, labelled
from afml_cache.ranges.states import DATA, EVER, IMPORTED, NEVER, NEW, Piece
from afml_cache.ranges.taking_in import restated, staying

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.answering import Answerer
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.series_of_cache import SeriesOfCache

_WRITERS: Final = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".arrow": pl.DataFrame.write_ipc,
    ".feather": pl.DataFrame.write_ipc,
    ".json": pl.DataFrame.write_ndjson,
}


class Files:
    """The part of `RangeCache` that writes files, and takes them in."""

    name: str
    key: tuple[str, ...]
    _series: SeriesOfCache
    _answerer: Answerer

    def export(self, path: Any, *key: Any) -> int:
        """Write the bars of a series, or of all, to a file.

        Parameters
        ----------
        path : str or os.PathLike
            The suffix says what the file is: .parquet, .csv, .arrow or .feather, .json (a line for
            each bar).
        *key
            The parts of the key of a series; by default all series that are stored, and columns
            with the parts of their keys, as texts, come first.

        Returns
        -------
        int
            How many bars were written.

        Raises
        ------
        CacheConfigError
            There are no bars to be written. The path is none, or has none of these suffixes, or
            one of a file that can't hold a column (.csv has no lengths of time, lists or bytes).
            Of all series, bars have a column of their own that is called as a part of their key
            and differs from it, or the keys of two are the same texts. What the file was stays.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("exported", vendor)
        >>> import tempfile
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.export(tempfile.mkdtemp() + "/aapl.csv", "AAPL", "1D")
        10
        """
        target = _path(path, "export")
        writer: Any = _WRITERS.get(target.suffix.lower())
        if writer is None:
            message = f"`{target.name}` has no known suffix: {', '.join(_WRITERS)}"
            raise CacheConfigError(message)
        tables: dict[Series, pl.DataFrame] = {
            series: write(series.form, table, "polars")
            for series in self._series.each(key)
            if (table := series.table(*EVER)).height and series.form is not None
        }
        if not tables:
            what = self._series.of(key).name if key else f"`{self.name}`"
            raise nothing_of(target, what, self._series.each(()))
        if not key:
            check_apart(target, self.key, tables)
            tables = {one: named(one, self.key, table) for one, table in tables.items()}
        whole = pl.concat(tables.values(), how="diagonal_relaxed")
        check_holds(target, whole)
        writer(whole, target)
        return whole.height

    def import_parquet(self, path: Any, *key: Any, time: str | None = None) -> int:
        """Take in bars that one already has, from a Parquet file.

        They are known from the first to the last of them, and never asked for there. Final bars
        that are stored of other times stay; those of the same times are replaced, and where they
        differ that is logged, counted and told as for `refresh`. Bars that are not final yet are
        left out.

        Parameters
        ----------
        path : str or os.PathLike
            A file with a row for each bar, in the columns that the loader gives, all of them;
            others are left out. What pandas has written is read with its index, and what `export`
            has written with its own names of columns. Of a file of several series, with columns
            that are called as the parts of the key (an `export` of all), only the rows of this key
            are taken.
        *key
            The parts of the key of their series.
        time : str, optional
            The column of times; by default as for the loader's answers.

        Returns
        -------
        int
            How many bars were taken in.

        Raises
        ------
        LoaderError
            The file is no Parquet file, has no times, no bars of this key, or holds what can't be
            kept.
        SchemaError
            It lacks a column that bars of the series have, or one of its columns doesn't fit.
        BasisChangedError
            The series is adjusted and has bars, and those of the file are on another basis, or none
            of them is stored, so that nothing tells.
        CacheConfigError
            The path is none, or the mode is one in which nothing is stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("imported", vendor)
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/aapl.parquet"
        >>> vendor("AAPL", "1D", "2024-01-01", "2024-01-11").to_parquet(path)
        >>> bars.import_parquet(path, "AAPL", "1D")
        10
        >>> bars.get("AAPL", "1D", "2024-01-05", "2024-01-11").shape
        (6, 1)
        """
        check_writes("import_parquet")
        _path(path, "import_parquet")
        series, values = self._series.of(key), self._series.written(key, {})
        filler = self._answerer.filler
        with series.lock:
            answer = answer_of(path, series, values, time)
            axis = begun(labelled(series.axis, zone_of(answer.form)), answer.at)
            limits = axis.limits(self._answerer.clock(), filler.options.settle)
            count = int(answer.at.searchsorted(limits.settled))
            if not count:
                return 0
            filler.tell(answer)
            if filler.options.is_adjusted:
                check_prices(series.name, filler.options.adjustment, answer)
                check_basis(path, series, answer)
            series.learn(answer.form, answer.table)
            changed = self._take_in(path, series, answer.at[:count], answer.table[:count])
        for fault in run(offered(filler.options.on_restated, values, series, changed)):
            raise fault
        return count

    def _take_in(
        self, path: Any, series: Series, at: np.ndarray[Any, Any], table: pl.DataFrame
    ) -> list[Interval]:
        """Keep the bars of a file; give the intervals in which others were stored."""
        filler, now = self._answerer.filler, self._answerer.clock()
        span = int(at[0]), series.axis.next(int(at[-1]))
        changed = restated(series, span, at, table)
        whole = Piece(*span, DATA, IMPORTED, NEW, 0, now, NEVER)
        pieces = [whole.within(*part) for part in without([span], staying(series, span, at))]
        told = {"source": str(path), "rows": table.height, "written": time_ns()}
        with Longer(self._series, series).outdated([span]):
            series.keep(pieces, table, told, writes=True)
        return [filler.note_restated(series, seen, f"the file `{path}`") for seen in changed]


def _path(given: Any, what: str) -> Path:
    if not isinstance(given, str | os.PathLike):
        message = f"`{what}` takes the path of a file, as a text or a `Path`; not {given!r}"
        raise CacheConfigError(message)
    return Path(given)
