"""A frame cut into periods, each with its margins."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from afml_cache.bar_ends import Bars
    from afml_cache.incremental.rules import Rules
    from afml_cache.incremental.timelines import Timeline
    from afml_cache.runs.lengths import Length

__all__ = ["Piece", "pieces_of"]

_LEAST, _MOST = -(2**63), 2**63 - 1


class Piece(NamedTuple):
    """One period of a frame.

    Attributes
    ----------
    period
        What it is called.
    start, stop
        Its own rows.
    first, end
        The rows that it sees: its own, and its margins.
    is_complete
        Whether no later row can be among those that it sees.
    """

    period: str
    start: int
    stop: int
    first: int
    end: int
    is_complete: bool


def pieces_of(timeline: Timeline, rules: Rules, bars: Bars) -> Iterator[Piece]:
    """Cut a frame that has rows into periods; those without rows are left out.

    Margins in time are measured from the first and the last of a period's own rows. A period is
    complete when a later one has begun and no further row can come into its look-ahead, as far as
    the end of the last bar tells.
    """
    # Where a clock is set back over midnight, rows of the later day come before.
    ordinals = np.maximum.accumulate(rules.calendar.ordinals(timeline.days))
    bounds = [0, *(np.flatnonzero(np.diff(ordinals)) + 1).tolist(), len(timeline)]
    reached, day = timeline.reached(bars)
    last = rules.calendar.ordinal(day)
    for start, stop in itertools.pairwise(bounds):
        ordinal = int(ordinals[start])
        is_over = stop < len(timeline) or last > ordinal
        yield Piece(
            rules.calendar.name(ordinal),
            start,
            stop,
            _first(timeline, start, rules.lookback),
            _end(timeline, stop, rules.lookahead),
            is_over and _is_seen(timeline, stop, rules.lookahead, reached),
        )


def _first(timeline: Timeline, start: int, lookback: Length) -> int:
    if not lookback.is_time:
        return max(start - lookback.amount, 0)
    earliest = int(timeline.instants[start]) - lookback.amount // timeline.unit
    return int(np.searchsorted(timeline.instants, np.int64(max(earliest, _LEAST)), "left"))


def _end(timeline: Timeline, stop: int, lookahead: Length) -> int:
    if not lookahead.is_time:
        return min(stop + lookahead.amount, len(timeline))
    latest = int(timeline.instants[stop - 1]) + lookahead.amount // timeline.unit
    return int(np.searchsorted(timeline.instants, np.int64(min(latest, _MOST)), "right"))


def _is_seen(timeline: Timeline, stop: int, lookahead: Length, reached: int) -> bool:
    """Tell whether all of a look-ahead is there."""
    if not lookahead.is_time:
        return stop + lookahead.amount <= len(timeline)
    return timeline.instant(stop - 1) + lookahead.amount < reached
