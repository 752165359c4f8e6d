"""The ledger: what was tried, and how much of the best of it is luck."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from afml_cache.exceptions import CacheConfigError
from afml_cache.modes import writes
from afml_cache.overfitting import Overfitting
from afml_cache.sharpe import deflated_sharpe_ratio, probabilistic_sharpe_ratio

if TYPE_CHECKING:
    from afml_cache._native import Run, Runs

_TWO = 2


class Family(NamedTuple):
    """Backtests of one strategy, on one data set, for one purpose.

    Attributes
    ----------
    strategy, dataset, purpose : str
    """

    strategy: str
    dataset: str = ""
    purpose: str = ""


class Figures(NamedTuple):
    """How a run looks beside all that was tried.

    Attributes
    ----------
    n_trials : int
        Distinct code and parameters of its family, M.
    n_independent : float
        How many of these are independent, N.
    psr : float
        The probability that its true Sharpe ratio is above 0.
    deflated_sharpe : float
        The probability that it is above what luck alone gives the best of N.
    pbo : float
        The probability of backtest overfitting of its family, as it was found last.
    overfit_note : str
        Why one of these is NaN, or what to know of it.
    """

    n_trials: int
    n_independent: float
    psr: float
    deflated_sharpe: float
    pbo: float
    overfit_note: str


class Standing:
    """The figures of a family, for each of its runs."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.number: int = known["number"]
        self.trials: int = known["trials"]
        self.version: int = known["version"]
        self.independent = _independent(known["correlation"], self.trials)
        self._spreads: dict[int, list[float]] = {step: rest for step, *rest in known["spreads"]}
        self._overfitting = known["overfitting"]

    def variance(self, step_ns: int) -> float:
        """Give the sample variance of Sharpe ratios of one frequency; NaN for fewer than two."""
        count, total, squares = self._spreads.get(step_ns, [0, 0.0, 0.0])
        if count < _TWO:
            return math.nan
        return max(0.0, (squares - total * total / count) / (count - 1))

    def overfitting(self) -> tuple[float, str]:
        """Give the probability of overfitting as it was found last, and what to know of it."""
        if self._overfitting is None:
            return math.nan, "pbo: not computed so far, see overfitting()"
        found, version = self._overfitting
        told = _told(found)
        if told.reason:
            return told, f"pbo: {told.reason}"
        return told, "" if version == self.version else "pbo: of other trials, see overfitting()"

    def known_overfitting(self) -> Overfitting | None:
        """Give what was found of these very trials; `None` if they have changed since."""
        if self._overfitting is None or self._overfitting[1] != self.version:
            return None
        return _told(self._overfitting[0])

    def of(self, run: Run) -> Figures:
        """Give the figures of a run."""
        notes = []
        psr = dsr = math.nan
        if run.moments is None:
            notes.append(f"deflated Sharpe: {run.reason}")
        else:
            psr, dsr, why = self._deflated(run)
            notes.append(why)
        pbo, note = self.overfitting()
        told = "; ".join(filter(None, (*notes, note)))
        return Figures(self.trials, self.independent, psr, dsr, pbo, told)

    def _deflated(self, run: Run) -> tuple[float, float, str]:
        assert run.moments is not None  # noqa: S101 - asked before
        periods, mean, deviation, skewness, kurtosis = run.moments
        if not deviation > 0:
            return math.nan, math.nan, "deflated Sharpe: the returns do not vary"
        moments = {
            "sharpe": mean / deviation,
            "periods": periods,
            "skewness": skewness,
            "kurtosis": kurtosis,
        }
        psr = probabilistic_sharpe_ratio(**moments)
        variance = self.variance(run.step_ns)
        trials = max(1.0, self.independent)  # of looks at tests alone there are none
        dsr = deflated_sharpe_ratio(**moments, variance=variance, trials=trials)
        reason = dsr.reason or psr.reason
        return float(psr), float(dsr), f"deflated Sharpe: {reason}" if reason else ""


def _independent(correlation: float | None, trials: int) -> float:
    shared = min(1.0, max(0.0, correlation or 0.0))
    return shared + (1.0 - shared) * trials


def standing_of(runs: Runs, family: Family) -> Standing:
    """Give the figures of a family.

    Raises
    ------
    CacheConfigError
        Nothing was tried in it.
    """
    known = runs.standing(*family)
    if known is None:
        _refuse(family.strategy)
    return Standing(known)


def _refuse(strategy: str) -> NoReturn:
    message = f"nothing was tried of a strategy {strategy!r}"
    raise CacheConfigError(message)


def family_of(run: Run) -> Family:
    """Give the family of a run."""
    return Family(run.strategy, run.dataset, run.purpose)


class Ledger:
    """What was tried, by family: it stays when runs are pruned or deleted."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def __repr__(self) -> str:
        return f"<ledger of {len(self.families())} families in {self._runs.folder}>"

    def families(self, strategy: str | None = None) -> list[Family]:
        """List the families, or those of a strategy."""
        return [Family(*row[1:4]) for row in self._runs.families(strategy)]

    def trials(self, strategy: str, dataset: str | None = None, purpose: str | None = None) -> Any:
        """List what was tried in a family.

        Parameters
        ----------
        strategy : str
        dataset, purpose : str, optional
            Needed where the strategy has several families.

        Returns
        -------
        DataFrame
            A row for each trial (its latest run counts), each look at a test fold and each failure:
            `run_id`, `kind` ("trial", "test" or "failure"), `timestamp` in UTC, `state`, `periods`,
            `sharpe` per period, `note`.

        Raises
        ------
        CacheConfigError
            There is no such family, or there are several.
        """
        from afml_cache.runs.listing import trials_frame

        return trials_frame(self._runs, self.family(strategy, dataset, purpose))

    def family(
        self, strategy: str, dataset: str | None = None, purpose: str | None = None
    ) -> Family:
        """Tell which family is meant.

        Raises
        ------
        CacheConfigError
            There is no such family, or there are several.
        """
        all_of = self.families(strategy)
        found = [
            family
            for family in all_of
            if dataset in {None, family.dataset} and purpose in {None, family.purpose}
        ]
        if len(found) == 1:
            return found[0]
        shown = ", ".join(
            f"dataset={family.dataset!r}, purpose={family.purpose!r}" for family in found or all_of
        )
        if not all_of:
            _refuse(strategy)
        if found:
            message = f"the strategy {strategy!r} has several families; say which: {shown}"
        else:
            message = f"the strategy {strategy!r} has no such family; it has {shown}"
        raise CacheConfigError(message)

    def overfitting(
        self, strategy: str, dataset: str | None = None, purpose: str | None = None
    ) -> Overfitting:
        """Compute the probability of overfitting of a family; it is known until a trial changes.

        By CSCV (Bailey, Borwein, López de Prado & Zhu 2017) in 16 blocks, of the returns by session
        that all trials have.

        Returns
        -------
        Overfitting
            A float with `reason`, `trials` and `periods`; NaN for fewer than 10 trials or 160
            periods.

        Raises
        ------
        CacheConfigError
            There is no such family, or there are several.
        """
        family = self.family(strategy, dataset, purpose)
        standing = standing_of(self._runs, family)
        known = standing.known_overfitting()
        if known is not None:
            return known
        value, reason, trials, periods = self._runs.overfitting(standing.number)
        found = {
            "value": None if math.isnan(value) else value,
            "reason": reason or "",
            "trials": trials,
            "periods": periods,
        }
        remembered = json.dumps(found).encode()
        if writes():
            self._runs.remember_overfitting(standing.number, standing.version, remembered)
        return _told(remembered)


def _told(remembered: bytes) -> Overfitting:
    found = json.loads(remembered)
    value = math.nan if found["value"] is None else found["value"]
    told = Overfitting(value, found["reason"] or None)
    told.trials, told.periods = found["trials"], found["periods"]
    return told
