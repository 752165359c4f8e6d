"""What is stored, checked: every segment against its digest, and bars against the vendor."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache._native import current_mode
from afml_cache.exceptions import CacheCorruptError, CacheStoreError
from afml_cache.ranges.completing import Completion
from afml_cache.ranges.deriving import around
from afml_cache.ranges.effects import arun, run
from afml_cache.ranges.modes import WRITING, check_writes
from afml_cache.ranges.options import count_of
from afml_cache.ranges.places import times
from afml_cache.ranges.restatements import Restatement
from afml_cache.ranges.segments import unpacked
from afml_cache.ranges.states import DATA, EVER

if TYPE_CHECKING:
    from afml_cache.ranges.answering import Answerer
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.series_of_cache import SeriesOfCache


class Verified(NamedTuple):
    """What `verify` found.

    Attributes
    ----------
    segments, rows
        How many segments were read, and how many bars they hold.
    problems : list of str
        A line for each segment that is gone or damaged: series, file, and what is wrong; and for
        each series of which no sample could be drawn.
    differences : list of (start, end, int)
        Intervals that the vendor gave otherwise than they were stored, half-open, and how many bars
        differ: of bars that are made of shorter ones, how many of those.
    """

    segments: int
    rows: int
    problems: list[str]
    differences: list[tuple[Any, Any, int]]


class Verification:
    """The part of `RangeCache` that checks what is stored."""

    key: tuple[str, ...]
    _series: SeriesOfCache
    _answerer: Answerer

    def verify(self, *key: Any, sample: int = 0, fix: bool = True) -> Verified:
        """Check every segment of a series, or of all; and bars against the vendor.

        Parameters
        ----------
        *key
            The parts of the key of a series; by default all series that are stored.
        sample : int
            How many bars of each series are fetched again and compared, drawn anew at each call.
            What differs is stored as it is now; a bar that is not given any more stays. Of bars
            that are made of shorter ones all of those are fetched again, and counted. A series that
            nobody has asked for in this process is left out, as `problems` says, where what is
            stored does not tell how the loader takes its key: name the key then.
        fix : bool
            Whether a segment that is gone or damaged is forgotten, so that its bars are fetched
            again when they are next asked for; not in modes that leave what is stored as it is.

        Returns
        -------
        Verified
            How many `segments` and `rows` were read, the `problems`, and the `differences`.

        Raises
        ------
        PartialCoverageError
            A bar of the sample could not be fetched.
        CacheConfigError
            `sample` is no count; or with one, the mode is one in which nothing is stored.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("verified", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.verify("AAPL", "1D", sample=3)
        Verified(segments=1, rows=10, problems=[], differences=[])
        """
        found: Verified = run(self._verified(key, sample, fix))
        return found

    async def averify(self, *key: Any, sample: int = 0, fix: bool = True) -> Verified:
        """Do the same as `verify`, for loaders that are coroutine functions."""
        found: Verified = await arun(self._verified(key, sample, fix))
        return found

    def _verified(self, key: tuple[Any, ...], sample: int, fix: bool) -> Step[Verified]:
        sample = count_of("sample", sample, least=0)
        if sample:
            check_writes("verify(sample=...)")
        fix = fix and current_mode() in WRITING
        segments = rows = 0
        problems: list[str] = []
        differences: list[tuple[Any, Any, int]] = []
        for series in self._series.each(key):
            for number, name, _, _, count, *_ in series.native.segments():
                fault = _fault(series, number)
                if fault is not None and not series.has(number, writes=fix):
                    continue  # it was replaced after it was listed
                segments, rows = segments + 1, rows + count
                if fault is not None:
                    problems.append(f"{series.name}, {name}: {fault}")
                    if fix:
                        series.native.forget(number, True)
            if sample and not series.is_named:
                problems.append(
                    f"{series.name}: no bar of it was compared: nobody has asked for it in this "
                    "process, and how the loader takes its key is not known; name the key, as in "
                    f"verify({', '.join(self.key)}, sample={sample})"
                )
            elif sample:
                differences += yield from self._sampled(series, sample)
        return Verified(segments, rows, problems, differences)

    def _sampled(self, series: Series, sample: int) -> Step[list[tuple[Any, Any, int]]]:
        data = [piece for piece in series.pieces(*EVER) if piece.state == DATA]
        at = [int(one) for piece in data for one in series.labels(piece.first, piece.stop)]
        source = self._series.source(series)
        before = source.restated.seen
        for first in random.sample(at, min(sample, len(at))):
            stop = series.axis.next(first)
            bounds = series.between(first, stop)
            request = self._answerer.request(series, bounds, series.values, mode="fresh")
            with request.counted():
                yield from Completion(request).steps()
                request.raise_failures(None)
        fresh = source.restated.since(before)
        if source is not series:
            fresh = [Restatement(*around(series.axis, *one[:2]), one.bars) for one in fresh]
        return [
            (*times(series.axis, one.first, one.stop), one.bars)
            for one in fresh
            if one.first < one.stop  # else it is part of no bar
        ]


def _fault(series: Series, segment: int) -> Exception | None:
    """Read a segment; give what is wrong with it."""
    try:
        unpacked(series.native.read(segment))
    except (CacheCorruptError, CacheStoreError) as error:
        return error
    return None
