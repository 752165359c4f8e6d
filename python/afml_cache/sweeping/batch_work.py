"""The batches of a list as it is now: which are done, and what becomes of one that is run."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache.exceptions import ItemError, MergeError, SchemaError
from afml_cache.sweeping.batch_book import BatchBook
from afml_cache.sweeping.journal import Journal

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from afml_cache.sweeping.batch_checks import Checked
    from afml_cache.sweeping.batch_progress import BatchProgress
    from afml_cache.sweeping.plan import Plan
    from afml_cache.sweeping.progress import Progress

__all__ = ["BatchResult", "BatchWork"]


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


class BatchWork:
    """Has the batches of a list done.

    Parameters
    ----------
    plan, strategies
        What is done with an item, and the items.
    batch_size, folder
        How many of them are a batch, and where the files of batches are.

    Attributes
    ----------
    items, book
        What the items are, and the files of their batches.
    cached : list of int
        Batches whose files were there.
    failed : dict
        What the first item that failed has raised, or what is wrong with the rows, by batch.
    """

    def __init__(self, plan: Plan, strategies: list[Any], batch_size: int, folder: Path) -> None:
        self.plan = plan
        self._strategies = strategies
        self._journal = Journal(plan.store)
        self.items = plan.items(strategies)
        self.book = BatchBook(self.items, batch_size, folder, self._journal)
        self.cached: list[int] = []
        self.failed: dict[int, ItemError | SchemaError] = {}

    def is_current(self, number: int) -> bool:
        """Whether the items of a batch are still what they were when they were looked at."""
        first, last = self.book.span(number)
        if not self.plan.work.is_unchanged():
            return False
        keys = self.plan.items(self._strategies[first:last]).listed_keys()
        return self.book.is_of(number, keys)

    def adopt(self) -> dict[int, str]:
        """Take the files that nobody recorded as they are; give the reasons against, by batch."""
        states = [(number, found.state) for number, found in enumerate(self.book.check())]
        strange = [number for number, state in states if state == "unrecorded"]
        return self.book.adopt(strange, [number for number, state in states if state == "done"])

    def find_done(self) -> list[Checked]:
        """Look at all files, and take those that are done as they are."""
        checked = self.book.check()
        self.cached = [number for number, found in enumerate(checked) if found.is_done]
        return checked

    def look_at(self, number: int, *, skips: bool) -> None:
        """Look at the file of one batch, and take it as it is if it is done."""
        if skips and self.book.check_one(number).is_done:
            if number not in self.cached:
                self.cached.append(number)
        elif number in self.cached:
            self.cached.remove(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Tell others that somebody is at it."""
        lock = self._journal.lock(self.items.id) if self.plan.rules.writes else None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def note(self, state: str, told: BatchProgress) -> None:
        """Note how the whole stands, for `sweeps`."""
        if self.plan.rules.writes:
            status = self.plan.status(self.items).counted(told.counts, state, told.seconds)
            begun = time.time_ns() - int(told.seconds * 1e9)
            self._journal.note_sweep(replace(status, begun_ns=begun))

    def run(
        self,
        number: int,
        callback: Callable[[Progress], object] | None,
        counts: Counter[str],
    ) -> BatchResult:
        """Have a batch done, and count its items."""
        path = str(self.book.paths[number])
        self.failed.pop(number, None)
        if number in self.cached:
            return BatchResult(True, 0.0, path, True)
        started = time.monotonic()
        first, last = self.book.span(number)
        rules = replace(self.plan.rules, notes=False)
        plan = replace(self.plan, rules=rules, progress=False, callback=callback)
        items = plan.items(self._strategies[first:last])
        states = plan.run(replace(items, first=first, whole=self.items.id))
        counts.update(states.counts())
        found = states.listed()
        errors = (one for one in found if isinstance(one, ItemError))
        failed = next(errors, None) or self._write(number, found)
        if failed is not None:
            self.failed[number] = failed
        return BatchResult(failed is None, time.monotonic() - started, path, False)

    def _write(self, number: int, found: list[Any]) -> SchemaError | None:
        """Write the file of a batch; give what is wrong with its rows, if that ends no run."""
        if not self.is_current(number):
            self.book.set_apart(number)
        try:
            self.book.write(number, found)
        except SchemaError as error:
            if self.plan.rules.raises:
                raise
            return error
        return None

    def raise_hole(self, *, skips: bool) -> None:
        """Raise what the first batch that failed has failed of.

        Raises
        ------
        MergeError
            There is one, and no other runner has done it since.
        """
        if skips:
            there = [number for number in self.failed if self.book.check_one(number).is_done]
            for number in there:
                del self.failed[number]
        if self.failed:
            number, error = min(self.failed.items())
            message = (
                f"batch {1 + number} of {len(self.book.batches)} has no file, since {error}; run "
                "it again once that is mended"
            )
            raise MergeError(message) from error
