"""The life of a sweep: look up, give out what is missing, take what comes, and keep book."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from afml_cache.sweeping.chunks import Chunks
from afml_cache.sweeping.events import Died, Emitted, Finished, TimedOut, UnsentError
from afml_cache.sweeping.messages import Apart, Busy, Failed, Gave, Peak, Raised, Stored
from afml_cache.sweeping.state import States, failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.sweeping.events import Event
    from afml_cache.sweeping.hands import Hands
    from afml_cache.sweeping.items import Item, Items
    from afml_cache.sweeping.journal import Journal, SweepStatus
    from afml_cache.sweeping.progress import Reporter
    from afml_cache.sweeping.rules import Rules
    from afml_cache.sweeping.work import Work

# How long what somebody else computes is left alone at first, and at most; in seconds.
_FIRST: Final = 0.02
_LAST: Final = 1.0
# How often the journal notes how far the sweep is, in seconds.
_NOTES: Final = 1.0


class Engine:
    """Works through the items of a sweep.

    Parameters
    ----------
    work, items, rules
        What is done, with what, and how.
    journal
        Where it is noted.
    status
        What the sweep is.
    """

    def __init__(
        self, work: Work, items: Items, rules: Rules, journal: Journal, status: SweepStatus
    ) -> None:
        self._work = work
        self._rules = rules
        self._journal = journal
        self.status = replace(status, begun_ns=time.time_ns())
        self.states = States(items)
        self._before: dict[str, int] = {}
        self._given: dict[int, float] = {}
        self._spent: dict[int, float] = {}
        self._noted = 0.0
        self._patience = _FIRST
        self._next_look = 0.0

    def prepare(self) -> None:
        """Take what is there, and what failed before and is to be left alone."""
        missing = self._take_stored(self.states.items.distinct)
        known = self._journal.failures([item.key for item in missing if item.key])
        items = self.states.items
        for item in missing:
            failure = known.pop(item.key or "", None)
            self._before[item.key or ""] = failure.attempts if failure else 0
            if failure is None or failure.state in self._rules.retry or not self._rules.looks_up:
                self.states.pending.append(item)
            else:
                left = replace(failure, place=items.place(item))
                self.states.failed(item, left, None)
                known[item.key or ""] = left
        if self._rules.writes:
            whole = items.whole
            self._journal.begin_list(whole or self.status.id, known, is_part=whole is not None)

    def _take_stored(self, items: list[Item]) -> list[Item]:
        """Take the results that are there, and give the items that have none."""
        if not self._rules.looks_up:
            return list(items)
        keyed = [item for item in items if item.key is not None]
        stored = self._work.stored([self.states.items.call(item) for item in keyed])
        for item, found in zip(keyed, stored, strict=True):
            if found is not None:
                self.states.done(item, found[0], was_there=True)
        return [item for item in items if item.number not in self.states.results]

    def run(self, hands: Hands, reporter: Reporter) -> None:
        """Have all items worked through.

        Raises
        ------
        ItemError
            An item failed, and that ends the sweep.
        """
        chunks = Chunks(self.states.pending, self._rules.workers, single=self._rules.single)
        self._keep_book("running", is_due=True)
        reporter.begin(self.states.counts())
        if self._rules.writes:
            self._journal.note_group(self.status)
        while not self.states.is_over():
            self._give_out(hands, chunks)
            for event in hands.wait(self._pause()):
                self._take(event, chunks)
            self._look_at_deferred()
            self._keep_book("running")
            reporter.show(self.states.counts())
            self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what the first item in the list that failed raised, if that ends the sweep."""
        if self._rules.raises and self.states.failures:
            raise self.states.error_of(min(self.states.failures))

    def _pause(self) -> float:
        """How long to wait for workers: not long where others are waited for too."""
        if not self.states.deferred:
            return _LAST
        return min(_LAST, max(0.0, self._next_look - time.monotonic()))

    def _give_out(self, hands: Hands, chunks: Chunks) -> None:
        while self.states.pending and hands.free():
            room = self._rules.room
            if room is not None and not room.admits(len(self.states.out)):
                return
            chosen = chunks.next()
            for item in chosen:
                item.attempts += 1
                self.states.out[item.number] = item
            self._given[chosen[0].number] = time.monotonic()
            try:
                hands.submit([(item.number, item.given()) for item in chosen])
            except UnsentError as error:
                self._take_unsent(chosen, error)

    def _take_unsent(self, chosen: list[Item], error: UnsentError) -> None:
        """Find the item that can't be sent by sending each by itself."""
        if len(chosen) > 1:
            for item in reversed(chosen):
                item.alone = True
                self._give_back(item)
            return
        text = str(error)
        self._take_failure(chosen[0], "failed", Raised("TypeError", text, "", None), 0.0, None)

    def _take(self, event: Event, chunks: Chunks) -> None:
        if isinstance(event, Emitted):
            self._take_message(event.message)
        elif isinstance(event, Finished):
            self._take_finished(event, chunks)
        elif isinstance(event, Died):
            self._take_death(event)
        elif isinstance(event, TimedOut):
            self._take_timeout(event)

    def _take_message(self, message: Any) -> None:
        if isinstance(message, Stored):
            self._take_results(message.seconds)
            return
        if isinstance(message, Peak):
            if self._rules.room is not None:
                self._rules.room.saw(message.size)
            return
        item = self.states.out.get(message.number)
        if item is None:
            return  # it was given out again, and has come from elsewhere
        if isinstance(message, Busy):
            self.states.out.pop(item.number)
            item.attempts -= 1
            self._defer(item)
            return
        if isinstance(message, Apart):
            self._take_apart(item, message)
            return
        self._patience = _FIRST
        self._spent[item.number] = message.seconds
        if isinstance(message, Gave):
            self.states.done(item, message.value)
        elif isinstance(message, Failed):
            error = message.raised.error()
            self._take_failure(item, "failed", message.raised, message.seconds, error)

    def _take_apart(self, item: Item, message: Apart) -> None:
        """Refuse a worker's other code; what is only changed on its way is sent, not stored."""
        own = self._work.code_parts(self.states.items.call(item))
        labels = sorted(own.keys() | message.code.keys())
        others = [label for label in labels if own.get(label) != message.code.get(label)]
        if not others:
            item.inline = True
            item.attempts -= 1
            self.states.again(item)
            return
        text = (
            f"{message.place} has other code of `{self._work.name}` than this process: "
            f"{', '.join(others[:5])}; bring both to one version"
        )
        self._take_failure(item, "failed", Raised("CodeMismatchError", text, "", None), 0.0, None)

    def _defer(self, item: Item) -> None:
        if not self.states.deferred:
            self._next_look = time.monotonic() + self._patience
            self._patience = min(2 * self._patience, _LAST)
        self.states.deferred.append(item)

    def _take_results(self, seconds: dict[int, float]) -> None:
        """Read results that a worker stored; one that is gone already is sent, next time."""
        items = [self.states.out[number] for number in seconds if number in self.states.out]
        if items:
            self._patience = _FIRST
        self._spent.update((item.number, seconds[item.number]) for item in items)
        stored = self._work.stored([self.states.items.call(item) for item in items])
        for item, found in zip(items, stored, strict=True):
            if found is None:
                item.inline = True
                item.attempts -= 1
                self.states.again(item)
            else:
                self.states.done(item, found[0])
                self._forget_failure(item)

    def _forget_failure(self, item: Item) -> None:
        if item.key is not None and self._before.get(item.key):
            self._journal.forget_failures([item.key])

    def _take_failure(
        self, item: Item, state: str, raised: Raised, seconds: float, error: BaseException | None
    ) -> None:
        if item.attempts < self._rules.max_attempts and state in self._rules.retry:
            self.states.again(item)
            return
        before = self._before.get(item.key or "", 0)
        items = self.states.items
        failure = failure_of(item, state, raised, before, seconds, items.place(item))
        self.states.failed(item, failure, error)
        if item.key is not None and self._rules.writes:
            sweep = items.whole or self.status.id
            self._journal.note_failures(sweep, [(item.key, failure)])

    def _take_finished(self, event: Finished, chunks: Chunks) -> None:
        numbers = [number for number, _ in event.chunk]
        begun = self._given.pop(numbers[0], None) if numbers else None
        if begun is not None:
            spent = sum(self._spent.pop(number, 0.0) for number in numbers)
            chunks.took(len(numbers), spent, time.monotonic() - begun)
        for number in numbers:
            # What it said nothing of was never begun.
            if number in self.states.out:
                self._give_back(self.states.out[number])

    def _give_back(self, item: Item) -> None:
        item.attempts -= 1
        self.states.out.pop(item.number)
        self.states.pending.appendleft(item)

    def _take_death(self, event: Died) -> None:
        """Blame the item that was running, unless what it gave is there; the others go again."""
        lost = [self.states.out[number] for number, _ in event.chunk if number in self.states.out]
        for item in self._unstored(lost):
            if item.number == event.running:
                raised = Raised("WorkerDied", f"its process was {event.reason}", "", None)
                self._take_failure(item, "failed", raised, 0.0, None)
                continue
            self._give_back(item)
            item.alone = item.alone or event.running is None

    def _take_timeout(self, event: TimedOut) -> None:
        lost = [self.states.out[number] for number, _ in event.chunk if number in self.states.out]
        for item in self._unstored(lost):
            if item.number == event.number:
                message = f"it was stopped after {event.seconds:.1f} s, its timeout"
                raised = Raised("TimeoutError", message, "", None)
                self._take_failure(item, "timed out", raised, event.seconds, TimeoutError(message))
            else:
                self._give_back(item)

    def _unstored(self, items: list[Item]) -> list[Item]:
        """Take what was stored before it could be told, and give the rest."""
        keyed = [item for item in items if item.key is not None and self._rules.looks_up]
        stored = self._work.stored([self.states.items.call(item) for item in keyed])
        for item, found in zip(keyed, stored, strict=True):
            if found is not None:
                self.states.done(item, found[0])
        return [item for item in items if item.number not in self.states.results]

    def _look_at_deferred(self) -> None:
        """Take what others have computed meanwhile, and try what is still missing."""
        if not self.states.deferred or time.monotonic() < self._next_look:
            return
        deferred, self.states.deferred = self.states.deferred, []
        self.states.pending.extend(self._take_stored(deferred))

    def _keep_book(self, state: str, *, is_due: bool = False) -> None:
        now = time.monotonic()
        if not (self._rules.writes and self._rules.notes) or (
            now - self._noted < _NOTES and not is_due
        ):
            return
        self._noted = now
        seconds = now - self.states.begun
        counted = self.status.counted(self.states.counts(), state, seconds)
        self._journal.note_sweep(counted)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Tell others that somebody is at it."""
        lock = self._journal.lock(self.status.id) if self._rules.writes else None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def stop(self, hands: Hands) -> None:
        """Take what workers still tell, and note that it was interrupted."""
        events = hands.stop()
        unused = Chunks(deque(), 1)
        for event in events:
            self._take(event, unused)

    def finish(self, reporter: Reporter) -> None:
        """Note how it ended."""
        counts = self.states.counts()
        failed = counts["failed"] + counts["timed_out"]
        is_over = self.states.is_over()
        state = "failed" if failed else "done" if is_over else "interrupted"
        self._keep_book(state, is_due=True)
        try:
            reporter.show(counts, ended=True)
        finally:
            reporter.close()
