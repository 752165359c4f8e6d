"""What fills the series of a cache: its loader, and what becomes of each answer."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.ranges.intervals import common
from afml_cache.ranges.places import times
from afml_cache.ranges.restating import BasisChange, compared
from afml_cache.ranges.series import Tail
from afml_cache.ranges.settling import Sent, pieces_of
from afml_cache.ranges.states import NEW

if TYPE_CHECKING:
    import polars as pl

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.loaders import Loader, Policy
    from afml_cache.ranges.options import Options
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.settling import Proof
    from afml_cache.ranges.stats import Counts

_log = logging.getLogger("afml_cache.ranges")


@dataclass
class Filler:
    """A loader, how it is called, and how its answers are kept."""

    loader: Loader
    policy: Policy
    options: Options
    counts: Counts
    source: str

    def keep(self, request: Request, answer: Answer, proven: Proof, sent: int) -> None:
        """Keep what an answer proves; say what had to be mended."""
        with request.series.lock:
            self._keep(request, answer, proven, sent)

    def _keep(self, request: Request, answer: Answer, proven: Proof, sent: int) -> None:
        series = request.series
        for note in answer.notes:
            _log.warning("%s: %s", series.name, note)
        self.counts.conflicts += answer.conflicts
        series.learn(answer.form, answer.form.bound)
        limits = series.axis.limits(sent, self.options.settle)
        self._compare(request, answer, proven.kept)
        before = series.pieces(*proven.kept)
        at, table = answer.at, answer.table
        closed = int(at.searchsorted(limits.opened))
        pieces = pieces_of(
            series.axis,
            proven,
            before,
            Sent(sent, limits, self.options.settle, self.volatile_ttl(request)),
            has_rows=closed > 0,
        )
        if pieces:
            told = self.about(request, closed, sent)
            inside = table[:closed] if any(one.segment == NEW for one in pieces) else table[:0]
            series.keep(pieces, _within(series, inside, proven.kept), told, writes=request.writes)
        self._keep_forming(request, table[closed:], proven.kept, limits.opened, sent)

    def volatile_ttl(self, request: Request) -> int:
        """Give for how long bars that may still change are answered from what is there."""
        if self.options.volatile_ttl is not None:
            return self.options.volatile_ttl
        step = request.series.axis.timeframe.step
        return 30 * 86_400_000_000_000 if step is None else step

    def about(self, request: Request, rows: int, sent: int) -> dict[str, Any]:
        """Say in a segment where its bars are from."""
        bounds = request.bounds
        return {
            "source": self.source,
            "asked": [bounds.first, bounds.stop],
            "fetched": sent,
            "written": time.time_ns(),
            "rows": rows,
        }

    def _keep_forming(
        self, request: Request, table: pl.DataFrame, kept: Interval, opened: int, sent: int
    ) -> None:
        series = request.series
        first, stop = max(kept[0], opened), kept[1]
        if first >= stop:
            return
        until = sent + self.volatile_ttl(request)
        tail = series.tail
        if tail is not None and tail.first == opened and tail.stop >= stop and first > opened:
            return
        series.tail = Tail(first, stop, until, table)

    def _compare(self, request: Request, answer: Answer, kept: Interval) -> None:
        """Find what the vendor has restated of what was stored."""
        series = request.series
        known = [(one.first, one.stop) for one in series.pieces(*kept) if one.segment is not None]
        for first, stop in common(known, [kept]):
            old = series.table(first, stop)
            begin, end = map(int, answer.at.searchsorted((first, stop)))
            found = compared(
                (series.positions(old), old), (answer.at[begin:end], answer.table[begin:end])
            )
            if found.ratio is not None and self.options.is_adjusted:
                raise BasisChange(series.name, found.ratio)
            if found.differences:
                self._tell(request, found.first, found.last, found.differences)

    def _tell(self, request: Request, first: int, last: int, differences: int) -> None:
        series = request.series
        stop = series.axis.next(last)
        self.counts.restated += differences
        series.restated.append((first, stop, differences))
        what = series.axis.describe(first, stop)
        _log.warning("%s: the vendor restated %d bars, %s", series.name, differences, what)
        if self.options.on_restated is not None:
            self.options.on_restated(series.values, *times(series.axis, first, stop))


def _within(series: Any, table: pl.DataFrame, kept: Interval) -> pl.DataFrame:
    begin, end = map(int, series.positions(table).searchsorted(kept))
    return table[begin:end]
