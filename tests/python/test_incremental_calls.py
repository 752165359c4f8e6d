"""Functions computed by periods are cached functions: what is asked of them, and where they go."""

import inspect
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from bodies import RAN, Bodies, counted
from labelled_bars import assert_same, days, monthly, rises

from afml_cache import (
    CacheMissError,
    LookAheadError,
    Store,
    as_of,
    entries,
    get_cache_stats,
    get_data_tracker,
    mode,
    robust_cacheable,
    time_aware_cacheable,
    time_aware_data_tracking_cacheable,
)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def test_what_is_asked_of_a_call_is_about_all_of_its_periods(bodies: Bodies) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-03-29")
    assert not cached.is_cached(bars)
    assert cached.explain(bars).periods[2].explanation.reasons == ("never called before",)
    cached(bars)
    assert cached.is_cached(bars)
    assert cached.check_call_in_cache(bars)
    assert repr(cached.explain(bars)).endswith("all of 3 periods are cached")
    assert_same(cached.refresh(bars), cached(bars))
    result, about = cached.call(bars)
    assert_same(result, cached(bars))
    assert about["duration"] > 0
    assert len(bodies) == 9
    assert cached.cache_key(bars) == cached.cache_key(bars=bars) != cached.cache_key(bars, 4)
    assert cached.invalidate(bars)
    assert not cached.invalidate(bars)
    assert not cached.is_cached(bars)
    info = cached.cache_info()
    assert (info.misses, info.hits) == (9, 6)


def test_modes_hold_for_periods(bodies: Bodies) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-04-30")
    cached(bars.loc[:"2024-02"])
    with mode("frozen"), pytest.raises(CacheMissError):
        cached(bars)
    bodies.ran.clear()
    with mode("off"):
        assert_same(cached(bars), rises(bars))
        cached.refresh(bars)
    assert bodies.ran == ["01-01 to 04-30"] * 3
    with mode("readonly"):
        assert_same(cached(bars), rises(bars))
    assert len(entries(function=cached)) == 1
    cached(bars)
    bodies.ran.clear()
    with mode("fresh"):
        cached(bars)
    assert len(bodies) == 4


def test_a_simulation_is_refused_periods_that_saw_beyond_it() -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-06-28")
    cached(bars)
    with as_of("2024-04-15"):
        with pytest.raises(LookAheadError):
            cached(bars)
        known = bars.loc[:"2024-04-12"]
        assert_same(cached(known), rises(known))
        assert [one.period for one in cached.explain(known).missing] == []
    assert cached.cache_info().hits >= 2


def test_who_calls_it_has_seen_all_of_its_bars() -> None:
    cached = monthly(rises, lookahead=0)
    bars = days("2024-01-01", "2024-03-29")

    @robust_cacheable
    def share(month: str) -> float:
        return float(cached(bars.loc[:month]).mean())

    for _ in range(2):
        share("2024-02")
        assert f"{share.explain('2024-02').seen:%Y-%m-%d}" == "2024-03-30"  # `bars` itself is read


def test_a_frame_without_rows_is_given_as_it_is(bodies: Bodies) -> None:
    cached = monthly(lambda bars: bars["close"] * 2)
    for empty in (days("2024-01-01", "2024-01-31").iloc[:0], pd.DataFrame({"close": []})):
        assert_same(cached(empty), empty["close"] * 2)
        assert cached.is_cached(empty)
        assert cached.check(empty)
        assert len(cached.explain(empty).periods) == 1


def test_frames_may_stand_anywhere_among_the_arguments() -> None:
    bars = days("2024-01-01", "2024-03-29")

    def last(name: str, *frames: Any, **more: Any) -> pd.Series:
        return (*frames, *more.values())[-1]["close"]

    cached = monthly(last, lookahead=0)
    assert_same(cached("a", bars), bars["close"])
    assert_same(cached("a", 5, bars), bars["close"])
    assert_same(cached("a", bars=bars), bars["close"])
    assert_same(cached("a", bars["close"].to_frame()), bars["close"])
    assert cached.cache_info().misses == 12
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        cached()


def test_a_series_and_an_index_of_spans_have_periods_too() -> None:
    spans = pd.period_range("2024-01", periods=400, freq="D", name="day")
    prices = pd.Series(np.arange(400.0), spans, name="close")
    cached = monthly(lambda prices: prices.diff().shift(-2), lookback="1D", lookahead=2)
    assert_same(cached(prices), prices.diff().shift(-2))
    assert len(entries(function=cached)) == 13


def test_a_method_sees_its_instance(bodies: Bodies) -> None:
    class Labeller:
        def __init__(self, ahead: int) -> None:
            self.ahead = ahead

        @time_aware_cacheable(by="month", lookback=0, lookahead=5)
        def label(self, bars: pd.DataFrame) -> pd.Series:
            RAN.warning("label")
            return bars["close"].shift(-self.ahead)

        @staticmethod
        @time_aware_cacheable(by="month", lookback=0, lookahead=0)
        def copied(bars: pd.DataFrame) -> pd.Series:
            return bars["close"]

    bars = days("2024-01-01", "2024-03-29")
    labeller = Labeller(3)
    for _ in range(2):
        assert_same(labeller.label(bars), bars["close"].shift(-3))
    assert len(bodies) == 3
    assert labeller.label.is_cached(bars)
    assert not Labeller(4).label.is_cached(bars)
    assert labeller.label == labeller.label != Labeller(3).label
    assert hash(labeller.label) == hash(labeller.label)
    assert labeller.label.check(bars)
    assert_same(Labeller.copied(bars), bars["close"])
    assert Labeller.label.cache_info().misses == 3
    assert len(entries(function=labeller.label)) == 2


@time_aware_cacheable(by="month", lookback=1, lookahead=0)
def moves(bars: pd.DataFrame) -> pd.Series:
    return bars["close"].diff()


def test_pickles_give_the_function_or_its_like() -> None:
    assert pickle.loads(pickle.dumps(moves)) is moves
    bars = days("2024-01-01", "2024-05-03")
    local = monthly(lambda bars: bars["close"].diff(), lookback=1, lookahead=0)
    local(bars)
    again = cloudpickle.loads(cloudpickle.dumps(local))
    assert again is not local
    assert again.is_cached(bars)
    assert again.settings()["periods"] == local.settings()["periods"]


def test_its_code_counts_where_it_is_called() -> None:
    bars = days("2024-01-01", "2024-02-29")
    keys = set()
    for lookback in (1, 1, 2):
        inner = monthly(lambda bars: bars["close"].diff(), lookback=lookback, lookahead=0)

        def total(bars: pd.DataFrame, inner: Any = inner) -> float:
            return float(inner(bars).sum())

        keys.add(robust_cacheable(total).cache_key(bars))
    assert len(keys) == 2


def test_counters_of_a_store_and_of_a_process_know_it(store: Store) -> None:
    cached = monthly(rises, store=store)
    cached(days("2024-01-01", "2024-03-29")), cached(days("2024-01-01", "2024-03-29"))
    assert get_cache_stats()[cached.cache_name]["misses"] >= 3
    assert store.cache_info(cached).misses == cached.cache_info().misses == 3
    assert len(entries(function=cached, store=store)) == 2
    cached.reset_counters()
    assert cached.cache_info().misses == 0


def test_an_unfinished_end_is_kept_for_as_long_as_is_said(bodies: Bodies) -> None:
    cached = monthly(rises, volatile_ttl=0)
    for _ in range(2):
        cached(days("2024-01-01", "2024-03-29"))
    assert bodies.ran == ["01-01 to 02-07", "02-01 to 03-07", "03-01 to 03-29", "03-01 to 03-29"]


def test_bounds_of_a_call_are_those_of_its_periods() -> None:
    def since(bars: pd.DataFrame, start: str, until: str | None = None) -> pd.Series:
        return bars["close"].loc[start:until]

    cached = monthly(since, lookahead=0, end="until")
    bars = days("2024-01-01", "2024-03-29")
    assert_same(
        cached(bars, "2024-01-10", "2024-02-05"), bars["close"].loc["2024-01-10":"2024-02-05"]
    )
    assert [f"{entry.end:%m-%d}" for entry in entries(function=cached)] == ["02-05", "02-29"]
    cached(bars, "2024-01-10", until="2199")
    assert len(entries(function=cached)) == 2


def test_calls_by_periods_are_one_look_at_the_data() -> None:
    cached = time_aware_data_tracking_cacheable(
        "weekdays", "test", by="month", lookback=0, lookahead=5
    )(rises)
    bars = days("2024-01-01", "2024-03-29")
    assert_same(cached(bars), rises(bars))
    looks, _, (access,) = get_data_tracker().analyze_contamination("weekdays")
    assert looks == 1
    assert access["end_date"].startswith("2024-03-29")
    assert cached.is_cached(bars)


def test_results_by_periods_may_be_cached_as_a_whole(bodies: Bodies) -> None:
    cached = monthly(rises)
    whole = robust_cacheable(cached)
    bars = days("2024-01-01", "2024-03-29")
    assert inspect.signature(cached) == inspect.signature(rises)
    for _ in range(2):
        assert_same(whole(bars), rises(bars))
    assert (whole.cache_info().hits, cached.cache_info().misses) == (1, 3)


def test_results_are_the_callers_own() -> None:
    cached = monthly(lambda bars: bars[["close"]].copy(), lookahead=0)
    for bars in (days("2024-01-01", "2024-01-12"), days("2024-01-01", "2024-03-29")):
        for _ in range(2):
            result = cached(bars)
            result["close"] += 1
            result.loc[bars.index[0], "close"] = 0.0
        assert_same(cached(bars), bars[["close"]])


KILLED = """
import os
import pandas as pd
from afml_cache import time_aware_cacheable

@time_aware_cacheable(by="month", lookback=1, lookahead=0)
def moves(bars):
    if bars.index[-1].month == int(os.environ.get("KILLED_IN", 0)):
        os.kill(os.getpid(), 9)
    return bars["close"].diff()

days = pd.date_range("2024-01-01", "2024-06-30")
bars = pd.DataFrame({"close": range(len(days))}, days)
print(len(moves(bars)), moves.cache_info().hits, moves.cache_info().misses)
"""


def test_a_killed_process_leaves_the_periods_that_were_done(run_python: Any) -> None:
    with pytest.raises(AssertionError, match="exit status -9"):
        run_python(KILLED, env={"KILLED_IN": "4"})
    assert run_python(KILLED).split() == ["182", "3", "3"]


def test_threads_compute_each_period_once(bodies: Bodies) -> None:
    cached = monthly(rises)
    bars = days("2024-01-01", "2024-03-29")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(cached, [bars] * 4))
    for result in results:
        assert_same(result, rises(bars))
    assert cached.cache_info().misses == 3
