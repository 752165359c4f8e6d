"""Bars passed as files: written for others, and taken in where one already has them."""

from __future__ import annotations

from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.basis import check_prices
from afml_cache.ranges.forms import write, zone_of
from afml_cache.ranges.importing import answer_of, check_basis, is_part
from afml_cache.ranges.keys import values_of
from afml_cache.ranges.modes import check_writes
from afml_cache.ranges.outdating import Longer
from afml_cache.ranges.places import begun, labelled
from afml_cache.ranges.shapes import not_repeated, values_in
from afml_cache.ranges.states import DATA, EVER, IMPORTED, NEVER, NEW, Piece

if TYPE_CHECKING:
    from afml_cache.ranges.answering import Answerer
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
            The path has none of these suffixes, or one of a file that can't hold a column (.csv has
            no lengths of time, lists or bytes); or of all series, bars have a column of their own
            that is called as a part of their key and differs from it.

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
        target = Path(path)
        writer: Any = _WRITERS.get(target.suffix.lower())
        if writer is None:
            message = f"`{target.name}` has no known suffix: {', '.join(_WRITERS)}"
            raise CacheConfigError(message)
        tables = []
        for series in self._series.each(key):
            table = series.table(*EVER)
            if series.form is None or not table.height:
                continue
            table = write(series.form, table, "polars")
            tables.append(table if key else self._named(series, table))
        whole = pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
        _check_holds(target, whole)
        writer(whole, target)
        return whole.height

    def _named(self, series: Series, table: pl.DataFrame) -> pl.DataFrame:
        """Put the parts of a key before the bars, whose own columns may repeat them."""
        stored = values_of(series.text)
        for name in [name for name in self.key if name in table.columns]:
            others = [
                one for one in values_in(table[name]) if not is_part(one, series, stored, name)
            ]
            if others:
                message = f"{series.name}: {not_repeated(name, others[0], stored[name])}"
                raise CacheConfigError(message)
            table = table.drop(name)
        return table.select(*(pl.lit(str(stored[name])).alias(name) for name in self.key), pl.all())

    def import_parquet(self, path: Any, *key: Any, time: str | None = None) -> int:
        """Take in bars that one already has, from a Parquet file.

        They are known from the first to the last of them, and never asked for there. Bars that are
        not final yet are left out.

        Parameters
        ----------
        path : str or os.PathLike
            A file with a row for each bar, in the columns that the loader gives; others are left
            out. What pandas has written is read with its index. Of a file of several series, with
            columns that are called as the parts of the key (an `export` of all), only the rows of
            this key are taken.
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
            Its columns don't fit those that are stored.
        BasisChangedError
            The series is adjusted and has bars, and those of the file are on another basis, or none
            of them is stored, so that nothing tells.
        CacheConfigError
            The mode is one in which nothing is stored.

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
        series = self._series.of(key)
        with series.lock:
            answer = answer_of(path, series, self._series.written(key, {}), time)
            axis = begun(labelled(series.axis, zone_of(answer.form)), answer.at)
            options = self._answerer.filler.options
            limits = axis.limits(self._answerer.clock(), options.settle)
            count = int(answer.at.searchsorted(limits.settled))
            if not count:
                return 0
            self._answerer.filler.tell(answer)
            if options.is_adjusted:
                check_prices(series.name, options.adjustment, answer)
                check_basis(path, series, answer)
            series.learn(answer.form, answer.table)
            span = int(answer.at[0]), series.axis.next(int(answer.at[count - 1]))
            piece = Piece(*span, DATA, IMPORTED, NEW, 0, self._answerer.clock(), NEVER)
            told = {"source": str(path), "rows": count, "written": time_ns()}
            with Longer(self._series, series).outdated([span]):
                series.keep([piece], answer.table[:count], told, writes=True)
        return count


def _check_holds(target: Path, table: pl.DataFrame) -> None:
    """See that a file can hold all columns, before what it was is overwritten."""
    suffix = target.suffix.lower()
    for name, dtype in table.schema.items():
        is_plain = not dtype.is_nested() and dtype.base_type() not in {pl.Duration, pl.Binary}
        if (suffix == ".csv" and not is_plain) or (suffix == ".json" and dtype == pl.Binary):
            message = (
                f"`{target.name}` can't hold the column `{name}`, which is {dtype}: a {suffix} has "
                "no such values; export to a .parquet, or leave the column out of what the loader "
                "gives"
            )
            raise CacheConfigError(message)
