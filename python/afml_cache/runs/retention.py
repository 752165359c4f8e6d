"""Which runs keep what they returned, where a cache is told to keep the best alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.reading import payload_of

if TYPE_CHECKING:
    from afml_cache._native import Run, Runs


class Retention(NamedTuple):
    """How many runs of a strategy keep what they returned, and by which metric they rank.

    Attributes
    ----------
    keep_top : int
    metric : str
    maximize : bool
    """

    keep_top: int
    metric: str
    maximize: bool


def retention_of(keep_top: int | None, metric: str, *, maximize: bool) -> Retention | None:
    """Check what is to be kept.

    Raises
    ------
    CacheConfigError
        `keep_top` is no number of runs.
    """
    if keep_top is None:
        return None
    if isinstance(keep_top, bool) or not isinstance(keep_top, int) or keep_top < 0:
        message = (
            f"`keep_top` is how many runs of each strategy keep their trades, not {keep_top!r}"
        )
        raise CacheConfigError(message)
    return Retention(keep_top, metric, maximize)


def prune(runs: Runs, strategy: str, retention: Retention) -> list[str]:
    """Leave the metrics to all runs of a strategy but the best and those that are pinned."""
    whole = [run for run in runs.whole(strategy) if not run.pinned]
    if len(whole) <= retention.keep_top:
        return []
    ranked = sorted(whole, key=lambda run: _rank(run, retention))
    gone = [run.run for run in ranked[retention.keep_top :]]
    for run in gone:
        payload = payload_of(runs, run) or {}
        kept = ("metrics", "parameters", "seconds", "seen_ns")
        slim = {name: payload[name] for name in kept if name in payload}
        runs.prune(run, {"metrics": {}, **slim, "pruned": True})
    return gone


def _rank(run: Run, retention: Retention) -> tuple[bool, float, int]:
    """Best first; what has no finite number last, and of equals the latest first."""
    value = dict(run.metrics).get(retention.metric)
    number = value if isinstance(value, int | float) else float("nan")
    finite = abs(number) < float("inf")
    order = -number if retention.maximize else number
    return not finite, order if finite else 0.0, -run.number
