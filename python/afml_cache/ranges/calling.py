"""The calls for what a request lacks: made, looked at for the basis of prices, and kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from afml_cache.exceptions import BasisChangedError, SchemaError
from afml_cache.ranges.basis import BasisChange
from afml_cache.ranges.effects import Call, Failed, Parallel
from afml_cache.ranges.fetching import Fetch
from afml_cache.ranges.intervals import Interval, common, joined, without
from afml_cache.ranges.planning import beside, calls_of
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.filling import Found
    from afml_cache.ranges.requests import Request

_log = logging.getLogger("afml_cache.ranges")

Failures: TypeAlias = list[tuple[list[Interval], BaseException]]

# How many sessions are fetched again, one call after the other, where those before tell no basis.
_FURTHER: Final = (1, 4, 16)
# So many parts of what is given no more are told.
_FEW: Final = 3


class Calls:
    """Makes the calls of a request."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.series = request.series
        self.options = request.filler.options

    def fetch(self, gaps: list[Interval]) -> Step[None]:
        """Fetch some intervals that are reserved, and note what could not be fetched."""
        calls = self._calls(gaps)
        seams = self._meeting(calls) if self.options.is_adjusted else []
        rest = [call for call in calls if call not in seams]
        try:
            failed = yield from self._met(seams, rest)
        except BasisChange as change:
            yield from self._rebuild(gaps, change)
            return
        except SchemaError as misfit:
            failed = [(gaps, misfit)]
        if not failed:
            failed = yield from self._performed(rest)
        elif rest:
            # Nothing says whether the others would be on the basis of what is stored.
            self.request.fail(rest, failed[0][1])
        for left, error in failed:
            self.request.fail(left, error)

    def _met(self, seams: list[Interval], rest: list[Interval]) -> Step[Failures]:
        """Make the calls that fetch again what is stored; keep what is on its basis.

        Raises
        ------
        BasisChange
            It is on another one.
        BasisChangedError
            Nothing tells.
        """
        if self.request.children is not None:
            # What is made of bars on another basis is forgotten with those.
            return (yield from self._performed(seams))
        found: list[Found] = []
        failed = yield from self._performed(seams, found)
        adds = bool(rest) or any(len(one.answer.at) for one in found)
        if adds and seams and not (yield from self._is_told(seams, found, failed)):
            missing = without([*seams, *rest], self.series.final())
            return [(missing, failed[0][1])]
        return [*failed, *(yield from self._kept(found))]

    def _is_told(self, seams: list[Interval], found: list[Found], failed: Failures) -> Step[bool]:
        """Tell whether answers are on the basis of what is stored, of which more is fetched.

        Not where a call has failed before that was told.
        """
        series, asked = self.series, [*seams]
        for sessions in (*_FURTHER, 0):
            seen = yield Call(self.request.filler.evidence, (series, found))
            if seen.ratio is not None:
                raise BasisChange(series.name, seen.ratio)
            if seen.is_enough or failed:
                return bool(seen.is_enough)
            more = beside(series, asked, sessions or 1)
            if more is None and not seen.withheld:
                return True  # nothing else is stored
            if not sessions and seen.shared > 1:
                if seen.likely is None:
                    return True  # no price differs
                raise BasisChange(series.name, seen.likely)
            if more is None or not sessions:
                raise self._unknown(asked)
            asked.append(more)
            failed += yield from self._performed(self._calls([more]), found)
        return False

    def _unknown(self, asked: list[Interval]) -> BasisChangedError:
        series = self.series
        again = common(series.final(), joined(asked))
        shown = "; ".join(series.axis.describe(*one) for one in again)
        message = (
            f"nothing tells whether prices of {series.name} are still adjusted as those that are "
            f"stored: of those of {shown} too few are given again; nothing is added to them: "
            "invalidate the series to have all of it on one basis, or ask again later"
        )
        return BasisChangedError(message)

    def _kept(self, found: list[Found]) -> Step[Failures]:
        """Keep answers; give those that can't be kept."""
        failed: Failures = []
        for one in found:
            try:
                yield Call(self.request.filler.keep, (self.request, one))
            except Exception as error:  # noqa: BLE001 - told with what else has failed
                failed.append(([one.proven.kept], error))
        return failed

    def _calls(self, gaps: list[Interval]) -> list[Interval]:
        options = self.options
        return [call for gap in gaps for call in calls_of(self.series.axis, gap, options)]

    def _meeting(self, calls: list[Interval]) -> list[Interval]:
        """Give those calls that fetch again what is final, or may change where nothing is."""
        stored = self.series.final() or self.request.along
        return [call for call in calls if common([call], stored)]

    def _performed(self, calls: list[Interval], found: list[Found] | None = None) -> Step[Failures]:
        """Make some calls; give what could not be fetched, and why."""
        options = self.options
        fetches = [Fetch(self.request, *call, found) for call in calls]
        outcomes = yield Parallel([fetch.steps() for fetch in fetches], options.concurrency)
        if not self.request.holds():
            return []
        pairs = zip(fetches, outcomes, strict=True)
        return [(one.left, each.exception) for one, each in pairs if isinstance(each, Failed)]

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
        missing = without(gaps, series.final()) or gaps
        for _, error in failed:
            self.request.fail(missing, error)
        if not failed and self.request.holds():
            yield Call(self._refuse_loss, (found, change))
            yield Call(self.request.filler.replace, (self.request, found))

    def _refuse_loss(self, found: list[Found], change: BasisChange) -> None:
        """Keep a series that can't be fetched again as a whole."""
        lost = self.request.filler.lost(self.series, found)
        if lost:
            shown = "; ".join(self.series.axis.describe(*gap) for gap in lost[:_FEW])
            more = f" and of {len(lost) - _FEW} parts more" if len(lost) > _FEW else ""
            message = (
                f"{change}, and nothing is given any more of what is stored of {shown}{more}; that "
                "stays as it is: invalidate it to go on without it"
            )
            raise BasisChangedError(message)
