"""Where the training and the test of each fold begin and end, as positions on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from afml_cache.runs.lengths import Length

Positions = npt.NDArray[np.int64]

# More folds than anybody walks through: a step in the wrong unit.
_MOST: Final = 10_000_000


class Blocks(NamedTuple):
    """One position a fold; starts are included, stops are not."""

    train_starts: Positions
    train_stops: Positions
    test_starts: Positions
    test_stops: Positions

    def on(self, places: Positions) -> Blocks:
        """Give the blocks on another axis, where each position has its place in `places`."""
        return Blocks(*(places[positions] for positions in self))


class Lengths(NamedTuple):
    """What the folds of a walk are made of."""

    train: Length
    test: Length
    step: Length
    gap: Length


def blocks_of(
    values: npt.NDArray[Any], is_time: bool, lengths: Lengths, *, anchored: bool, partial: bool
) -> Blocks:
    """Lay the folds of a walk.

    Parameters
    ----------
    values
        The labels, in order; nanoseconds where they are times.
    is_time
        Whether they are.
    lengths
        Those of the parts.
    anchored
        Whether training begins at the first row in every fold.
    partial
        Whether a last test block may be shorter.

    Raises
    ------
    CacheConfigError
        There is no fold, or far too many, or one without rows to train on.
    """
    times = values if is_time else np.arange(len(values))
    first, instant = _first(times, lengths)
    starts, instants = _starts(times, first, instant, lengths.step)
    stops, whole = _stops(times, starts, instants, lengths.test)
    kept = (stops > starts) & (whole | partial)
    starts, instants, stops = starts[kept], instants[kept], stops[kept]
    if not len(starts):
        message = (
            f"`train`, `gap` and `test` ({_said(lengths)}) are longer than the data, "
            f"{len(values)} rows: no fold fits in; take shorter ones"
        )
        if not partial:
            message += ", or partial=True for a test that is cut short"
        raise CacheConfigError(message)
    train_stops, bounds = _back(times, starts, instants, lengths.gap)
    train_starts, _ = _back(times, train_stops, bounds, lengths.train)
    if anchored:
        train_starts = np.zeros_like(train_stops)
    return Blocks(train_starts, train_stops, starts, stops)


def _first(times: Positions, lengths: Lengths) -> tuple[int, int]:
    """Give where the first test begins: the position, and the instant."""
    position, instant = 0, int(times[0])
    for length in (lengths.train, lengths.gap):
        if length.is_time:
            instant += length.amount
            position = len(times)
            if instant <= times[-1]:
                position = int(np.searchsorted(times, instant))
        elif length.amount:
            position += length.amount
            instant = int(times[min(position, len(times) - 1)])
        if position >= len(times):
            return len(times), instant
    return position, instant


def _starts(
    times: Positions, first: int, instant: int, step: Length
) -> tuple[Positions, Positions]:
    """Give where the tests begin: positions, and instants."""
    if first >= len(times):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ahead = int(times[-1]) - instant if step.is_time else len(times) - 1 - first
    count = ahead // step.amount + 1
    if count > _MOST:
        message = f"`step` of {step.given!r} makes {count} folds; take a longer one"
        raise CacheConfigError(message)
    steps = step.capped(ahead + 1) * np.arange(count, dtype=np.int64)
    if step.is_time:
        instants = instant + steps
        return np.searchsorted(times, instants), instants
    positions = first + steps
    instants = times[positions]
    instants[0] = instant
    return positions, instants


def _stops(
    times: Positions, starts: Positions, instants: Positions, test: Length
) -> tuple[Positions, npt.NDArray[np.bool_]]:
    """Give where the tests end, and whether the data go on to there."""
    if not test.is_time:
        stops = starts + test.capped(len(times) + 1)
        return np.minimum(stops, len(times)), stops <= len(times)
    reached = int(times[-1]) + _usual(times)
    ends = instants + test.capped(reached - int(times[0]) + 1)
    return np.searchsorted(times, ends), ends <= reached


def _usual(times: Positions) -> int:
    """Give the usual distance of two labels: the last one stands for that much time."""
    distances = np.diff(times)
    distances = distances[distances > 0]
    return int(np.median(distances)) if len(distances) else 0


def _back(
    times: Positions, positions: Positions, instants: Positions, length: Length
) -> tuple[Positions, Positions]:
    """Go back by a length: to positions, and instants."""
    if length.is_time:
        bounds = instants - length.capped(int(times[-1]) - int(times[0]) + 1)
        return np.searchsorted(times, bounds), bounds
    found = np.maximum(positions - length.capped(len(times)), 0)
    return found, instants if length.amount == 0 else times[np.minimum(found, len(times) - 1)]


def _said(lengths: Lengths) -> str:
    return ", ".join(str(each.given) for each in (lengths.train, lengths.gap, lengths.test))
