"""Backtests within `as_of`: what has seen what comes later is handed to no simulation."""

import logging

import pandas as pd
import pytest
from bodies import counted

from afml_cache import (
    BacktestCache,
    LookAheadError,
    RangeCache,
    as_of,
    cached_backtest,
    robust_cacheable,
)

RAN = logging.getLogger("afml-tests.ran")
HOURS = pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC")
BARS = pd.DataFrame({"close": [100.0 + hour % 7 for hour in range(100)]}, index=HOURS)


@cached_backtest("hold")
def hold(data, params):
    RAN.warning("hold")
    equity = data["close"] * params["units"]
    return {"profit": float(equity.iloc[-1] - equity.iloc[0])}, None, equity


def test_a_hit_from_the_future_raises():
    hold(BARS, {"units": 1})
    with as_of(HOURS[49]), pytest.raises(LookAheadError) as raised:
        hold(BARS, {"units": 1})
    assert "hold" in str(raised.value)
    assert raised.value.seen == HOURS[-1] + pd.Timedelta("1h")
    assert raised.value.as_of == HOURS[49]
    with as_of(HOURS[-1] + pd.Timedelta("1h")):
        assert hold(BARS, {"units": 1})[0] == hold(BARS, {"units": 1})[0]


def test_what_ends_by_then_is_computed_once_and_found():
    with counted() as ran, as_of(HOURS[50]):
        hold(BARS.iloc[:50], {"units": 1})
        hold(BARS.iloc[:50], {"units": 1})
    assert ran.ran == ["hold"]


def test_bars_that_are_labelled_by_their_end_have_seen_no_more():
    @cached_backtest("by end", label="right")
    def by_end(data, params):
        return {"n": len(data)}

    by_end(BARS.iloc[:50], {})
    with as_of(HOURS[49]):
        assert by_end(BARS.iloc[:50], {}) == {"n": 50}
    with as_of(HOURS[48]), pytest.raises(LookAheadError):
        by_end(BARS.iloc[:50], {})


def test_what_is_recorded_by_hand_has_seen_what_its_code_says():
    @cached_backtest("by end", label="right")
    def by_end(data, params):
        return {"n": len(data)}

    cache = BacktestCache()
    cache.cache_backtest("by end", {}, BARS.iloc[:50], {"n": 50}, code=by_end)
    cache.cache_backtest("plain", {}, BARS.iloc[:50], {"n": 50}, code=by_end.__wrapped__)
    with as_of(HOURS[49]):
        assert cache.get_cached_backtest("by end", {}, BARS.iloc[:50]).metrics == {"n": 50}
        with pytest.raises(LookAheadError):
            cache.get_cached_backtest("plain", {}, BARS.iloc[:50], code=by_end.__wrapped__)


def test_a_look_up_of_what_was_recorded_raises_too():
    cache = BacktestCache()
    cache.cache_backtest("by hand", {}, BARS, {"sharpe": 1.0})
    assert cache.get_cached_backtest("by hand", {}, BARS).metrics == {"sharpe": 1.0}
    with as_of(HOURS[10]), pytest.raises(LookAheadError, match="by hand"):
        cache.get_cached_backtest("by hand", {}, BARS)


def test_what_is_made_of_a_backtest_has_seen_what_that_has():
    names = {"bars": BARS}

    @robust_cacheable(ignore_deps="names")
    def study(units):
        return hold(names["bars"], {"units": units})[0]

    assert study(3) == hold(BARS, {"units": 3})[0]
    with as_of(HOURS[5]), pytest.raises(LookAheadError, match="study"):
        study(3)


def test_a_backtest_of_all_bars_up_to_now_is_recorded_for_no_simulated_now():
    history = RangeCache(
        "history",
        lambda symbol, start, end: BARS[(BARS.index >= start) & (BARS.index < end)],  # noqa: ARG005
        key=("symbol",),
        timeframe="1h",
    )

    @cached_backtest("open end")
    def open_end(params):
        RAN.warning("open end")
        return {"n": len(history.get("EURUSD", HOURS[0]))}

    with counted() as ran:
        with as_of(HOURS[20]):
            assert open_end({}) == {"n": 20}
        with as_of(HOURS[30]):
            assert open_end({}) == {"n": 30}
    assert ran.ran == ["open end", "open end"]
    assert len(BacktestCache().index) == 0
