"""What becomes of runs: pinned, pruned, deleted, cleared."""

from __future__ import annotations

import time
from typing import Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import span
from afml_cache.runs import retention
from afml_cache.runs.canonical import plain
from afml_cache.runs.index import found
from afml_cache.runs.view import View
from afml_cache.timed_values import DAY

_USUAL = 30
_LONGEST = 100_000  # days; instants in nanoseconds reach no further


class Keeping(View):
    """A view that changes what is kept."""

    def pin(self, run_id: str) -> None:
        """Have a run keep what it returned, whatever `keep_top` says.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.pin(found(self.native, run_id).run, pinned=True)

    def unpin(self, run_id: str) -> None:
        """Take back what `pin` said.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.pin(found(self.native, run_id).run, pinned=False)

    def delete(self, run_id: str) -> None:
        """Remove a run; what was tried stays in the ledger.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        self.native.delete(found(self.native, run_id).run)

    def prune(
        self,
        keep_top: int,
        *,
        strategy: str | None = None,
        metric: str = "sharpe_ratio",
        maximize: bool = True,
    ) -> list[str]:
        """Leave the metrics alone to all runs but the best of each strategy and the pinned ones.

        Parameters
        ----------
        keep_top : int
            How many runs of each strategy keep what they returned.
        strategy : str, optional
            Of this one only.
        metric : str, default "sharpe_ratio"
            By which they rank; runs without it go first.
        maximize : bool, default True
            Whether more of it is better.

        Returns
        -------
        list of str
            Ids of the runs that were pruned. Calling such a backtest again restores it.
        """
        chosen = retention.retention_of(keep_top, metric, maximize=maximize)
        names = [name for name, _ in self.native.count()] if strategy is None else [strategy]
        if chosen is None:
            message = "`keep_top` is how many runs of each strategy keep their trades, not None"
            raise CacheConfigError(message)
        return [run for name in names for run in retention.prune(self.native, name, chosen)]

    def clear_old_runs(
        self, days: float | None = None, *, before: Any = None, strategy: str | None = None
    ) -> int:
        """Remove runs that were computed long ago, and are not pinned.

        What killed processes have left of runs goes too.

        Parameters
        ----------
        days : float, default 30
            Those that are older than so many days, unless `before` says which.
        before : datetime, date or str, optional
            Those from before this instant, in UTC where it has no zone.
        strategy : str, optional
            Of this one only.

        Returns
        -------
        int
            How many runs went. The ledger keeps what was tried.

        Raises
        ------
        CacheConfigError
            `days` and `before` both say which, or can't be right.
        """
        limit = _limit(days, before)
        old = [
            run.run
            for run in self.native.select(strategy=strategy)
            if run.at_ns < limit and not run.pinned
        ]
        for run in old:
            self.native.delete(run)
        self.native.collect()
        return len(old)

    def get_cache_stats(self) -> dict[str, Any]:
        """Give how many runs there are, of which strategies, and what they take.

        Returns
        -------
        dict
            `total_runs`, `strategies` (runs by strategy), `cache_size_mb`, `runs_dir`.
        """
        strategies = dict(self.native.count())
        return {
            "total_runs": sum(strategies.values()),
            "strategies": strategies,
            "cache_size_mb": self.native.size_bytes / 1e6,
            "runs_dir": str(self.native.folder),
        }


def _limit(days: float | None, before: Any) -> int:
    if before is not None and days is not None:
        message = "clear_old_runs takes `days` or `before`, not both"
        raise CacheConfigError(message)
    if before is not None:
        instant = span(before)
        if instant is None:
            message = (
                f"`before` is a date, a datetime or a text such as '2024-05-03', not {before!r}"
            )
            raise CacheConfigError(message)
        return instant.first
    days = _USUAL if days is None else plain(days)
    if isinstance(days, bool) or not isinstance(days, int | float) or not days >= 0:
        message = f"`days` is a number that is not negative, not {days!r}"
        raise CacheConfigError(message)
    return time.time_ns() - round(min(days, _LONGEST) * DAY)
