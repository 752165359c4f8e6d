"""What the range cache waits for, told apart from how: one body, for threads and for asyncio.

The cache is written as generators. They yield an effect, such as `Call` or `Pause`, get its result
back, and never wait themselves. `run` does the effects in the thread that calls it, `arun` in the
running event loop.
"""

from __future__ import annotations

from afml_cache.ranges.steps import (
    Call,
    Done,
    Effect,
    Failed,
    Outcome,
    Parallel,
    Pause,
    Step,
    Until,
    gives_awaitable,
)
from afml_cache.ranges.tasks import arun
from afml_cache.ranges.threads import run

__all__ = [
    "Call",
    "Done",
    "Effect",
    "Failed",
    "Outcome",
    "Parallel",
    "Pause",
    "Step",
    "Until",
    "arun",
    "gives_awaitable",
    "run",
]
