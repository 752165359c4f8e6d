"""What is asked for of a series, what of it is missing, and what could not be fetched."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from afml_cache.exceptions import CacheConfigError, LoaderError, PartialCoverageError
from afml_cache.ranges.answers import Asked, Told
from afml_cache.ranges.deriving import LackingError, begins, doubtful
from afml_cache.ranges.intervals import Interval, common, joined, without
from afml_cache.ranges.modes import WRITING
from afml_cache.ranges.places import times
from afml_cache.ranges.planning import closed_pieces, listed, planned, seams
from afml_cache.ranges.states import DERIVED, EMPTY, EVER, FETCHED, SUSPECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from afml_cache.ranges.asking import Asking
    from afml_cache.ranges.axes import Axis, Limits
    from afml_cache.ranges.axes import Request as Bounds
    from afml_cache.ranges.filling import Filler
    from afml_cache.ranges.loaders import Loader
    from afml_cache.ranges.many import Batch
    from afml_cache.ranges.outdating import Longer
    from afml_cache.ranges.series import Series

_log = logging.getLogger("afml_cache.ranges")

_TRIES = 3
RECHECKED = 16
"""How many intervals without bars a request asks for again, where they are due."""


class Failure(NamedTuple):
    """An interval that could not be fetched, and why."""

    first: int
    stop: int
    error: Exception


@dataclass
class Request:
    """One request for the bars of a series, and what it cost."""

    series: Series
    bounds: Bounds
    values: dict[str, Any]
    """The parts of the key as the caller of this request wrote them."""
    filler: Filler
    loader: Loader
    mode: str = "normal"
    clock: Callable[[], int] = time.time_ns
    children: Series | None = None
    """What the bars are made of, where they are."""
    longer: Longer | None = None
    """What is made of these bars."""
    asked: list[Interval] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """What the loader or `on_restated` did wrong although all that was asked for is there."""
    restated: list[Interval] = field(default_factory=list)
    """What the vendor has restated, and `on_restated` is yet to be told of."""
    calls: int = 0
    batch: Batch | None = None
    """Where it asks together with requests for other symbols."""
    shared: int = 0
    """How often it took its part of a call that another of these made."""
    refusal: Exception | None = None
    """What it failed by when it asked together with others."""
    fetched: int = 0
    rows: int = 0
    """How many it is answered with."""
    at: np.ndarray[Any, Any] = field(default_factory=lambda: np.empty(0, np.int64))
    """Where the last of them stand."""
    heeds_failures: bool = False
    """Whether what failed a moment ago is left alone: nobody waits for it."""
    opened: int = 0
    """Where bars began that were still forming when it last had something to ask for."""
    along: list[Interval] = field(default_factory=list)
    """What of an adjusted series is there, and fetched again as it may still change."""
    spared: list[Interval] | None = None
    """What is due to be asked for again, and left to later requests."""
    leaves_some: bool = False
    """Whether it asks for what is due, and for not all of it."""
    number: int | None = None
    """That of its reservation, while it fetches."""
    _axis: Axis | None = None
    """That on which its ends are whole bars."""
    _reopened: int = 0
    _has_seen_begins: bool = False

    def __post_init__(self) -> None:
        self._axis = self.series.axis

    @property
    def writes(self) -> bool:
        """Whether what is fetched may be stored."""
        return self.mode in WRITING

    @property
    def reason(self) -> int:
        """Why what it fetches is known."""
        return FETCHED if self.children is None else DERIVED

    def outdated(
        self, changed: Sequence[Interval], filled: Sequence[Interval] = ()
    ) -> AbstractContextManager[None]:
        """Forget what was made of some intervals before they are stored anew, and after it."""
        if self.longer is None or not self.writes:
            return contextlib.nullcontext()
        return self.longer.outdated(changed, filled)

    def count(self, calls: int, rows: int) -> None:
        """Count what it had of a loader; what is made of shorter bars costs what they do."""
        if self.children is None:
            self.calls += calls
            self.fetched += rows

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request and what it cost once it is answered, or has failed."""
        cost = functools.partial(self.filler.counts.count, self.series.name)
        try:
            yield
        except Exception:  # whoever is cancelled or interrupted has asked for nothing in the end
            cost(self.rows, self.fetched, self.calls, self.shared, failed=True)
            raise
        cost(self.rows, self.fetched, self.calls, self.shared)

    def doubts(self, first: int, stop: int) -> list[Interval]:
        """Tell what of an interval is made of bars that are to be asked for again."""
        if self.children is None:
            return []
        return doubtful(self.children, self.series.axis, first, stop)

    def limits(self) -> Limits:
        """Tell which bars are final now, and which have not begun."""
        return self.series.axis.limits(self.clock(), self.filler.options.settle)

    @functools.cached_property
    def listed(self) -> Interval:
        """Between which positions there may be bars, as it is known now."""
        return listed(self.series, self.filler.options, self.values)

    @property
    def span(self) -> Interval:
        """What of the bounds there may be bars of."""
        first = max(self.bounds.first, self.listed[0])
        return first, max(first, min(self.bounds.stop, self.listed[1]))

    def end(self, limits: Limits) -> int:
        """Give the position that bounds the request: nothing is asked for that has not begun."""
        return min(self.span[1], self.series.axis.ceil(limits.future))

    def gaps(self) -> list[Interval]:
        """Tell what is missing: unknown, due to be asked for again, or still forming."""
        if self._axis is not self.series.axis:
            # A bar has shown where others begin: the same request would now be for other bars.
            self._axis = self.series.axis
            self.bounds = self._axis.whole(self.bounds)
        self._let_go_of_forming()
        limits = self.limits()
        first, stop = self.span[0], self.end(limits)
        if first >= stop:
            return []
        now = self.clock()
        if self.mode == "fresh":
            missing = [(first, stop)]
        else:
            missing = self.series.native.missing(first, min(stop, limits.opened), now)
            missing = without(missing, self._spare(first, stop, now))
            missing += self._forming(first, stop, limits, now)
        if self.heeds_failures:
            missing = without(missing, self.series.failed_lately(now))
        missing = without(joined(missing), self.asked)
        if missing and self._shows_begins():
            self.spared, self.leaves_some = None, False
            return self.gaps()
        if missing or not self.asked:
            self.opened = limits.opened
        return missing

    def _shows_begins(self) -> bool:
        """See by the calendar where its bars begin, as an answer would show it only later.

        Says whether that is elsewhere than it was thought.
        """
        axis = self.series.axis
        if self.children is None or self._has_seen_begins or axis.sessions is None:
            return False
        self._has_seen_begins = True
        return self.series.learn_anchor(begins(axis, self.bounds.first, self.bounds.stop))

    def _spare(self, first: int, stop: int, now: int) -> list[Interval]:
        """Tell which intervals without bars are due to be asked for, and left for later.

        Ten years may have thousands of them: every night behind whose last bar a vendor said no
        more. A request asks for the latest of them again, and then none does for a while: the same
        request is answered without a call.
        """
        if self.spared is None:
            due = [
                (piece.first, piece.stop)
                for piece in self.series.pieces(first, stop)
                if piece.state in {EMPTY, SUSPECT} and piece.recheck_after <= now
            ]
            self.spared = joined(due)
            if not self.series.rests_from_asking(now):
                del self.spared[-RECHECKED:]
                self.leaves_some = bool(self.spared)
        return self.spared

    def is_reopened(self) -> bool:
        """Tell whether bars that were there are gone: damaged, or dropped by others.

        Those are asked for again, a few times at most.
        """
        limits = self.limits()
        # An answer may have shown that the latest bars, taken for closed, are not.
        first, stop = self.span[0], min(self.end(limits), self.opened, limits.opened)
        if first >= stop:
            return False
        known = [(piece.first, piece.stop) for piece in self.series.pieces(first, stop)]
        gone = without([(first, stop)], joined([*known, *self.failed()]))
        self._reopened += bool(gone)
        self.asked = without(self.asked, gone)
        return bool(gone) and self._reopened <= _TRIES

    def open_gaps(self) -> list[Interval]:
        """Tell what of the gaps needs a call: not what the calendar explains."""
        gaps = self.gaps()
        closed = closed_pieces(self.series.axis, gaps, self.clock())
        return without(gaps, [(piece.first, piece.stop) for piece in closed])

    def wanted(self, gaps: list[Interval]) -> list[Interval]:
        """Tell what is asked for: the gaps, with what is fetched again where new bars begin."""
        options = self.filler.options
        if options.seam and gaps:
            again = seams(self.series, gaps, options.seam, each=options.is_adjusted)
            self.along = without(self._unsettled(), gaps) if options.is_adjusted else []
            gaps = joined([*gaps, *again, *self.along])
        whole = planned(self.series, gaps, options, self.limits().opened)
        return common(whole, [self.listed])

    def _unsettled(self) -> list[Interval]:
        """Tell where there are bars that may still change; they may be on another basis by now.

        A forming one is on that of what is final, of which some is fetched again: where there is
        none, it is among them.
        """
        series, pieces = self.series, self.series.pieces(*EVER)
        late = [(one.first, one.stop) for one in pieces if one.is_volatile]
        tail, opened = series.tail, self.limits().opened
        if tail is not None and self.clock() < tail.until and not series.final():
            late += common([(tail.first, tail.stop)], [(opened, EVER[1])])
        return joined(late)

    def _let_go_of_forming(self) -> None:
        """Ask for forming bars again where others may have put all else on another basis."""
        series = self.series
        if series.is_changed and self.filler.options.is_adjusted:
            series.tail = None
            self.asked = without(self.asked, [(self.limits().opened, EVER[1])])
        series.is_changed = False

    def _forming(self, first: int, stop: int, limits: Limits, now: int) -> list[Interval]:
        begin = max(first, limits.opened)
        tail = self.series.tail
        known = tail is not None and now < tail.until and tail.first <= begin and stop <= tail.stop
        if known or begin >= stop or self.series.axis.is_closed(begin, stop):
            return []
        return [(begin, stop)]

    def holds(self) -> bool:
        """Tell whether what it fetches is its own to keep.

        Where its loop stood still others have taken it over: it begins anew with what they left.
        """
        return self.number is None or self.series.reservations.holds(self.number)

    def asks(self, asked: Asking, first: int, stop: int) -> Asked:
        """Tell how the answer to a call is to be read."""
        series, options = self.series, self.filler.options
        caller, closed = self.bounds.caller, options.loader_closed
        precision = caller.precision_of_start, caller.precision
        told = Told(asked.begin, asked.until, asked.start, asked.end)
        return Asked(
            series.name,
            series.axis,
            first,
            stop,
            closed,
            options.time,
            series.loaders_form(),
            precision,
            told,
        )

    def fail(self, left: list[Interval], error: BaseException) -> None:
        """Note what could not be fetched; it is not tried again by this request."""
        if not isinstance(error, Exception) or isinstance(error, CacheConfigError):
            raise error  # the user's wish to stop, or what only the user can mend
        now = self.clock()
        for gap in left:
            self.series.failed[gap] = (now, str(error))
        # That some bars can't be made yet is no fault of what asks for them.
        is_fault = not isinstance(error, LackingError) and (
            not left or isinstance(error, LoaderError)
        )
        if self.filler.options.align is not None:
            # What only makes a day or a month whole is nothing that the caller waits for; what a
            # loader does wrong is told all the same.
            left = common(left, [(self.bounds.first, self.bounds.stop)])
        left = without(left, self.along)
        self.failures += [Failure(*gap, error) for gap in left]
        if is_fault and not left:
            self.faults.append(error)

    def refuse(self, error: BaseException) -> None:
        """Note what it is to fail by."""
        if not isinstance(error, Exception):
            raise error  # the user's wish to stop
        self.refusal = error

    def failed(self) -> list[Interval]:
        """Tell what could not be fetched."""
        return joined([(failure.first, failure.stop) for failure in self.failures])

    def raise_failures(self, value: Any) -> None:
        """Say what could not be fetched; `value` is what there is of it."""
        failure = self.failure(value)
        if failure is not None:
            raise failure
        self.raise_faults()

    def failure(self, value: Any) -> PartialCoverageError | None:
        """Give the error that says what could not be fetched, if anything."""
        if not self.failures:
            return None
        series = self.series
        for fault in self.faults:
            _log.warning("%s: besides what could not be fetched: %r", series.name, fault)
        missing = self.failed()
        shown = "; ".join(series.axis.describe(*gap) for gap in missing)
        cause = self.failures[0].error
        message = (
            f"the bars {shown} of {series.name} could not be fetched "
            f"({type(cause).__name__}: {cause}); what was fetched is kept, and the next request "
            "asks for the rest; allow_partial=True takes what there is"
        )
        left = [times(series.axis, *gap) for gap in missing]
        failure = PartialCoverageError(message, data=value, missing=left)
        failure.__cause__ = cause
        return failure

    def raise_faults(self) -> None:
        """Say what the loader did wrong, although there is nothing that could not be fetched."""
        if self.faults:
            raise self.faults[0]
