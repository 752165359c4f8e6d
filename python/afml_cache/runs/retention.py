"""Which runs keep what they returned, where a cache is told to keep the best alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.canonical import whole_number
from afml_cache.runs.reading import parameters_in_words, payload_of

if TYPE_CHECKING:
    from afml_cache._native import Run, Runs

_KEPT: Final = ("metrics", "parameters", "seconds", "seen_ns")


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
    most = whole_number(keep_top, least=0)
    if most is None:
        message = (
            f"`keep_top` is how many runs of each strategy keep their trades, not {keep_top!r}"
        )
        raise CacheConfigError(message)
    return Retention(most, metric, maximize)


def prune(
    runs: Runs, strategy: str, retention: Retention, *, spared: str | None = None
) -> list[str]:
    """Leave the metrics to all runs of a strategy but the best, the pinned and the spared one."""
    whole = runs.whole(strategy)
    if len(whole) <= retention.keep_top:
        return []
    ranked = sorted(whole, key=lambda run: _rank(run, retention))
    gone = [run for run in ranked[retention.keep_top :] if not run.pinned and run.run != spared]
    for run in gone:
        runs.prune(run.run, {**_slim(runs, run), "pruned": True})
    return [run.run for run in gone]


def _slim(runs: Runs, run: Run) -> dict[str, Any]:
    """Give what a run keeps: of one that can't be read, what its row has."""
    row = {"metrics": dict(run.metrics), "parameters": parameters_in_words(run)}
    payload = payload_of(runs, run.run) or row
    return {name: payload[name] for name in _KEPT if name in payload}


def _rank(run: Run, retention: Retention) -> tuple[bool, bool, float, int]:
    """Best first, as rankings have them; then the latest of those that have no finite number.

    Looks at tests come last: they are of other data, and no ranking has them beside trials.
    """
    value = dict(run.metrics).get(retention.metric)
    score = value if isinstance(value, int | float) else float("nan")
    finite = abs(score) < float("inf")
    order = -score if retention.maximize else score
    number = run.number if finite else -run.number
    return run.is_test, not finite, order if finite else 0.0, number
