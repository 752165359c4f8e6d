"""One gap, fetched answer by answer; what each of them proves is kept at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.answers import checked
from afml_cache.ranges.asking import asking, known_of
from afml_cache.ranges.deriving import LackingError
from afml_cache.ranges.effects import Call
from afml_cache.ranges.filling import Found, stored
from afml_cache.ranges.forms import write
from afml_cache.ranges.intervals import Interval, without
from afml_cache.ranges.loaders import NOTHING, Effort, fetch
from afml_cache.ranges.reservations import Filling
from afml_cache.ranges.settling import Caps, Proof, proof

if TYPE_CHECKING:
    from afml_cache.ranges.answers import Answer
    from afml_cache.ranges.asking import Asking
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.requests import Request


class Fetch:
    """The calls that one interval takes: one, or as many as the vendor's answers are cut into.

    What they give is kept at once, or collected in `found`.
    """

    def __init__(
        self, request: Request, first: int, stop: int, found: list[Found] | None = None
    ) -> None:
        self.request = request
        self.left: list[Interval] = [(first, stop)]
        """What is not fetched yet."""
        self.found = found
        self._whole = False
        """Whether the last day is asked for whole, as what was asked for had no bar of it."""
        self._caps = Caps(None, request.filler.options.max_rows)

    def steps(self) -> Step[None]:
        """Fetch all of it, as far as the loader gives it."""
        while self.left and self.request.holds():
            yield from self._ask(*self.left[-1])

    def _ask(self, first: int, stop: int) -> Step[None]:
        request, series = self.request, self.request.series
        sent = request.clock()
        asked = asking(request, first, stop, whole=self._whole)
        try:
            value = yield from self._call(asked)
        except LackingError as error:
            yield from self._keep_parts(asked, sent, error)
            raise
        if not request.holds():
            return
        answer = checked(value, request.asks(asked, first, stop))
        request.count(0, len(answer.at))
        known = known_of(request, asked, first, stop, answer)
        self._whole = known[1] < stop
        if known[0] >= known[1]:
            if answer.fault is not None:
                raise answer.fault
            return  # it has shown when bars are labelled: all of it is asked for accordingly
        proven = self._proven(answer, known)
        found = Found(answer, proven, sent)
        if self.found is None:
            yield Call(request.filler.keep, (request, found))
        else:
            self.found.append(found)
        self.left = without(self.left, [proven.kept])
        if answer.fault is not None:
            raise answer.fault
        if proven.kept[0] >= proven.kept[1]:
            what = series.axis.describe(first, stop)
            message = (
                f"an answer for {what} of {series.name} holds no instant whole: its page is too "
                "short for the ticks of one instant; let the vendor give longer pages"
            )
            raise LoaderError(message)

    def _keep_parts(self, asked: Asking, sent: int, error: LackingError) -> Step[None]:
        """Keep those of longer bars that could be made; the others are what is left."""
        request = self.request
        for span, value in error.parts:
            if not request.holds() or self.found is not None:
                return
            answer = checked(value, request.asks(asked, *span))
            request.series.learn_anchor(answer.at)
            proven = proof(request.series.axis, *span, answer.at, Caps(None, None))
            found = Found(answer, Proof(span, proven.holes), sent)
            yield Call(request.filler.keep, (request, found))
            self.left = without(self.left, [span])

    def _call(self, asked: Asking) -> Step[Any]:
        request, series, filler = self.request, self.request.series, self.request.filler
        start, end = asked[:2]
        effort = Effort()
        try:
            with Filling(series.native.digest):
                if request.batch is None:
                    fetched = yield from fetch(
                        request.loader, request.values, start, end, filler.policy, effort=effort
                    )
                else:
                    fetched = yield from request.batch.fetch(
                        request, (start, end), filler.policy, effort
                    )
        finally:
            request.count(effort.tries, 0)
        series.values = request.values  # the loader knows it by them
        if fetched.value is not NOTHING:
            return fetched.value
        return write(series.form, series.nothing()) if series.form else []

    def _proven(self, answer: Answer, asked: Interval) -> Proof:
        series = self.request.series
        if series.axis.timeframe.unit == "tick":
            return _proof_of_ticks(answer, *asked, self.request.filler.options.max_rows)
        proven = proof(series.axis, *asked, answer.at, self._caps)
        self._caps = self._caps.learned(proven, asked, len(answer.at))
        if len(answer.at):
            proven = proven.without_ends([hole for hole in proven.holes if self._had_bars(*hole)])
        return proven

    def _had_bars(self, first: int, stop: int, _: int) -> bool:
        """Whether final bars are stored of an interval.

        An answer without them is cut, or the vendor has taken them back: asked for by themselves,
        they tell.
        """
        return bool(stored(self.request.series, first, stop))


def _proof_of_ticks(answer: Answer, first: int, stop: int, most: int | None) -> Proof:
    """Ticks of one instant may be cut by the end of a page: they are asked for again as a whole."""
    full = most is not None and answer.given >= most
    if not full or not len(answer.at):
        return Proof((first, stop), [])
    return Proof((first, int(answer.at[-1])), [])
