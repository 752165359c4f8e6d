"""The probability of backtest overfitting, against the procedure of the paper and other studies."""

import math
import signal
from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from afml_cache import probability_of_backtest_overfitting
from afml_cache.exceptions import CacheConfigError


def sharpe(half):
    """Mean by deviation of each column; 0 where it does not vary."""
    varies = np.ptp(half, axis=0) > 0
    deviation = np.where(varies, half.std(axis=0), 1)
    # equal ones differ in their last digits
    return np.round(np.where(varies, half.mean(axis=0) / deviation, 0), 11)


def plainly(returns, blocks):
    """The procedure of Bailey, Borwein, López de Prado & Zhu (2017), section 3, step by step."""
    length = len(returns) // blocks
    parts = np.split(returns[len(returns) - length * blocks :], blocks)
    shares = []
    for chosen in combinations(range(blocks), blocks // 2):
        rest = [block for block in range(blocks) if block not in chosen]
        inside = sharpe(np.concatenate([parts[block] for block in chosen]))
        outside = sharpe(np.concatenate([parts[block] for block in rest]))
        relative = stats.rankdata(outside) / (len(outside) + 1)
        logits = np.log(relative / (1 - relative))[inside == inside.max()]
        shares.append(np.mean(logits <= 0))
    return np.mean(shares)


def noise(seed, periods=320, trials=50):
    return np.random.default_rng(seed).normal(0, 0.01, (periods, trials))


@settings(max_examples=40)
@given(
    st.sampled_from([2, 4, 6]).flatmap(
        lambda blocks: st.tuples(
            st.just(blocks),
            arrays.arrays(
                np.float64,
                st.tuples(st.integers(10 * blocks, 10 * blocks + 5), st.integers(10, 14)),
                elements=st.integers(-2, 2).map(float),
            ),
        )
    )
)
def test_the_figure_is_that_of_the_paper(drawn):
    blocks, returns = drawn
    used = returns[len(returns) % blocks :]
    varies = np.ptp(used, axis=0) > 0
    told = probability_of_backtest_overfitting(returns, blocks)
    assert told.trials == varies.sum()
    if told.trials < 10:
        assert "fewer than 10 trials" in told.reason
    else:
        assert told.periods == len(used)
        assert told == pytest.approx(plainly(returns[:, varies], blocks), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_another_library_agrees(seed):
    theirs = pytest.importorskip("purgedcv")  # it needs Python 3.11
    returns = noise(seed, periods=8 * 25, trials=13)
    returns[:100, 5] = 0  # both take a half without trades as a Sharpe ratio of 0
    returns[:, 6] += 0.002 * seed
    logits = theirs.probability_of_backtest_overfitting(returns.T, 8).logits
    # it counts the middle as no overfitting, where the paper counts it
    assert probability_of_backtest_overfitting(returns, 8) == np.mean(logits <= 0)
    # and gives what is left over to the first blocks
    more = np.vstack([noise(9, periods=7, trials=13), returns])
    assert probability_of_backtest_overfitting(more, 8) == np.mean(logits <= 0)


def test_noise_gives_one_half():
    told = [probability_of_backtest_overfitting(noise(seed)) for seed in range(60)]
    assert np.mean(told) == pytest.approx(0.5, abs=0.05)
    assert min(told) < 0.4
    assert max(told) > 0.6


def test_one_real_edge_among_noise_gives_zero():
    for seed in range(10):
        returns = noise(seed)
        returns[:, 17] += 0.005
        assert probability_of_backtest_overfitting(returns) < 0.01


def test_trials_that_all_end_alike_give_one():
    # what a trial gains in one half it loses in the other: the best here is the worst there
    for seed in range(10):
        returns = noise(seed)
        returns -= returns.mean(axis=0)
        assert probability_of_backtest_overfitting(returns) > 0.99


def test_the_cases_of_other_studies_come_out():
    # the vignette of the R package pbo: one mean and one deviation for all, above a riskless rate
    returns = noise(1, periods=2400, trials=100)
    returns /= returns.std(axis=0, ddof=1) * 252**0.5
    returns -= returns.mean(axis=0) + 0.03 / 252
    assert probability_of_backtest_overfitting(returns, 8) > 0.99
    # Soloviov, "How Overfit Is Your Search?": 20 of 200 trials with an edge give 0.001
    edges = [noise(seed, periods=1000, trials=200) for seed in range(10)]
    for returns in edges:
        returns[:, :20] += 0.15 * 0.01
    assert np.mean([*map(probability_of_backtest_overfitting, edges)]) < 0.005


def test_a_better_choice_is_less_overfitted():
    told = []
    for edge in (0.0, 0.0005, 0.001, 0.002):
        returns = noise(4)
        returns -= returns.mean(axis=0)
        returns[:, 0] += edge
        told.append(probability_of_backtest_overfitting(returns))
    assert told == sorted(told, reverse=True)
    assert told[-1] < 0.2
    assert told[0] > 0.9


def test_the_order_and_the_stakes_of_trials_do_not_count():
    returns = noise(7)
    told = probability_of_backtest_overfitting(returns)
    mixed = np.random.default_rng(0).permutation(returns, axis=1)
    assert probability_of_backtest_overfitting(mixed) == told
    stakes = np.random.default_rng(0).uniform(0.1, 9, 50)
    assert probability_of_backtest_overfitting(returns * stakes) == told
    assert probability_of_backtest_overfitting(np.hstack([returns, 3 * returns])) == told


def test_a_frame_is_what_its_columns_are():
    returns = noise(8, trials=12)
    told = probability_of_backtest_overfitting(returns)
    names = [f"trial {number}" for number in range(12)]
    frame = pd.DataFrame(returns, columns=names)
    forms = (
        frame,
        frame.astype("Float64"),
        pl.DataFrame(returns, schema=names),
        np.asfortranarray(returns),
        returns[::-1][::-1],
        returns.tolist(),
    )
    assert {probability_of_backtest_overfitting(form) for form in forms} == {told}
    single = returns.astype(np.float32)
    assert probability_of_backtest_overfitting(single) == probability_of_backtest_overfitting(
        single.astype(float)
    )


def test_periods_that_not_all_trials_have_are_left_out():
    returns = noise(9)
    told = probability_of_backtest_overfitting(returns[20:])
    returns[:20, 3] = math.nan
    frame = pd.DataFrame(returns)
    frame["never ran"] = math.nan
    frame["never traded"] = 0.0
    late = probability_of_backtest_overfitting(frame)
    assert (late, late.trials, late.periods) == (told, 50, 288)


def test_too_little_has_a_reason():
    few = probability_of_backtest_overfitting(noise(1, trials=9))
    assert math.isnan(few)
    assert few.reason == "there are fewer than 10 trials whose returns vary"
    short = probability_of_backtest_overfitting(noise(1, periods=159))
    assert math.isnan(short)
    assert short.reason == "there are fewer than 10 periods for each block"
    assert probability_of_backtest_overfitting(noise(1, periods=159), 14).reason is None
    returns = noise(1)
    returns[4, 4] = math.inf
    assert "infinite" in probability_of_backtest_overfitting(returns).reason
    for nothing in (np.empty((0, 0)), np.empty((0, 20)), np.empty((500, 0))):
        assert math.isnan(probability_of_backtest_overfitting(nothing))


@pytest.mark.parametrize("blocks", [0, 1, 7, 26, -2, 2.5, True, "16", None])
def test_blocks_that_cannot_be_are_refused(blocks):
    with pytest.raises(CacheConfigError, match="`blocks` is an even number"):
        probability_of_backtest_overfitting(noise(1), blocks)


def test_one_dimension_is_refused():
    with pytest.raises(CacheConfigError, match="periods in rows, trials in columns"):
        probability_of_backtest_overfitting(noise(1)[:, 0])


def test_a_signal_stops_it():
    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            # 2.7 million splits of 400 trials: seconds, were it not stopped
            probability_of_backtest_overfitting(noise(1, periods=240, trials=400), 24)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
