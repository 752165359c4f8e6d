"""`BacktestCache`: the runs of a store, looked up, recorded, ranked and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError, CacheCorruptError
from afml_cache.look_ahead import note_seen, refuse_future
from afml_cache.modes import looks_up, writes
from afml_cache.runs import lookup, parquet, rankings, retention
from afml_cache.runs.answers import LEFT_OUT, Parts, with_trades
from afml_cache.runs.asking import Asking
from afml_cache.runs.canonical import plain, typed
from afml_cache.runs.curves import checked_kind
from afml_cache.runs.index import found, note_latest
from afml_cache.runs.keeping import Keeping
from afml_cache.runs.looking import Looking
from afml_cache.runs.passing import Passing
from afml_cache.runs.reading import payload_of, result_of, tell_once
from afml_cache.runs.recording import About, Recording
from afml_cache.runs.result import raise_pruned
from afml_cache.runs.splitting import Splitting

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from afml_cache._native import Store
    from afml_cache.runs.result import BacktestResult

__all__ = ["BacktestCache", "get_backtest_cache"]


class BacktestCache(Asking, Looking, Keeping, Passing, Splitting):
    """The backtests of a store.

    Every `BacktestCache` on one folder is the same live view, in whichever process.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The folder of the store; the default store, of `configure`, if it is left out.
    store : Store, optional
        The store itself.
    keep_top : int, optional
        How many runs of each strategy keep what they returned; the metrics of the others are kept,
        and so are runs that are pinned. By default all of them do.
    keep_metric : str, default "sharpe_ratio"
        By which metric these are chosen.
    keep_maximize : bool, default True
        Whether more of it is better.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import BacktestCache
    >>> cache = BacktestCache()
    >>> bars = pd.DataFrame({"close": [100.0, 101.0, 103.0]})
    >>> run_id = cache.cache_backtest("hold", {"units": 1}, bars, {"sharpe": 1.5})
    >>> cache.get_cached_backtest("hold", {"units": 1}, bars).metrics
    {'sharpe': 1.5}
    >>> run_id in cache.index, len(cache.index)
    (True, 1)
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike[str] | None = None,
        *,
        store: Store | None = None,
        keep_top: int | None = None,
        keep_metric: str = "sharpe_ratio",
        keep_maximize: bool = True,
    ) -> None:
        if cache_dir is not None and store is not None:
            message = "a BacktestCache takes `cache_dir` or `store`, not both"
            raise CacheConfigError(message)
        super().__init__(cache_dir if store is None else store)
        self._retention = retention.retention_of(keep_top, keep_metric, maximize=keep_maximize)

    def cache_backtest(
        self,
        strategy_name: str,
        parameters: Mapping[str, Any],
        data: Any,
        metrics: Mapping[str, Any],
        trades: Any = None,
        equity_curve: Any = None,
        positions: Any = None,
        diagnostics: Any = None,
        *,
        code: Any = None,
        dataset: str | None = None,
        purpose: str = "",
        equity_kind: str = "price",
        seconds: float = 0.0,
        notes: str = "",
        tags: dict[str, str] | None = None,
        costs: dict[str, Any] | None = None,
        splits: int | None = None,
    ) -> str:
        """Record a backtest.

        Parameters
        ----------
        strategy_name : str
        parameters : mapping
            Their order does not count, and NumPy's scalars count as Python's.
        data : frame, list of frames, or dict of frames by symbol
            Counts by its content.
        metrics : mapping of str to float
            What is no number is kept, and not ranked.
        trades, positions : DataFrame, optional
        equity_curve : Series, optional
        diagnostics : object, optional
        code : callable or str, optional
            The backtest's function, or a text that tells its code from other code; without it, a
            look-up finds the run by name, parameters and data alone.
        dataset, purpose, equity_kind, notes, tags, costs
            As for `cached_backtest`.
        seconds : float, default 0
            How long it took.
        splits : int, optional
            How many folds it had.

        Returns
        -------
        str
            The run's id. One that is there already is recorded anew, and keeps its date. In modes
            that write nothing it is not recorded.

        Raises
        ------
        UncacheableArgumentError
            Parameters or data can't be keyed by their content.
        CacheConfigError
            Parameters or metrics are no mapping, or an option can't be right.
        CacheStoreError
            It can't be written.
        """
        if not hasattr(metrics, "items"):
            message = f"`metrics` is a mapping of names to numbers, not {type(metrics).__name__}"
            raise CacheConfigError(message)
        if isinstance(seconds, bool) or not isinstance(plain(seconds), int | float):
            message = f"`seconds` is how long the backtest took, a number, not {seconds!r}"
            raise CacheConfigError(message)
        parameters = _checked(parameters)
        identity, told, bars = lookup.with_code(strategy_name, code, parameters, data)
        parts = Parts(metrics, trades, equity_curve, positions, diagnostics)
        kind = checked_kind(equity_kind)
        about = About(dataset, purpose, kind, notes, tags or {}, costs or {}, splits)
        recording = Recording(
            identity,
            strategy_name,
            typed(parameters),
            data,
            parts,
            told,
            about,
            seconds=plain(seconds),
            seen_ns=bars.seen_until([data]),
        )
        if writes():
            self.record(recording)
            note_latest(self.native, identity.run)
        return identity.run

    def record(self, recording: Recording) -> None:
        """Record what a backtest gave, for `cached_backtest`."""
        runs, run_id = self.native, recording.identity.run
        if self._retention is None:
            recording.save(runs)
            return
        before = runs.find(run_id)
        recording.save(runs)
        # What was called again is to be there for once, whatever its rank.
        restored = run_id if before is not None and before.state == "pruned" else None
        retention.prune(runs, recording.strategy, self._retention, spared=restored)

    def get_cached_backtest(
        self,
        strategy_name: str,
        parameters: Mapping[str, Any],
        data: Any,
        *,
        code: Any = None,
    ) -> BacktestResult | None:
        """Look a backtest up.

        Parameters
        ----------
        strategy_name, parameters, data
            As for `cache_backtest`.
        code : callable or str, optional
            As there. Without it, a run that was recorded without code is found, or one of the
            function that was decorated under this name in this process.

        Returns
        -------
        BacktestResult or None
            Of a run that was pruned, all but its metrics raise `PrunedError`. Nothing is found in
            the modes "off" and "fresh".

        Raises
        ------
        UncacheableArgumentError
            Parameters or data can't be keyed by their content.
        CacheConfigError
            Parameters are no mapping, or do not fit the function.
        """
        parameters = _checked(parameters)
        if not looks_up():
            return None
        runs = self.native
        for identity in lookup.candidates(strategy_name, code, parameters, data):
            run = runs.find(identity.run)
            payload = None if run is None else payload_of(runs, identity.run)
            if run is not None and payload is not None:
                refuse_future(f"backtest {strategy_name}", run.seen_ns)
                note_seen(run.seen_ns)
                note_latest(runs, identity.run)
                return result_of(runs, run, payload)
        if code is None:
            self._tell_of_other_code(strategy_name, identity.parameters, identity.data)
        return None

    def _tell_of_other_code(self, strategy: str, parameters: str, data: str) -> None:
        others = self.native.select(strategy=strategy, data=data, parameters=parameters, most=1)
        if others:
            tell_once(
                "RankingWarning",
                f"there are runs of {strategy!r} with these parameters and this data, by code that "
                "is not the one known here under that name; pass code= (the function, or the text "
                "that they were recorded with) to say which is meant",
            )

    def cache_trades(self, run_id: str, trades: Any) -> Path | None:
        """Give a run its trades, in the place of those that it has.

        Parameters
        ----------
        run_id : str
        trades : DataFrame or None
            Hits of `cached_backtest` have them from now on, too, where the answer has a place.

        Returns
        -------
        Path or None
            Their Parquet file for other tools; `None` where they have none.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        PrunedError
            What it returned was pruned.
        CacheCorruptError
            What it returned can't be read.
        """
        run = found(self.native, run_id)
        if run.state == "pruned":
            raise_pruned(run_id, "trades")
        payload = self.native.answer(run_id)
        if payload is None:
            message = f"what the run {run_id} returned is gone; call the backtest again"
            raise CacheCorruptError(message)
        payload = {**payload, "trades": trades}
        payload.pop(LEFT_OUT, None)
        if "answer" in payload:
            payload["answer"] = with_trades(payload["answer"], trades)
        files, _ = parquet.written(payload)
        if writes():
            self.native.replace(run_id, payload, files)
        place = self.native.folder_of(run_id) / parquet.FILES["trades"]
        return place if place.exists() else None


def _checked(parameters: Any) -> Mapping[str, Any]:
    """Give parameters, those of the best run for a ranking."""
    parameters = rankings.best_parameters(parameters)
    if isinstance(parameters, Mapping):
        return parameters
    message = f"`parameters` is a mapping of names to values, not {type(parameters).__name__}"
    raise CacheConfigError(message)


_default: list[BacktestCache] = []


def get_backtest_cache() -> BacktestCache:
    """Give the runs of the default store."""
    if not _default:
        _default.append(BacktestCache())
    return _default[0]
