"""A look into runs: what is known of them, why they differ, how much of them is luck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.runs.curves import returns_frame
from afml_cache.runs.differences import RunDifference, difference_of
from afml_cache.runs.index import find, found, ids_of
from afml_cache.runs.reading import metadata_of, payload_of
from afml_cache.runs.result import raise_pruned
from afml_cache.runs.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache.overfitting import Overfitting
    from afml_cache.runs.result import BacktestMetadata


class Looking(View):
    """A view that looks into runs."""

    def get_run_metadata(self, run_id: str) -> BacktestMetadata | None:
        """Give what is known of a run beside what it returned; `None` where there is no run."""
        run = find(self.native, run_id)
        return None if run is None else metadata_of(self.native, run)

    def get_cached_trades(self, run_id: str) -> Any:
        """Give the trades of a run; `None` where it has none, or there is no such run.

        Raises
        ------
        PrunedError
            They were pruned.
        """
        run = find(self.native, run_id)
        if run is None:
            return None
        if run.state == "pruned":
            raise_pruned(run_id, "trades")
        payload = payload_of(self.native, run_id)
        return None if payload is None else payload.get("trades")

    def overfitting(
        self, strategy: str, dataset: str | None = None, purpose: str | None = None
    ) -> Overfitting:
        """Compute the probability of backtest overfitting of a family.

        Parameters
        ----------
        strategy : str
        dataset, purpose : str, optional
            Needed where the strategy has several families.

        Returns
        -------
        Overfitting
            As `ledger.overfitting` gives it.

        Raises
        ------
        CacheConfigError
            There is no such family, or there are several.
        """
        return self.ledger.overfitting(strategy, dataset, purpose)

    def explain(self, first: str, second: str) -> RunDifference:
        """Say what differs between two runs: data, code, parameters, packages.

        Parameters
        ----------
        first, second : str
            Their ids.

        Returns
        -------
        RunDifference
            True if anything differs; prints what does.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        pair = found(self.native, first), found(self.native, second)
        return difference_of(self.native, *pair)

    def returns(self, run_ids: Iterable[str]) -> Any:
        """Give the returns by session that are kept of runs, also of those that were pruned.

        Parameters
        ----------
        run_ids : str or iterable of str

        Returns
        -------
        DataFrame of float32
            A column for each run that has returns, in currency for those of
            `equity_kind="pnl"`; indexed by the day of the session, as the equity writes it, or by
            the number of the row where the equity had no times. Of more than 4,096 sessions,
            neighbours are joined under the first of them.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        CacheConfigError
            Some had times, and others none.
        """
        runs = [found(self.native, run_id) for run_id in ids_of(run_ids)]
        kept = {run.run: (run.step_ns > 0, self.native.returns_of(run.run)) for run in runs}
        return returns_frame({one: (days, of) for one, (days, of) in kept.items() if of})

    def plot_equity(self, run_ids: Iterable[str] | str, *, ax: Any = None) -> Any:
        """Draw the equity of runs by their returns by session: from 1, or from 0 for profits.

        Parameters
        ----------
        run_ids : str or iterable of str
            Those without returns are left out.
        ax : matplotlib Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        RunNotFoundError
            There is no such run.
        CacheConfigError
            Some had times, and others none.
        ImportError
            matplotlib is not installed.
        """
        from afml_cache.runs.plotting import plot

        frame = self.returns(run_ids)
        runs = [found(self.native, run_id) for run_id in frame.columns]
        kinds = [self.native.returns_of(run.run) for run in runs]
        profits = {run.run for run, of in zip(runs, kinds, strict=True) if of and of[3] == "pnl"}
        return plot(runs, frame, profits, ax)
