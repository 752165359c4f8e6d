"""What answers a request to a cache: bars in memory and on disk, and its loader for the rest."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from afml_cache import _native
from afml_cache.ranges.completing import Completion
from afml_cache.ranges.deriving import (
    LackingError,
    around,
    derived,
    describe_lack,
    lacking,
    reach,
    whole,
)
from afml_cache.ranges.effects import arun, run
from afml_cache.ranges.fetching import Fetch
from afml_cache.ranges.forming import forming
from afml_cache.ranges.forms import Form, check_output, write
from afml_cache.ranges.intervals import joined
from afml_cache.ranges.moments import moment
from afml_cache.ranges.outdating import Longer
from afml_cache.ranges.places import times
from afml_cache.ranges.planning import calls_of, listed
from afml_cache.ranges.requests import Request
from afml_cache.ranges.series import Hot
from afml_cache.ranges.simulation import simulated_now
from afml_cache.ranges.telling import tell
from afml_cache.ranges.windows import together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.ranges.axes import Request as Bounds
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.filling import Filler, Found
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.series_of_cache import SeriesOfCache
    from afml_cache.ranges.windows import Window

# Modes in which what is there is answered from.
_LOOKS = frozenset({"normal", "readonly", "frozen"})


class Partial:
    """An answer with gaps, which unpacks into its two parts.

    Attributes
    ----------
    data
        The bars that there are, as `get` gives them.
    missing : list of (start, end)
        The intervals that could not be fetched, half-open: dates for daily and longer bars, else
        datetimes in UTC. Empty where nothing is missing. Of several symbols, each comes with its
        symbol before it.
    """

    def __init__(self, data: Any, missing: list[Any]) -> None:
        self.data = data
        self.missing = missing

    def __iter__(self) -> Any:
        return iter((self.data, self.missing))

    def __repr__(self) -> str:
        return f"Partial({len(self.missing)} intervals are missing)"


@dataclass(eq=False)
class Answerer:
    """Answers the requests to a cache."""

    series: SeriesOfCache
    filler: Filler
    clock: Callable[[], int]

    def bounds(self, series: Series, start: Any, end: Any) -> Bounds:
        """Tell what is asked for; without an end, up to now, or what a simulation can know."""
        bounds = series.axis.request(start, end, self.filler.options.closed, self.clock())
        simulated = simulated_now() if end is None else None
        if simulated is None:
            return bounds
        bounds = series.axis.closed_by(bounds, simulated)
        time = moment(simulated, "t")
        if series.axis.timeframe.text not in self.series.derived or time.until is not None:
            return bounds
        # To a day that is made of shorter bars belongs what is traded after its close, too.
        now = time.instant(self.series.naive)
        first, stop = around(series.axis, now, now + 1)
        return bounds.before(first, first) if first < stop else bounds

    def from_memory(self, series: Series, bounds: Bounds, output: Any) -> Any:
        """Slice what is final and in memory, if all of it is, and nobody has changed it since.

        Raises
        ------
        CacheConfigError
            There is no such output.
        """
        check_output(output)
        hot = series.hot
        if (
            hot is None
            or series.form is None
            or bounds.first < hot.first
            or bounds.stop > hot.stop
            or self.clock() >= hot.until
            or hot.mark != series.native.mark()
            or _native.current_mode() not in _LOOKS
            or hot.listed != listed(series, self.filler.options, series.values)
        ):
            return None
        begin, stop = hot.window.rows(bounds.clip_first, bounds.clip_stop)
        if _native.is_watching():
            tell(series, bounds, hot.window.at[begin:stop], self.clock())
        self.filler.counts.count(series.name, stop - begin, 0, 0)
        return hot.window.held_as(series.form, output).slice(begin, stop)

    def request(
        self,
        series: Series,
        bounds: Bounds,
        values: dict[str, Any],
        loader: Callable[..., Any] | None = None,
        *,
        mode: str | None = None,
    ) -> Request:
        """Make a request, which asks another loader than the cache's own if one is given.

        Parameters
        ----------
        values
            The parts of the key as the loader is to get them.
        mode
            How it is answered, and what its bars are made of: by default as is set now.
        """
        mode = mode or _native.current_mode()
        asked = self.filler.loader if loader is None else self.filler.loader.around(loader)
        longer = Longer(self.series, series)
        request = Request(
            series, bounds, values, self.filler, asked, mode, self.clock, longer=longer
        )
        made = self.series.derived.get(series.axis.timeframe.text)
        if made is not None:
            shorter = {**values, self.series.timeframe: made.spelled}
            request.children = self.series.find(shorter)
            derive = functools.partial(
                self._derive, request, request.children, shorter, made.how, loader
            )
            request.loader = asked.around(derive)
        return request

    def answered(self, request: Request, output: Any, allow_partial: bool | None) -> Step[Any]:
        """Fetch what a request lacks, and give its bars; count it."""
        with request.counted():
            try:
                return (yield from self._answered(request, output, allow_partial))
            finally:
                if _native.is_watching():
                    tell(request.series, request.bounds, request.at, self.clock())

    def _answered(self, request: Request, output: Any, allow_partial: bool | None) -> Step[Any]:
        series = request.series
        takes_partial = self.takes_partial(allow_partial)
        if request.mode == "off":
            value = yield from self._uncached(request, output)
            return Partial(value, []) if takes_partial else value
        begun = False
        while not begun or request.is_reopened():
            begun = True
            yield from Completion(request).steps()
            value, request.rows = self._value(request, output)
        self.series.make_room(series)
        if not takes_partial:
            request.raise_failures(value)
            return value
        request.raise_faults()
        missing = request.failed()
        return Partial(value, [times(series.axis, *gap) for gap in missing])

    def takes_partial(self, allow_partial: bool | None) -> bool:
        """Tell whether an answer with gaps is one."""
        return self.filler.options.allow_partial if allow_partial is None else allow_partial

    def parts(self, series: Series, child: Series, start: Any, end: Any) -> tuple[Interval, Bounds]:
        """Tell which longer bars a loader's start and end ask for, and which shorter that takes."""
        closed = self.filler.options.loader_closed
        bounds = series.axis.request(start, end, closed, self.clock())
        asked = bounds.clip_first, bounds.clip_stop
        return asked, child.axis.whole(child.between(*reach(series.axis, *asked)))

    def _derive(
        self,
        whole_request: Request,
        child: Series,
        values: dict[str, Any],
        how: Mapping[str, str],
        loader: Any,
        /,
        **given: Any,
    ) -> Any:
        """Make bars of shorter ones, which are fetched where they are missing.

        What that costs is the cost of the request that needs them.
        """
        series = whole_request.series
        asked, bounds = self.parts(series, child, given["start"], given["end"])
        request = self.request(child, bounds, values, loader, mode=whole_request.mode)
        now = self.clock()

        def steps() -> Step[Any]:
            try:
                yield from Completion(request).steps()
            finally:
                whole_request.calls += request.calls
                whole_request.shared += request.shared
                whole_request.fetched += request.fetched
            failure = request.failure(None)
            if failure is None:
                request.raise_faults()
            first, opened = request.span[0], child.axis.limits(now, 0).opened
            stop = max(first, min(request.span[1], opened))
            gaps = joined([*lacking(child, first, stop), *request.failed()])
            table = child.table(first, stop)
            spans = whole(child, series.axis, asked, gaps)
            made = [derived(series.axis, child, table, how, span) for span in spans]
            if not gaps:
                return made[0] if made else []
            if failure is not None and not made:
                raise failure
            why = str(failure or describe_lack(child, gaps))
            raise LackingError(why, list(zip(spans, made, strict=True))) from failure

        return arun(steps()) if request.loader.awaitable else run(steps())

    def _uncached(self, request: Request, output: Any) -> Step[Any]:
        """Ask the loader for all of it, look nothing up and keep nothing."""
        found: list[Found] = []
        bounds, options = request.bounds, self.filler.options
        for call in calls_of(request.series.axis, (bounds.first, bounds.stop), options):
            yield from Fetch(request, *call, found).steps()
        if not found:
            return write(request.series.form or Form.unknown, request.series.nothing(), output)
        found.sort(key=lambda one: one.proven.kept)
        answers = [one.answer for one in found]
        form = functools.reduce(Form.merge, [one.form for one in answers])
        clip = bounds.clip_first, bounds.clip_stop
        rows = [slice(*map(int, one.at.searchsorted(clip))) for one in answers]
        table = together([one.table[some] for one, some in zip(answers, rows, strict=True)])
        request.rows = table.height
        given = [one.at[some] for one, some in zip(answers, rows, strict=True)]
        request.at = np.concatenate(given)
        return write(form, table, output)

    def _value(self, request: Request, output: Any) -> tuple[Any, int]:
        """Give the answer, and how many rows it has."""
        series, bounds = request.series, request.bounds
        begin, end = request.span
        first = max(bounds.clip_first, begin)
        stop = max(first, min(bounds.clip_stop, end))
        opened = request.limits().opened
        with series.lock:
            series.catch_up(writes=request.writes)
            series.load(begin, min(end, opened))
            if series.form is None:
                return write(Form.unknown, series.nothing(), output), 0
            window = series.windows.whole(begin, end)
            if window is not None and stop <= opened:
                self._warm(request, window)
                rows = window.rows(first, stop)
                request.at = window.at[slice(*rows)]
                return window.given(series.form, output, *rows), rows[1] - rows[0]
            # An answer may have shown that bars begin earlier than they were thought to.
            began = min(request.opened, opened)
            tail = forming(series, (first, stop), began, opened, request.failed())
            table = together([series.table(first, min(stop, opened)), tail])
            if _native.is_watching():
                request.at = series.positions(table[-1:])
            return write(series.form, table, output), table.height

    def _warm(self, request: Request, window: Window) -> None:
        """Have requests within what is final answered without asking anybody."""
        series, known = request.series, request.listed
        ready = series.native.ready(*request.span, self.clock())
        if ready is not None and series.mark is not None:
            first = max(ready[0], window.first, known[0])
            stop = min(ready[1], window.stop, known[1])
            series.hot = Hot(first, stop, ready[2], series.mark, window, known)
