"""`BatchRunner`: a long list in batches, each in a process of its own, each with a file."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache import groups
from afml_cache.exceptions import CacheConfigError, ItemError, MergeError, SchemaError
from afml_cache.sweeping import batch_lines as lines
from afml_cache.sweeping.batch_arguments import add_file
from afml_cache.sweeping.batch_book import BatchBook, whole_number
from afml_cache.sweeping.batch_collecting import collect_files, files_of_other_lists
from afml_cache.sweeping.batch_merging import merge_batches
from afml_cache.sweeping.batch_progress import BatchProgress
from afml_cache.sweeping.items import listed_items
from afml_cache.sweeping.journal import Journal
from afml_cache.sweeping.plan import make_plan
from afml_cache.sweeping.screen import Screen

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Unpack

    from afml_cache.sweeping.plan import ItemOptions, Plan
    from afml_cache.sweeping.progress import Progress

__all__ = ["BatchResult", "BatchRunner"]


class BatchResult(NamedTuple):
    """What became of a batch.

    Attributes
    ----------
    success : bool
        Whether its file is there.
    elapsed : float
        Seconds that it took; 0 where the file was there.
    output_file : str
        The file.
    from_cache : bool
        Whether it was there before.
    """

    success: bool
    elapsed: float
    output_file: str
    from_cache: bool


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

    Attributes
    ----------
    cached_batches : list of int
        Batches whose files were there, by their numbers from 0.

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
        self.strategies = listed_items(strategies)
        self.batch_size = batch_size
        self.parquet_file = parquet_file
        self.force_rerun = force_rerun
        self._may_skip = skip_existing
        self.skip_existing = skip_existing and not force_rerun
        self.output_dir = Path(output_dir).absolute()
        self.merged_file = merged_file
        self.adopt_existing = adopt_existing
        self._options = options
        self._prepare()

    def _prepare(self) -> None:
        options: Any = {"workers": 1, "on_error": "keep going", **self._options}
        options["force_rerun"] = self.force_rerun
        if self.parquet_file is not None:
            add_file(self.evaluate, options, Path(self.parquet_file))
        self._plan: Plan = make_plan(self.evaluate, options)
        self._items = self._plan.items(self.strategies)
        self._journal = Journal(self._plan.store)
        self._book = BatchBook(self._items, self.batch_size, self.output_dir, self._journal)
        self.cached_batches: list[int] = []
        self._failed: dict[int, ItemError | SchemaError] = {}

    def _is_current(self, number: int) -> bool:
        """Whether the items of a batch are still what they were when they were looked at."""
        first, last = self._book.span(number)
        if not self._plan.work.is_unchanged():
            return False
        keys = self._plan.items(self.strategies[first:last]).listed_keys()
        return self._book.is_of(number, keys)

    @property
    def _skips(self) -> bool:
        return self.skip_existing and groups.looks_up("artifact", self._plan.group)

    def calculate_batches(self) -> list[tuple[int, int]]:
        """Give the positions of the items of each batch, from 0, the last one excluded.

        Examples
        --------
        >>> import tempfile
        >>> from afml_cache import BatchRunner
        >>> BatchRunner(abs, range(5), 2, output_dir=tempfile.mkdtemp()).calculate_batches()
        [(0, 2), (2, 4), (4, 5)]
        """
        return [self._book.span(number) for number in range(len(self._book.batches))]

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
            self.skip_existing = self._may_skip and not force_rerun
            self.force_rerun = force_rerun
        return self.run()

    def run_all_batches(self) -> list[BatchResult]:
        """Have all batches done that are not, and say what is done on the screen or in the log.

        Returns
        -------
        list of BatchResult
            Of each batch, in order.
        """
        self._prepare()  # data and code may be others than in the run before
        name = self._plan.desc or "Batches"
        screen = Screen(self._plan.progress, name, self._items.length)
        told = BatchProgress(self._items.length, screen, self._plan.callback)
        with self._held():
            self._note("running", told)
            try:
                results = self._run_each(screen, told)
            except BaseException:
                self._note("interrupted", told)
                raise
            finally:
                screen.close()
            self._note("failed" if self._failed else "done", told)
        successful, cached = sum(one.success for one in results), len(self.cached_batches)
        summary = lines.summary_lines(
            told.seconds, successful, len(results), cached, successful - cached
        )
        screen.say(summary)
        return results

    def _run_each(self, screen: Screen, told: BatchProgress) -> list[BatchResult]:
        total = len(self._book.batches)
        screen.say(lines.counting_lines(self._items.length, total, self.batch_size))
        if not self._plan.rules.looks_up:
            screen.say([lines.force_line()])
        self._find_done(screen, told)
        return [self._run_and_say(number, screen, told) for number in range(total)]

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Tell others that somebody is at it."""
        lock = self._journal.lock(self._items.id) if self._plan.rules.writes else None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _note(self, state: str, told: BatchProgress) -> None:
        """Note how the whole stands, for `sweeps`."""
        if self._plan.rules.writes:
            status = self._plan.status(self._items).counted(told.counts, state, told.seconds)
            begun = time.time_ns() - int(told.seconds * 1e9)
            self._journal.note_sweep(replace(status, begun_ns=begun))

    def _find_done(self, screen: Screen, told: BatchProgress) -> None:
        """Find the batches that have a file, and tell of files that are not what they should be."""
        if not self._skips:
            return
        checked = self._book.check()
        if self.adopt_existing:
            states = [(number, found.state) for number, found in enumerate(checked)]
            strange = [number for number, state in states if state == "unrecorded"]
            done = [number for number, state in states if state == "done"]
            refused = self._book.adopt(strange, done)
            screen.say(f"   Not adopted: {reason}" for reason in refused.values())
            checked = self._book.check()
        self.cached_batches = [number for number, found in enumerate(checked) if found.is_done]
        spans = [self._book.span(number) for number in self.cached_batches]
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
        result = self._run(number, told.show, told.counts)
        first, last = self._book.span(number)
        place = (1 + number, len(self._book.batches), first, last)
        batch = told.batch
        if not result.success:
            count = batch.failed + batch.timed_out if batch else 1
            reason = str(self._failed[number])
            screen.say([lines.failed_line(*place, failed=count, reason=reason)])
        elif result.from_cache:
            screen.say([lines.batch_line(*place)])
        else:
            ram = batch.memory_percent if batch else None
            screen.say([lines.batch_line(*place, seconds=result.elapsed, ram_percent=ram or None)])
        if not result.from_cache:
            self._note("running", told)
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
        total, whole = len(self._book.batches), whole_number(number)
        if whole is None or not 0 <= whole < total:
            message = f"there is no batch {number!r}; there are {total}, counted from 0"
            raise CacheConfigError(message)
        number = whole
        if not self._is_current(number):
            self._prepare()
        if self._skips and self._book.check_one(number).is_done:
            if number not in self.cached_batches:
                self.cached_batches.append(number)
        elif number in self.cached_batches:
            self.cached_batches.remove(number)
        return self._run(number, self._plan.callback, Counter())

    def _run(
        self,
        number: int,
        callback: Callable[[Progress], object] | None,
        counts: Counter[str],
    ) -> BatchResult:
        """Have a batch done, and count its items."""
        path = str(self._book.paths[number])
        self._failed.pop(number, None)
        if number in self.cached_batches:
            return BatchResult(True, 0.0, path, True)
        started = time.monotonic()
        first, last = self._book.span(number)
        rules = replace(self._plan.rules, notes=False)
        plan = replace(self._plan, rules=rules, progress=False, callback=callback)
        items = plan.items(self.strategies[first:last])
        states = plan.run(replace(items, first=first, whole=self._items.id))
        counts.update(states.counts())
        found = states.listed()
        errors = (one for one in found if isinstance(one, ItemError))
        failed = next(errors, None) or self._write(number, found)
        if failed is not None:
            self._failed[number] = failed
        return BatchResult(failed is None, time.monotonic() - started, path, False)

    def _write(self, number: int, found: list[Any]) -> SchemaError | None:
        """Write the file of a batch; give what is wrong with its rows, if that ends no run."""
        if not self._is_current(number):
            self._book.set_apart(number)
        try:
            self._book.write(number, found)
        except SchemaError as error:
            if self._plan.rules.raises:
                raise
            return error
        return None

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
        if self._skips:  # another runner may have done them since
            for number in [one for one in self._failed if self._book.check_one(one).is_done]:
                del self._failed[number]
        if self._failed:
            number, error = min(self._failed.items())
            message = (
                f"batch {1 + number} of {len(self._book.batches)} has no file, since "
                f"{error}; run it again once that is mended"
            )
            raise MergeError(message) from error
        files = list(zip(self._book.paths, self._book.batches, strict=True))
        output = self.output_dir / self.merged_file
        self.output_dir.mkdir(parents=True, exist_ok=True)
        return merge_batches(files, output, self._book.recorded()).path

    def files_of_other_lists(self) -> list[Path]:
        """List files that earlier lists have left in the folder, and no batch of this one uses."""
        return files_of_other_lists(self.output_dir, set(self._book.paths))

    def collect_other_files(self) -> int:
        """Remove the files that earlier lists have left.

        Returns
        -------
        int
            How many bytes were freed.
        """
        others = self.files_of_other_lists()
        return collect_files(others, self._book.recorded_at(others))
