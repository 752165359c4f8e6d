"""Who fetches what: no interval of a series is fetched by two at once."""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from afml_cache.ranges.intervals import Interval, joined, without

if TYPE_CHECKING:
    from afml_cache._native import Series as NativeSeries
    from afml_cache._native import SeriesLock

# The series that are being filled by whatever called this: their loaders must not ask for them.
_filling: ContextVar[frozenset[str]] = ContextVar("afml_cache.filling", default=frozenset())


class Reservations:
    """The intervals of one series that this process fetches now, and its lock among processes."""

    def __init__(self, native: NativeSeries) -> None:
        self._native = native
        self._reserved: dict[int, list[Interval]] = {}
        self._count = 0
        self._holders = 0
        self._lease: SeriesLock | None = None
        self._lock = threading.Lock()

    def reserve(self, wanted: list[Interval]) -> tuple[int, list[Interval]]:
        """Reserve what nobody here fetches, which may be nothing."""
        with self._lock:
            mine = without(wanted, self._all())
            self._count += 1
            self._reserved[self._count] = mine
            return self._count, mine

    def is_free(self, wanted: list[Interval]) -> bool | None:
        """Say so when some of what was wanted is fetched by nobody any longer."""
        with self._lock:
            return True if without(wanted, self._all()) else None

    def lock(self) -> bool | None:
        """Ask for the lock among processes, which this one holds once for all that it fetches."""
        with self._lock:
            if self._holders == 0:
                self._lease = self._native.lock()
                if self._lease is None:
                    return None
            self._holders += 1
            return True

    def unlock(self) -> None:
        """Let go of the lock among processes, when nobody here needs it any longer."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and self._lease is not None:
                self._lease.release()
                self._lease = None

    def release(self, number: int) -> None:
        """Let others have what was reserved."""
        with self._lock:
            self._reserved.pop(number, None)

    def _all(self) -> list[Interval]:
        return joined([one for each in self._reserved.values() for one in each])


def is_filling(digest: str) -> bool:
    """Tell whether whoever asks is the loader of this very series."""
    return digest in _filling.get()


class Filling:
    """While a loader runs, whatever it calls knows for which series."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def __enter__(self) -> None:
        self._token = _filling.set(_filling.get() | {self._digest})

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ValueError):  # closed elsewhere, where it was never set
            _filling.reset(self._token)
