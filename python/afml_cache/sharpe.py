"""How much of a backtest's Sharpe ratio is luck, given how much was tried.

Every Sharpe ratio here is per period of the returns it is of: multiply by the root of the periods
in a year to annualise it, and not before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from afml_cache import _native, _returns
from afml_cache.exceptions import CacheConfigError
from afml_cache.statistic import Statistic

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Statistic",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "independent_trials",
    "probabilistic_sharpe_ratio",
    "sharpe_ratio",
]


def sharpe_ratio(returns: ArrayLike) -> Statistic:
    """Tell the Sharpe ratio of returns: their mean over their sample deviation, per period.

    Parameters
    ----------
    returns : array-like of float, one dimension
        Returns by period, in excess of whatever they are measured against: a list, an array, or a
        Series of pandas or polars. They may begin with NaN.

    Returns
    -------
    Statistic
        NaN with the reason where there are none, one is missing or infinite, or they do not vary
        by more than rounding.

    Raises
    ------
    CacheConfigError
        The returns are no numbers, or have more than one dimension.

    Examples
    --------
    >>> from afml_cache import sharpe_ratio
    >>> round(sharpe_ratio([0.01, -0.01, 0.03]), 4)
    0.5
    """
    parts, reason = _native.sharpe_estimate(_returns.column(returns))
    return Statistic(math.nan, reason) if parts is None else Statistic(parts[0])


@overload
def probabilistic_sharpe_ratio(returns: ArrayLike, *, benchmark: float = ...) -> Statistic: ...
@overload
def probabilistic_sharpe_ratio(
    *,
    sharpe: float,
    periods: int,
    skewness: float = ...,
    kurtosis: float = ...,
    benchmark: float = ...,
) -> Statistic: ...
def probabilistic_sharpe_ratio(
    returns: ArrayLike | None = None,
    *,
    benchmark: float = 0.0,
    sharpe: float | None = None,
    periods: int | None = None,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> Statistic:
    """Tell the probability that the true Sharpe ratio is above a benchmark.

    It is the normal distribution's at ``(SR - benchmark) * sqrt(T - 1) / sqrt(1 - skewness * SR +
    (kurtosis - 1) / 4 * SR**2)`` for T returns: Bailey & López de Prado, "The Sharpe Ratio
    Efficient Frontier", Journal of Risk 15(2), 2012.

    Parameters
    ----------
    returns : array-like of float, one dimension
        Returns by period, as in `sharpe_ratio`. Without them, say what is known of them:
    benchmark
        The Sharpe ratio to be above, per period.
    sharpe, periods
        The Sharpe ratio, per period, and how many returns it is of.
    skewness, kurtosis
        Those of the returns, of biased moments; a normal distribution has 0 and 3.

    Returns
    -------
    Statistic
        Between 0 and 1; NaN with the reason for fewer than 30 returns, for returns without a Sharpe
        ratio, and for moments that no returns have.

    Raises
    ------
    CacheConfigError
        There are returns and a Sharpe ratio, or neither.

    Examples
    --------
    >>> from afml_cache import probabilistic_sharpe_ratio
    >>> round(probabilistic_sharpe_ratio(sharpe=0.1, periods=250), 4)
    0.9423
    """
    parts = _parts(returns, sharpe, periods, skewness, kurtosis)
    if isinstance(parts, Statistic):
        return parts
    return Statistic(*_native.probabilistic_sharpe(parts, benchmark))


@overload
def deflated_sharpe_ratio(returns: ArrayLike, *, variance: float, trials: float) -> Statistic: ...
@overload
def deflated_sharpe_ratio(
    *,
    variance: float,
    trials: float,
    sharpe: float,
    periods: int,
    skewness: float = ...,
    kurtosis: float = ...,
) -> Statistic: ...
def deflated_sharpe_ratio(
    returns: ArrayLike | None = None,
    *,
    variance: float,
    trials: float,
    sharpe: float | None = None,
    periods: int | None = None,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> Statistic:
    """Tell the probability that the best of many trials has a Sharpe ratio above zero.

    It is the probabilistic Sharpe ratio against the largest one that so many trials without any
    skill would have shown, `expected_maximum_sharpe`: Bailey & López de Prado, "The Deflated Sharpe
    Ratio", Journal of Portfolio Management 40(5), 2014.

    Parameters
    ----------
    returns : array-like of float, one dimension
        Returns of the chosen trial, as in `sharpe_ratio`. Without them, say what is known of them.
    variance
        V, the variance of the Sharpe ratios of all trials, per period of the same length.
    trials
        N, how many independent trials there were; see `independent_trials`. For fewer than two the
        benchmark is 0.
    sharpe, periods, skewness, kurtosis
        As in `probabilistic_sharpe_ratio`.

    Returns
    -------
    Statistic
        Between 0 and 1; NaN with the reason as in `probabilistic_sharpe_ratio`, and where the
        variance is NaN or negative.

    Raises
    ------
    CacheConfigError
        There are returns and a Sharpe ratio, or neither; or there is less than one trial.

    Examples
    --------
    The example of the paper: 2.5 a year, the best of 100 trials over five years of 250 days.

    >>> from afml_cache import deflated_sharpe_ratio
    >>> chosen = {"sharpe": 2.5 / 250**0.5, "periods": 1250, "skewness": -3, "kurtosis": 10}
    >>> round(deflated_sharpe_ratio(**chosen, variance=0.5 / 250, trials=100), 4)
    0.9004
    """
    _check_trials(trials)
    parts = _parts(returns, sharpe, periods, skewness, kurtosis)
    if isinstance(parts, Statistic):
        return parts
    return Statistic(*_native.deflated_sharpe(parts, variance, trials))


def expected_maximum_sharpe(variance: float, trials: float) -> Statistic:
    """Tell the largest Sharpe ratio to expect of trials without any skill.

    It is ``sqrt(V) * ((1 - c) * quantile(1 - 1/N) + c * quantile(1 - 1/(N*e)))``, with quantiles of
    the normal distribution and c the Euler-Mascheroni constant: Bailey & López de Prado, "The
    Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014.

    Parameters
    ----------
    variance
        V, the variance of the Sharpe ratios of all trials.
    trials
        N, how many independent trials there were; not only whole numbers.

    Returns
    -------
    Statistic
        Per period as the Sharpe ratios are; 0 for fewer than two trials, and NaN with the
        reason where the variance is NaN or negative.

    Raises
    ------
    CacheConfigError
        There is less than one trial.

    Examples
    --------
    >>> from afml_cache import expected_maximum_sharpe
    >>> round(expected_maximum_sharpe(0.5 / 250, 100), 4)
    0.1132
    """
    _check_trials(trials)
    return Statistic(*_native.expected_maximum(variance, trials))


def independent_trials(returns: Any) -> float:
    """Tell how many independent trials some trials amount to, by their mean correlation.

    Of M trials with the mean correlation r, held within 0 and 1, it is ``r + (1 - r) * M``: Bailey
    & López de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014.

    Parameters
    ----------
    returns : array-like of float, periods by trials
        A frame of pandas or polars, or an array, with a column for each trial; NaN where it has no
        return. Where columns begin or end at other periods, each pair counts by those it shares.

    Returns
    -------
    float
        N, between 1 and the number of trials whose returns vary; 0 where none do.

    Raises
    ------
    CacheConfigError
        The returns are no numbers, or have other than two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from afml_cache import independent_trials
    >>> wave = np.sin(np.arange(100))
    >>> independent_trials(np.column_stack([wave, wave, 2 * wave]))
    1.0
    """
    rows = _returns.trials(returns)
    return _native.effective_trials(rows.astype(np.float64, copy=False))


def _parts(
    returns: ArrayLike | None,
    sharpe: float | None,
    periods: int | None,
    skewness: float,
    kurtosis: float,
) -> tuple[float, int, float, float] | Statistic:
    """Sharpe ratio, periods, skewness and kurtosis; or why there are none."""
    if returns is not None and sharpe is None and periods is None:
        parts, reason = _native.sharpe_estimate(_returns.column(returns))
        return Statistic(math.nan, reason) if parts is None else parts
    if returns is not None or sharpe is None or periods is None:
        message = "pass either the returns, or `sharpe` and `periods`"
        raise CacheConfigError(message)
    return sharpe, max(periods, 0), skewness, kurtosis


def _check_trials(trials: float) -> None:
    if trials < 1:
        message = f"`trials` is the number of trials, the chosen one among them, not {trials!r}"
        raise CacheConfigError(message)
