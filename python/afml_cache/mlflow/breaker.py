"""When a server is left alone: it failed a moment ago, and the pause grows while it fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_PAUSE: Final = 600.0


class Breaker:
    """Open after a failure for a pause, and then for one try at a time.

    Parameters
    ----------
    pause : float
        Seconds of the first pause; each failure after it makes the next one twice as long, up to
        ten minutes or itself.
    clock : callable
        Gives seconds that only go forward.
    """

    def __init__(self, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._next = pause
        self._until: float | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the last try went well, or there was none."""
        return self._until is None

    @property
    def allows(self) -> bool:
        """Whether to try now."""
        until = self._until
        return until is None or self._clock() >= until

    @property
    def seconds_left(self) -> float:
        """How long it stays open."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def succeeded(self) -> None:
        """Close it."""
        self._until, self._next = None, self._pause

    def failed(self) -> bool:
        """Open it; says whether it was closed before."""
        was_closed = self._until is None
        self._until = self._clock() + self._next
        self._next = min(2 * self._next, max(_LONGEST_PAUSE, self._pause))
        return was_closed
