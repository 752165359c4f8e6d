"""Frames of runs, and looks into them: comparisons, lists, differences, returns, pictures."""

import datetime as dt
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from backtests import bars, momentum_of, polars_bars

from afml_cache import (
    BacktestCache,
    CacheConfigError,
    RankingWarning,
    RunNotFoundError,
    cached_backtest,
)

DATA = bars(40)
FIXED = ["strategy", "timestamp", "start_date", "end_date"]
STATE = ["dataset", "purpose", "kind", "state", "pinned", "seconds", "data_hash"]


@pytest.fixture
def cache():
    return BacktestCache()


def record(cache, metrics, strategy="framed", data=DATA, **parameters):
    return cache.cache_backtest(strategy, parameters, data, metrics)


def test_requested_metrics_are_always_columns(cache):
    one = record(cache, {"sharpe": 1.0, "win_rate": 0.5}, a=1)
    other = record(cache, {"sharpe": 2.0}, strategy="other", b="x")
    frame = cache.compare_runs([other, one], metrics=["win_rate", "nothing"])
    assert list(frame.index) == [other, one]
    assert list(frame.columns) == [*FIXED, "param_b", "param_a", "win_rate", "nothing"]
    assert frame["win_rate"].isna().tolist() == [True, False]
    assert frame["nothing"].dtype == "float64"
    every = list(cache.compare_runs(iter([one])).columns)
    assert every == [*FIXED, "param_a", "sharpe", "win_rate"]
    assert list(cache.compare_runs(one).index) == [one]
    assert list(cache.compare_runs([one, one]).index) == [one, one]


def test_unknown_runs_are_left_out_with_a_warning(cache):
    run = record(cache, {"sharpe": 1.0})
    with pytest.warns(RankingWarning, match=r"2 of 4 runs are not in .* left out: 0000.*, no-id"):
        frame = cache.compare_runs(["0" * 32, run, "no-id", run.upper()])
    assert list(frame.index) == [run, run]
    with pytest.warns(RankingWarning, match="1 of 1 runs"):
        empty = cache.compare_runs(["0" * 32], metrics=["sharpe"])
    assert list(empty.columns) == [*FIXED, "sharpe"]
    assert empty["end_date"].dtype == "datetime64[ns, UTC]"
    assert len(cache.compare_runs([])) == 0


def test_times_are_utc_whatever_the_data_has(cache):
    data = DATA.tz_localize("America/New_York")
    frame = cache.compare_runs([record(cache, {}, data=data)])
    assert frame["start_date"].iloc[0] == data.index[0]
    assert str(frame["start_date"].dt.tz) == "UTC"
    untimed = cache.compare_runs([record(cache, {}, data=data.reset_index(drop=True))])
    assert untimed["start_date"].isna().all()
    assert untimed["start_date"].dtype == "datetime64[ns, UTC]"


def test_runs_are_listed_in_the_order_of_their_recording(cache):
    ids = [record(cache, {"sharpe": float(n)}, n=n) for n in (3, 1, 2)]
    other = record(cache, {"sharpe": 9.0}, strategy="other")
    frame = cache.runs()
    assert list(frame.index) == [*ids, other]
    assert list(frame.columns) == [*FIXED, "param_n", "sharpe", *STATE]
    assert list(cache.runs("framed")["param_n"]) == [3, 1, 2]
    assert list(cache.runs(data=DATA).index) == [*ids, other]
    assert len(cache.runs(data=bars(41))) == 0
    assert list(cache.runs("nothing").columns) == [*FIXED, *STATE]


def test_where_chooses_by_values_or_by_a_function(cache):
    for n in range(4):
        record(cache, {"sharpe": float(n)}, n=n, side="long" if n % 2 else "short")
    assert list(cache.runs(where={"param_side": "long"})["param_n"]) == [1, 3]
    assert list(cache.runs(where={"param_side": "long", "param_n": 3})["sharpe"]) == [3.0]
    assert len(cache.runs(where={"param_other": 3})) == 0
    assert list(cache.runs(where=lambda row: row["sharpe"] > 1.5)["param_n"]) == [2, 3]
    with pytest.raises(CacheConfigError, match="`where` is a mapping of columns to values"):
        cache.runs(where="param_n")


def test_polars_frames_have_the_run_as_a_column(cache):
    runs = [
        record(cache, {"sharpe": 1.0}, n=1, mixed=1, nested={"a": [1, 2]}),
        record(cache, {"sharpe": None}, n=None, mixed="x"),
    ]
    frame = cache.runs(output="polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame["run_id"].to_list() == runs
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert frame["param_n"].to_list() == [1, None]
    assert frame["param_mixed"].to_list() == ["1", '"x"']
    assert frame["param_nested"].to_list() == ['{"a": [1, 2]}', None]
    assert frame.schema["sharpe"] == pl.Float64
    assert frame["pinned"].to_list() == [False, False]
    empty = cache.runs("nothing", output="polars")
    assert empty.columns == ["run_id", *FIXED, *STATE]
    assert empty.schema["state"] == pl.String
    with pytest.raises(CacheConfigError, match='"pandas" or "polars"'):
        cache.runs(output="arrow")


def test_parameters_that_json_can_not_hold_are_shown_in_words(cache):
    class Odd:
        def __str__(self):
            raise RuntimeError

    values = {
        "frame": DATA,
        "array": np.arange(3),
        "date": dt.date(2024, 1, 1),
        "keys": {(1, 2): 3},
        "odd": Odd(),
        "long": dt.timezone(dt.timedelta(hours=1), "x" * 300),
    }
    run = cache.cache_backtest("shown", values, DATA, {})
    shown = cache.runs().iloc[0]
    assert shown["param_frame"] == "DataFrame of shape (40, 2)"
    assert shown["param_array"] == "ndarray of shape (3,)"
    assert shown["param_date"] == "2024-01-01"
    assert shown["param_keys"] == {"(1, 2)": 3}
    assert shown["param_odd"] == "<Odd>"
    assert len(shown["param_long"]) == 203
    kept = cache.index[run]["parameters"]
    assert (kept["date"], kept["keys"]) == (values["date"], values["keys"])
    pd.testing.assert_frame_equal(kept["frame"], DATA)


SOURCE = """
import numpy as np
from afml_cache import cached_backtest
PIP = 0.0001

def in_pips(moves):
    return moves / PIP

@cached_backtest("explained")
def backtest(data, params, model=1):
    return {"sharpe_ratio": float(np.mean(in_pips(data["close"])))}
"""


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("data", {"data": DATA * 2}, "the data has other content within the same times"),
        ("data", {"data": bars(41)}, "the data is of other times"),
        ("parameters", {"params": {"a": 2}}, "parameter 'a': 1 and 2"),
        ("parameters", {"params": {"a": 1, "b": 2}}, "parameter 'b' is 2 in the second alone"),
        ("arguments", {"model": 2}, "argument `model` changed from 1 to 2"),
        ("code", {"edit": ("moves / PIP", "moves")}, "helper `in_pips` in strategies.py changed"),
        ("code", {"edit": ("PIP = 0.0001", "PIP = 0.01")}, "constant `PIP` in strategies.py"),
        ("strategy", {"edit": ('"explained"', '"other"')}, "strategy 'explained' and 'other'"),
    ],
    ids=[
        "content",
        "times",
        "parameter",
        "new parameter",
        "argument",
        "helper",
        "constant",
        "name",
    ],
)
def test_what_differs_between_two_runs_is_told(cache, module, kind, change, said):
    asked = {"data": DATA, "params": {"a": 1}}
    module(SOURCE, "strategies").backtest(**asked)
    first = cache.index[...]
    edited = SOURCE.replace(*change.pop("edit", ("", "")))
    module(edited, "strategies").backtest(**{**asked, **change})
    difference = cache.explain(first, cache.index[...])
    assert any(said in reason for reason in getattr(difference, kind)), difference
    others = {"data", "parameters", "arguments", "code", "strategy", "packages"} - {kind, "code"}
    assert not any(getattr(difference, other) for other in others)
    assert said in repr(difference)
    assert bool(difference)


def test_what_differs_in_packages_is_told(cache):
    plain = record(cache, {})
    momentum = momentum_of("framed")
    momentum(DATA, {"lookback": 5})
    told = cache.explain(plain, momentum.last_run_id)
    assert any(reason.startswith("package 'pandas' is") for reason in told.packages)
    assert told.code == ("the code is another one",)


def test_a_run_differs_in_nothing_from_itself(cache):
    run = record(cache, {})
    assert not cache.explain(run, run)
    assert repr(cache.explain(run, run)).endswith("nothing differs")
    with pytest.raises(RunNotFoundError):
        cache.explain(run, "0" * 32)


def returned(cache, equity, data=DATA, **options):
    return cache.cache_backtest("curve", {"n": len(cache.index)}, data, {}, None, equity, **options)


def test_returns_are_by_session(cache):
    hourly = pd.date_range("2024-03-28", periods=120, freq="h", tz="Europe/Berlin")
    equity = pd.Series(np.linspace(100, 200, 120), hourly)
    run = returned(cache, equity)
    frame = cache.returns(run)
    by_day = equity.groupby(hourly.tz_localize(None).normalize()).last()
    expected = by_day / by_day.shift(fill_value=100.0) - 1
    assert frame.index.dtype == "datetime64[ns]"
    assert list(frame.index) == list(expected.index)
    np.testing.assert_allclose(frame[run], expected, rtol=1e-6)
    assert frame[run].dtype == "float32"


def test_returns_have_the_times_of_the_data_where_the_equity_has_none(cache):
    run = returned(cache, np.linspace(1, 2, 40))
    assert list(cache.returns(run).index) == list(DATA.index[1:])
    data = polars_bars(40)
    run = returned(cache, pl.Series("equity", np.linspace(1, 2, 40)), data)
    assert list(cache.returns(run).index) == list(DATA.index[1:])


def test_returns_without_times_are_by_row(cache):
    run = returned(cache, [1.0, 1.5, 3.0])
    frame = cache.returns([run])
    assert list(frame.index) == [1, 2]
    assert list(frame[run]) == [0.5, 1.0]
    timed = returned(cache, DATA["close"])
    with pytest.raises(CacheConfigError, match=f"the equity of {run} had no times"):
        cache.returns([run, timed])


def test_sessions_that_are_kept_together_stand_at_the_first_of_them(cache):
    days = pd.date_range("1990-01-01", periods=9_000)
    returns = cache.returns(returned(cache, pd.Series(np.linspace(1.0, 2.0, 9_000), days)))
    assert len(returns) <= 4_096
    assert returns.index[-1] <= days[-1] < returns.index[-1] + pd.Timedelta(days=4)


def test_runs_without_equity_have_no_returns(cache):
    run = record(cache, {})
    assert cache.returns(run).shape == (0, 0)
    with pytest.raises(RunNotFoundError):
        cache.returns(["0" * 32])


def test_the_equity_of_runs_is_drawn(cache):
    dates = pytest.importorskip("matplotlib.dates", reason="pictures are drawn by `matplotlib`")
    one, other = returned(cache, DATA["close"]), returned(cache, 2 * DATA["close"])
    ax = cache.plot_equity([one, other, record(cache, {})])
    drawn = ax.get_lines()[:2]
    for line in drawn:
        expected = (DATA["close"] / DATA["close"].iloc[0]).to_numpy()[1:]
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["curve n=0", "curve n=1"]
    assert isinstance(ax.xaxis.get_major_formatter(), dates.AutoDateFormatter)
    assert cache.plot_equity(one, ax=ax) is ax


def test_profits_are_added_up_and_not_compounded(cache):
    profit = pd.Series(np.arange(40.0) * 10, DATA.index)
    run = returned(cache, profit, equity_kind="pnl")
    np.testing.assert_allclose(cache.returns(run)[run], 10)
    ax = cache.plot_equity(run)
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), np.arange(1, 40) * 10)
    assert ax.get_ylabel() == "profit"


def test_without_matplotlib_it_says_what_to_install(cache, monkeypatch):
    run = returned(cache, DATA["close"])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="plot_equity needs matplotlib: pip install matplotlib"):
        cache.plot_equity(run)


def test_the_index_is_a_live_mapping(cache):
    index = cache.index
    assert len(index) == 0
    run = record(cache, {"sharpe": 1.0}, a=1)
    assert (len(index), list(index), run in index, 5 in index) == (1, [run], True, False)
    assert index.get("0" * 32) is None
    assert [each["strategy"] for each in index.values()] == ["framed"]
    assert repr(index).startswith("<1 runs in ")

    @cached_backtest("live")
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    backtest(DATA, {})
    assert list(index) == [run, backtest.last_run_id]
