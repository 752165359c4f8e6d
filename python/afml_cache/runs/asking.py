"""Frames of runs: compared, ranked and listed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError, warn
from afml_cache.runs import rankings
from afml_cache.runs.canonical import data_digest, whole_number
from afml_cache.runs.families import Figures, family_of, standing_of
from afml_cache.runs.index import find_all, ids_of
from afml_cache.runs.lookup import check_name
from afml_cache.runs.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from afml_cache._native import Run


class Asking(View):
    """A view that answers questions."""

    def compare_runs(
        self, run_ids: Iterable[str], metrics: Iterable[str] | str | None = None
    ) -> Any:
        """Put runs side by side.

        Parameters
        ----------
        run_ids : iterable of str
            One that is not there is left out, with a `RankingWarning`.
        metrics : iterable of str or str, optional
            Which metrics, each of which is a column whatever the runs have; by default all.

        Returns
        -------
        DataFrame
            Indexed by `run_id`: `strategy`, `timestamp`, `start_date`, `end_date` (UTC),
            `param_<name>` for each parameter, and the metrics.
        """
        known = self._known(run_ids)
        names = [metrics] if isinstance(metrics, str) else metrics
        wanted = None if names is None else list(names)
        rows = [rankings.row_of(run, wanted) for run in known]
        return rankings.comes_from(rankings.frame_of(rows, wanted or ()), self.store)

    def find_best_parameters(
        self,
        strategy_name: str,
        metric: str = "sharpe_ratio",
        maximize: bool = True,
        top_n: int = 5,
        data: Any = None,
        *,
        run_ids: Iterable[str] | str | None = None,
    ) -> Any:
        """Rank the runs of a strategy by a metric, and say how much of it may be luck.

        Looks at test folds are not ranked, unless `data` is theirs or `run_ids` names them. The
        frame can be passed on as parameters: then its first row's are meant.

        Parameters
        ----------
        strategy_name : str
        metric : str, default "sharpe_ratio"
            Runs without it, or where it is no finite number, are not ranked.
        maximize : bool, default True
            Whether more of it is better.
        top_n : int, default 5
        data : frame, list of frames, or dict of frames by symbol, optional
            Only runs on this data.
        run_ids : iterable of str, optional
            Only these runs, such as those of one grid, or of the code as it is now.

        Returns
        -------
        DataFrame
            As of `compare_runs`, best first, of equals the one that was recorded first, and beside
            that

            - `n_trials`: how many sets of code and parameters were tried in the run's family, and
              `n_independent`, how many of these are independent: r + (1 - r)M for M trials whose
              returns have the average correlation r;
            - `psr`: the probabilistic Sharpe ratio against 0, and `deflated_sharpe`: the
              probability that the true Sharpe ratio is above what luck gives the best of so many
              (Bailey & López de Prado 2014), both of the kept returns, and never of the metric;
            - `pbo`: the probability of backtest overfitting of the family, as `overfitting` found
              it last; a ranking does not wait for it;
            - `overfit_note`: why one of these is NaN.

        Raises
        ------
        CacheConfigError
            `top_n` is no number of runs, or a name is none.

        Warns
        -----
        RankingWarning
            Runs are left out, or nothing is ranked; those that are ranked saw different data, or
            the best are not all of the code of the run that was recorded last.
        """
        check_name(strategy_name)
        check_name(metric, "metric", "the name of a metric, a text such as 'sharpe_ratio'")
        most = whole_number(top_n, least=1)
        if most is None:
            message = f"`top_n` is how many runs to give, not {top_n!r}"
            raise CacheConfigError(message)
        content = None if data is None else data_digest(data)
        asked = strategy_name, metric, bool(maximize), min(most, sys.maxsize), content
        best, unranked, differ = (
            self.native.best(*asked) if run_ids is None else self._best_of(run_ids, *asked)
        )
        runs = f"runs of {strategy_name!r}"
        if unranked:
            reason = f"their `{metric}` is NaN, infinite, or no number"
            warn("RankingWarning", f"{unranked} {runs} are not ranked: {reason}")
        elif not best:
            where = "" if data is None else " on this data"
            warn("RankingWarning", f"there are no {runs}{where} that have `{metric}`")
        if differ and best:
            message = f"the {runs} that are ranked saw different data, and may not be compared"
            warn("RankingWarning", f"{message}; pass data= to rank those on one")
        if run_ids is None and self._is_of_other_code(best):
            message = f"the best {runs} are not all of the code that was run last"
            warn("RankingWarning", f"{message}; pass run_ids= to rank the runs that you mean")
        return rankings.comes_from(self._ranked(best, metric), self.store)

    def _known(self, run_ids: Iterable[str], strategy: str | None = None) -> list[Run]:
        """Find runs, of a strategy if one is given, and warn of those that are not there."""
        ids = ids_of(run_ids)
        known, missing = [], []
        for run_id, run in zip(ids, find_all(self.native, ids), strict=True):
            if run is None or strategy not in {None, run.strategy}:
                missing.append(str(run_id))
            else:
                known.append(run)
        if missing:
            of = "" if strategy is None else f"of {strategy!r} "
            warn(
                "RankingWarning",
                f"{len(missing)} of {len(ids)} runs are not {of}in `{self.native.folder}` and are "
                f"left out: {', '.join(missing[:5])}",
            )
        return known

    def _best_of(
        self,
        run_ids: Iterable[str],
        strategy: str,
        metric: str,
        maximize: bool,
        most: int,
        data: str | None,
    ) -> tuple[list[Run], int, bool]:
        """Rank these runs alone; as `Runs.best`."""
        runs = {run.run: run for run in self._known(run_ids, strategy)}.values()
        asked = [run for run in runs if data in {None, run.data}]
        ranked = rankings.ranked(asked, metric, maximize)
        unranked = sum(metric in dict(run.metrics) for run in asked) - len(ranked)
        return ranked[:most], unranked, len({run.data for run in ranked}) > 1

    def _is_of_other_code(self, best: list[Run]) -> bool:
        """Whether one of the best is not of the code of the run that was recorded last."""
        if not best:
            return False
        last = self.native.select(strategy=best[0].strategy, most=1)
        return {run.code for run in best} != {run.code for run in last}

    def _ranked(self, best: list[Run], metric: str) -> Any:
        figures = self._figures(best)
        rows = [
            {**rankings.row_of(run), **shown._asdict()}
            for run, shown in zip(best, figures, strict=True)
        ]
        return rankings.frame_of(rows, (metric,), behind=Figures._fields)

    def _figures(self, runs: list[Run]) -> list[Figures]:
        families = [family_of(run) for run in runs]
        standings = {family: standing_of(self.native, family) for family in set(families)}
        return [standings[family].of(run) for family, run in zip(families, runs, strict=True)]

    def runs(
        self,
        strategy: str | None = None,
        *,
        where: Mapping[str, Any] | Callable[[Mapping[str, Any]], bool] | None = None,
        data: Any = None,
        output: str = "pandas",
    ) -> Any:
        """List runs.

        Parameters
        ----------
        strategy : str, optional
            Of this one only.
        where : mapping or callable, optional
            Values that columns have, such as ``{"param_lookback": 20}``; or a function that says of
            a row, a mapping, whether it is wanted.
        data : frame, list of frames, or dict of frames by symbol, optional
            Only runs on this data.
        output : {"pandas", "polars"}, default "pandas"

        Returns
        -------
        DataFrame
            As of `compare_runs`, in the order in which runs were recorded first, with `dataset`,
            `purpose`, `kind` ("trial" or "test"), `state` ("whole" or "pruned"), `pinned`,
            `seconds` and `data_hash`. In polars, `run_id` is a column.

        Raises
        ------
        CacheConfigError
            `output` or `where` can't be right.
        """
        if output not in {"pandas", "polars"}:
            message = f'`output` is "pandas" or "polars", not {output!r}'
            raise CacheConfigError(message)
        content = None if data is None else data_digest(data)
        rows = [
            {**rankings.row_of(run), **rankings.state_of(run)}
            for run in self.native.select(strategy=strategy, data=content)
        ]
        rows = [row for row in rows if rankings.is_wanted(row, where)]
        if output == "polars":
            return rankings.polars_frame_of(rows)
        return rankings.comes_from(rankings.frame_of(rows, behind=rankings.STATE), self.store)

    def leaderboard(self, metric: str = "sharpe_ratio", maximize: bool = True) -> Any:
        """Give the best run of each strategy, best first.

        Parameters
        ----------
        metric, maximize
            As for `find_best_parameters`; strategies without such a run are left out.

        Returns
        -------
        DataFrame
            As of `find_best_parameters`.
        """
        tops = [
            run
            for strategy, _ in self.native.count()
            for run in self.native.best(strategy, metric, maximize, 1, None)[0]
        ]
        tops.sort(key=lambda run: dict(run.metrics)[metric], reverse=maximize)
        return rankings.comes_from(self._ranked(tops, metric), self.store)
