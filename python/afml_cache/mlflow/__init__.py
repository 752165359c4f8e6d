"""Tracking with MLflow, beside the cache: `mlflow_cached`, and what can be asked of its runs.

MLflow itself is imported when there is something to log, and need not be installed.
"""

from afml_cache.mlflow.decorator import mlflow_cached
from afml_cache.mlflow.experiment import ExperimentRun
from afml_cache.mlflow.installed import installed
from afml_cache.mlflow.integration import (
    MLflowCacheIntegration,
    get_mlflow_cache,
    setup_mlflow_cache,
)

__all__ = [
    "MLFLOW_AVAILABLE",
    "MLFLOW_INTEGRATION_AVAILABLE",
    "ExperimentRun",
    "MLflowCacheIntegration",
    "get_mlflow_cache",
    "mlflow_cached",
    "setup_mlflow_cache",
]

MLFLOW_AVAILABLE: bool = installed()
"""Whether MLflow is installed; without it, tracked functions are cached functions."""

MLFLOW_INTEGRATION_AVAILABLE: bool = True
"""Whether this integration can be imported, which it always can."""
