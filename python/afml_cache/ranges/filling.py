"""What fills the series of a cache: its loader, and what becomes of each answer."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from afml_cache.ranges.basis import check_prices, evidence, prices_of
from afml_cache.ranges.compaction import compact_some
from afml_cache.ranges.forming import Tail
from afml_cache.ranges.forms import Form, restore
from afml_cache.ranges.intervals import joined, without
from afml_cache.ranges.provisional import in_form, merged
from afml_cache.ranges.restating import compared, matched
from afml_cache.ranges.settling import Sent, pieces_of
from afml_cache.ranges.states import DAY, EVER
from afml_cache.ranges.windows import together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.axes import Limits
    from afml_cache.ranges.basis import Evidence
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.loaders import Loader, Policy
    from afml_cache.ranges.options import Options
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.restating import Compared, Matched
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.settling import Proof
    from afml_cache.ranges.states import Piece
    from afml_cache.ranges.stats import Counts

_log = logging.getLogger("afml_cache.ranges")


class Found(NamedTuple):
    """An answer, what it proves, and when it was asked for (ns UTC)."""

    answer: Answer
    proven: Proof
    sent: int

    def has_rows(self, closed: int) -> bool:
        """Tell whether there are closed bars in what is kept."""
        return self.rows(0, closed).height > 0

    def labels(self) -> np.ndarray[Any, Any]:
        """Give where those rows stand that are kept."""
        return self.answer.at[slice(*map(int, self.answer.at.searchsorted(self.proven.kept)))]

    def rows(self, first: int, stop: int) -> pl.DataFrame:
        """Give those of some rows that are kept."""
        begin, end = map(int, self.answer.at.searchsorted(self.proven.kept))
        return self.answer.table[max(first, begin) : max(min(stop, end), begin, first)]


@dataclass
class Filler:
    """A loader, how it is called, and how its answers are kept."""

    loader: Loader
    policy: Policy
    options: Options
    counts: Counts
    source: str

    def keep(self, request: Request, found: Found) -> None:
        """Keep what an answer proves; say what had to be mended."""
        series = request.series
        with series.lock:
            self._note(request, found.answer)
            changed = self._changed(series, found)
            restated = [_span(series, seen) for seen in changed]
            with request.outdated(restated, _filled(series, found)):
                self._store(request, [found])
            for seen in changed:
                self._tell(request, seen)
            if self.options.compact and request.writes:
                compact_some(series)

    def replace(self, request: Request, founds: list[Found]) -> None:
        """Keep what several answers prove in the place of all that is there, in one step."""
        series = request.series
        with series.lock:
            for found in founds:
                self._note(request, found.answer)
            changed = [seen for found in founds for seen in self._compared(series, found)]
            series.tail = None
            with request.outdated([EVER]):
                self._store(request, founds, cut=[EVER])
            for seen in changed:
                self._tell(request, seen)

    def tell(self, answer: Answer) -> None:
        """Say what had to be mended of an answer."""
        for note in answer.notes:
            _log.warning(note)
        self.counts.conflicts += answer.conflicts

    def _note(self, request: Request, answer: Answer) -> None:
        self.tell(answer)
        if self.options.is_adjusted:
            check_prices(request.series.name, self.options.adjustment, answer)
        request.series.learn(answer.form, answer.table)

    def _store(self, request: Request, founds: list[Found], cut: Sequence[Interval] = ()) -> None:
        series, options = request.series, self.options
        pieces: list[Piece] = []
        tables = []
        for found in sorted(founds, key=lambda found: found.proven.kept):
            limits = series.axis.limits(found.sent, options.settle)
            closed = int(found.answer.at.searchsorted(limits.opened))
            before = [] if cut else series.pieces(*found.proven.kept)
            ttl = self.volatile_ttl(series)
            doubts = request.doubts(*found.proven.kept)
            sent = Sent(found.sent, limits, options.settle, ttl, request.reason, doubts)
            known = pieces_of(
                series.axis, found.proven, before, sent, has_rows=found.has_rows(closed)
            )
            pieces += known if cut else self._beside_stored(series, found, known)
            tables.append(found.rows(0, closed))
            self._keep_forming(series, found, closed, limits)
        if pieces:
            table = together(tables)
            told = self.about(request, table.height, founds[0].sent)
            series.keep(pieces, table, told, writes=request.writes, cut=cut)

    def _beside_stored(self, series: Series, found: Found, pieces: list[Piece]) -> list[Piece]:
        """Give pieces but for what final bars an answer without any would take the place of.

        An outage may look like it, and a vendor may serve less of the past than it did.
        """
        if len(found.answer.at):
            return pieces
        kept = stored(series, *found.proven.kept)
        return [
            piece.within(*part)
            for piece in pieces
            for part in without([(piece.first, piece.stop)], kept)
        ]

    def volatile_ttl(self, series: Series) -> int:
        """Give for how long bars that may still change are answered from what is there."""
        if self.options.volatile_ttl is not None:
            return self.options.volatile_ttl
        step = series.axis.timeframe.step
        return 30 * DAY if step is None else step

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

    def _keep_forming(self, series: Series, found: Found, closed: int, limits: Limits) -> None:
        opened = limits.opened
        # An answer says nothing of bars that had not begun.
        first, stop = max(found.proven.kept[0], opened), min(found.proven.kept[1], limits.future)
        if first >= stop:
            return
        tail, until = series.tail, found.sent + self.volatile_ttl(series)
        new = Tail(first, stop, until, found.rows(closed, len(found.answer.at)))
        if tail is not None and tail.first == opened < first <= tail.stop:
            begin = int(series.positions(new.table).searchsorted(tail.stop))
            new = tail.with_more(new._replace(table=new.table[begin:]))
        series.tail = new

    def evidence(self, series: Series, founds: Sequence[Found]) -> Evidence:
        """Weigh what answers tell of the basis of the prices that are stored.

        Raises
        ------
        SchemaError
            They can't be had in one form.
        """
        with series.lock:
            form = series.form or Form.unknown
            for found in founds:
                form = merged(form, found.answer.form)
            ordered = sorted(founds, key=lambda found: found.proven.kept)
            bars = [one for found in ordered for one in _again(series, found, form)]
            old, new = (
                pl.concat([pl.DataFrame(prices_of(form, one)) for one in [form.empty(), *tables]])
                for tables in ([one.old for one in bars], [one.new for one in bars])
            )
            seen = evidence(old, new, sum(one.withheld for one in bars))
            if not seen.is_doubtful or seen.same is None or seen.withheld:
                return seen
            same = pl.concat([pl.Series(one.at) for one in bars])[seen.same]
            others = without(series.final(), [found.proven.kept for found in ordered])
            earlier = [(first, min(stop, same)) for first, stop in others if first < same]
            return seen._replace(is_doubtful=any(len(series.labels(*part)) for part in earlier))

    def lost(self, series: Series, founds: Sequence[Found]) -> list[Interval]:
        """Tell where bars are stored and final that answers don't have: those in a row as one."""
        with series.lock:
            nothing = np.empty(0, np.int64)
            known = np.concatenate([nothing, *(series.labels(*one) for one in series.final())])
        given = np.concatenate([nothing, *(found.labels() for found in founds)])
        at = np.flatnonzero(np.isin(known, given, invert=True))
        runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else []
        return [(int(known[run[0]]), series.axis.next(int(known[run[-1]]))) for run in runs]

    def _changed(self, series: Series, found: Found) -> list[Compared]:
        """Find what the vendor has restated of what was stored and final."""
        if not len(found.answer.at):
            for span in stored(series, *found.proven.kept):
                what = series.axis.describe(*span)
                _log.warning("%s: nothing was given of %s: its bars stay", series.name, what)
            return []
        return self._compared(series, found)

    def _compared(self, series: Series, found: Found) -> list[Compared]:
        form = series.form
        if form is None:
            return []
        changed = [compared(bars, form) for bars in _again(series, found, form)]
        return [seen for seen in changed if seen.differences]

    def _tell(self, request: Request, seen: Compared) -> None:
        request.restated.append(self.note_restated(request.series, seen, "the vendor"))

    def note_restated(self, series: Series, seen: Compared, whom: str) -> Interval:
        """Count and log what differs from what was stored; give its interval."""
        span = _span(series, seen)
        self.counts.restated += seen.differences
        series.restated.add(span, seen.differences)
        what = series.axis.describe(*span)
        _log.warning("%s: restated by %s: %s, bars: %d", series.name, whom, what, seen.differences)
        return span


def _again(series: Series, found: Found, form: Form) -> Iterator[Matched]:
    """Give what was stored and final beside what an answer has of it, in one form."""
    at, table = found.answer.at, restore(form, found.answer.table)
    known = [(one.first, one.stop) for one in series.pieces(*found.proven.kept) if one.is_final]
    for first, stop in joined(known):
        old = series.table(first, stop)
        begin, end = map(int, at.searchsorted((first, stop)))
        now = at[begin:end], table[begin:end]
        yield matched((series.positions(old), in_form(form, old)), now)


def _span(series: Series, seen: Compared) -> Interval:
    """Give the interval of what differs."""
    return seen.first, series.axis.next(seen.last)


def _filled(series: Series, found: Found) -> list[Interval]:
    """Tell where an answer has bars of which none were final."""
    final = [(one.first, one.stop) for one in series.pieces(*found.proven.kept) if one.is_final]
    at, spans = found.answer.at, []
    for part in without([found.proven.kept], joined(final)):
        begin, end = map(int, at.searchsorted(part))
        if begin < end:
            spans.append((int(at[begin]), series.axis.next(int(at[end - 1]))))
    return spans


def stored(series: Series, first: int, stop: int) -> list[Interval]:
    """Tell of what parts of an interval final bars are stored."""
    final = [(piece.first, piece.stop) for piece in series.pieces(first, stop) if piece.is_final]
    return [span for span in final if series.table(*span).height]
