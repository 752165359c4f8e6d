"""How far a run over batches is, of all its items: for the screen, `sweeps()` and a callback."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from afml_cache.sweeping.progress import progress_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache.sweeping.progress import Progress
    from afml_cache.sweeping.screen import Screen

_COUNTED: Final = ("done", "hits", "failed", "timed_out")


class BatchProgress:
    """Adds what batches tell of themselves up to the whole.

    Parameters
    ----------
    total
        How many items all batches have.
    screen
        Where it is shown.
    callback
        Called with the `Progress` of the whole.
    """

    def __init__(
        self, total: int, screen: Screen, callback: Callable[[Progress], object] | None
    ) -> None:
        self._total = total
        self._screen = screen
        self._callback = callback
        self._started = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.batch: Progress | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def begin(self) -> None:
        """Forget what the batch before has told."""
        self.batch = None

    def show(self, batch: Progress | None = None) -> None:
        """Show what is over, with what the batch that runs tells."""
        self.batch = batch
        counts = {name: self.counts[name] + getattr(batch, name, 0) for name in _COUNTED}
        memory = 0 if batch is None else batch.memory
        whole = progress_of(self._total, counts, self.seconds, memory)
        self._screen.show(whole)
        if self._callback is not None:
            self._callback(whole)
