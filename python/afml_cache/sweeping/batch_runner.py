"""`BatchRunner`: a long list in batches, each in a process of its own, each with a file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from afml_cache import groups
from afml_cache.exceptions import CacheConfigError
from afml_cache.sweeping import batch_lines as lines
from afml_cache.sweeping.batch_arguments import add_file, check_merged_file, checked_folder
from afml_cache.sweeping.batch_book import whole_number
from afml_cache.sweeping.batch_collecting import collect_files, files_of_other_lists
from afml_cache.sweeping.batch_merging import merge_batches
from afml_cache.sweeping.batch_progress import BatchProgress
from afml_cache.sweeping.batch_work import BatchResult, BatchWork
from afml_cache.sweeping.checks import checked_flag, checked_path, refuse_unknown
from afml_cache.sweeping.installed import arrow
from afml_cache.sweeping.items import listed_items
from afml_cache.sweeping.plan import ItemOptions, make_plan
from afml_cache.sweeping.screen import Screen

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from typing_extensions import Unpack

__all__ = ["BatchResult", "BatchRunner"]

_OWN: Final = (
    "batch_size",
    "parquet_file",
    "skip_existing",
    "force_rerun",
    "output_dir",
    "merged_file",
    "adopt_existing",
)


class BatchRunner:
    """Evaluate a long list in batches, skip those that have a file, and merge all files into one.

    A batch runs in a process of its own, so that what it takes of memory is given back. What its
    items gave are results of the function, as with `sweep`: a batch that was interrupted, or some
    of whose items failed, computes what is missing. A file is done if it was recorded as that of
    this batch, which is what its items are, and is still as it was written.

    Parameters
    ----------
    evaluate : callable
        Called with each item, and what `common` says; gives a row: a mapping of names to values, a
        list of these, or a frame.
    strategies : iterable
        The items.
    batch_size : int, default 200
        How many of them are a batch.
    parquet_file : str or os.PathLike, optional
        A file that all items are evaluated on: an argument of that name where `evaluate` has one,
        else the one behind the item. It counts by its content.
    skip_existing : bool, default True
        Whether files that are done are used. Without, they are made anew, of results that are
        there.
    force_rerun : bool, default False
        Whether all items are computed again.
    output_dir : str or os.PathLike, default "batch_results"
        The folder of `results_batch_<n>.parquet`, where n counts from 0, and of the merged file.
    merged_file : str, default "results_merged.parquet"
        The name of that.
    adopt_existing : bool, default False
        Whether files that nobody recorded are taken as they are: sound files of another tool, with
        a row for each item.
    **options
        Those of `sweep`; by default one worker, and `on_error="keep going"`: a failed item leaves
        its batch without a file, and the others go on.

    Raises
    ------
    CacheConfigError, TypeError
        An argument can't be right.

    Examples
    --------
    >>> import tempfile
    >>> from afml_cache import BatchRunner
    >>> def evaluate(strategy):
    ...     return {"strategy": strategy, "profit": strategy * 1.5}
    >>> folder = tempfile.mkdtemp()
    >>> runner = BatchRunner(evaluate, range(5), batch_size=2, output_dir=folder, progress=False)
    >>> runner.run().name
    'results_merged.parquet'
    >>> again = BatchRunner(evaluate, range(5), batch_size=2, output_dir=folder, progress=False)
    >>> _ = again.run()
    >>> again.cached_batches
    [0, 1, 2]
    """

    def __init__(
        self,
        evaluate: Callable[..., Any],
        strategies: Iterable[Any],
        batch_size: int = 200,
        parquet_file: str | os.PathLike[str] | None = None,
        skip_existing: bool = True,
        force_rerun: bool = False,
        *,
        output_dir: str | os.PathLike[str] = "batch_results",
        merged_file: str = "results_merged.parquet",
        adopt_existing: bool = False,
        **options: Unpack[ItemOptions],
    ) -> None:
        self.evaluate = evaluate
        refuse_unknown("BatchRunner", options, (*_OWN, *ItemOptions.__annotations__))
        self.strategies = listed_items(strategies)
        self.batch_size = batch_size
        self.parquet_file = parquet_file
        self.force_rerun = checked_flag("force_rerun", force_rerun)
        self._may_skip = checked_flag("skip_existing", skip_existing)
        self.skip_existing = skip_existing and not force_rerun
        self.output_dir = checked_folder(output_dir)
        self.merged_file = merged_file
        self.adopt_existing = checked_flag("adopt_existing", adopt_existing)
        self._options = options
        self._prepare()

    def _prepare(self) -> None:
        options: Any = {"workers": 1, "on_error": "keep going", **self._options}
        options["force_rerun"] = self.force_rerun
        if self.parquet_file is not None:
            add_file(self.evaluate, options, checked_path("parquet_file", self.parquet_file))
        plan = make_plan(self.evaluate, options)
        self._work = BatchWork(plan, self.strategies, self.batch_size, self.output_dir)
        check_merged_file(self.merged_file, self.output_dir, self._work.book.paths)

    @property
    def cached_batches(self) -> list[int]:
        """Batches whose files were there, by their numbers from 0."""
        return self._work.cached

    @property
    def _skips(self) -> bool:
        return self.skip_existing and groups.looks_up("artifact", self._work.plan.group)

    def calculate_batches(self) -> list[tuple[int, int]]:
        """Give the positions of the items of each batch, from 0, the last one excluded.

        Examples
        --------
        >>> import tempfile
        >>> from afml_cache import BatchRunner
        >>> BatchRunner(abs, range(5), 2, output_dir=tempfile.mkdtemp()).calculate_batches()
        [(0, 2), (2, 4), (4, 5)]
        """
        return [self._work.book.span(number) for number in range(len(self._work.book.batches))]

    def run(self) -> Path:
        """Have all batches done, and merge their files.

        Returns
        -------
        pathlib.Path
            The merged file.

        Raises
        ------
        MergeError
            A batch has failed; the message names it, and the cause is what its first item raised.
        ItemError
            An item failed, with `on_error="raise"`.
        """
        self.run_all_batches()
        return self.merge_results()

    def run_batch_processing(
        self,
        batch_size: int | None = None,
        parquet_file: str | os.PathLike[str] | None = None,
        force_rerun: bool | None = None,
    ) -> Path:
        """Do as `run` does, with another size, file, or wish to compute all again."""
        self.batch_size = self.batch_size if batch_size is None else batch_size
        self.parquet_file = self.parquet_file if parquet_file is None else parquet_file
        if force_rerun is not None:
            self.force_rerun = checked_flag("force_rerun", force_rerun)
            self.skip_existing = self._may_skip and not force_rerun
        return self.run()

    def run_all_batches(self) -> list[BatchResult]:
        """Have all batches done that are not, and say what is done on the screen or in the log.

        Returns
        -------
        list of BatchResult
            Of each batch, in order.
        """
        arrow()  # what files are written with is missed before anything is computed
        self._prepare()  # data and code may be others than in the run before
        name = self._work.plan.desc or "Batches"
        screen = Screen(self._work.plan.progress, name, self._work.items.length)
        told = BatchProgress(self._work.items.length, screen, self._work.plan.callback)
        with self._work.held():
            self._work.note("running", told)
            try:
                results = self._run_each(screen, told)
            except BaseException:
                self._work.note("interrupted", told)
                raise
            finally:
                screen.close()
            self._work.note("failed" if self._work.failed else "done", told)
        successful, cached = sum(one.success for one in results), len(self.cached_batches)
        summary = lines.summary_lines(
            told.seconds, successful, len(results), cached, successful - cached
        )
        screen.say(summary)
        return results

    def _run_each(self, screen: Screen, told: BatchProgress) -> list[BatchResult]:
        total = len(self._work.book.batches)
        screen.say(lines.counting_lines(self._work.items.length, total, self.batch_size))
        if not self._work.plan.rules.looks_up:
            screen.say([lines.force_line()])
        self._find_done(screen, told)
        return [self._run_and_say(number, screen, told) for number in range(total)]

    def _find_done(self, screen: Screen, told: BatchProgress) -> None:
        """Find the batches that have a file, and tell of files that are not what they should be."""
        if not self._skips:
            return
        if self.adopt_existing:
            refused = self._work.adopt()
            screen.say(f"   Not adopted: {reason}" for reason in refused.values())
        checked = self._work.find_done()
        spans = [self._work.book.span(number) for number in self.cached_batches]
        there = sum(last - first for first, last in spans)
        told.counts.update(hits=there, done=there)
        told.show()
        odd = [found for found in checked if not found.is_done and found.state != "absent"]
        screen.say(lines.unused_lines((found.path.name, found.reason) for found in odd))
        screen.say(lines.found_lines([1 + number for number in self.cached_batches], len(checked)))
        others = self.files_of_other_lists()
        if others:
            hint = "`collect_other_files()` removes them"
            screen.say([f"   Files of other lists: {len(others)} ({hint})"])

    def _run_and_say(self, number: int, screen: Screen, told: BatchProgress) -> BatchResult:
        told.begin()
        result = self._work.run(number, told.show, told.counts)
        first, last = self._work.book.span(number)
        place = (1 + number, len(self._work.book.batches), first, last)
        batch = told.batch
        if not result.success:
            count = batch.failed + batch.timed_out if batch else 1
            reason = str(self._work.failed[number])
            screen.say([lines.failed_line(*place, failed=count, reason=reason)])
        elif result.from_cache:
            screen.say([lines.batch_line(*place)])
        else:
            ram = batch.memory_percent if batch else None
            screen.say([lines.batch_line(*place, seconds=result.elapsed, ram_percent=ram or None)])
        if not result.from_cache:
            self._work.note("running", told)
        return result

    def run_batch(self, number: int) -> BatchResult:
        """Have one batch done, unless it is.

        Parameters
        ----------
        number : int
            Which, from 0.

        Returns
        -------
        BatchResult
            (success, elapsed, output_file, from_cache).

        Raises
        ------
        CacheConfigError
            There is no such batch.
        """
        total, whole = len(self._work.book.batches), whole_number(number)
        if whole is None or not 0 <= whole < total:
            message = f"there is no batch {number!r}; there are {total}, counted from 0"
            raise CacheConfigError(message)
        number = whole
        if not self._work.is_current(number):
            self._prepare()
        self._work.look_at(number, skips=self._skips)
        return self._work.run(number, self._work.plan.callback, Counter())

    def merge_results(self) -> Path:
        """Write the rows of all batches, in the order of the list, as one Parquet file.

        Returns
        -------
        pathlib.Path
            The file, which depends on the rows alone: not on the size of batches, the number of
            workers, or interruptions.

        Raises
        ------
        MergeError
            A batch has no file that is whole and of this list; nothing is written.
        SchemaError
            Columns of batches do not go together.
        """
        self._work.raise_hole(skips=self._skips)
        book = self._work.book
        files = list(zip(book.paths, book.batches, strict=True))
        output = self.output_dir / self.merged_file
        self.output_dir.mkdir(parents=True, exist_ok=True)
        return merge_batches(files, output, book.recorded()).path

    def files_of_other_lists(self) -> list[Path]:
        """List files that earlier lists have left in the folder, and no batch of this one uses."""
        return files_of_other_lists(self.output_dir, set(self._work.book.paths))

    def collect_other_files(self) -> int:
        """Remove the files that earlier lists have left.

        Returns
        -------
        int
            How many bytes were freed.
        """
        others = self.files_of_other_lists()
        return collect_files(others, self._work.book.recorded_at(others))
