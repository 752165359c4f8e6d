"""What callers do wrong who ask for bars: it is told, and nobody is asked for anything."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, days, hours, told, utc

from afml_cache import CachedDataEngine, RangeCache
from afml_cache.exceptions import CacheConfigError, LoaderError, PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
BEFORE = ("A", "1D", "2024-01-02", "2024-01-10")
LONGER = ("A", "1D", "2024-01-02", "2024-01-20")


# Times


@pytest.mark.parametrize("timeframe", ["1D", "1h", "tick", "1M"])
def test_a_start_after_the_end_is_refused(timeframe: str) -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor).get("A", timeframe, "2024-03-10", "2024-01-02")
    told(refused.value, "the start, 2024-03-10", "the end, 2024-01-02", "the other way round")
    assert vendor.asked == []


@pytest.mark.parametrize("closed", ["left", "both"])
def test_a_start_that_is_the_end_asks_for_nothing_or_for_one_bar(closed: str) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, closed=closed)
    assert len(cache.get("A", "1D", "2024-01-02", "2024-01-02")) == (closed == "both")
    assert len(vendor.asked) == (closed == "both")


@pytest.mark.parametrize(
    "time", [20240102, 1.7e9, None, "yesterday", "2024-13-01", pd.NaT, b"", []]
)
@pytest.mark.parametrize("role", ["start", "end"])
def test_what_is_no_time_is_refused(role: str, time: object) -> None:
    vendor = Vendor(YEAR)
    times = {"start": "2024-01-02", "end": "2024-01-10", role: time}
    if role == "end" and time is None:
        return  # up to now
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor).get("A", "1D", **times)
    told(refused.value, f"`{role}`", repr(time), '"2024-05-03"')
    assert vendor.asked == []


@pytest.mark.parametrize("role", ["start", "end"])
def test_a_naive_time_is_refused_where_that_was_chosen(role: str) -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-09"))
    times = {"start": utc("2024-01-02T12:00"), "end": utc("2024-01-03T12:00")}
    times[role] = times[role].tz_localize(None)
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor, naive="raise").get("A", "1h", **times)
    told(refused.value, str(times[role]), "no time zone", 'naive="raise"', '"UTC"')
    assert vendor.asked == []


def test_naive_times_of_a_loader_are_refused_where_that_was_chosen() -> None:
    vendor = Vendor(hours("2024-01-01", "2024-01-09"))
    vendor.answer = lambda frame: frame.tz_localize(None)
    with pytest.raises(PartialCoverageError) as refused:
        cache_of(vendor, naive="raise").get("A", "1h", utc("2024-01-02"), utc("2024-01-03"))
    assert isinstance(refused.value.__cause__, LoaderError)
    told(refused.value, "'time'", "no time zone", 'naive="raise"', "have the loader")


# Keys and arguments

ODD = ["A/B", "../../etc/passwd", "..", ".", "a\\b", "C:\\con", "", " ", "a\0b", "x" * 5000, "é☃"]


def test_no_value_of_a_key_leaves_the_folder_or_meets_another(default_cache) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for number, symbol in enumerate(ODD):
        vendor.bars["volume"] = number
        cache.get(symbol, *BEFORE[1:])
    for number, symbol in enumerate(ODD):
        assert set(cache_of(vendor).get(symbol, *BEFORE[1:])["volume"]) == {number}
    assert [symbol for symbol, _ in vendor.series] == ODD
    files = list(default_cache.parent.rglob("*.parquet"))
    folders = {file.parent for file in files}
    assert {folder.parent for folder in folders} == {default_cache / "v1" / "series"}
    assert len(folders) == len(ODD)


def test_keys_that_are_equal_and_not_the_same_are_series_of_their_own() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    keys = [1, True, 1.0, "1", None, "None", ("A",), "('A',)"]
    for _ in range(2):
        for key in keys:
            cache.get(key, *BEFORE[1:])
    assert [(type(key), key) for key, _ in vendor.series] == [(type(key), key) for key in keys]


def test_a_key_value_that_has_no_hash_names_a_series_all_the_same() -> None:
    vendor = Vendor(YEAR)
    for key in (["A", "B"], {"A": 1, "B": [2]}, {"A", "B"}):
        cache = cache_of(vendor)
        for _ in range(2):
            cache.get(key, *BEFORE[1:])
        cache_of(vendor).get(key, *BEFORE[1:])
    assert len(vendor.asked) == 3


def test_a_key_that_its_owner_changes_later_is_another_series() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    symbols = ["A"]
    cache.get(symbols, *BEFORE[1:])
    symbols.append("B")
    cache.get(symbols, *BEFORE[1:])
    cache.get(["A"], *LONGER[1:])
    assert [symbol for symbol, _ in vendor.series] == [["A"], ["A", "B"], ["A"]]


@pytest.mark.parametrize("key", [object(), b"A", len, np.array(["A", "B"]), ("A", object()), 1j])
def test_a_key_value_that_can_not_be_told_from_others_is_refused(key: object) -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor).get(key, *BEFORE[1:])
    told(refused.value, "`symbol`", "part of the key", "texts, numbers, dates")
    assert vendor.asked == []


@pytest.mark.parametrize(
    "key",
    [pd.NaT, np.datetime64("NaT"), np.nan, pd.NA, ("A", pd.NaT), {"A": float("nan")}, "\ud800"],
)
def test_a_key_value_that_is_missing_or_no_text_is_refused(key: object, tmp_path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    with pytest.raises(CacheConfigError) as refused:
        cache.get(key, *BEFORE[1:])
    told(refused.value, "`symbol`", "part of the key", "can't be")
    assert vendor.asked == []
    cache.get(*BEFORE)
    assert (cache.verify().problems, cache.export(tmp_path / "all.csv")) == ([], 8)


def test_a_key_value_may_be_a_time_of_any_precision() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    keys = [pd.Timestamp("2024-01-01 00:00:00.000000001"), pd.Timestamp("2024-01-01")]
    for key in keys:
        cache.get(key, *BEFORE[1:])
    assert len(vendor.asked) == 2
    assert cache_of(vendor).verify().problems == []


@pytest.mark.parametrize("symbols", ["AB", b"AB", bytearray(b"AB"), 5, None, [], iter(())])
def test_what_is_no_list_of_symbols_is_refused(symbols: Any) -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError, match="`get_many` takes"):
        cache_of(vendor).get_many(symbols, *BEFORE[1:])
    assert vendor.asked == []


@pytest.mark.parametrize("symbol", [["A", "B"], {"A": 1}, ("A", ["B"])])
def test_a_symbol_of_many_that_tells_no_bars_apart_is_refused(symbol: Any) -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor).get_many(["A", symbol], *BEFORE[1:])
    told(refused.value, "`get_many`", repr(symbol), "unhashable", "`get`")
    assert vendor.asked == []


ARGUMENTS: list[tuple[tuple, dict, str]] = [
    ((), {}, "not given: symbol, timeframe, start"),
    (("A", "1D"), {}, "not given: start"),
    ((*BEFORE, "2024-02-01"), {}, "not by 5 values"),
    (BEFORE, {"feed": "sip"}, "not by feed"),
    (BEFORE[:3], {"symbol": "B"}, "given twice, by place and by name: symbol"),
]


@pytest.mark.parametrize("method", ["get", "prefetch", "plan", "gaps", "refresh"])
@pytest.mark.parametrize(("placed", "named", "what"), ARGUMENTS)
def test_arguments_that_are_too_few_or_too_many_are_named(
    placed: tuple, named: dict, what: str, method: str
) -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError) as refused:
        getattr(cache_of(vendor), method)(*placed, **named)
    told(refused.value, "`bars`", "symbol, timeframe, start, end", what)
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("placed", "named", "what"),
    [
        ((), {}, "not given: symbol, timeframe, t"),
        (("A", "1D"), {}, "not given: t"),
        (("A",), {"t": "2024-01-05"}, "not given: timeframe"),
        (("A", "1D", "2024-01-05", "2024-01-06"), {}, "not by 4 values"),
        (("A", "1D"), {"start": "2024-01-05"}, "not by start"),
        (("A", "1D", "2024-01-05"), {"t": "2024-01-05"}, "given twice, by place and by name: t"),
    ],
)
def test_a_gap_is_asked_about_by_the_names_that_it_has(
    placed: tuple, named: dict, what: str
) -> None:
    with pytest.raises(CacheConfigError) as refused:
        cache_of(Vendor(YEAR)).explain_gap(*placed, **named)
    told(refused.value, "`bars`", "symbol, timeframe, t;", what)


@pytest.mark.parametrize("time", ["soon", None, pd.NaT, 5])
def test_a_gap_at_what_is_no_time_is_refused(time: object) -> None:
    cache = cache_of(Vendor(YEAR))
    with pytest.raises(CacheConfigError) as refused:
        cache.explain_gap("A", "1D", t=time)
    told(refused.value, "`t`", repr(time))
    assert cache.explain_gap(symbol="A", timeframe="1D", t="2024-01-05").kind == "never asked"


@pytest.mark.parametrize("method", ["coverage", "restated"])
@pytest.mark.parametrize("placed", [("A",), ("A", "1D", "x")])
def test_a_series_that_is_named_by_too_little_or_too_much_is_refused(
    placed: tuple, method: str
) -> None:
    with pytest.raises(CacheConfigError) as refused:
        getattr(cache_of(Vendor(YEAR)), method)(*placed)
    told(refused.value, "`bars`", "symbol, timeframe", ", ".join(map(repr, placed)))


def with_feed(symbol, timeframe, feed, start, end): ...
def without_timeframe(symbol, start, end): ...
def without_times(symbol, timeframe): ...


@pytest.mark.parametrize(
    ("loader", "parts"),
    [
        (with_feed, ("`with_feed`", "`feed`", 'key=("symbol", "timeframe", "feed")')),
        (without_timeframe, ("`without_timeframe`", 'key=("symbol",)')),
        (without_times, ("`without_times`", "`start`, `end`")),
        (5, ("the loader is a function", "5")),
        (None, ("the loader is a function", "None")),
    ],
)
def test_a_loader_that_the_key_does_not_fit_is_refused(loader: Any, parts: tuple) -> None:
    with pytest.raises(CacheConfigError) as refused:
        RangeCache("bars", loader)
    told(refused.value, *parts)


def test_an_engines_parameter_that_the_key_forgets_is_refused_where_it_counts() -> None:
    vendor = Vendor(YEAR, "both")

    class Engine:
        def get_bars(self, symbol, start, end, timeframe, feed="iex"):
            return vendor.load(symbol, f"{timeframe} {feed}", start, end)

    engine = CachedDataEngine(Engine(), key=("symbol", "timeframe"), clock=Clock())
    assert len(engine.get_bars("A", "2024-01-02", "2024-01-05", "1D")) == 4
    with pytest.raises(CacheConfigError) as refused:
        engine.get_bars("A", "2024-01-02", "2024-01-05", "1D", feed="sip")
    told(refused.value, "`feed`", "Engine", "key=")
    assert len(vendor.asked) == 1


OPTIONS: list[tuple[dict, tuple[str, ...]]] = [
    ({"key": "symbol"}, ("`key`", '("symbol", "timeframe")', "'symbol'")),
    ({"key": ("symbol", "timeframe", "start")}, ("`key`", "without start and end")),
    ({"key": ("symbol", "timeframe", "symbol")}, ("`key`", "each once")),
    ({"timeframe": "bar"}, ("`timeframe`", "symbol, timeframe", "'bar'", "5min")),
    ({"timeframe": "1x"}, ("`timeframe`", "symbol, timeframe", "'1x'", "5min")),
    ({"closed": "right"}, ("`closed`", "'both'", "'right'")),
    ({"loader_closed": None}, ("`loader_closed`", "'both'", "None")),
    ({"naive": "Mars"}, ("`naive`", '"America/New_York"', "'Mars'")),
    ({"zone": "Mars"}, ("`zone`", '"America/New_York"', "'Mars'")),
    ({"settle": "soon"}, ("`settle`", '"5min"', "'soon'")),
    ({"settle": -1}, ("`settle`", '"5min"', "-1")),
    ({"max_span": 0}, ("`max_span`", '"30D"', "0")),
    ({"max_rows": 0}, ("`max_rows`", "from 1 on", "0")),
    ({"overlap": -1}, ("`overlap`", "from 0 on", "-1")),
    ({"align": "week"}, ("`align`", "'month'", "'week'")),
    ({"listing": ("2024", None)}, ("`listing`", "a function", "2024")),
    ({"on_restated": 1}, ("`on_restated`", "a function", "1")),
    ({"classify": 1}, ("`classify`", "a function", "1")),
    ({"retries": -1}, ("`retries`", "-1")),
    ({"rate_limit": "many"}, ("`rate_limit`", '"60/10min"', "'many'")),
    ({"source": 5}, ("`source`", "a text", "5")),
    ({"adjustment": dt.date(2024, 1, 1)}, ("`adjustment`", "a text", "2024")),
    ({"clock": 5}, ("`clock`", "a function", "nanoseconds", "5")),
    ({"clock": None}, ("`clock`", "a function", "nanoseconds", "None")),
]


@pytest.mark.parametrize(("options", "parts"), OPTIONS)
def test_an_option_that_can_not_be_right_is_refused_by_name(
    options: dict, parts: tuple[str, ...]
) -> None:
    with pytest.raises(CacheConfigError) as refused:
        cache_of(Vendor(YEAR), **options)
    told(refused.value, *parts)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_cache_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(CacheConfigError, match="the name of a `RangeCache`"):
        RangeCache(name, Vendor(YEAR).load)


def test_a_date_is_no_listing() -> None:
    cache = cache_of(Vendor(YEAR), listing=lambda **_: dt.date(2024, 1, 1))
    with pytest.raises(CacheConfigError) as refused:
        cache.get(*BEFORE)
    told(refused.value, "`listing`", "a pair", "2024")
