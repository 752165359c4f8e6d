"""`cached_backtest`: a function of which each backtest runs once."""

from __future__ import annotations

import functools
import inspect
import threading
from copy import copy
from typing import TYPE_CHECKING, Any

from afml_cache import code, info
from afml_cache._native import current_mode
from afml_cache._pickled import is_by_name
from afml_cache._values import unwrap
from afml_cache.decorators import check_function, code_settings, name_of
from afml_cache.exceptions import CacheConfigError, CacheMissError
from afml_cache.runs import lookup
from afml_cache.runs.answers import LEFT_OUT
from afml_cache.runs.bound import BoundBacktest
from afml_cache.runs.cache import BacktestCache, get_backtest_cache
from afml_cache.runs.calls import Task
from afml_cache.runs.counts import Counts, mark_coroutine_function
from afml_cache.runs.curves import checked_kind
from afml_cache.runs.identity import Strategy
from afml_cache.runs.reading import payload_of
from afml_cache.runs.recording import About

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache.info import CacheInfo

__all__ = ["CachedBacktest", "cached_backtest"]


def cached_backtest(
    strategy_name: str,
    save_trades: bool = True,
    *,
    data: str | tuple[str, ...] | None = None,
    params: str | None = None,
    dataset: str | None = None,
    purpose: str = "",
    equity_kind: str = "price",
    notes: str = "",
    tags: dict[str, str] | None = None,
    costs: dict[str, Any] | None = None,
    cache: BacktestCache | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], CachedBacktest]:
    """Run each backtest of a strategy once, and keep what it returned as a run.

    A run is told by the strategy's name, its code with all that it reaches, its parameters, the
    content of its data, and every other argument. The order of parameters does not count, and
    NumPy's scalars count as Python's.

    Parameters
    ----------
    strategy_name : str
        The strategy; rankings and the ledger go by it.
    save_trades : bool, default True
        Whether trades are kept. If not, no answer has any, and one that was kept without them is
        computed again where they are wanted.
    data, params : str or tuple of str, optional
        Names of the arguments that are the data, and of the one that has the parameters. By
        default those are `data` and `params`, else the first frame and the first mapping.
    dataset : str, optional
        What the data set is called in the ledger; by default its source, symbol and timeframe, as
        far as its frames have such attributes.
    purpose : str, default ""
        What the data set is used for: trials for another purpose are another family.
    equity_kind : {"price", "pnl", "returns"}, default "price"
        What the equity curve is: levels, cumulative profit in currency, or returns by period.
    notes : str, default ""
        Kept with each run.
    tags, costs : dict, optional
        Kept with each run; `costs` are named costs, such as commission and slippage.
    cache : BacktestCache, optional
        Where runs go; `get_backtest_cache()` by default.
    **options
        Those of `robust_cacheable` that say what code is: `version`, `ignore`, `unordered`,
        `files`, `deps`, `ignore_deps`, `track_code`, `track_packages`; and how bars are labelled:
        `label`, `timeframe`, `calendar`.

    Returns
    -------
    callable
        A decorator. The function that it gives is called as before, and has `last_run_id`,
        `cache_info()`, `refresh(...)`, `run_id(...)`, `is_cached(...)` and `__wrapped__`.

    Raises
    ------
    CacheConfigError
        An option has a value that can't be right.

    Notes
    -----
    A backtest returns its metrics, alone or first: (metrics, trades, equity, positions,
    diagnostics), as far as it goes, or a dictionary of these. A hit has the type and the length of
    the first answer. What is raised is noted in the ledger as a failure, which is no trial, and
    goes to the caller. Where the cache fails the function runs, and a `CacheWarning` says why.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import cached_backtest
    >>> @cached_backtest("hold")
    ... def hold(data, params):
    ...     equity = data["close"] * params["units"]
    ...     return {"profit": float(equity.iloc[-1] - equity.iloc[0])}, None, equity
    >>> bars = pd.DataFrame({"close": [100.0, 101.0, 103.0]})
    >>> hold(bars, {"units": 2})[0], hold(bars.copy(), {"units": 2})[0]
    ({'profit': 6.0}, {'profit': 6.0})
    >>> hold.cache_info().hits
    1
    """
    if not isinstance(strategy_name, str) or not strategy_name:
        message = (
            f"cached_backtest takes the strategy's name, not {strategy_name!r}: "
            '@cached_backtest("momentum")'
        )
        raise CacheConfigError(message)
    about = About(
        dataset, purpose, checked_kind(equity_kind), notes, copy(tags or {}), copy(costs or {})
    )
    settings = code_settings("cached_backtest", options)

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(decorate(function.__func__))
        if unwrap(function) is not function:
            message = f"cached_backtest can't decorate {function!r}: it is cached already"
            raise TypeError(message)
        check_function("cached_backtest", function, settings["options"])
        strategy = Strategy(strategy_name, function, data=data, params=params, settings=settings)
        return CachedBacktest(strategy, about, save_trades=save_trades, cache=cache)

    return decorate


class CachedBacktest:
    """A backtest function whose runs are kept; `cached_backtest` makes it."""

    __name__: str
    __qualname__: str

    def __init__(
        self,
        strategy: Strategy,
        about: About,
        *,
        save_trades: bool,
        cache: BacktestCache | None,
    ) -> None:
        functools.update_wrapper(self, strategy.function)
        self.__signature__ = strategy.signature
        self.strategy = strategy
        self.about = about
        self.save_trades = save_trades
        self.counts = Counts()
        self._cache = cache
        self._latest = threading.local()
        self._is_async = inspect.iscoroutinefunction(strategy.function)
        if self._is_async:
            mark_coroutine_function(self)
        lookup.register(strategy)
        info.track(self)

    @property
    def cache(self) -> BacktestCache:
        """Where the runs go."""
        return self._cache or get_backtest_cache()

    @property
    def cache_name(self) -> str:
        """`module.qualname`."""
        return name_of(self.strategy.function)

    @property
    def last_run_id(self) -> str | None:
        """The id of the run of this thread's last call; `None` where that left no run."""
        return getattr(self._latest, "run_id", None)

    def note_latest(self, run_id: str | None) -> None:
        """Note which run this thread's last call is, for `last_run_id`."""
        self._latest.run_id = run_id

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else BoundBacktest(self, instance)

    def __repr__(self) -> str:
        return f"<cached backtest {self.strategy.name!r} of {self.strategy.function!r}>"

    def __cache_key__(self) -> Any:
        said = self.settings()
        counts = said["version"], tuple(said["options"].get("deps", ())), self.save_trades
        return self.strategy.name, self.strategy.function, *counts

    def __reduce__(self) -> Any:
        if is_by_name(self):
            return self.__qualname__
        options = {"save_trades": self.save_trades, "cache": self._cache}
        sources = code.sources_of(self.strategy.function)
        return _rebuilt, (self.strategy.made_of(), self.about, options, sources)

    def cache_info(self) -> CacheInfo:
        """Give what this function has done in this process."""
        return self.counts.info()

    def reset_counters(self) -> None:
        """Set the counts of `cache_info` to zero."""
        self.counts.reset()

    def settings(self) -> dict[str, Any]:
        """Give what it is told to count as code, and whether it keeps trades."""
        return {
            "version": "",
            "options": {},
            **self.strategy.made_of()["settings"],
            "save_trades": self.save_trades,
        }

    def run_id(self, *args: Any, **kwargs: Any) -> str:
        """Give the id of the run of a call, whether it is there or not.

        Raises
        ------
        UncacheableArgumentError
            An argument can't be keyed.
        """
        return self.strategy.identity(self.strategy.bind(args, kwargs)).run

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the run of a call is there, with what it returned."""
        runs, run_id = self.cache.native, self.run_id(*args, **kwargs)
        run = runs.find(run_id)
        if run is None or run.state != "whole":
            return False
        return not (self.save_trades and (payload_of(runs, run_id) or {}).get(LEFT_OUT))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give the answer of a backtest: kept, or computed and then kept."""
        return self._called(args, kwargs, current_mode())

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a backtest whatever is kept, and keep what it returns, where the mode allows it.

        Raises
        ------
        CacheMissError
            The mode is "frozen".
        """
        mode = current_mode()
        if mode == "frozen":
            message = f"the backtest {self.strategy.name!r} computes nothing in mode {mode!r}"
            raise CacheMissError(message)
        return self._called(args, kwargs, "off" if mode in {"off", "readonly"} else "fresh")

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any], mode: str) -> Any:
        task = Task(self, args, kwargs, mode)
        return task.awaited() if self._is_async else task.answered()


def _rebuilt(
    strategy: dict[str, Any], about: About, options: dict[str, Any], sources: dict[bytes, Any]
) -> CachedBacktest:
    """Put a cached backtest together again, in another process."""
    code.learn_sources(sources)
    return CachedBacktest(Strategy(**strategy), about, **options)
