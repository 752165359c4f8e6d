"""Tracking with MLflow, where scripts look for it."""

from afml_cache.mlflow import (
    MLFLOW_AVAILABLE,
    MLflowCacheIntegration,
    get_mlflow_cache,
    mlflow_cached,
    setup_mlflow_cache,
)

__all__ = [
    "MLFLOW_AVAILABLE",
    "MLflowCacheIntegration",
    "get_mlflow_cache",
    "mlflow_cached",
    "setup_mlflow_cache",
]
