"""Up to when somebody has seen who was given bars: told to the computations around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache import _native
from afml_cache.ranges.simulation import simulation

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.axes import Request as Bounds
    from afml_cache.ranges.series import Series

__all__ = ["tell"]


def tell(series: Series, bounds: Bounds, at: np.ndarray[Any, Any], now: int) -> None:
    """Tell the computations around that they were given bars, the last of which stand there.

    These have seen up to the end of the last bar; of one that is not closed, up to now. What a
    request gave that has no end was known at the time of the simulation around, if there is one.
    """
    is_open = bounds.caller.end is None
    around = simulation() if is_open else None
    until = None
    if len(at):
        end = int(series.axis.settles_at(int(at[-1])))
        until = min(end, now if around is None else min(now, around.instant))
    _native.note_seen(until, open_ended=is_open)
