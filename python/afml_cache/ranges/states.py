"""What is known of an interval, in the words of the core."""

from __future__ import annotations

from typing import Final, NamedTuple

DATA: Final = 0
EMPTY: Final = 1
SUSPECT: Final = 2
VOLATILE: Final = 3
STATES: Final = ("data", "empty", "suspect", "volatile")

FETCHED: Final = 0
CALENDAR: Final = 1
PRE_LISTING: Final = 2
DELISTED: Final = 3
VENDOR_EMPTY: Final = 4
SHORT: Final = 5
IMPORTED: Final = 6
DERIVED: Final = 7
REASONS: Final = (
    "fetched",
    "calendar",
    "pre-listing",
    "delisted",
    "vendor-empty",
    "short",
    "imported",
    "derived",
)

NEVER: Final = 2**63 - 1
"""Stands for a time that never comes."""

EVER: Final = (-(2**63), 2**63 - 1)
"""All positions."""

NEW: Final = -1
"""The segment that a commit brings."""

SECOND: Final = 1_000_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR

# When an interval without bars is asked for again: a vendor may be late, or was out for a while.
RECHECKS: Final = (HOUR, DAY, 7 * DAY)


class Piece(NamedTuple):
    """What is known of the positions from `first` on and before `stop`."""

    first: int
    stop: int
    state: int
    reason: int
    segment: int | None
    attempt: int
    fetched_at: int
    recheck_after: int

    @property
    def is_final(self) -> bool:
        """Whether it has bars that will not be asked for again."""
        return self.state == DATA and self.segment is not None

    @property
    def is_volatile(self) -> bool:
        """Whether it has bars that may still change."""
        return self.state == VOLATILE and self.segment is not None

    def within(self, first: int, stop: int) -> Piece:
        """Give the part of it in an interval."""
        return self._replace(first=max(first, self.first), stop=min(stop, self.stop))


def nothing(first: int, stop: int, reason: int, now: int, attempt: int = 0) -> Piece:
    """Know that an interval has no bars, or none yet."""
    state = SUSPECT if reason == SHORT else EMPTY
    final = reason in {CALENDAR, PRE_LISTING, DELISTED} or attempt >= len(RECHECKS)
    recheck = NEVER if final else now + RECHECKS[attempt]
    return Piece(first, stop, state, reason, None, attempt, now, recheck)
