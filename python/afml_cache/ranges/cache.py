"""`RangeCache`: bars by time range, each fetched once."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from afml_cache import _native
from afml_cache._native import default_store, usual_memory
from afml_cache.instants import length_of
from afml_cache.ranges.arguments import (
    apart,
    check_zones,
    common_timeframe,
    function_of,
    known_by,
    name_of_cache,
    names_of_parts,
    refuse_arguments,
    span_of_calls,
)
from afml_cache.ranges.axes import axis_of
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.deriving import check_whole, derivations, derived, reach
from afml_cache.ranges.effects import Failed, Parallel, arun, run
from afml_cache.ranges.filling import Filler
from afml_cache.ranges.forking import check_polars
from afml_cache.ranges.forms import Form, write
from afml_cache.ranges.keys import frame_of, key_text, rest_of, rest_of_text, values_of
from afml_cache.ranges.loaders import Loader, make_policy
from afml_cache.ranges.many import SHAPES, Batch, shaped, symbols_of
from afml_cache.ranges.options import (
    ALIGNED,
    BASES,
    CLOSED,
    Options,
    count_of,
    one_of,
)
from afml_cache.ranges.places import times
from afml_cache.ranges.requests import Request
from afml_cache.ranges.series import Hot, Series
from afml_cache.ranges.simulation import simulated_now
from afml_cache.ranges.stats import Counts
from afml_cache.ranges.timeframes import timeframe as timeframe_of
from afml_cache.ranges.upkeep import Upkeep
from afml_cache.ranges.windows import together
from afml_cache.store import checked_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache._native import Store
    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.axes import Request as Bounds
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.timeframes import Timeframe
    from afml_cache.ranges.windows import Window

# Modes in which what is there is answered from.
_LOOKS = frozenset({"normal", "readonly", "frozen"})


class RangeCache(Upkeep):
    """Bars of many series, each fetched once.

    Parameters
    ----------
    name : str
        Names the cache: two of one name in one store share their bars.
    loader : callable
        `loader(*key, start, end)`, sync or async, called by these names or in this order; gives the
        bars from `start` on and before `end` as a frame of pandas or polars, a table of pyarrow, or
        a list of objects or dictionaries, with one row for each bar. Start and end have the type,
        the unit and the zone that the caller gave. A bar's time is that of its left edge.
    key : sequence of str
        What names a series: parameters of the loader, other than its start and end. Whatever makes
        the bars differ belongs here: feed, session, price type, adjustment, and of a ticker that
        was used for several companies, which of them.
    timeframe : str
        The part of the key that says how long a bar is; or, where the key has none, the timeframe
        of all series, such as "1D" or "5min".
    source : str
        Names the vendor; bars of one are never taken for those of another.
    store : Store, str or os.PathLike, optional
        Where bars are kept, or the folder of it; by default the store that `configure` sets up.
    time : str, optional
        The column or field of times; by default the index, or the one column that is named as times
        are: time, timestamp, date, datetime, ts, t or open_time.
    closed : {"left", "both"}
        Whether the caller's `end` is excluded or included. An inclusive end that names a day is all
        of that day.
    loader_closed : {"left", "both"}
        The same of the loader's. An inclusive loader is asked up to the label of its last bar; a
        row at an end that is excluded is an error.
    naive : str
        Zone of times without one, of callers and loaders: "UTC", a name, or "raise", which refuses
        them.
    zone : str, optional
        Zone whose dates daily and longer bars have, where no `calendar` says it; by default that of
        `naive`.
    calendar : str or exchange_calendars.ExchangeCalendar, optional
        When bars are to be expected, such as "XNYS". Closed days then need no call, and an answer
        that lacks bars is asked for again later. Without one, an empty answer is not believed at
        once: it is asked for again after an hour, a day and a week.
    settle : timedelta, float or str
        How long after its end a bar may still change, in seconds if it is a number; until then it
        is answered, and asked for again. 0 by default.
    volatile_ttl : timedelta, float or str, optional
        For how long bars that may still change are answered from what is there; by default as long
        as a bar is.
    overlap : int
        How many of the last sessions that are stored are fetched again together with newer
        bars, since vendors correct them late; 0 by default, and at least 1 for adjusted prices.
    adjustment : str, optional
        What the prices are adjusted for, such as "splits"; part of the key. `None`, "raw", "none"
        and "unadjusted" say that no later event changes them.
    on_basis_change : {"rebuild", "raise"}
        What becomes of an adjusted series whose prices, where they are fetched again, are all the
        same multiple of what is stored: it is fetched anew, or `BasisChangedError` is raised.
    max_rows : int, optional
        How many rows the vendor gives for one call; longer requests are cut.
    max_span : timedelta, float or str, optional
        For how long a time the vendor may be asked in one call.
    align : {"day", "month"}, optional
        Whole days or months are fetched whatever is asked for, so that neighbours find them there.
    merge_gaps : timedelta, float or str
        Gaps that are no further apart than this are one call; 0 by default.
    rate_limit : str, list of str or pyrate_limiter.Limiter, optional
        How many calls the vendor takes, such as "60/10min"; shared by all series of this cache in
        this process.
    identical : timedelta, float or str, optional
        How long after a call the next one with the same arguments may follow.
    retries : int or tenacity.BaseRetrying
        How many further tries a call gets that failed with an error that passes; 3 by default. They
        come after 0.5 s and then twice as long each time, and not before the vendor's
        `Retry-After`; none comes where that is more than an hour away.
    classify : callable, optional
        `classify(exception)` says what an error of the loader's means: "empty" that there are no
        bars, "retry", "fatal", or `None` for the usual: broken connections and HTTP statuses such
        as 429 and 503 are tried again.
    concurrency : int
        How many calls of one request may run at once; 1 by default.
    allow_partial : bool
        Whether `get` gives what there is, and what is missing, where a call fails; else it raises
        `PartialCoverageError`, which has both.
    listing : callable, optional
        `listing(*key)`, called by names, gives the first and the last day of trading, each a date
        or `None`; nothing is asked for outside.
    on_restated : callable, optional
        `on_restated(key, start, end)` is told of each interval that was fetched again and differs;
        `key` is a dictionary, and the times are as in `gaps`.
    compact : bool
        Whether short segments are made into longer ones as they come.
    memory : int, optional
        Bytes of bars that are kept in memory; by default as much as of results. Beyond that, those
        series are let go of that were used least lately.
    derive : mapping, optional
        Which bars are made of shorter ones instead of being asked for: a timeframe to that of its
        children, such as `{"1h": "1min"}`, or to a pair of it and of how each column is put
        together, such as `("1min", {"spread": "mean"})`. Prices and volumes by their usual names
        need none. They begin where sessions begin, and are made of children alone that are all
        there and final.
    many : callable, optional
        `many(symbols, *rest, start, end)`, sync or async as the loader, called by names: gives the
        bars of several values of the key's first part, as a dictionary by them or as one frame with
        a column of them. `get_many` asks it for those that lack the same interval.
    clock : callable
        Gives nanoseconds since 1970 in UTC. Which bars are final is judged by it, never by the time
        of a simulation.

    Raises
    ------
    CacheConfigError
        An option can't be right, or the loader can't be called with this key.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> from afml_cache import RangeCache
    >>> def vendor(symbol, timeframe, start, end):
    ...     print("asked from", start, "to", end)
    ...     return pl.select(time=pl.date_range(start, end, closed="left"), close=pl.lit(1.0))
    >>> bars = RangeCache("daily bars", vendor)
    >>> bars.get("AAPL", "1D", date(2024, 1, 1), date(2024, 1, 31)).shape
    asked from 2024-01-01 to 2024-01-31
    (30, 2)
    >>> bars.get("AAPL", "1D", date(2024, 1, 5), date(2024, 2, 3)).shape
    asked from 2024-01-31 to 2024-02-03
    (29, 2)
    """

    def __init__(
        self,
        name: str,
        loader: Callable[..., Any],
        *,
        key: tuple[str, ...] | list[str] = ("symbol", "timeframe"),
        timeframe: str = "timeframe",
        source: str = "",
        store: Store | str | os.PathLike[str] | None = None,
        time: str | None = None,
        closed: str = "left",
        loader_closed: str = "left",
        naive: str = "UTC",
        zone: str | None = None,
        calendar: Any = None,
        settle: Any = 0,
        volatile_ttl: Any = None,
        overlap: int = 0,
        adjustment: str | None = None,
        on_basis_change: str = "rebuild",
        max_rows: int | None = None,
        max_span: Any = None,
        align: str | None = None,
        merge_gaps: Any = 0,
        rate_limit: Any = None,
        identical: float | None = None,
        retries: Any = 3,
        classify: Callable[[Exception], str | None] | None = None,
        concurrency: int = 1,
        allow_partial: bool = False,
        listing: Callable[..., Any] | None = None,
        on_restated: Callable[..., Any] | None = None,
        compact: bool = True,
        memory: int | None = None,
        derive: Mapping[Any, Any] | None = None,
        many: Callable[..., Any] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        given = dict(locals())
        self._options = {one: given[one] for one in RangeCache.__init__.__kwdefaults__ or ()}
        self.name = name_of_cache(name)
        self.key = names_of_parts(key)
        self.counts = Counts()
        self._clock = clock
        self._many = function_of("many", many)
        self._derived = derivations(derive)
        self._memory = usual_memory() if memory is None else count_of("memory", memory)
        check_zones(naive, zone)
        self._naive, self._zone = naive, zone
        self._sessions = None if calendar is None else sessions_of(calendar)
        self._timeframe = timeframe
        self._constant = common_timeframe(timeframe, self.key)
        self._store = checked_store(store)
        options = Options(
            closed=one_of("closed", closed, CLOSED),
            loader_closed=one_of("loader_closed", loader_closed, CLOSED),
            time=time,
            settle=length_of("settle", settle),
            volatile_ttl=None if volatile_ttl is None else length_of("volatile_ttl", volatile_ttl),
            overlap=count_of("overlap", overlap),
            adjustment=adjustment,
            on_basis_change=one_of("on_basis_change", on_basis_change, BASES),
            max_rows=None if max_rows is None else count_of("max_rows", max_rows, 1),
            max_span=span_of_calls(max_span),
            align=one_of("align", align, ALIGNED),
            merge_gaps=length_of("merge_gaps", merge_gaps),
            concurrency=count_of("concurrency", concurrency, 1),
            allow_partial=allow_partial,
            listing=function_of("listing", listing),
            on_restated=function_of("on_restated", on_restated),
            compact=compact,
        )
        how = make_policy(
            rate_limit=rate_limit, identical=identical, retries=retries, classify=classify
        )
        self._filler = Filler(Loader(loader, self.key), how, options, self.counts, source)
        self._named: dict[tuple[Any, ...], Series] = {}
        self._series: OrderedDict[str, Series] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"RangeCache({self.name!r}, key={self.key!r})"

    def get(
        self,
        *key: Any,
        output: Any = None,
        allow_partial: bool | None = None,
        loader: Callable[..., Any] | None = None,
        **named: Any,
    ) -> Any:
        """Give the bars from `start` on and before `end`; fetch what is missing of them.

        Parameters
        ----------
        *key, **named
            The parts of the key in their order, then `start` and `end`, each by place or by name. A
            time is a datetime, date, `Timestamp`, `datetime64` or text; without `end`, or with
            `None`, up to now, or to the time of `as_of`.
        output : {"pandas", "polars", "pyarrow"} or class, optional
            What the answer is; by default what the loader gives.
        allow_partial : bool, optional
            Whether an answer with gaps is one; by default as the cache was told.
        loader : callable, optional
            Instead of the cache's own, for this request; it takes the same.

        Returns
        -------
        DataFrame, Table, list or Partial
            A row for each bar, in order of time and each once, with the class, the columns, the
            dtypes, the index and the zone that the loader's own answer would have. With
            `allow_partial`, a pair of that (`data`) and of the intervals that are `missing`.

        Raises
        ------
        PartialCoverageError
            A call failed, or its answer was none that can be used: the cause says why. What the
            other calls gave is kept; the error has it, and the intervals that are missing.
        BasisChangedError
            An adjusted series has changed its basis, and `on_basis_change` is "raise".
        CacheMissError
            Bars are missing in mode "frozen".
        CacheConfigError
            The arguments are no key and times of this cache.

        Examples
        --------
        >>> from datetime import datetime, timezone
        >>> import polars as pl
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, start, end):
        ...     hours = pl.datetime_range(start, end, "1h", closed="left")
        ...     return pl.select(time=hours, close=pl.lit(1.0))
        >>> bars = RangeCache("hourly bars", vendor, key=["symbol"], timeframe="1h")
        >>> noon = datetime(2024, 5, 3, 12, tzinfo=timezone.utc)
        >>> bars.get("EURUSD", noon, noon.replace(hour=15)).shape
        (3, 2)
        >>> bars.get("EURUSD", start=noon, end=noon.replace(hour=13), output=dict)[0]["close"]
        1.0
        """
        series, start, end = self._read(key, named)
        bounds = self._bounds(series, start, end)
        warm = self._warm_answer(series, bounds, output)
        if warm is not None:
            return Partial(warm, []) if self._takes_partial(allow_partial) else warm
        return run(self._answered(series, bounds, output, allow_partial, loader))

    async def aget(
        self,
        *key: Any,
        output: Any = None,
        allow_partial: bool | None = None,
        loader: Callable[..., Any] | None = None,
        **named: Any,
    ) -> Any:
        """Do the same as `get`, for loaders that are coroutine functions.

        Other loaders run in a thread. A task that is cancelled lets go of what it was fetching;
        whoever waits for the same bars fetches them instead.

        Examples
        --------
        >>> import asyncio
        >>> from datetime import date
        >>> import polars as pl
        >>> from afml_cache import RangeCache
        >>> async def vendor(symbol, timeframe, start, end):
        ...     return pl.select(time=pl.date_range(start, end, closed="left"), close=pl.lit(1.0))
        >>> bars = RangeCache("awaited bars", vendor)
        >>> asyncio.run(bars.aget("AAPL", "1D", date(2024, 1, 1), date(2024, 1, 11))).shape
        (10, 2)
        """
        series, start, end = self._read(key, named)
        bounds = self._bounds(series, start, end)
        warm = self._warm_answer(series, bounds, output)
        if warm is not None:
            return Partial(warm, []) if self._takes_partial(allow_partial) else warm
        return await arun(self._answered(series, bounds, output, allow_partial, loader))

    def _warm_answer(self, series: Series, bounds: Bounds, output: Any) -> Any:
        """Slice what is final and in memory, if all of it is, and nobody has changed it since."""
        hot = series.hot
        if (
            hot is None
            or series.form is None
            or bounds.first < hot.first
            or bounds.stop > hot.stop
            or self._clock() >= hot.until
            or hot.mark != series.native.mark()
            or _native.current_mode() not in _LOOKS
        ):
            return None
        begin, stop = hot.window.rows(bounds.clip_first, bounds.clip_stop)
        self.counts.count(series.name, stop - begin, 0, 0)
        return hot.window.held_as(series.form, output).slice(begin, stop)

    def __reduce__(self) -> Any:
        return functools.partial(RangeCache, **self._options), (
            self.name,
            self._filler.loader.function,
        )

    def get_many(self, symbols: Any, *rest: Any, shape: str = "long", **options: Any) -> Any:
        """Give the bars of several symbols.

        Those that lack the same interval are asked for together where the cache has `many`. What is
        known is known of each; a symbol that an answer for many does not have is asked for alone.

        Parameters
        ----------
        symbols : sequence
            Values of the first part of the key.
        *rest
            The other parts of the key, start and end, as for `get`.
        shape : {"long", "wide", "dict"}
            One frame with the symbol in its first column; one with a column for each pair of field
            and symbol; or a dictionary.
        **options
            `output` and `allow_partial`, as for `get`, and parts of the key, `start` and `end` by
            name.

        Returns
        -------
        DataFrame, dict or Partial
            Of pandas or polars, as the loader gives or `output` says; with `allow_partial` a pair
            of it and of what is missing: symbol, start and end of each interval.

        Raises
        ------
        PartialCoverageError
            A call failed; what the others gave is kept.
        CacheConfigError
            The arguments are no symbols, key and times of this cache, or the bars are of a kind
            that can't be put together.

        Examples
        --------
        >>> import pandas as pd
        >>> from afml_cache import RangeCache
        >>> def vendor(symbol, timeframe, start, end):
        ...     return pd.DataFrame({"close": 1.0}, pd.date_range(start, end, inclusive="left"))
        >>> bars = RangeCache("several", vendor)
        >>> asked = ["AAPL", "GOOG"], "1D", "2024-01-01", "2024-01-11"
        >>> bars.get_many(*asked).columns.tolist(), bars.get_many(*asked, shape="wide").shape
        (['symbol', 'close'], (10, 2))
        """
        return run(self._got_many(symbols, rest, shape, options))

    async def aget_many(self, symbols: Any, *rest: Any, shape: str = "long", **options: Any) -> Any:
        """Do the same as `get_many`, for loaders that are coroutine functions."""
        return await arun(self._got_many(symbols, rest, shape, options))

    def _got_many(
        self, symbols: Any, rest: tuple[Any, ...], shape: str, options: dict[str, Any]
    ) -> Step[Any]:
        one_of("shape", shape, SHAPES)
        output, partial = options.pop("output", None), options.pop("allow_partial", None)
        requests = {}
        for symbol in symbols_of(symbols):
            series, start, end = self._read((symbol, *rest), options)
            requests[symbol] = self._request(series, self._bounds(series, start, end))
        if self._many is not None:
            Batch(self._many, self.key[0], requests)
        steps = [self._finished(request, output, partial) for request in requests.values()]
        outcomes = yield Parallel(steps, self._filler.options.concurrency)
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                raise outcome.exception
        answers = dict(zip(requests, [outcome.value for outcome in outcomes], strict=True))
        if not self._takes_partial(partial):
            return shaped(answers, self.key[0], shape)
        missing = [(symbol, *gap) for symbol, one in answers.items() for gap in one.missing]
        data = {symbol: one.data for symbol, one in answers.items()}
        return Partial(shaped(data, self.key[0], shape), missing)

    def _takes_partial(self, allow_partial: bool | None) -> bool:
        return self._filler.options.allow_partial if allow_partial is None else allow_partial

    def _bounds(self, series: Series, start: Any, end: Any) -> Bounds:
        closed = self._filler.options.closed
        return series.axis.request(start, _resolved(end), closed, self._clock())

    def _read(self, key: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Series, Any, Any]:
        """Tell series, start and end from the arguments of a call."""
        count = len(self.key)
        if not named and count < len(key) <= count + 2:
            known = known_by(key[:count]) if self._process == os.getpid() else None
            series = None if known is None else self._named.get(known)
            if series is None:
                series = self._find(dict(zip(self.key, key[:count], strict=True)))
            return series, key[count], key[count + 1] if len(key) > count + 1 else None
        names = (*self.key, "start", "end")
        refuse_arguments(self.name, names, key, named)
        given = {**dict(zip(names, key, strict=False)), **named}
        values = {name: given[name] for name in self.key}
        return self._find(values), given["start"], given.get("end")

    def _find(self, values: dict[str, Any]) -> Series:
        """Give the series of a key."""
        check_polars()
        frame = self._constant or timeframe_of(values[self._timeframe])
        axis, about = self._about(frame)
        shown = {**values, self._timeframe: frame.text} if self._constant is None else values
        series = self._open(key_text(shown, axis, about), values, axis)
        series.values = apart(values)  # the loader is called with what the caller wrote
        known = known_by(tuple(values.values()))
        if known is not None:
            self._named[known] = series
        return series

    def _stored(self, text: str) -> Series | None:
        """Give a series by its key as it is stored; `None` if it is of a cache set up otherwise."""
        values = values_of(text)
        if set(values) != set(self.key):
            return None
        axis, about = self._about(timeframe_of(frame_of(text)))
        if rest_of(axis, about) != rest_of_text(text):
            return None
        return self._open(text, {name: values[name] for name in self.key}, axis)

    def _about(self, frame: Timeframe) -> tuple[Axis, dict[str, str | None]]:
        """Give the axis of series of a timeframe, and what besides their keys counts."""
        made = self._derived.get(frame.text)
        about = {"source": self._filler.source, "adjustment": self._filler.options.adjustment}
        about["derived"] = made and made.child.text
        return axis_of(frame, self._sessions, self._naive, self._zone), about

    def _open(self, text: str, values: dict[str, Any], axis: Axis) -> Series:
        if self._process != os.getpid():
            self._forget()
        with self._lock:
            series = self._series.get(text)
            if series is None:
                store = self._store or default_store()
                series = Series(store, self.name, values, text, axis)
                self._series[text] = series
        return series

    def _derive(
        self, series: Series, child: Series, how: Mapping[str, str], loader: Any, **given: Any
    ) -> Any:
        """Make bars of shorter ones, which are fetched where they are missing."""
        bounds = series.axis.request(
            given["start"], given["end"], self._filler.options.loader_closed, self._clock()
        )
        span = reach(series.axis, bounds.first, bounds.stop)
        request = self._request(child, child.between(*span), loader)
        limits = request.limits()

        def steps() -> Step[Any]:
            yield from request.completed()
            request.raise_failures(None)
            check_whole(child, span[0], min(span[1], limits.settled))
            table = child.table(span[0], min(span[1], limits.settled))
            self.counts.count(child.name, table.height, request.fetched, request.calls)
            if child.form is None or child.form.time is None:
                return []
            shorter = table, child.positions(table)
            inside = bounds.first, bounds.stop
            bars = derived(series.axis, shorter, child.form.time, how, inside)
            return write(child.form, bars)

        return arun(steps()) if request.loader.awaitable else run(steps())

    def _make_room(self, used: Series) -> None:
        """Let go of the bars in memory of those series that were used least lately."""
        with self._lock:
            self._series.move_to_end(used.text)
            sizes = [(series, series.windows.nbytes) for series in self._series.values()]
        taken = sum(size for _, size in sizes)
        for series, size in sizes:
            if taken <= self._memory:
                return
            series.cool()
            taken -= size

    def _forget(self) -> None:
        """Begin anew in a forked child: a lock in what the parent had may be held for ever."""
        self._lock = threading.Lock()
        self._named, self._series = {}, OrderedDict()
        self._process = os.getpid()

    def _answered(
        self,
        series: Series,
        bounds: Bounds,
        output: Any,
        allow_partial: bool | None,
        loader: Callable[..., Any] | None,
    ) -> Step[Any]:
        return self._finished(self._request(series, bounds, loader), output, allow_partial)

    def _finished(self, request: Request, output: Any, allow_partial: bool | None) -> Step[Any]:
        """Answer a request."""
        series = request.series
        takes_partial = self._takes_partial(allow_partial)
        if request.mode == "off":
            value = yield from request.uncached(output)
            return Partial(value, []) if takes_partial else value
        begun = False
        while not begun or request.is_reopened():
            begun = True
            yield from request.completed()
            value, rows = self._value(request, output)
        self._make_room(series)
        self.counts.count(series.name, rows, request.fetched, request.calls)
        if not takes_partial:
            request.raise_failures(value)
            return value
        request.raise_faults()
        missing = request.failed()
        return Partial(value, [times(series.axis, *gap) for gap in missing])

    def _request(
        self, series: Series, bounds: Bounds, loader: Callable[..., Any] | None = None
    ) -> Request:
        asked = self._filler.loader if loader is None else self._filler.loader.around(loader)
        made, children = self._derived.get(series.axis.timeframe.text), None
        if made is not None:
            children = self._find({**series.values, self._timeframe: made.spelled})
            asked = asked.around(
                functools.partial(self._derive, series, children, made.how, loader)
            )
        mode = _native.current_mode()
        return Request(series, bounds, self._filler, asked, mode, self._clock, children)

    def _value(self, request: Request, output: Any) -> tuple[Any, int]:
        """Give the answer, and how many rows it has."""
        series, bounds = request.series, request.bounds
        first, stop = bounds.clip_first, bounds.clip_stop
        opened = request.limits().opened
        with series.lock:
            series.catch_up(writes=request.writes)
            series.load(bounds.first, min(bounds.stop, opened))
            if series.form is None:
                return write(Form.unknown, series.nothing(), output), 0
            window = series.windows.whole(bounds.first, bounds.stop)
            if window is not None and stop <= opened:
                self._warm(series, bounds, window)
                begin, end = window.rows(first, stop)
                return window.given(series.form, output, begin, end), end - begin
            # An answer may have shown that bars begin earlier than they were thought to.
            began = min(request.opened, opened)
            forming = series.forming(first, stop, began, request.failed())
            table = together([series.table(first, min(stop, opened)), forming])
            return write(series.form, table, output), table.height

    def _warm(self, series: Series, bounds: Bounds, window: Window) -> None:
        """Have requests within what is final answered without asking anybody."""
        ready = series.native.ready(bounds.first, bounds.stop, self._clock())
        if ready is not None and series.mark is not None:
            first, stop = max(ready[0], window.first), min(ready[1], window.stop)
            series.hot = Hot(first, stop, ready[2], series.mark, window)


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


def _resolved(end: Any) -> Any:
    """Give the end of a request without one: now, or the time that is simulated."""
    return simulated_now() if end is None else end
