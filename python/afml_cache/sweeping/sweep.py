"""`sweep`: a function over many items, each of which is computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from afml_cache.sweeping.listing import status
from afml_cache.sweeping.plan import make_plan

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from typing_extensions import Unpack

    from afml_cache.decorators import CodeOptions
    from afml_cache.sweeping.progress import Progress

__all__ = ["Sweep", "sweep"]


class Sweep:
    """The type of `sweep`, which is called, and has `status`."""

    status = staticmethod(status)

    def __reduce__(self) -> str:
        """Be the same object in every process."""
        return "sweep"

    def __call__(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        common: Sequence[Any] | Mapping[str, Any] = (),
        unpack: bool = False,
        workers: int | None = None,
        executor: Literal["processes", "threads", "sequential"]
        | concurrent.futures.Executor
        | None = None,
        threads_per_worker: int = 1,
        checkpoint_interval: int | None = None,
        retry: Literal["all", "failed", "timeout"] | None = "all",
        max_attempts: int = 1,
        timeout: float | str | None = None,
        on_error: Literal["raise", "keep going"] = "raise",
        seed: int = 0,
        consume: Callable[[Any], Any] | None = None,
        group: str | None = None,
        force_rerun: bool = False,
        desc: str | None = None,
        progress: bool | None = None,
        progress_callback: Callable[[Progress], object] | None = None,
        scratch: str | Iterable[str] = (),
        needs: int | str | None = None,
        **options: Unpack[CodeOptions],
    ) -> list[Any]:
        """Call a function for each item, compute only what is not there, and go on after a stop.

        The call of an item is `function(item, *common)`. Its result is kept as that of a cached
        function's call is, by the content of item, `common` and code: a list that is reordered,
        extended or cut computes what is new, and so does the next call after a kill. An item that
        appears twice is computed once.

        Parameters
        ----------
        function : callable
            What is done with an item. A cached function keeps its own options and results.
        items : iterable
            The items, in any order.
        common : tuple, list or mapping, default ()
            Arguments behind the item, or by name: digested once, and sent to each worker once.
        unpack : bool, default False
            Whether an item that is a tuple is several arguments, and one that is a mapping several
            by name.
        workers : int, optional
            How many processes, or threads. Without it, and without `executor`, items are computed
            here, one after the other.
        executor : {"processes", "threads", "sequential"} or concurrent.futures.Executor, optional
            Who computes: processes of our own if `workers` are given, or somebody else's, such as
            `client.get_executor()` of Dask, with a store that all of them share.
        threads_per_worker : int, default 1
            Native threads (BLAS, OpenMP, polars) of each worker, so that results do not depend on
            how many workers there are.
        checkpoint_interval : int, optional
            After how many results a worker commits what it has, at most 100; by default that of
            `configure`, else 10. It does so after 30 seconds in any case, and at once after an
            item that took over a second.
        retry : {"all", "failed", "timeout", None}, default "all"
            Which items that failed in an earlier call are tried again; the others stay failed.
        max_attempts : int, default 1
            How often an item is tried in this call, if it fails in a way that `retry` names.
        timeout : float or str, optional
            Seconds that an item may take, or a text such as "5min". With processes of our own the
            one that takes longer is killed; elsewhere it is given up, and a late result is kept.
        on_error : {"raise", "keep going"}, default "raise"
            Whether the first failure ends the sweep, or is in the list in the item's place.
        seed : int, default 0
            The seed of the sweep. A function that takes `seed` or `rng` is given one of the item's
            own: H(seed, item) in 32 bits, or NumPy's `default_rng` of all of its bits. Processes of
            our own seed the generators of `random` and NumPy with it before each item.
        consume : callable, optional
            Called with each result where it was computed; what it gives is kept in its place.
        group : str, optional
            A group such as "labeling", whose results `configure(cache_labeling=False)` turns off
            and `clear_group` removes.
        force_rerun : bool, default False
            Compute all items, whatever is there, as `--force-rerun` does.
        desc : str, optional
            What the sweep is called, in the bar and in `sweeps()`; by default as the function.
        progress : bool, optional
            Whether to show a bar; by default in terminals and notebooks, and lines in the log
            "afml_cache.sweeps" elsewhere.
        progress_callback : callable, optional
            Called with a `Progress` now and then, and at the end. What it raises ends the sweep and
            goes to the caller; results are kept.
        scratch : str or iterable of str, default ()
            Names of scratch folders that items write to: kept until all items are done, and for the
            next call where some failed. Where items write to scratch of an artifact around, or are
            given a path in an open scratch folder, results are used again as long as that very
            folder is there: after a stop, and not when the artifact is made anew.
        needs : int or str, optional
            Bytes that an item writes to scratch, such as "2 GB", for `disk_budget`; by default the
            most that one was seen to write.
        **options
            Those of `cacheable` that say what counts as code: `version`, `ignore`, `files`, ...

        Returns
        -------
        list
            The results, in the order of the items; each is the stored one, as the next call will
            give it. With `on_error="keep going"` an `ItemError` stands where an item failed.

        Raises
        ------
        ItemError
            An item failed; its cause is what it raised. What the others gave is kept.
        CacheConfigError, TypeError
            An argument can't be right.
        CacheMissError
            The mode is "frozen", and something is not there.
        DiskBudgetError
            Within `disk_budget`: there is no room for the next item, and nobody frees any.

        Notes
        -----
        Ctrl-C ends it within a second with processes of our own, else after the running items.

        Examples
        --------
        >>> from afml_cache import sweep
        >>> def label(threshold, prices):
        ...     return sum(price > threshold for price in prices)
        >>> sweep(label, [1.0, 1.2, 1.0], common=([1.1, 1.3],), progress=False)
        [2, 1, 2]
        >>> sweep.status("label").hits
        0
        """
        plan = make_plan(
            function,
            {
                "common": common,
                "unpack": unpack,
                "workers": workers,
                "executor": executor,
                "threads_per_worker": threads_per_worker,
                "checkpoint_interval": checkpoint_interval,
                "retry": retry,
                "max_attempts": max_attempts,
                "timeout": timeout,
                "on_error": on_error,
                "seed": seed,
                "consume": consume,
                "group": group,
                "force_rerun": force_rerun,
                "desc": desc,
                "progress": progress,
                "progress_callback": progress_callback,
                "scratch": scratch,
                "needs": needs,
                **options,
            },
        )
        return plan.run(plan.items(items)).listed()

    def __repr__(self) -> str:
        return "<sweep>"


sweep = Sweep()
