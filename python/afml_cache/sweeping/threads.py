"""Native threads, and the memory of this process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Have native libraries use so many threads, where `threadpoolctl` is installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(threads):
        yield


def own_memory() -> int:
    """Give the resident bytes of this process; 0 where `psutil` is not installed."""
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.Process().memory_info().rss)
