"""The life of a request, as steps that a driver performs: what is missing is fetched, once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError, CacheMissError
from afml_cache.ranges.calling import Calls
from afml_cache.ranges.effects import Call, Until
from afml_cache.ranges.intervals import Interval, common, joined
from afml_cache.ranges.places import times
from afml_cache.ranges.planning import closed_pieces
from afml_cache.ranges.reservations import is_filling
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.series import Series


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
        if self.request.refusal is not None:
            raise self.request.refusal
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
        request = self.request
        spans, request.restated = request.restated, []
        told = self.options.on_restated
        request.faults += yield from offered(told, request.values, self.series, spans)

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
        yield from Calls(self.request).fetch(wanted)
        if self.request.leaves_some:
            self.series.rests = self.request.clock()
        if self.request.holds():
            self.request.asked = joined([*self.request.asked, *wanted])


def offered(
    told: Callable[..., Any] | None,
    values: Mapping[str, Any],
    series: Series,
    spans: Sequence[Interval],
) -> Step[list[Exception]]:
    """Tell `on_restated`, which may ask for what was fetched; give what it raised."""
    faults: list[Exception] = []
    if told is None:
        return faults
    for one in spans:
        try:
            yield Call(told, (values, *times(series.axis, *one)))
        except Exception as error:  # noqa: BLE001 - raised when the answer is there
            faults.append(error)
    return faults
