"""How far a sweep is: a bar in a terminal or a notebook, lines in a log elsewhere, a callback."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress", "Reporter"]

_log = logging.getLogger("afml_cache.sweeps")
# How often a callback is called, and a line logged, at most; in seconds.
_CALLS: Final = 0.1
_LINES: Final = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    total, done, hits, failed, timed_out : int
        Items of the list; hits are those of the done ones that were there before.
    elapsed : float
        Seconds since the call.
    rate : float
        Items computed in a second, those that were there left out; 0 where none is known.
    eta : float or None
        Seconds that the rest will take at that rate.
    memory : int
        Bytes of memory that the workers take, or this process where there are none.
    memory_percent : float
        The same as a share of the machine's memory, in percent.
    """

    total: int
    done: int = 0
    hits: int = 0
    failed: int = 0
    timed_out: int = 0
    elapsed: float = 0.0
    rate: float = 0.0
    eta: float | None = None
    memory: int = 0
    memory_percent: float = 0.0

    @property
    def ended(self) -> int:
        """Items that are done, or failed."""
        return self.done + self.failed + self.timed_out


def progress_of(total: int, counts: dict[str, int], elapsed: float, memory: int) -> Progress:
    """Give how far a sweep is, of its counts: "done", "hits", "failed" and "timed_out"."""
    ended = counts["done"] + counts["failed"] + counts["timed_out"]
    rate = (ended - counts["hits"]) / elapsed if elapsed > 0 else 0.0
    return Progress(
        total,
        **counts,
        elapsed=elapsed,
        rate=rate,
        eta=(total - ended) / rate if rate > 0 else None,
        memory=memory,
        memory_percent=100 * memory / _all_memory() if memory else 0.0,
    )


class _Place:
    """Where this process is: a worker shows nothing of its own accord, its parent does."""

    is_worker = False


def keep_quiet() -> None:
    """Show no bar for sweeps inside of items, which run in a worker."""
    _Place.is_worker = True


def is_shown(stream: Any) -> bool:
    """Whether a bar can be shown: in a terminal, or in a notebook."""
    if _Place.is_worker:
        return False
    return bool(getattr(stream, "isatty", bool)()) or _in_notebook()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class Reporter:
    """Shows progress.

    Parameters
    ----------
    name
        What is shown before the bar, and named in lines.
    total
        Of items.
    shown
        Whether to show a bar; `None` for where one can be shown.
    callback
        Called with a `Progress` at most ten times a second, and at the end.
    memory
        Gives the bytes that workers take.
    """

    def __init__(
        self,
        name: str,
        total: int,
        *,
        shown: bool | None,
        callback: Callable[[Progress], object] | None,
        memory: Callable[[], int],
    ) -> None:
        self._name = name
        self._total = total
        self._callback = callback
        self._memory = memory
        self._start = time.monotonic()
        self._told = self._logged = self._start
        wishes = is_shown(sys.stderr) if shown is None else shown
        self._bar = make_bar(name, total) if wishes else None
        if shown and self._bar is None:
            _log.warning("%s: a bar takes tqdm: pip install 'afml-cache[sweeps]'", name)
        self._logs = self._bar is None and shown is not False

    def progress(self, counts: dict[str, int]) -> Progress:
        """Give how far it is."""
        elapsed = time.monotonic() - self._start
        return progress_of(self._total, counts, elapsed, self._memory())

    def begin(self, counts: dict[str, int]) -> None:
        """Show what is there before anything is computed."""
        progress = self.progress(counts)
        if self._bar is not None:
            draw(self._bar, progress)
        elif self._logs:
            left = progress.total - progress.ended
            _log.info("%s: %d of %d items are to be done", self._name, left, progress.total)

    def show(self, counts: dict[str, int], *, ended: bool = False) -> None:
        """Show how far it is, if it is time; a callback that raises is not called again."""
        now = time.monotonic()
        if now - self._told < _CALLS and not ended:
            return
        self._told = now
        progress = self.progress(counts)
        if self._bar is not None:
            draw(self._bar, progress)
        elif self._logs and (ended or now - self._logged >= _LINES):
            self._logged = now
            _log.info("%s", line(self._name, progress))
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(progress)
            self._callback = callback

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def postfix(progress: Progress) -> str:
    """Give what stands behind the bar."""
    parts = [f"{progress.hits} hits"]
    failed = progress.failed + progress.timed_out
    if failed:
        parts.append(f"{failed} failed")
    if progress.memory:  # nobody knows that of the workers of others
        parts.append(f"RAM: {progress.memory_percent:.1f}%")
    return ", ".join(parts)


def line(name: str, progress: Progress) -> str:
    """Give a line for a log."""
    eta = "" if progress.eta is None else f", {progress.eta:.0f} s left"
    share = progress.ended / progress.total if progress.total else 1.0
    return (
        f"{name}: {progress.ended}/{progress.total} ({share:.0%}), {postfix(progress)}, "
        f"{progress.rate:.1f} items/s{eta}"
    )


def draw(bar: Any, progress: Progress) -> None:
    """Set a bar to where it is; its rate and what is left of time leave out what was there."""
    bar.n, bar.initial = progress.ended, progress.hits
    bar.set_postfix_str(postfix(progress), refresh=False)
    bar.refresh()


def make_bar(name: str, total: int) -> Any:
    """Give a bar of `tqdm`, for a terminal or a notebook; `None` where it is not installed."""
    with warnings.catch_warnings():
        # In a notebook without widgets it says so, and draws with characters.
        warnings.simplefilter("ignore")
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return None
        return tqdm(total=total, desc=name, unit="item", dynamic_ncols=True)


def _all_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
