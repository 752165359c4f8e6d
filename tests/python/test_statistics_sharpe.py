"""Sharpe ratios, and what they are worth, against the papers and against SciPy."""

import json
import math
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from afml_cache import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    independent_trials,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
)
from afml_cache.exceptions import CacheConfigError
from afml_cache.sharpe import Statistic

YEAR = 250
# Bailey & López de Prado (2014): the best of 100 trials over five years, 2.5 annualised
EXAMPLE = {"sharpe": 2.5 / YEAR**0.5, "periods": 1250, "skewness": -3.0, "kurtosis": 10.0}
VARIANCE = 0.5 / YEAR


def printed(value):
    return pytest.approx(value, abs=5e-5)


def test_the_example_of_the_paper_comes_out():
    assert expected_maximum_sharpe(VARIANCE, 100) == printed(0.1132)
    assert deflated_sharpe_ratio(**EXAMPLE, variance=VARIANCE, trials=100) == printed(0.9004)
    assert deflated_sharpe_ratio(**EXAMPLE, variance=VARIANCE, trials=46) == printed(0.9505)
    normal = {"sharpe": EXAMPLE["sharpe"], "periods": EXAMPLE["periods"]}
    assert deflated_sharpe_ratio(**normal, variance=VARIANCE, trials=88) == printed(0.9505)


@pytest.mark.parametrize(
    ("wrong", "gives"),
    [
        ({"trials": 99}, None),
        ({"trials": 101}, None),
        ({"variance": 0.5}, None),
        ({"variance": VARIANCE**0.5}, None),
        ({"sharpe": 2.5}, None),
        ({"sharpe": 2.5, "variance": 0.5}, None),
        ({"sharpe": 2.5, "variance": 0.5, "periods": 5 * 12}, None),
        ({"periods": 1251}, None),
        ({"skewness": 3.0}, None),
        ({"kurtosis": 7.0}, 0.9018),
    ],
    ids=str,
)
def test_a_wrong_input_gives_another_figure(wrong, gives):
    right = {**EXAMPLE, "variance": VARIANCE, "trials": 100}
    told = deflated_sharpe_ratio(**(right | wrong))
    assert told != printed(0.9004)
    assert gives is None or told == printed(gives)


def sharpe_by_scipy(returns):
    return np.mean(returns) / np.std(returns, ddof=1)


def psr_by_scipy(returns, benchmark):
    sharpe = sharpe_by_scipy(returns)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    spread = math.sqrt(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    return stats.norm.cdf((sharpe - benchmark) * math.sqrt(len(returns) - 1) / spread)


@given(
    st.integers(0, 2**32),
    st.integers(30, 400),
    st.floats(-0.5, 0.5),
    st.sampled_from([1e-9, 1e-4, 1.0, 1e6]),
)
def test_moments_are_those_of_scipy(seed, periods, drift, unit):
    draw = np.random.default_rng(seed)
    returns = unit * (draw.standard_t(4, periods) + drift + draw.exponential(0.5, periods))
    assert sharpe_ratio(returns) == pytest.approx(sharpe_by_scipy(returns), rel=1e-10, abs=1e-14)
    told = probabilistic_sharpe_ratio(returns, benchmark=0.05)
    assert told == pytest.approx(psr_by_scipy(returns, 0.05), rel=1e-9, abs=1e-300)


@given(st.floats(2, 1e15), st.floats(0, 10))
def test_the_expected_maximum_is_that_of_scipy(trials, variance):
    usual, rare = stats.norm.isf([1 / trials, 1 / (trials * math.e)])
    expected = math.sqrt(variance) * ((1 - np.euler_gamma) * usual + np.euler_gamma * rare)
    assert expected_maximum_sharpe(variance, trials) == pytest.approx(expected, rel=1e-12)


def test_the_expected_maximum_is_about_what_luck_gives():
    draws = np.random.default_rng(3).normal(size=(4000, 100)).max(axis=1)
    assert expected_maximum_sharpe(1, 100) == pytest.approx(draws.mean(), abs=0.03)


def test_another_library_agrees():
    metrics = pytest.importorskip("purgedcv")  # it needs Python 3.11
    returns = np.random.default_rng(5).standard_t(5, 500) / 100 + 0.0008
    theirs = metrics.deflated_sharpe_ratio_full(returns, 40, 0.002)
    assert expected_maximum_sharpe(0.002, 40) == pytest.approx(theirs.sr_star, rel=1e-12)
    # its own estimators are of the population's deviation, and of unbiased moments
    ours = deflated_sharpe_ratio(
        sharpe=theirs.observed_sr,
        periods=theirs.n_obs,
        skewness=theirs.skew,
        kurtosis=theirs.kurt,
        variance=0.002,
        trials=40,
    )
    assert ours == pytest.approx(theirs.dsr, rel=1e-12)
    assert deflated_sharpe_ratio(returns, variance=0.002, trials=40) == pytest.approx(
        ours, abs=0.01
    )


def test_fewer_than_two_trials_are_compared_with_zero():
    against_zero = probabilistic_sharpe_ratio(**EXAMPLE)
    for trials in (1, 1.9):
        assert expected_maximum_sharpe(math.nan, trials) == 0
        assert deflated_sharpe_ratio(**EXAMPLE, variance=math.nan, trials=trials) == against_zero
    assert deflated_sharpe_ratio(**EXAMPLE, variance=VARIANCE, trials=2) < against_zero


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        ([], "there are no returns"),
        ([math.nan, math.nan], "there are no returns"),
        ([0.1, math.nan, 0.2], "missing"),
        ([0.1, 0.2, math.nan], "missing"),
        ([0.1, math.inf], "infinite"),
        ([0.0] * 50, "do not vary"),
        ([0.1] * 50, "do not vary"),
        (np.diff(100 * 1.0001 ** np.arange(500)) / (100 * 1.0001 ** np.arange(499)), "do not vary"),
    ],
)
def test_returns_without_a_sharpe_ratio_have_a_reason(returns, reason):
    returns = np.array(returns)
    for told in (
        sharpe_ratio(returns),
        probabilistic_sharpe_ratio(returns),
        deflated_sharpe_ratio(returns, variance=VARIANCE, trials=9),
    ):
        assert math.isnan(told)
        assert reason in told.reason


def test_few_returns_and_odd_moments_have_a_reason():
    few = probabilistic_sharpe_ratio(sharpe=0.1, periods=29)
    assert math.isnan(few)
    assert few.reason == "there are fewer than 30 returns"
    assert repr(few) == str(few) == "nan (there are fewer than 30 returns)"
    odd = probabilistic_sharpe_ratio(sharpe=0.5, periods=100, skewness=3, kurtosis=1)
    assert math.isnan(odd)
    assert odd.reason == "no returns have such moments"
    for variance in (math.nan, -1.0, math.inf):
        unknown = deflated_sharpe_ratio(**EXAMPLE, variance=variance, trials=9)
        assert math.isnan(unknown)
        assert "variance" in unknown.reason


def test_a_statistic_is_a_float():
    told = expected_maximum_sharpe(VARIANCE, 100)
    assert type(told.value) is float
    assert told.reason is None
    assert repr(told) == repr(told.value)
    assert f"{told:.4f}" == "0.1132"
    assert json.loads(json.dumps({"sharpe": told})) == {"sharpe": told.value}
    why = pickle.loads(pickle.dumps(Statistic(math.nan, "too few")))
    assert why.reason == "too few"


VALUES = [0.01, -0.02, 0.03, 0.005] * 10


@pytest.mark.parametrize(
    "returns",
    [
        VALUES,
        tuple(VALUES),
        np.array(VALUES),
        np.array([*VALUES, 0.0])[:-1][::-1],
        pd.Series(VALUES, index=pd.date_range("2024-01-01", periods=40)),
        pd.Series([math.nan, *VALUES]),
        pd.Series([None, *VALUES], dtype="Float64"),
        pl.Series([None, *VALUES]),
        pl.DataFrame({"a": VALUES})["a"],
        np.ma.array([9.0, *VALUES], mask=[True] + [False] * 40),
    ],
    ids=lambda returns: f"{type(returns).__module__}.{len(returns)}",
)
def test_returns_may_come_in_any_form(returns):
    assert sharpe_ratio(returns) == pytest.approx(sharpe_by_scipy(VALUES), rel=1e-12)


def test_float32_and_whole_numbers_are_taken_as_they_are():
    single = np.array(VALUES, dtype=np.float32)
    assert sharpe_ratio(single) == sharpe_ratio(single.astype(float))
    assert sharpe_ratio([1, -2, 3]) == sharpe_ratio([1.0, -2.0, 3.0])


@pytest.mark.parametrize(
    "returns",
    [
        ["0.1", "0.2"],
        pd.Series(pd.date_range("2024-01-01", periods=3)),
        pl.Series(["a"]),
        [True, False],
        pd.DataFrame({"time": pd.date_range("2024-01-01", periods=2), "a": [0.1, 0.2]}),
        [[0.1, 0.2], [0.3, 0.4]],
        0.1,
    ],
    ids=str,
)
def test_what_is_no_column_of_returns_is_refused(returns):
    with pytest.raises(CacheConfigError, match="`returns` is of"):
        sharpe_ratio(returns)


def test_arguments_that_contradict_each_other_are_refused():
    with pytest.raises(CacheConfigError, match="pass either the returns"):
        probabilistic_sharpe_ratio(VALUES, sharpe=0.1, periods=40)
    with pytest.raises(CacheConfigError, match="pass either the returns"):
        probabilistic_sharpe_ratio(sharpe=0.1)
    with pytest.raises(CacheConfigError, match="`trials` is the number"):
        deflated_sharpe_ratio(VALUES, variance=0.1, trials=0)


@given(st.integers(0, 2**32), st.integers(2, 12), st.integers(3, 60), st.floats(0, 3))
def test_independent_trials_are_told_by_the_mean_correlation(seed, trials, periods, common):
    draw = np.random.default_rng(seed)
    returns = draw.normal(size=(periods, trials)) + common * draw.normal(size=(periods, 1))
    correlations = np.corrcoef(returns, rowvar=False)[np.triu_indices(trials, 1)]
    mean = min(max(correlations.mean(), 0), 1)
    assert independent_trials(returns) == pytest.approx(mean + (1 - mean) * trials, rel=1e-9)


def test_trials_that_do_not_vary_are_no_independent_trials():
    draw = np.random.default_rng(1).normal(size=100)
    assert independent_trials(np.column_stack([draw, draw, np.zeros(100)])) == pytest.approx(1)
    assert independent_trials(np.zeros((100, 3))) == 0
    assert independent_trials(np.full((100, 3), np.nan)) == 0
    assert independent_trials(draw[:, None]) == 1


def test_trials_of_other_lengths_are_compared_where_both_are():
    draw = np.random.default_rng(2).normal(size=200)
    returns = pd.DataFrame({"long": draw, "short": draw})
    returns.loc[:99, "short"] = math.nan
    later = (draw[100:] - draw[100:].mean()) / draw[100:].std()
    whole = (draw - draw.mean()) / draw.std()
    mean = (later * whole[100:]).mean()
    assert independent_trials(returns) == pytest.approx(max(mean + (1 - mean) * 2, 1))
