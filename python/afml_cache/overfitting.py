"""How often what looks best in one part of the time is no better than the middle in the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from afml_cache import _native, _returns
from afml_cache.exceptions import CacheConfigError
from afml_cache.statistic import Statistic

__all__ = ["Overfitting", "probability_of_backtest_overfitting"]

_MOST_BLOCKS = 24


class Overfitting(Statistic):
    """A probability of backtest overfitting, and what it is of.

    Attributes
    ----------
    reason : str or None
        Why there is no figure; `None` where there is one.
    trials : int
        How many trials were compared: those whose returns vary.
    periods : int
        How many periods of each were looked at: those that all trials have, without the first ones
        that are left over beside blocks of one length.
    """

    trials: int
    periods: int


def probability_of_backtest_overfitting(returns: Any, blocks: int = 16) -> Overfitting:
    """Tell how often the best trial of one half is no better than the middle in the other.

    This is combinatorially symmetric cross-validation: Bailey, Borwein, López de Prado & Zhu, "The
    Probability of Backtest Overfitting", Journal of Computational Finance 20(4), 2017. The periods
    are cut into blocks. For each choice of half of the blocks, the trial with the best Sharpe ratio
    there is looked up among all trials in the other half, as ``rank / (trials + 1)``. The figure is
    the share of choices where the logit of that is at most 0; luck alone gives about one half.

    Parameters
    ----------
    returns : array-like of float, periods by trials
        A frame of pandas or polars, or an array, with a column for each trial. Periods in which any
        trial is NaN are left out, and so are trials that have no returns at all.
    blocks
        Even, from 2 to 24. What is left over beside blocks of one length is dropped at the start.

    Returns
    -------
    Overfitting
        Between 0 and 1; NaN with the reason for fewer than 10 trials whose returns vary, fewer than
        10 periods for each block, or infinite returns. Where a trial does not vary in a half, its
        Sharpe ratio there is 0. Equal ones share the mean of their ranks, and the choice where they
        are the best.

    Raises
    ------
    CacheConfigError
        The returns are no numbers, or have other than two dimensions; or so many blocks can't be.

    Examples
    --------
    >>> import numpy as np
    >>> from afml_cache import probability_of_backtest_overfitting
    >>> returns = np.random.default_rng(7).normal(size=(500, 40))
    >>> returns[:, 3] += 0.3
    >>> probability_of_backtest_overfitting(returns)
    0.0
    """
    if isinstance(blocks, bool) or blocks not in range(2, _MOST_BLOCKS + 1, 2):
        message = f"`blocks` is an even number from 2 to {_MOST_BLOCKS}, not {blocks!r}"
        raise CacheConfigError(message)
    rows = _returns.trials(returns)
    missing = np.isnan(rows)
    if missing.any():
        there = ~missing.all(axis=1)
        rows = np.ascontiguousarray(rows[there][:, ~missing[there].any(axis=0)])
    value, reason, trials, periods = _native.overfitting(rows, int(blocks))
    told = Overfitting(value, reason)
    told.trials, told.periods = trials, periods
    return told
