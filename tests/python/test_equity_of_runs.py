"""Returns by session, and pictures of them: at their days, where the equity has times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from afml_cache import BacktestCache, CacheConfigError

DAYS = pd.bdate_range("2024-01-01", periods=60, tz="UTC")
EQUITY = pd.Series(100 + np.random.default_rng(0).normal(0, 1, len(DAYS)).cumsum(), DAYS)
BARS = EQUITY.to_frame("close")


@pytest.fixture
def cache():
    return BacktestCache()


def record(cache, lookback, equity):
    return cache.cache_backtest(
        "trend", {"lookback": lookback}, BARS, {"sharpe": 1.0}, equity_curve=equity
    )


def test_returns_stand_at_the_days_of_their_sessions(cache):
    run = record(cache, 5, EQUITY)
    returns = cache.returns(run)[run]
    assert returns.index.equals(DAYS[1:].tz_localize(None).as_unit("ns"))
    assert returns.to_numpy() == pytest.approx(EQUITY.pct_change().dropna().to_numpy(), rel=1e-6)


def test_sessions_that_are_kept_together_stand_at_the_first_of_them(cache):
    long = pd.Series(np.linspace(1.0, 2.0, 9_000), pd.date_range("1990-01-01", periods=9_000))
    run = record(cache, 5, long)
    returns = cache.returns(run)
    assert len(returns) <= 4_096
    assert returns.index[-1] <= long.index[-1] < returns.index[-1] + pd.Timedelta(days=4)


def test_returns_without_times_stand_at_their_rows(cache):
    timeless = record(cache, 5, EQUITY.to_numpy()[:50])
    assert list(cache.returns(timeless).index) == list(range(1, 50))


def test_returns_with_times_and_without_have_no_sessions_in_common(cache):
    runs = [record(cache, 5, EQUITY), record(cache, 6, EQUITY.to_numpy()[:50])]
    with pytest.raises(CacheConfigError, match="no sessions in common"):
        cache.returns(runs)
    assert list(cache.returns(runs[1:]).index) == list(range(1, 50))


def test_a_picture_has_dates_and_a_line_for_each_run_with_equity(cache):
    dates = pytest.importorskip("matplotlib.dates", reason="pictures are drawn by `matplotlib`")
    runs = [record(cache, 5, EQUITY), record(cache, 6, EQUITY * 2), record(cache, 7, None)]
    axes = cache.plot_equity(runs)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["trend lookback=5", "trend lookback=6"]
    assert isinstance(axes.xaxis.get_major_formatter(), dates.AutoDateFormatter)
    drawn = axes.lines[0]
    assert drawn.get_ydata()[-1] == pytest.approx(EQUITY.iloc[-1] / EQUITY.iloc[0], rel=1e-5)
