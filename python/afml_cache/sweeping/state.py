"""The state of a sweep's items while it runs: what is pending, given out, done, or failed."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import ItemError
from afml_cache.sweeping.copies import UncopiedError, copied
from afml_cache.sweeping.journal import Failure
from afml_cache.sweeping.shown import shortly

if TYPE_CHECKING:
    from afml_cache.sweeping.items import Item, Items
    from afml_cache.sweeping.messages import Raised


@dataclass
class States:
    """Which items are where.

    Attributes
    ----------
    items : Items
        All of them.
    results : dict of int to Any
        What items gave, by their numbers.
    failures : dict of int to Failure
        Items that failed, this time or before.
    errors : dict of int to BaseException
        What they raised, where it is known.
    pending : deque of Item
        What is to be given out.
    out : dict of int to Item
        What is given out.
    deferred : list of Item
        What somebody else computes.
    hits : int
        Items of the list that were there before.
    ended : Counter of str
        Items of the list that are "done", "failed" or "timed out".
    begun : float
        When the sweep began, by a clock that only goes on.
    """

    items: Items
    results: dict[int, Any] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    pending: deque[Item] = field(default_factory=deque)
    out: dict[int, Item] = field(default_factory=dict)
    deferred: list[Item] = field(default_factory=list)
    hits: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)

    def counts(self) -> dict[str, int]:
        """Give how many items of the list there are of each kind."""
        return {
            "done": self.ended["done"],
            "hits": self.hits,
            "failed": self.ended["failed"],
            "timed_out": self.ended["timed out"],
        }

    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.pending or self.out or self.deferred)

    def done(self, item: Item, value: Any, *, was_there: bool = False) -> None:
        """Take the result of an item."""
        self.out.pop(item.number, None)
        self.results[item.number] = value
        self.ended["done"] += len(item.places)
        if was_there:
            self.hits += len(item.places)

    def failed(self, item: Item, failure: Failure, error: BaseException | None) -> None:
        """Take that an item failed for good."""
        self.out.pop(item.number, None)
        self.failures[item.number] = failure
        self.ended[failure.state] += len(item.places)
        if error is not None:
            self.errors[item.number] = error

    def again(self, item: Item) -> None:
        """Have an item tried again, behind all others."""
        self.out.pop(item.number, None)
        self.pending.append(item)

    def error_of(self, number: int) -> ItemError:
        """Give the error that tells of a failed item."""
        item, failure = self.items.distinct[number], self.failures[number]
        place = self.items.place(item)
        message = (
            f"item {place} ({shortly(item.value)}) failed: {failure.kind}: {failure.message}; "
            "what the others gave is kept, and the next call goes on there"
        )
        error = ItemError(message, position=place, item=item.value, kind=failure.kind)
        error.__cause__ = self.errors.get(number)
        return error

    def listed(self) -> list[Any]:
        """Give the results in the order of the list, with an `ItemError` where an item failed."""
        found: list[Any] = [None] * self.items.length
        for item in self.items.distinct:
            failed = item.number in self.failures
            value = self.error_of(item.number) if failed else self.results[item.number]
            for place in item.places:
                # A change of one of them in place is to be seen in that one alone.
                found[place] = value if failed or place == item.places[0] else _other(value)
        return found


def _other(value: Any) -> Any:
    with contextlib.suppress(UncopiedError):
        return copied(value)
    return value


def failure_of(
    item: Item, state: str, raised: Raised, before: int, seconds: float, place: int
) -> Failure:
    """Describe how an item failed; `before` is how often it did in earlier calls."""
    return Failure(
        state=state,
        kind=raised.kind,
        message=raised.message[:2000],
        attempts=before + item.attempts,
        seconds=seconds,
        item=shortly(item.value),
        place=place,
    )
