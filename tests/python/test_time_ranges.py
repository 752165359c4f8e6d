"""The time range of an entry: found, listed, invalidated; and what is not over yet is not kept."""

import asyncio
import datetime as dt
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from bodies import RAN, Bodies, counted
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import (
    CacheConfigError,
    Store,
    TimeRangeWarning,
    entries,
    invalidate,
    robust_cacheable,
    time_aware_cacheable,
)
from afml_cache.instants import nanoseconds, span

UTC = dt.timezone.utc
DAY = dt.timedelta(days=1)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def covered(function: Any) -> tuple[str, str]:
    (entry,) = entries(function=function)
    return shown(entry.start), shown(entry.end)


def shown(instant: dt.datetime | None) -> str:
    return "open" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def ns(text: str) -> int:
    return pd.Timestamp(text, tz="UTC").value


TEXTS = {
    "2024": ("2024-01-01", "2025-01-01"),
    "2024-02": ("2024-02-01", "2024-03-01"),
    "2023-12": ("2023-12-01", "2024-01-01"),
    "2024Q2": ("2024-04-01", "2024-07-01"),
    "2024-05-03": ("2024-05-03", "2024-05-04"),
    "20240503": ("2024-05-03", "2024-05-04"),
    "2024-05-03 14": ("2024-05-03 14:00", "2024-05-03 15:00"),
    "2024-05-03T14:30": ("2024-05-03 14:30", "2024-05-03 14:31"),
    "2024-05-03 14:30+02:00": ("2024-05-03 12:30", "2024-05-03 12:31"),
    "2024-05-03 14:30:15Z": ("2024-05-03 14:30:15", "2024-05-03 14:30:16"),
    "2024-05-03 14:30:15.5": ("2024-05-03 14:30:15.5", "2024-05-03 14:30:15.6"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_covers_its_whole_period(text: str) -> None:
    first, beyond = TEXTS[text]
    assert span(text) == (ns(first), ns(beyond) - 1)


@pytest.mark.parametrize("text", ["", "today", "2024-13", "2024-02-30", "2024-05-03 24:30", "5"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert span(text) is None


def test_other_values_that_name_a_time() -> None:
    noon = ns("2024-05-03 12:00")
    day = (ns("2024-05-03"), ns("2024-05-04") - 1)
    for value in (
        dt.datetime(2024, 5, 3, 12, tzinfo=UTC),
        dt.datetime(2024, 5, 3, 12),  # noqa: DTZ001 - a naive one is UTC
        dt.datetime(2024, 5, 3, 14, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        pd.Timestamp("2024-05-03 12:00"),
        pd.Timestamp("2024-05-03 14:00", tz="Europe/Berlin"),
        np.datetime64("2024-05-03T12:00:00"),
    ):
        assert span(value) == (noon, noon)
    for value in (dt.date(2024, 5, 3), np.datetime64("2024-05-03"), pd.Period("2024-05-03", "D")):
        assert span(value) == day
    assert span(pd.Timestamp("2024-05-03 12:00:00.000000007"))[0] == noon + 7
    for value in (pd.NaT, np.datetime64("NaT"), 5, None, [], True):
        assert span(value) is None


def test_lengths_of_time() -> None:
    for value in (300, 300.0, dt.timedelta(minutes=5), pd.Timedelta("5min"), "5min"):
        assert nanoseconds(value) == 300 * 10**9
    for value in ("five", None, True, pd.NaT):
        assert nanoseconds(value) is None


INDEX = pd.date_range("2024-05-01", periods=72, freq="h", tz="UTC")
FRAME = pd.DataFrame({"close": np.arange(72.0)}, index=INDEX)
WHOLE = ("2024-05-01 00:00:00", "2024-05-03 23:00:00")
VALUES: dict[str, tuple[Any, tuple[str, str]]] = {
    "frame": (FRAME, WHOLE),
    "series": (FRAME["close"], WHOLE),
    "index": (INDEX, WHOLE),
    "backwards": (FRAME[::-1], WHOLE),
    "naive": (FRAME.tz_localize(None), WHOLE),
    "another zone": (FRAME.tz_convert("Asia/Tokyo"), WHOLE),
    "another unit": (FRAME.set_axis(INDEX.as_unit("s")), WHOLE),
    "periods": (
        FRAME.set_axis(pd.period_range("2024-05-01", periods=72, freq="h")),
        ("2024-05-01 00:00:00", "2024-05-03 23:59:59"),
    ),
    "two levels": (FRAME.set_axis(pd.MultiIndex.from_arrays([["EURUSD"] * 72, INDEX])), WHOLE),
    "with a gap": (
        FRAME.set_axis(INDEX.where(INDEX[0] < INDEX, pd.NaT)),
        ("2024-05-01 01:00:00", WHOLE[1]),
    ),
    "a dictionary of frames": ({"a": FRAME[:1], "b": FRAME[-1:]}, WHOLE),
    "polars": (pl.from_pandas(FRAME.rename_axis("time").reset_index()), WHOLE),
    "polars, dates": (
        pl.DataFrame({"n": [1, 2], "day": [dt.date(2024, 5, 1), dt.date(2024, 5, 3)]}),
        ("2024-05-01 00:00:00", "2024-05-03 23:59:59"),
    ),
    "polars series": (pl.Series([dt.datetime(2024, 5, 1, tzinfo=UTC)]), (WHOLE[0], WHOLE[0])),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_range_of_a_time_indexed_argument(name: str) -> None:
    @time_aware_cacheable
    def rows(bars: object) -> int:
        return 1

    value, expected = VALUES[name]
    rows(value)
    assert covered(rows) == expected


@pytest.mark.parametrize(
    "value", [FRAME[:0], FRAME.reset_index(drop=True), 5, "EURUSD", pl.DataFrame({"a": [1]}), None]
)
def test_what_has_no_time_has_no_range(value: object) -> None:
    @time_aware_cacheable
    def rows(bars: object) -> int:
        return 1

    rows(value)
    (entry,) = entries(function=rows)
    assert not entry.timed
    assert entry.start is None


def test_the_parameters_bound_the_range_however_they_are_spelled() -> None:
    @time_aware_cacheable
    def load(symbol: str, start: object, end: object = "2024-05") -> int:
        return 1

    load("EURUSD", "2024-05-03")
    assert covered(load) == ("2024-05-03 00:00:00", "2024-05-31 23:59:59")
    load(end=dt.date(2024, 5, 4), start=pd.Timestamp("2024-05-04 12:00"), symbol="EURUSD")
    assert [shown(entry.end) for entry in entries(function=load)] == [
        "2024-05-31 23:59:59",
        "2024-05-04 23:59:59",
    ]


@pytest.mark.parametrize(("first", "last"), [("start_date", "end_date"), ("from_", "to")])
def test_the_other_usual_names(first: str, last: str) -> None:
    def load(**bounds: object) -> int:
        return len(bounds)

    source = f"def load({first}, {last}): return 1"
    made: dict[str, Any] = {}
    exec(source, made)  # noqa: S102
    cached = time_aware_cacheable(made["load"])
    cached("2024-05-01", "2024-05-02")
    assert covered(cached) == ("2024-05-01 00:00:00", "2024-05-02 23:59:59")


def test_names_of_ones_own() -> None:
    @time_aware_cacheable(start="since", end="until")
    def load(since: str, until: str, start: str = "x") -> int:
        return 1

    load("2024-05-01", "2024-05-02")
    assert covered(load) == ("2024-05-01 00:00:00", "2024-05-02 23:59:59")


def test_open_ends_match_everything_on_their_side() -> None:
    @time_aware_cacheable
    def load(start: object = None, end: object = None) -> int:
        return 1

    load(start="2024-05-03")
    assert covered(load) == ("2024-05-03 00:00:00", "open")
    assert entries(("2030", None), function=load)
    assert not entries((None, "2024-05-02"), function=load)
    load.cache_clear()
    load(end="2024-05-03")
    assert covered(load) == ("open", "2024-05-03 23:59:59")
    assert entries(("1990", "1991"), function=load)
    load.cache_clear()
    load()
    assert not entries(function=load)[0].timed


def test_a_bound_that_is_no_instant_is_told_of_once() -> None:
    @time_aware_cacheable
    def load(start: object, end: object) -> int:
        return 1

    with pytest.warns(TimeRangeWarning, match="'yesterday' as `start`"):
        load("yesterday", "2024-05-03")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("yesterday", "2024-05-04")
    assert all(entry.start is None for entry in entries(function=load))


def test_texts_and_instants_are_different_keys() -> None:
    @time_aware_cacheable
    def load(start: object) -> int:
        return 1

    spelled = ("2024-01-31", pd.Timestamp("2024-01-31"), dt.date(2024, 1, 31))
    assert len({load.cache_key(value) for value in spelled}) == 3


@time_aware_cacheable
def bars(symbol: str, start: str, end: str) -> str:
    """Give bars."""
    RAN.warning("bars")
    return f"{symbol} {start} {end}"


def test_invalidate_removes_what_looked_at_a_day_and_says_which(bodies: Bodies) -> None:
    months = ["2024-04", "2024-05", "2024-06"]
    for month in months:
        bars("EURUSD", month, month)
    bars("EURUSD", "2024-04", "2024-06")
    removed = invalidate(("2024-05-03", "2024-05-04"))
    assert [shown(entry.start)[:7] for entry in removed] == ["2024-04", "2024-05"]
    assert {entry.function for entry in removed} == {bars.cache_name}
    assert [bars.is_cached("EURUSD", month, month) for month in months] == [True, False, True]
    bodies.ran.clear()
    for month in months:
        bars("EURUSD", month, month)
    assert len(bodies) == 1
    assert invalidate(("2024-05-03", "2024-05-04"))
    assert not invalidate(("2024-05-03", "2024-05-04"))


def test_both_ends_are_included() -> None:
    @time_aware_cacheable
    def at(start: object, end: object) -> int:
        return 1

    at(dt.datetime(2024, 5, 3, tzinfo=UTC), dt.datetime(2024, 5, 4, tzinfo=UTC))
    for hit in (("2024-05-04", None), (None, "2024-05-02 23:59:59.999999999"), ("2024-05-03",) * 2):
        assert bool(entries(hit, function=at)) == (hit[1] != "2024-05-02 23:59:59.999999999")
    just_before = pd.Timestamp("2024-05-03", tz="UTC") - pd.Timedelta("1ns")
    assert not entries((None, just_before), function=at)
    just_after = pd.Timestamp("2024-05-04", tz="UTC") + pd.Timedelta("1ns")
    assert not entries((just_after, None), function=at)


def test_results_without_a_range_stay() -> None:
    @robust_cacheable
    def plain(start: str) -> str:
        return start

    plain("2024-05-03")
    assert not invalidate(("2024", "2024"))
    assert plain.is_cached("2024-05-03")
    assert len(entries(function=plain)) == 1


def test_only_one_function_and_only_one_store(store: Store) -> None:
    @time_aware_cacheable
    def one(start: str) -> int:
        return 1

    @time_aware_cacheable(store=store)
    def elsewhere(start: str) -> int:
        return 1

    one("2024-05-03"), bars("EURUSD", "2024-05", "2024-05"), elsewhere("2024-05-03")
    assert [entry.function for entry in invalidate(("2024", "2024"), function=one)] == [
        one.cache_name
    ]
    assert bars.is_cached("EURUSD", "2024-05", "2024-05")
    assert [entry.function for entry in entries(store=store)] == [elsewhere.cache_name]
    assert invalidate(("2024", "2024"), store=store, function=elsewhere.cache_name)
    assert not elsewhere.is_cached("2024-05-03")


def test_a_result_that_was_being_computed_is_not_stored_after_an_invalidation() -> None:
    @time_aware_cacheable
    def load(start: str) -> str:
        RAN.warning("load")
        return start

    with counted() as seen:
        seen.action = lambda _: invalidate(("2030", "2031"))
        assert load("2024-05-03") == "2024-05-03"
        assert not load.is_cached("2024-05-03")
        seen.action = lambda _: invalidate(("2030", "2031"), function=bars)
        assert load("2024-05-03") == "2024-05-03"
        assert load.is_cached("2024-05-03")


def test_another_process_forgets_too(run_python: Callable) -> None:
    bars("EURUSD", "2024-05", "2024-05")
    assert bars("EURUSD", "2024-05", "2024-05")
    said = run_python(
        "import afml_cache; print(len(afml_cache.invalidate(('2024-05-03', '2024-05-04'))))"
    )
    assert said == "1\n"
    assert not bars.is_cached("EURUSD", "2024-05", "2024-05")
    with counted() as seen:
        bars("EURUSD", "2024-05", "2024-05")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("2024", "pair"),
        (("2024",), "pair"),
        (("2025", "2024"), "ends before"),
        (("then", None), "'then'"),
        (None, "pair"),
    ],
)
def test_a_wrong_range_is_an_error(wrong: Any, words: str) -> None:
    with pytest.raises(CacheConfigError, match=words):
        invalidate(wrong)


def test_a_function_that_is_not_cached_is_an_error() -> None:
    with pytest.raises(CacheConfigError, match="cached function"):
        entries(function=len)


@pytest.mark.parametrize(
    "options",
    [
        {"settle": -1},
        {"settle": "soon"},
        {"volatile_ttl": object()},
        {"start": 5},
        {"start": "nothing"},
        {"end": ("a", "b")},
    ],
)
def test_a_wrong_option_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(CacheConfigError, match=next(iter(options))):
        time_aware_cacheable(**options)(lambda start: start)
    with pytest.raises(TypeError, match=r"no option `settle`|no option"):
        robust_cacheable(**options)


def test_an_end_in_the_future_stays_in_memory_only(bodies: Bodies, run_python: Callable) -> None:
    bars("EURUSD", "2024", "2999")
    bars("EURUSD", "2024", "2999")
    assert len(bodies) == 1
    assert bars.is_cached("EURUSD", "2024", "2999")
    assert bars.cache_info().memory_hits >= 1
    assert not entries(function=bars)
    assert run_python("import afml_cache; print(afml_cache.entries())") == "[]\n"
    bars.refresh("EURUSD", "2024", "2999")
    assert len(bodies) == 2
    bars.cache_clear()
    assert not bars.is_cached("EURUSD", "2024", "2999")
    bars("EURUSD", "2024", "2999")
    invalidate(("2024-05-03", "2024-05-04"))
    assert not bars.is_cached("EURUSD", "2024", "2999")


def test_another_process_s_invalidation_reaches_what_is_in_memory_only(
    run_python: Callable,
) -> None:
    bars("EURUSD", "2024", "2999")
    assert bars.is_cached("EURUSD", "2024", "2999")
    run_python("import afml_cache; afml_cache.invalidate(('2024-05-03', '2024-05-04'))")
    assert not bars.is_cached("EURUSD", "2024", "2999")


def test_a_time_that_has_run_out_is_a_miss(bodies: Bodies) -> None:
    @time_aware_cacheable(volatile_ttl=0)
    def at_once(end: str) -> str:
        RAN.warning("at once")
        return end

    @time_aware_cacheable(volatile_ttl=dt.timedelta(microseconds=1))
    def soon(end: str) -> str:
        RAN.warning("soon")
        return end

    for function in (at_once, soon):
        function("2999")
        start = time.monotonic_ns()
        while time.monotonic_ns() < start + 10_000:
            pass
        assert not function.is_cached("2999")
        function("2999")
    assert len(bodies) == 4


def test_today_is_not_over_and_yesterday_is() -> None:
    @time_aware_cacheable
    def load(end: object) -> int:
        return 1

    today = dt.datetime.now(UTC).date()
    load(str(today + DAY)), load(str(today - 2 * DAY))
    assert [shown(entry.end)[:10] for entry in entries(function=load)] == [str(today - 2 * DAY)]


def test_what_has_not_settled_is_not_over() -> None:
    @time_aware_cacheable(settle=dt.timedelta(days=5))
    def load(end: object) -> int:
        return 1

    today = dt.datetime.now(UTC).date()
    load(today - 2 * DAY), load(today - 9 * DAY)
    assert [shown(entry.end)[:10] for entry in entries(function=load)] == [str(today - 9 * DAY)]


def test_frames_may_reach_into_the_future() -> None:
    @time_aware_cacheable
    def rows(frame: pd.DataFrame) -> int:
        return len(frame)

    rows(FRAME.set_axis(INDEX + pd.Timedelta("36500D")))
    assert len(entries(function=rows)) == 1


def test_methods_and_coroutines_have_ranges_too() -> None:
    class Feed:
        @time_aware_cacheable(ignore="self")
        def load(self, start: str) -> str:
            return start

    @time_aware_cacheable
    async def fetch(start: str, end: str) -> str:
        return start + end

    Feed().load("2024-05-03")
    asyncio.run(fetch("2024-05-03", "2024-05-04"))
    asyncio.run(fetch("2024-05-03", "2999"))
    assert len(invalidate(("2024-05-03", "2024-05-03"))) == 2
    assert not Feed().load.is_cached("2024-05-03")


instants = st.integers(0, 40)


@given(
    st.lists(st.tuples(st.none() | instants, st.none() | instants), max_size=8),
    st.tuples(st.none() | instants, st.none() | instants),
)
def test_overlaps_are_those_of_a_naive_model(
    ranges: list[tuple[int | None, int | None]], asked: tuple[int | None, int | None]
) -> None:
    @time_aware_cacheable
    def load(start: object, end: object) -> int:
        return 1

    def day(number: int | None) -> str | None:
        return None if number is None else str(dt.date(2024, 1, 1) + number * DAY)

    def overlap(one: tuple, other: tuple) -> bool:
        first = max(-1 if each[0] is None else each[0] for each in (one, other))
        return first <= min(99 if each[1] is None else each[1] for each in (one, other))

    load.cache_clear()
    wanted = set()
    for one in set(ranges):
        in_order = one[0] is None or one[1] is None or one[0] <= one[1]
        if not in_order or one == (None, None):
            continue
        load(day(one[0]), day(one[1]))
        if overlap(one, asked):
            wanted.add(load.cache_key(day(one[0]), day(one[1])))
    if asked[0] is not None and asked[1] is not None and asked[0] > asked[1]:
        return
    found = entries((day(asked[0]), day(asked[1])), function=load)
    assert {entry.key for entry in found} == wanted
