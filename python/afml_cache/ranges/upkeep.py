"""Upkeep of what is stored: fetched ahead or again, forgotten, and made compact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache._native import current_mode
from afml_cache.ranges.compaction import groups, parts
from afml_cache.ranges.completing import Completion
from afml_cache.ranges.effects import arun, run
from afml_cache.ranges.modes import check_writes
from afml_cache.ranges.outdating import Longer
from afml_cache.ranges.rewriting import drop, rewrite
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    from afml_cache.ranges.answering import Answerer
    from afml_cache.ranges.series_of_cache import SeriesOfCache
    from afml_cache.ranges.stats import Counts


class Upkeep:
    """The part of `RangeCache` that looks after what is stored."""

    key: tuple[str, ...]
    counts: Counts
    _series: SeriesOfCache
    _answerer: Answerer

    def prefetch(self, *key: Any, **named: Any) -> int:
        """Fetch what is missing of a range, and give nothing but how many calls that took.

        What could not be fetched within the last minute is left alone.

        Parameters
        ----------
        *key, **named
            The parts of the key, then `start` and `end`, as for `get`.

        Returns
        -------
        int
            Calls of the loader, further tries included.

        Raises
        ------
        PartialCoverageError
            A call failed; what the others gave is kept.
        CacheConfigError
            The arguments are no key and times of this cache, or the mode is one in which nothing is
            stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("fetched before", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-03-01")
        1
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-03-01")
        0
        """
        calls: int = run(self._prefetched(key, named))
        return calls

    async def aprefetch(self, *key: Any, **named: Any) -> int:
        """Do the same as `prefetch`, for loaders that are coroutine functions."""
        return await arun(self._prefetched(key, named))

    def _prefetched(self, key: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if current_mode() != "frozen":  # there it tells what is missing, as any request does
            check_writes("prefetch")
        series, start, end = self._series.read(key, named)
        bounds = self._answerer.bounds(series, start, end)
        request = self._answerer.request(series, bounds, self._series.written(key, named))
        request.heeds_failures = True
        with request.counted():
            yield from Completion(request).steps()
            request.raise_failures(None)
        return request.calls

    def refresh(self, *key: Any, **named: Any) -> int:
        """Fetch a range again, whatever is stored.

        What is stored stays until its replacement is there, and where none is given. Intervals
        that differ are told to `on_restated`, and are in `restated`. Of bars that are made of
        shorter ones those are fetched again, and told of.

        Parameters
        ----------
        *key, **named
            The parts of the key, then `start` and `end`, as for `get`.

        Returns
        -------
        int
            How many bars the vendor had restated; of bars that are made of shorter ones, how many
            of those.

        Raises
        ------
        PartialCoverageError
            A call failed; what the others gave is kept.
        CacheConfigError
            The arguments are no key and times of this cache, or the mode is one in which nothing is
            stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("fetched again", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.refresh("AAPL", "1D", "2024-01-01", "2024-01-11")
        0
        >>> bars.stats()["api_calls"]
        2
        """
        bars: int = run(self._refreshed(key, named))
        return bars

    async def arefresh(self, *key: Any, **named: Any) -> int:
        """Do the same as `refresh`, for loaders that are coroutine functions."""
        return await arun(self._refreshed(key, named))

    def _refreshed(self, key: tuple[Any, ...], named: dict[str, Any]) -> Any:
        check_writes("refresh")
        series, start, end = self._series.read(key, named)
        bounds = self._answerer.bounds(series, start, end)
        values = self._series.written(key, named)
        request = self._answerer.request(series, bounds, values, mode="fresh")
        source = self._series.source(series)
        before = source.restated.bars
        with request.counted():
            yield from Completion(request).steps()
            request.raise_failures(None)
        return source.restated.bars - before

    def invalidate(self, *key: Any, **named: Any) -> None:
        """Forget a range, or all of a series; it is fetched again when it is next asked for.

        Longer bars that were made of it are forgotten with it.

        Parameters
        ----------
        *key, **named
            The parts of the key; and `start` and `end`, as for `get`, of the range.

        Raises
        ------
        CacheStoreError
            The store can't be written.
        CacheConfigError
            The mode is one in which nothing is stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("forgotten", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.invalidate("AAPL", "1D", "2024-01-05", "2024-01-08")
        >>> bars.gaps("AAPL", "1D", "2024-01-01", "2024-01-11")
        [(datetime.date(2024, 1, 5), datetime.date(2024, 1, 8))]
        """
        check_writes("invalidate")
        if len(key) > len(self.key) or "start" in named or "end" in named:
            series, start, end = self._series.read(key, named)
            bounds = self._answerer.bounds(series, start, end)
            span = bounds.first, bounds.stop
        else:
            series, span = self._series.of(key, named), EVER
        series.sync()
        with Longer(self._series, series).outdated([span]):
            drop(series, *span)

    def compact(self, *key: Any) -> int:
        """Make the segments of a series, or of all, as few as can be.

        Parameters
        ----------
        *key
            The parts of the key of a series; by default all series that are stored.

        Returns
        -------
        int
            How many segments there are less; 0 when it is called again.

        Raises
        ------
        CacheConfigError
            The mode is one in which nothing is stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("compacted", vendor)
        >>> for day in ("2024-01-03", "2024-01-04"):
        ...     calls = bars.prefetch("AAPL", "1D", "2024-01-01", day)
        >>> bars.compact(), bars.compact()
        (1, 0)
        """
        check_writes("compact")
        gone = 0
        for series in self._series.each(key):
            for segments in groups(parts(series)):
                if rewrite(series, segments):
                    gone += len(segments) - 1
            series.native.collect()
        return gone
