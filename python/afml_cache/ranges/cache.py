"""`RangeCache`: bars by time range, each fetched once."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from afml_cache._native import usual_memory
from afml_cache.instants import length_of
from afml_cache.ranges.answering import Answerer, Partial
from afml_cache.ranges.arguments import (
    check_zones,
    clock_of,
    common_timeframe,
    function_of,
    name_of_cache,
    names_of_parts,
    span_of_calls,
    text_of,
)
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.deriving import derivations
from afml_cache.ranges.effects import arun, run
from afml_cache.ranges.files import Files
from afml_cache.ranges.filling import Filler
from afml_cache.ranges.inspection import Inspection
from afml_cache.ranges.loaders import Loader, make_policy
from afml_cache.ranges.options import (
    ALIGNED,
    BASES,
    CLOSED,
    Options,
    count_of,
    one_of,
)
from afml_cache.ranges.series_of_cache import SeriesOfCache
from afml_cache.ranges.several import Several, check_apart, symbols_of
from afml_cache.ranges.shapes import check_shape
from afml_cache.ranges.stats import Counts
from afml_cache.ranges.upkeep import Upkeep
from afml_cache.ranges.verification import Verification
from afml_cache.store import checked_store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from afml_cache._native import Store
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.requests import Request


class RangeCache(Inspection, Upkeep, Verification, Files):
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
        The same of the loader's. An inclusive loader is asked up to the label of its last bar, or
        to just before the next bar where labels shift with the clocks, as those of four hours may,
        or come later on their day than the caller's midnight; a row at an end that is excluded is
        an error.
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
        is answered, and asked for again: that of an adjusted series with whatever is fetched. 0 by
        default.
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
        What becomes of an adjusted series whose prices, where they are fetched again, are the same
        multiple of what is stored: it is fetched anew, or `BasisChangedError` is raised; which it
        always is where no bar that is stored is given again that would tell.
    max_rows : int, optional
        How many rows the vendor gives for one call, of all its symbols together; longer requests
        are cut, and calls for many symbols are for as few as that takes.
    max_span : timedelta, float or str, optional
        For how long a time the vendor may be asked in one call.
    align : {"day", "month"}, optional
        Whole days or months are fetched whatever is asked for, so that neighbours find them there:
        up to the last closed bar, and but for what is there already.
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
        or `None`; nothing is asked for outside, nor answered. It is not stored: as soon as it gives
        another day, more or less is asked for.
    on_restated : callable, optional
        `on_restated(key, start, end)` is told of each interval that was fetched again, or taken in
        from a file, and differs; `key` is a dictionary, and the times are as in `gaps`. The new
        bars are stored by then; an exception of it reaches the caller, once.
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
        a column of them, which is one of bars only if those that are stored have it; an empty
        dictionary, or an empty frame, says nothing of any of them. `get_many`
        asks it for those that lack the same interval; that is one call for `rate_limit`, `retries`
        and `api_calls`, and one that fails does so for all. Bars that others are made of (`derive`)
        are asked for symbol by symbol.
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
        self._given = {one: given[one] for one in RangeCache.__init__.__kwdefaults__ or ()}
        self.name = name_of_cache(name)
        self.key = names_of_parts(key)
        self.counts = Counts()
        self._many = function_of("many", many)
        derived = derivations(derive)
        memory = usual_memory() if memory is None else count_of("memory", memory)
        check_zones(naive, zone)
        self._series = SeriesOfCache(
            cache=self.name,
            key=self.key,
            sessions=None if calendar is None else sessions_of(calendar),
            naive=naive,
            zone=zone,
            timeframe=timeframe,
            common=common_timeframe(timeframe, self.key),
            store=checked_store(store),
            about={
                "source": text_of("source", source),
                "adjustment": text_of("adjustment", adjustment),
            },
            derived=derived,
            memory=memory,
        )
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
        filler = Filler(Loader(loader, self.key), how, options, self.counts, source)
        self._answerer = Answerer(self._series, filler, clock_of(clock))

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
            `None`, up to now, or up to the last bar that is closed at the time of `as_of`.
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
            An adjusted series has changed its basis, and `on_basis_change` is "raise"; or nothing
            tells whether it has.
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
        series, start, end = self._series.read(key, named)
        bounds = self._answerer.bounds(series, start, end)
        warm = self._answerer.from_memory(series, bounds, output)
        if warm is not None:
            return Partial(warm, []) if self._answerer.takes_partial(allow_partial) else warm
        values = self._series.written(key, named)
        request = self._answerer.request(series, bounds, values, loader)
        return run(self._answerer.answered(request, output, allow_partial))

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
        series, start, end = self._series.read(key, named)
        bounds = self._answerer.bounds(series, start, end)
        warm = self._answerer.from_memory(series, bounds, output)
        if warm is not None:
            return Partial(warm, []) if self._answerer.takes_partial(allow_partial) else warm
        values = self._series.written(key, named)
        request = self._answerer.request(series, bounds, values, loader)
        return await arun(self._answerer.answered(request, output, allow_partial))

    def __reduce__(self) -> Any:
        function = self._answerer.filler.loader.function
        return functools.partial(RangeCache, **self._given), (self.name, function)

    def get_many(self, symbols: Any, *rest: Any, shape: str = "long", **options: Any) -> Any:
        """Give the bars of several symbols.

        Those that lack the same interval are asked for together where the cache has `many`. What is
        known is known of each; a symbol that an answer for many does not have is asked for alone.

        Parameters
        ----------
        symbols : sequence
            Values of the first part of the key; tuples only with `shape="dict"`.
        *rest
            The other parts of the key, start and end, as for `get`.
        shape : {"long", "wide", "dict"}
            One frame with the symbol in its first column; one with a column for each pair of field
            and symbol and a row for each time, which ticks can't be; or a dictionary.
        **options
            `output` and `allow_partial`, as for `get`, and parts of the key, `start` and `end` by
            name.

        Returns
        -------
        DataFrame, dict or Partial
            Of pandas or polars, as the loader gives or `output` says, with times in the finest unit
            of all and in UTC where zones differ; an empty list where nothing is known of any; with
            `allow_partial` a pair of it and of what is missing: symbol, start, end of each.

        Raises
        ------
        PartialCoverageError
            A call failed; what the others gave is kept, and the error has it in the same shape, and
            what is missing with its symbols.
        BasisChangedError, CacheMissError
            As `get` does, naming all symbols of which it would; what the others lacked is kept.
        CacheConfigError
            The arguments are no symbols, key and times of this cache, or the bars are of a kind, or
            have columns, that can't be put together.

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
        output, partial = options.pop("output", None), options.pop("allow_partial", None)
        requests: dict[Any, Request] = {}
        for symbol in symbols_of(symbols, shape):
            series, start, end = self._series.read((symbol, *rest), options)
            check_shape(shape, series.axis.timeframe)
            check_apart(symbol, series, requests)
            bounds = self._answerer.bounds(series, start, end)
            values = self._series.written((symbol, *rest), options)
            requests[symbol] = self._answerer.request(series, bounds, values)
        return Several(self._answerer, self.key[0], self._many).answered(
            requests, shape, output, partial
        )
