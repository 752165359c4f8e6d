"""One gap, fetched answer by answer; what each of them proves is kept at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.answers import Answer, Asked, checked
from afml_cache.ranges.effects import Call
from afml_cache.ranges.forms import write
from afml_cache.ranges.intervals import Interval, without
from afml_cache.ranges.loaders import NOTHING, Effort, fetch
from afml_cache.ranges.reservations import Filling
from afml_cache.ranges.settling import Proof, proof

if TYPE_CHECKING:
    from collections.abc import Generator

    from afml_cache.ranges.requests import Request


class Fetch:
    """The calls that one interval takes: one, or as many as the vendor's answers are cut into."""

    def __init__(self, request: Request, first: int, stop: int) -> None:
        self.request = request
        self.left: list[Interval] = [(first, stop)]
        """What is not fetched yet."""

    def steps(self) -> Generator[Any, Any, None]:
        """Fetch all of it, as far as the loader gives it."""
        while self.left:
            yield from self._ask(*self.left[-1])

    def _ask(self, first: int, stop: int) -> Generator[Any, Any, None]:
        request, series, filler = self.request, self.request.series, self.request.filler
        options, axis = filler.options, series.axis
        sent = request.clock()
        start, end = axis.for_loader(first, stop, request.bounds.caller, options.loader_closed)
        effort = Effort()
        try:
            with Filling(series.native.digest):
                fetched = yield from fetch(
                    request.loader, series.values, start, end, filler.policy, effort=effort
                )
        finally:
            request.calls += effort.tries
        value = fetched.value
        asked = Asked(
            series.name, axis, first, stop, options.loader_closed, options.time, series.form
        )
        if value is NOTHING:
            value = write(series.form, series.nothing()) if series.form else []
        answer = checked(value, asked)
        request.fetched += len(answer.at)
        proven = self._proven(answer, first, stop)
        yield Call(filler.keep, (request, answer, proven, sent))
        self.left = without(self.left, [proven.kept])
        self._heed(answer, proven, (first, stop))

    def _proven(self, answer: Answer, first: int, stop: int) -> Proof:
        axis, options = self.request.series.axis, self.request.filler.options
        if axis.timeframe.unit == "tick":
            return _proof_of_ticks(answer, first, stop, options.max_rows)
        return proof(axis, first, stop, answer.at, options.max_rows)

    def _heed(self, answer: Answer, proven: Proof, asked: Interval) -> None:
        if answer.fault is not None:
            raise answer.fault
        if without([asked], [proven.kept]) == [asked]:
            what = self.request.series.axis.describe(*asked)
            message = f"an answer for {what} of {self.request.series.name} makes no progress"
            raise LoaderError(message)


def _proof_of_ticks(answer: Answer, first: int, stop: int, most: int | None) -> Proof:
    """Ticks of one instant may be cut by the end of a page: they are asked for again as a whole."""
    full = most is not None and answer.given >= most
    if not full or not len(answer.at):
        return Proof((first, stop), [], [])
    last = int(answer.at[-1])
    return Proof((first, last), [], [(last, stop)])
