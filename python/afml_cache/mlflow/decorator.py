"""`mlflow_cached`: a cached function whose calls are runs of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from afml_cache.decorators import Options, decorate
from afml_cache.exceptions import CacheConfigError
from afml_cache.mlflow.integration import MLflowCacheIntegration
from afml_cache.mlflow.names import legal
from afml_cache.mlflow.runs import LONGEST_TAG
from afml_cache.mlflow.tracker import Tracker, Tracking

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["mlflow_cached"]

F = TypeVar("F", bound=Callable[..., Any])


class TrackedOptions(Options, total=False):
    """Options of `mlflow_cached`, which says what they mean."""

    tags: Mapping[str, Any] | None
    log_artifacts: bool
    experiment: str | None
    integration: MLflowCacheIntegration | None
    log_hits: Literal["all", "first", False]


@overload
def mlflow_cached(function: F, /) -> F: ...
@overload
def mlflow_cached(**options: Unpack[TrackedOptions]) -> Callable[[F], F]: ...
def mlflow_cached(function: Any = None, /, **options: Any) -> Any:
    """Keep the results of a function as `robust_cacheable` does, and log its calls with MLflow.

    The cache comes first. A call that computes is a run with its arguments as parameters, tagged
    `cache_hit=false`. Of the result, mappings of numbers (alone, or in a tuple) are its metrics,
    and an estimator of scikit-learn's kind is its model `model`. A hit is a run with the same
    parameters and metrics, tagged `cache_hit=true`, with the id of the run that computed its result
    as `computed_by`; it is logged later, by another thread. Both carry the key as `cache_key`.

    Parameters
    ----------
    function : callable
        What to decorate.
    tags : mapping, optional
        Tags of every run, as text.
    log_artifacts : bool, default False
        Whether the other parts of a result are files of the run, under `results/`: frames as
        Parquet, arrays as `.npy`, figures as images or web pages, containers as JSON, text, bytes,
        and files that a `Path` names.
    experiment : str, optional
        The experiment of its runs, instead of the integration's.
    integration : MLflowCacheIntegration, optional
        What logs it; by default what `get_mlflow_cache` gives at the call.
    log_hits : {"all", "first", False}, default "all"
        Which hits are logged: each; the first one of each result in a process; or none.
    **options
        Those of `robust_cacheable`. None of the options above is part of the key: the key is the
        one that `robust_cacheable` would give.

    Returns
    -------
    callable
        The cached function, as `robust_cacheable` gives it.

    Raises
    ------
    TypeError, CacheConfigError
        As `robust_cacheable` does.

    Notes
    -----
    Scalars, and containers of scalars, are parameters as text; mappings, dataclasses and named
    tuples key by key, as in `params.n_estimators`; everything else by type, shape and content
    digest. A text of more than 6,000 characters is cut, with its digest, and stands in full in the
    file `parameters_in_full.json`.

    Nothing that goes wrong with MLflow is raised: the function runs, its result is cached, and a
    `TrackingWarning` says once what is wrong. So it is where MLflow is not installed
    (`pip install 'afml-cache[mlflow]'`).

    Examples
    --------
    >>> from afml_cache import mlflow_cached
    >>> from afml_cache.mlflow import MLflowCacheIntegration
    >>> tracker = MLflowCacheIntegration("sharpe ratios")
    >>> @mlflow_cached(tags={"market": "EURUSD"}, integration=tracker)
    ... def evaluate(returns, params):
    ...     return {"mean": sum(returns) / len(returns) * params["leverage"]}
    >>> evaluate([0.01, 0.03], {"leverage": 2}), evaluate([0.01, 0.03], {"leverage": 2})
    ({'mean': 0.04}, {'mean': 0.04})
    >>> best = tracker.get_best_run("mean")
    >>> str(tracker.compare_runs([best])["param_params.leverage"].iloc[0])
    '2'
    """
    tracking = _tracking(options)

    def observe(function: Any, name: str, settings: dict[str, Any]) -> Tracker:
        ignored = None if settings["key"] is not None else settings["options"]["ignore"]
        return Tracker(function, name, tracking, settings["store"], ignored)

    return decorate("mlflow_cached", function, options, TrackedOptions, observe)


def _tracking(options: dict[str, Any]) -> Tracking:
    """Check the options that say how a function is tracked."""
    integration = options.get("integration")
    if not isinstance(integration, MLflowCacheIntegration | None):
        message = f"`integration` is an MLflowCacheIntegration, not {integration!r}"
        raise CacheConfigError(message)
    experiment = options.get("experiment")
    if not isinstance(experiment, str | None) or experiment == "":
        message = f"`experiment` is the name of one, not {experiment!r}"
        raise CacheConfigError(message)
    hits = options.get("log_hits", "all")
    if hits is not False and hits not in ("all", "first"):
        message = f'`log_hits` is "all", "first" or False, not {hits!r}'
        raise CacheConfigError(message)
    files = options.get("log_artifacts", False)
    if not isinstance(files, bool):
        message = f"`log_artifacts` is True or False, not {files!r}"
        raise CacheConfigError(message)
    return Tracking(_tags(options.get("tags")), files, experiment, integration, hits)


def _tags(given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        message = f"`tags` is a mapping of names to texts, not {given!r}"
        raise CacheConfigError(message)
    for name in given:
        if not isinstance(name, str) or legal(name) != name:
            message = (
                f"`tags` has the name {name!r}, which MLflow does not take: up to 250 letters, "
                "digits and `_-.: /`"
            )
            raise CacheConfigError(message)
    return {name: str(value)[:LONGEST_TAG] for name, value in given.items()}
