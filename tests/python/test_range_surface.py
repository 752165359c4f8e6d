"""Who asks the range cache: functions, methods, engines; in which ends, zones and names."""

import asyncio
import datetime as dt
import inspect
import sys
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, same, utc

import afml_cache
from afml_cache import CachedDataEngine, RangeCache, range_cached
from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
NEW_YORK = "America/New_York"


# Functions and methods


def test_a_function_fetches_each_bar_once_and_keeps_its_signature() -> None:
    vendor = Vendor(YEAR, "both")

    @range_cached(clock=Clock())
    def get_bars(symbol: str, start: str, end: str, timeframe: str = "1D") -> pd.DataFrame:
        """Give bars."""
        return vendor.load(symbol, timeframe, start, end)

    given = [get_bars("A", "2024-01-01", "2024-01-31")]
    given.append(get_bars("A", end="2024-01-31", start="2024-01-01"))
    given.append(get_bars("A", "2024-01-01", "2024-01-31", timeframe="D"))
    for one in given:
        same(one, vendor.between(*JANUARY))
    assert len(vendor.asked) == 1
    assert list(inspect.signature(get_bars).parameters) == ["symbol", "start", "end", "timeframe"]
    assert (get_bars.__name__, get_bars.__doc__) == ("get_bars", "Give bars.")
    assert get_bars.cache.key == ("symbol", "timeframe")


def test_a_coroutine_function_stays_one() -> None:
    vendor = Vendor(YEAR, "both")

    @range_cached(start="since", end="until", timeframe="1D", clock=Clock())
    async def bars_of(symbol, since, until):
        await asyncio.sleep(0)
        return vendor.load(symbol, "1D", since, until)

    async def ask():
        ends = ("2024-01-01", "2024-01-31")
        return await asyncio.gather(
            bars_of("A", *ends), bars_of(symbol="A", since=ends[0], until=ends[1])
        )

    assert inspect.iscoroutinefunction(bars_of)
    for given in asyncio.run(ask()):
        same(given, vendor.between(*JANUARY))
    assert len(vendor.asked) == 1


def test_self_is_no_part_of_the_key() -> None:
    vendor = Vendor(YEAR, "both")

    class Source:
        def __init__(self, token):
            self.token = token
            self.used = []

        @range_cached(clock=Clock())
        def get_bars(self, symbol, start, end, interval):
            self.used.append(start)
            return vendor.load(symbol, interval, start, end)

        @range_cached(clock=Clock())
        async def aget_bars(self, symbol, start, end, interval):
            self.used.append(start)
            return vendor.load(symbol, interval, start, end)

    one, other = Source("a"), Source("b")
    one.get_bars("A", "2024-01-01", "2024-01-10", "1D")
    other.get_bars("A", "2024-01-05", "2024-01-20", "1D")
    assert (one.used, other.used) == (["2024-01-01"], ["2024-01-11"])
    assert len(asyncio.run(one.aget_bars("A", "2024-01-01", "2024-01-10", "1D"))) == 10
    assert one.used == ["2024-01-01"] * 2  # another function, another cache
    assert Source.get_bars.cache.key == ("symbol", "interval")


def test_arguments_that_have_no_name_tell_series_apart_too() -> None:
    vendor = Vendor(YEAR, "both")

    @range_cached(timeframe="1D", clock=Clock())
    def get_bars(symbol, start, end, *rest, **feeds):
        vendor.series.append((rest, feeds))
        return vendor.load(symbol, "1D", start, end)

    ends = ("2024-01-01", "2024-01-31")
    for feed in ("sip", "iex", "sip"):
        get_bars("A", *ends, feed=feed, depth=1)
        get_bars("A", *ends, depth=1, feed=feed)
    get_bars("A", *ends)
    assert [one[1] for one in vendor.series[::2]] == [
        {"feed": "sip", "depth": 1},
        {"feed": "iex", "depth": 1},
        {},
    ]


def test_a_function_without_a_range_is_refused() -> None:
    with pytest.raises(CacheConfigError, match="no parameter `start`"):

        @range_cached
        def since(symbol, begin, end, timeframe): ...

    with pytest.raises(CacheConfigError, match="timeframe"):

        @range_cached
        def untimed(symbol, start, end): ...


# Engines


class Engine:
    name = "an engine"

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.orders: list[str] = []

    def get_bars(self, symbol, start, end, timeframe, adjusted=False):  # noqa: ARG002
        return self.vendor.load(symbol, timeframe, start, end)

    def buy(self, symbol):
        self.orders.append(symbol)


class AsyncEngine(Engine):
    async def get_bars(self, symbol, start, end, timeframe):
        return self.vendor.load(symbol, timeframe, start, end)


def test_an_engine_stays_what_it_was_besides() -> None:
    inner = Engine(Vendor(YEAR, "both"))
    engine = CachedDataEngine(inner, clock=Clock())
    engine.buy("A")
    assert (engine.name, engine.orders, engine.vendor) == ("an engine", ["A"], inner.vendor)
    with pytest.raises(AttributeError, match="sell"):
        engine.sell("A")
    assert "Engine" in repr(engine)


def test_an_engine_is_asked_for_what_is_missing() -> None:
    vendor = Vendor(YEAR, "both")
    engine = CachedDataEngine(Engine(vendor), clock=Clock())
    now = pd.Timestamp("2024-01-20")
    same(engine.get_bars("A", now, now, "1D"), vendor.between("2024-01-20", "2024-01-21"))
    engine.get_bars("A", now - pd.Timedelta("10D"), now, timeframe="1D")
    assert vendor.spans == [("2024-01-20", "2024-01-20"), ("2024-01-10", "2024-01-19")]
    assert engine.cache.stats()["cache_partial_hits"] == 1


def test_an_engine_of_coroutines_is_one() -> None:
    vendor = Vendor(YEAR, "both")
    engine = CachedDataEngine(AsyncEngine(vendor), clock=Clock())
    given = [asyncio.run(engine.get_bars("A", "2024-01-01", "2024-01-31", "1D")) for _ in "ab"]
    same(given[1], vendor.between(*JANUARY))
    assert len(vendor.asked) == 1


def test_what_an_engines_key_leaves_out_keeps_its_default() -> None:
    vendor = Vendor(YEAR, "both")
    ends = ("2024-01-01", "2024-01-31")
    whole = CachedDataEngine(Engine(vendor), clock=Clock())
    for adjusted in (False, True):
        whole.get_bars("A", *ends, "1D", adjusted=adjusted)
    assert len(vendor.asked) == 2
    part = CachedDataEngine(Engine(vendor), key=("symbol", "timeframe"), name="x", clock=Clock())
    part.get_bars("A", *ends, "1D")
    with pytest.raises(CacheConfigError, match="`adjusted` is no part of the key"):
        part.get_bars("A", *ends, "1D", adjusted=True)


def test_arguments_without_a_name_are_part_of_an_engines_key_where_it_says_so() -> None:
    vendor = Vendor(YEAR, "both")

    class Open:
        def get_bars(self, symbol, start, end, timeframe, **options):
            return vendor.load(symbol, (timeframe, options), start, end)

    ends = ("2024-01-01", "2024-01-31")
    engine = CachedDataEngine(Open(), clock=Clock())
    engine.get_bars("A", *ends, "1D")
    with pytest.raises(CacheConfigError, match="`feed` is no part of the key"):
        engine.get_bars("A", *ends, "1D", feed="sip")
    key = ("symbol", "timeframe", "feed")
    engine = CachedDataEngine(Open(), key=key, name="feeds", clock=Clock())
    for feed in ("sip", "iex", "sip"):
        engine.get_bars("A", *ends, "1D", feed=feed)
    assert [series[1][1] for series in vendor.series] == [{}, {"feed": "sip"}, {"feed": "iex"}]


def test_what_is_no_engine_is_refused() -> None:
    with pytest.raises(CacheConfigError, match="get_bars"):
        CachedDataEngine(object())


# Ends and zones


@pytest.mark.parametrize("loader_closed", ["left", "both"])
@pytest.mark.parametrize(("closed", "count"), [("left", 4), ("both", 5)])
def test_both_sides_say_what_their_ends_mean(closed, count, loader_closed) -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-05"), loader_closed)
    cache = cache_of(vendor, closed=closed)
    ends = [dt.datetime(2024, 1, 2, hour, tzinfo=dt.timezone.utc) for hour in (10, 14)]
    assert len(cache.get("A", "1h", *ends)) == count
    last = 10 + count - (loader_closed == "both")
    assert vendor.spans == [("2024-01-02 10:00", f"2024-01-02 {last}:00")]


def test_naive_times_are_of_the_zone_that_was_named() -> None:
    asked = []

    def load(symbol, timeframe, start, end):
        asked.append((start, end))
        hours = pd.date_range(start, end, freq="h", inclusive="left")
        return pd.DataFrame({"close": 1.0}, index=hours)

    nine = dt.datetime(2024, 7, 2, 9)  # noqa: DTZ001
    ends = (nine, nine.replace(hour=12))
    there = RangeCache("there", load, naive=NEW_YORK, clock=Clock("2024-07-02T14:30"))
    assert there.get("A", "1h", *ends).index.tolist() == [nine, nine.replace(hour=10)]
    assert asked == [(nine, nine.replace(hour=11))]  # it is 10:30 in New York
    here = RangeCache("here", load, clock=Clock("2024-07-02T14:30"))
    assert len(here.get("A", "1h", *ends)) == 3
    assert asked[1:] == [ends]


def test_naive_times_may_be_refused() -> None:
    cache = cache_of(Vendor(hours("2024-07-01", "2024-07-05")), naive="raise")
    with pytest.raises(CacheConfigError, match="no time zone"):
        cache.get("A", "1h", "2024-07-02T09:00", "2024-07-02T12:00")
    assert len(cache.get("A", "1h", "2024-07-02T09:00Z", "2024-07-02T12:00Z")) == 3


@pytest.mark.parametrize(
    "start",
    [
        "2024-07-02T09:00:00-04:00",
        dt.datetime(2024, 7, 2, 9, tzinfo=ZoneInfo(NEW_YORK)),
        pd.Timestamp("2024-07-02T09:00", tz=NEW_YORK),
        np.datetime64("2024-07-02T13:00"),
    ],
    ids=lambda start: type(start).__name__,
)
def test_the_loader_is_asked_in_the_callers_own_type_and_zone(start) -> None:
    vendor = Vendor(hours("2024-07-01", "2024-07-05"))
    cache = cache_of(vendor)
    cache.get("A", "1h", start, start)
    cache.get("A", "1h", utc("2024-07-02T13:00"), utc("2024-07-02T14:00"))
    later = utc("2024-07-02T16:00")
    end = later.tz_convert(NEW_YORK).isoformat() if isinstance(start, str) else None
    if end is None:
        hours_ = 3 if not isinstance(start, np.datetime64) else np.timedelta64(3, "h")
        end = start + (hours_ if isinstance(start, np.datetime64) else dt.timedelta(hours=3))
    cache.get("A", "1h", start, end)
    begins, ends = vendor.asked[-1]
    assert type(begins) is type(ends) is type(start)
    assert vendor.spans[-1] == ("2024-07-02 14:00", "2024-07-02 16:00")
    if hasattr(start, "tzinfo"):
        assert begins.tzinfo == start.tzinfo


def test_two_caches_of_one_name_share_their_bars() -> None:
    vendor = Vendor(YEAR)
    options = {"clock": Clock()}
    RangeCache("shared", vendor.load, **options).get("A", "1D", *JANUARY)
    RangeCache("shared", vendor.load, **options).get("A", "1D", *JANUARY)
    assert len(vendor.asked) == 1
    RangeCache("other", vendor.load, **options).get("A", "1D", *JANUARY)
    assert len(vendor.asked) == 2


def test_a_timeframe_is_one_however_it_is_written() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for text in ("1D", "D", "1d", "daily", pd.Timedelta("1D")):
        cache.get("A", text, *JANUARY)
    assert len(vendor.asked) == 1
    cache.get("A", "1W", *JANUARY)
    assert len(vendor.asked) == 2


SECOND_SESSION = """
import sys
from afml_cache import RangeCache

def load(symbol, timeframe, start, end):
    raise AssertionError("the vendor was asked")

bars = RangeCache("bars", load)
given = bars.get("A", "1D", "2024-01-01", "2024-02-01")
part = bars.get("A", "1D", "2024-01-05", "2024-01-08", output="polars")
print(len(given), part.height, bars.stats()["api_calls"], bars.stats()["hit_rate"])
"""


def test_a_second_session_asks_for_nothing(run_python) -> None:
    cache_of(Vendor(YEAR)).get("A", "1D", *JANUARY)
    assert run_python(SECOND_SESSION).split() == ["31", "3", "0", "1.0"]


def test_importing_the_package_imports_no_frames(run_python) -> None:
    heavy = ["numpy", "pandas", "polars", "pyarrow", "exchange_calendars", "tenacity"]
    code = f"import sys, afml_cache; print([name for name in {heavy} if name in sys.modules])"
    assert run_python(code).strip() == "[]"
    assert {"RangeCache", "range_cached", "CachedDataEngine"} <= set(dir(afml_cache))
    assert "polars" in sys.modules
