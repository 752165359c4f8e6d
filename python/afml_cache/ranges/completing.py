"""The life of a request, as steps that a driver performs: what is missing is fetched, once."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from afml_cache.exceptions import BasisChangedError, CacheConfigError, CacheMissError
from afml_cache.ranges.effects import Call, Failed, Parallel, Until
from afml_cache.ranges.fetching import Fetch
from afml_cache.ranges.filling import stored
from afml_cache.ranges.intervals import Interval, common, joined, without
from afml_cache.ranges.places import times
from afml_cache.ranges.planning import calls_of, closed_pieces
from afml_cache.ranges.reservations import is_filling
from afml_cache.ranges.restating import BasisChange
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    import asyncio

    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.filling import Found
    from afml_cache.ranges.requests import Request

_log = logging.getLogger("afml_cache.ranges")


class Completion:
    """Fetches what a request lacks, or waits for whoever does."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.series = request.series
        self.options = request.filler.options
        self._mine: list[Interval] = []

    def steps(self) -> Step[None]:
        """Fetch what is missing, or wait for whoever does."""
        series = self.series
        yield from self._offer_restated()
        series.sync(writes=self.request.writes)
        while gaps := self._lacking():
            number, mine = self._reserve(gaps)
            try:
                held_up = functools.partial(self._refuse_to_wait, gaps, number)
                if common(mine, gaps):
                    yield Until(functools.partial(series.reservations.lock, number), None, held_up)
                    series.sync()
                    yield from self.reserved()
            finally:
                self.end()
            yield from self._offer_restated()
            if not common(mine, gaps):
                yield Until(functools.partial(series.reservations.is_free, gaps), None, held_up)
                series.sync()

    def begin(self) -> bool:
        """Reserve what is missing, but for what others fetch; say whether there is any.

        Nobody is waited for. What is reserved is others' again at the `end`.
        """
        self.series.sync(writes=self.request.writes)
        gaps = self._lacking()
        if not gaps:
            return False
        number, mine = self._reserve(gaps)
        if not common(mine, gaps) or not self.series.reservations.lock(number):
            self.end()
            return False
        self.series.sync()
        return True

    def end(self) -> None:
        """Let others have what was reserved, if anything is."""
        number, self.request.number = self.request.number, None
        if number is not None:
            self.series.reservations.release(number)

    def _lacking(self) -> list[Interval]:
        """Tell what is missing, once what the calendar explains is noted."""
        gaps = self.request.gaps()
        if gaps:
            self._refuse(gaps)
            self._note_closed(gaps)
            gaps = self.request.gaps()
        return gaps

    def _reserve(self, gaps: list[Interval]) -> tuple[int, list[Interval]]:
        # A change of basis is of the whole series: nobody else adds to it meanwhile.
        wanted = [EVER] if self.options.is_adjusted else self.request.wanted(gaps)
        self.request.number, self._mine = self.series.reservations.reserve(wanted)
        return self.request.number, self._mine

    def _offer_restated(self) -> Step[None]:
        """Tell `on_restated`, which may ask for what was fetched; what it raises is kept."""
        offered, self.request.restated = self.request.restated, []
        told = self.options.on_restated
        if told is None:
            return
        for one in offered:
            try:
                yield Call(told, (self.request.values, *times(self.series.axis, *one)))
            except Exception as error:  # noqa: BLE001 - raised when the answer is there
                self.request.faults.append(error)

    def _refuse(self, gaps: list[Interval]) -> None:
        series = self.series
        shown = ", ".join(series.axis.describe(*gap) for gap in gaps[:3])
        if self.request.mode == "frozen":
            message = f"the bars {shown} of {series.name} are not stored, and the mode is frozen"
            raise CacheMissError(message)
        if is_filling(series.native.digest):
            message = (
                f"the loader of {series.name} asks the cache for the bars {shown} that it is "
                "loading: have it ask the vendor instead"
            )
            raise CacheConfigError(message)

    def _refuse_to_wait(
        self, gaps: list[Interval], number: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Refuse to wait in the thread of a loop for what a task of that loop fetches."""
        series = self.series
        fetched = series.reservations.held_up(gaps, number, loop)
        if fetched:
            shown = ", ".join(series.axis.describe(*one) for one in fetched[:3])
            message = (
                f"the bars {shown} of {series.name} are being fetched by a task of the event loop "
                "that runs in this thread, which can't go on while this call waits for it; use the "
                "method that is awaited, such as `await cache.aget(...)` instead of "
                "`cache.get(...)`"
            )
            raise CacheConfigError(message)

    def _note_closed(self, gaps: list[Interval]) -> None:
        closed = closed_pieces(self.series.axis, gaps, self.request.clock())
        closed = [piece for piece in closed if piece.first < self.request.limits().opened]
        if closed:
            nothing = self.series.nothing()
            self.series.keep(closed, nothing, {}, writes=self.request.writes)
            if self.request.mode == "fresh":
                self.request.asked += [(piece.first, piece.stop) for piece in closed]

    def wanted(self) -> list[Interval]:
        """Tell what of the reserved is missing still: another process may have fetched some."""
        return common(self.request.wanted(self.request.gaps()), self._mine)

    def reserved(self) -> Step[None]:
        """Fetch what is reserved, while no other process fetches of this series."""
        wanted = self.wanted()
        yield from self._fetch(wanted)
        if self.request.leaves_some:
            self.series.rests = self.request.clock()
        if self.request.holds():
            self.request.asked = joined([*self.request.asked, *wanted])

    def _fetch(self, gaps: list[Interval]) -> Step[None]:
        calls = self._calls(gaps)
        seams = [] if not self.options.is_adjusted else self._meeting(calls)
        failed = yield from self._performed(seams)
        if not failed:
            rest = [call for call in calls if call not in seams]
            failed = yield from self._performed(rest)
        elif not isinstance(failed[0][1], BasisChange):
            # Nothing says whether the others would be on the basis of what is stored.
            self.request.fail(without(joined(calls), joined(seams)), failed[0][1])
        changes = [error for _, error in failed if isinstance(error, BasisChange)]
        if changes:
            yield from self._rebuild(gaps, changes[0])
            return
        for one, error in failed:
            self.request.fail(one.left, error)

    def _calls(self, gaps: list[Interval]) -> list[Interval]:
        options = self.options
        return [call for gap in gaps for call in calls_of(self.series.axis, gap, options)]

    def _meeting(self, calls: list[Interval]) -> list[Interval]:
        """Give those calls that fetch again what is stored."""
        stored = self.series.final()
        return [call for call in calls if common([call], stored)]

    def _performed(
        self, calls: list[Interval], found: list[Found] | None = None
    ) -> Step[list[tuple[Fetch, BaseException]]]:
        """Make some calls; give those that failed."""
        options = self.options
        fetches = [Fetch(self.request, *call, found) for call in calls]
        outcomes = yield Parallel([fetch.steps() for fetch in fetches], options.concurrency)
        if not self.request.holds():
            return []
        pairs = zip(fetches, outcomes, strict=True)
        return [(one, each.exception) for one, each in pairs if isinstance(each, Failed)]

    def _rebuild(self, gaps: list[Interval], change: BasisChange) -> Step[None]:
        """Fetch all of a series again whose prices are on another basis: all of it, or nothing."""
        series = self.series
        if self.options.on_basis_change == "raise":
            message = (
                f"{change}: adjusted for another split or dividend than what is stored; "
                'invalidate the series, or set on_basis_change="rebuild"'
            )
            raise BasisChangedError(message)
        _log.warning("%s: all of it is fetched again", change)
        stored = [(one.first, one.stop) for one in series.pieces(*EVER) if one.segment is not None]
        found: list[Found] = []
        failed = yield from self._performed(self._calls(joined([*stored, *gaps])), found)
        for one, error in failed:
            self.request.fail(common(one.left, gaps) or gaps, error)
        if not failed and self.request.holds():
            self._refuse_loss(found, change)
            yield Call(self.request.filler.replace, (self.request, found))

    def _refuse_loss(self, found: list[Found], change: BasisChange) -> None:
        """Keep a series that can't be fetched again as a whole."""
        series = self.series
        lost = [
            part
            for one in found
            if not len(one.answer.at)
            for part in stored(series, *one.proven.kept)
        ]
        if lost:
            shown = "; ".join(series.axis.describe(*gap) for gap in joined(lost))
            message = (
                f"{change}, and nothing is given any more of what is stored of {shown}; that stays "
                "as it is: invalidate it to go on without it"
            )
            raise BasisChangedError(message)
