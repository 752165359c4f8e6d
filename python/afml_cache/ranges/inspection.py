"""What can be asked about a range cache: nothing is fetched for it, and nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.ranges.arguments import cost_of, function_of, refuse_arguments
from afml_cache.ranges.asking import asking
from afml_cache.ranges.explaining import explained
from afml_cache.ranges.intervals import joined, without
from afml_cache.ranges.moments import moment
from afml_cache.ranges.places import times
from afml_cache.ranges.planning import calls_of
from afml_cache.ranges.reports import Coverage, Explanation, Plan, PlannedCall, known, picture
from afml_cache.ranges.states import EVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from afml_cache.ranges.answering import Answerer
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.series_of_cache import SeriesOfCache
    from afml_cache.ranges.stats import Counts, Report


class Inspection:
    """The part of `RangeCache` that tells what is known, and what requests took or would take."""

    name: str
    key: tuple[str, ...]
    counts: Counts
    _series: SeriesOfCache
    _answerer: Answerer

    def plan(
        self, *key: Any, price: Callable[[Any, Any, int], float] | None = None, **named: Any
    ) -> Plan:
        """Tell what a request would take, and ask for nothing.

        Parameters
        ----------
        *key, **named
            The parts of the key, then `start` and `end`, as for `get`.
        price : callable, optional
            `price(start, end, rows)` gives what one call costs, as a number; its times are as the
            loader would get them.

        Returns
        -------
        Plan
            Its `calls`, each with start, end, rows to be expected and cost; the intervals that are
            `missing`, half-open; all `rows`, and the whole `cost`, `None` without `price`. How many
            ticks there will be can't be said, and is 0. Of bars that are made of shorter ones the
            calls and rows are those of the shorter, if any are missing.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("planned", vendor)
        >>> plan = bars.plan("AAPL", "1D", "2024-01-01", "2024-01-11")
        >>> len(plan.calls), plan.rows, plan.cost
        (1, 10, None)
        >>> print(plan)
        planned AAPL 1D: 1 calls, about 10 rows
          2024-01-01 .. 2024-01-11  about 10 rows
        """
        function_of("price", price)
        series, start, end = self._series.read(key, named)
        series.sync()
        bounds = self._answerer.bounds(series, start, end)
        request = self._answerer.request(series, bounds, self._series.written(key, named))
        missing = tuple(times(series.axis, *gap) for gap in request.open_gaps())
        calls = []
        for asked, first, stop in self._vendor_calls(request):
            ends = asking(asked, first, stop)[:2]
            rows = asked.series.axis.expected(first, stop)
            calls.append(PlannedCall(*ends, rows, price and cost_of(price(*ends, rows))))
        cost = sum(call.cost or 0.0 for call in calls) if price else None
        return Plan(series.name, tuple(calls), missing, sum(call.rows for call in calls), cost)

    def _vendor_calls(
        self, request: Request, known: Sequence[Interval] = ()
    ) -> list[tuple[Request, int, int]]:
        """Give the calls that a request would make, which for derived bars are of their children.

        What is `known` will have been fetched by then.
        """
        axis, options = request.series.axis, self._answerer.filler.options
        wanted = without(request.wanted(request.open_gaps()), joined(list(known)))
        calls = [(request, *call) for gap in wanted for call in calls_of(axis, gap, options)]
        if request.children is None:
            return calls
        made: list[tuple[Request, int, int]] = []
        for _, first, stop in calls:
            shorter = self._request_of_children(request, request.children, first, stop)
            made += self._vendor_calls(shorter, [call[1:] for call in made])
        return made

    def _request_of_children(
        self, request: Request, children: Series, first: int, stop: int
    ) -> Request:
        """Make the request that making the bars of an interval takes."""
        ends = asking(request, first, stop)[:2]
        _, bounds = self._answerer.parts(request.series, children, *ends)
        children.sync()
        spelled = self._series.derived[request.series.axis.timeframe.text].spelled
        values = {**request.values, self._series.timeframe: spelled}
        return self._answerer.request(children, bounds, values, mode=request.mode)

    def coverage(self, *key: Any, **named: Any) -> Coverage:
        """Tell what is known of a series.

        Parameters
        ----------
        *key, **named
            The parts of its key.

        Returns
        -------
        Coverage
            Its intervals in order, half-open, each "data", "empty", "suspect" or "volatile", with
            the reason and when it is asked for again. It prints as a line of marks, shows
            as a table in a notebook, and becomes a frame by `to_pandas`.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("covered", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> [(one.start.isoformat(), one.state) for one in bars.coverage("AAPL", "1D")]
        [('2024-01-01', 'data')]
        """
        series = self._series.of(key, named)
        pieces = series.pieces(*EVER)
        segments = series.native.segments()
        return Coverage(
            series.name,
            tuple(known(series.axis, piece) for piece in pieces),
            sum(one[4] for one in segments),
            len(segments),
            sum(one[5] for one in segments),
            picture(pieces),
        )

    def gaps(self, *key: Any, **named: Any) -> list[tuple[Any, Any]]:
        """Give the intervals of a range that a request would have to ask for.

        Parameters
        ----------
        *key, **named
            The parts of the key, then `start` and `end`, as for `get`.

        Returns
        -------
        list of (start, end)
            Half-open and in order: dates for daily and longer bars, else datetimes in UTC.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("with gaps", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.gaps("AAPL", "1D", "2024-01-05", "2024-01-21")
        [(datetime.date(2024, 1, 11), datetime.date(2024, 1, 21))]
        """
        series, start, end = self._series.read(key, named)
        series.sync()
        bounds = self._answerer.bounds(series, start, end)
        request = self._answerer.request(series, bounds, self._series.written(key, named))
        return [times(series.axis, *gap) for gap in request.open_gaps()]

    def explain_gap(self, *key: Any, **named: Any) -> Explanation:
        """Tell why there is, or is not, a bar at a time; nothing is asked for.

        Parameters
        ----------
        *key, **named
            The parts of the key, then the time, whose name is `t`.

        Returns
        -------
        Explanation
            Its `kind`: "bar" (which has that time, or in which it lies), "volatile" (it may still
            change), "holiday" or "closed" (by the calendar), "pre-listing", "delisted",
            "vendor-empty", "file-empty" (a file that was taken in has none), "suspect" (a bar is to
            be expected and the vendor gave none), "never asked", or "future"; and a `text` that
            says more.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("explained", vendor)
        >>> bars.explain_gap("AAPL", "1D", "2024-01-05").kind
        'never asked'
        """
        names = (*self.key, "t")
        refuse_arguments(self.name, names, key, named, optional=())
        given = {**dict(zip(names, key, strict=False)), **named}
        time = given.pop("t")
        moment(time, "t")
        series = self._series.find(given)
        series.sync()
        bounds = series.axis.request(time, time, "both", self._answerer.clock())
        values = self._series.written((), given)
        options, now = self._answerer.filler.options, self._answerer.clock()
        return explained(series, bounds, options, values, now)

    def restated(self, *key: Any, **named: Any) -> list[tuple[Any, Any, int]]:
        """Give the intervals that the vendor, or a file, restated in this process.

        Start and end of each are a `time_range` for `afml_cache.invalidate`, to drop what was
        computed from them.

        Parameters
        ----------
        *key, **named
            The parts of the key of a series.

        Returns
        -------
        list of (start, end, int)
            With how many bars. Half-open, in the order in which they were found; dates for daily
            and longer bars, else datetimes in UTC.
        """
        series = self._series.of(key, named)
        return [(*times(series.axis, first, stop), count) for first, stop, count in series.restated]

    def stats(self) -> dict[str, int | float]:
        """Give the counters of this process, by the names that scripts know.

        Returns
        -------
        dict
            `total_requests`; `cache_hits`, those without a call; `cache_partial_hits`, those whose
            calls gave some of their rows; `api_calls`, further tries included;
            `total_bars_from_cache` and `total_bars_from_api`; `hit_rate`, a share of requests;
            `conflicts`, rows of one time that differed; `restated`, bars that the vendor or a file
            changed; `errors`, requests that failed, which are in the other counts, too.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("counted", vendor)
        >>> bars.prefetch("AAPL", "1D", "2024-01-01", "2024-01-11")
        1
        >>> bars.stats()["total_bars_from_api"], bars.stats()["hit_rate"]
        (10, 0.0)
        """
        return self.counts.as_dict()

    def requests(self) -> list[Report]:
        """Give the last thousand requests of this process: where the rows of each came from."""
        return list(self.counts.last)
