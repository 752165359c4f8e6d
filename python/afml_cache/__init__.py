"""Results of expensive functions, kept by content: Rust inside, Python outside."""

import importlib
from typing import TYPE_CHECKING, Any

from afml_cache._native import Store, __version__, digest
from afml_cache.config import CACHE_DIRS, configure, initialize_cache_system
from afml_cache.decorators import cacheable, robust_cacheable, time_aware_cacheable
from afml_cache.entries import EntryInfo, entries, invalidate
from afml_cache.exceptions import (
    ArtifactError,
    ArtifactWarning,
    BasisChangedError,
    CacheConfigError,
    CacheCorruptError,
    CacheError,
    CacheMissError,
    CacheReadWarning,
    CacheStoreError,
    CacheWarning,
    CacheWriteWarning,
    DiskBudgetError,
    ItemError,
    LeakageError,
    LoaderError,
    LookAheadError,
    MergeError,
    PartialCoverageError,
    PrunedError,
    RankingWarning,
    RunNotFoundError,
    SchemaError,
    ScratchError,
    SpotCheckWarning,
    SweepWarning,
    TimeRangeWarning,
    TrackingError,
    TrackingWarning,
    UncacheableArgumentError,
    UncacheableArgumentWarning,
    UndeclaredFileWarning,
)
from afml_cache.exchange import Exported, Imported, export_entries, import_entries
from afml_cache.files import File
from afml_cache.groups import Cleared, clear_group, clear_label_cache
from afml_cache.hashers import register_hasher
from afml_cache.info import CacheInfo, cache_status, clear_afml_cache, get_cache_stats
from afml_cache.modes import add_cache_arguments, mode
from afml_cache.ranges.simulation import as_of
from afml_cache.upkeep import Collection, Problem, Verification, gc, pin, unpin, verify

if TYPE_CHECKING:
    from afml_cache.artifacts.artifact import Artifact as Artifact
    from afml_cache.artifacts.decorator import artifact as artifact
    from afml_cache.artifacts.lazies import Lazy as Lazy
    from afml_cache.artifacts.lazies import lazy as lazy
    from afml_cache.artifacts.reading import Saved as Saved
    from afml_cache.artifacts.sidecar import Metadata as Metadata
    from afml_cache.causality import Causality as Causality
    from afml_cache.causality import check_causality as check_causality
    from afml_cache.mlflow import MLFLOW_AVAILABLE as MLFLOW_AVAILABLE
    from afml_cache.mlflow import MLFLOW_INTEGRATION_AVAILABLE as MLFLOW_INTEGRATION_AVAILABLE
    from afml_cache.mlflow import get_mlflow_cache as get_mlflow_cache
    from afml_cache.mlflow import mlflow_cached as mlflow_cached
    from afml_cache.mlflow import setup_mlflow_cache as setup_mlflow_cache
    from afml_cache.overfitting import (
        probability_of_backtest_overfitting as probability_of_backtest_overfitting,
    )
    from afml_cache.ranges.cache import RangeCache as RangeCache
    from afml_cache.ranges.decorator import range_cached as range_cached
    from afml_cache.ranges.engine import CachedDataEngine as CachedDataEngine
    from afml_cache.runs.cache import BacktestCache as BacktestCache
    from afml_cache.runs.cache import get_backtest_cache as get_backtest_cache
    from afml_cache.runs.decorator import cached_backtest as cached_backtest
    from afml_cache.runs.fold import Fold as Fold
    from afml_cache.runs.folds import walk_forward as walk_forward
    from afml_cache.runs.result import BacktestMetadata as BacktestMetadata
    from afml_cache.runs.result import BacktestResult as BacktestResult
    from afml_cache.scratch_space import DiskBudget as DiskBudget
    from afml_cache.scratch_space import Holder as Holder
    from afml_cache.scratch_space import Scratch as Scratch
    from afml_cache.scratch_space import collect_scratch as collect_scratch
    from afml_cache.scratch_space import current_budget as current_budget
    from afml_cache.scratch_space import disk_budget as disk_budget
    from afml_cache.scratch_space import scratch as scratch
    from afml_cache.scratch_space import scratch_holders as scratch_holders
    from afml_cache.sharpe import deflated_sharpe_ratio as deflated_sharpe_ratio
    from afml_cache.sharpe import expected_maximum_sharpe as expected_maximum_sharpe
    from afml_cache.sharpe import independent_trials as independent_trials
    from afml_cache.sharpe import probabilistic_sharpe_ratio as probabilistic_sharpe_ratio
    from afml_cache.sharpe import sharpe_ratio as sharpe_ratio
    from afml_cache.sweeping.batch_runner import BatchResult as BatchResult
    from afml_cache.sweeping.batch_runner import BatchRunner as BatchRunner
    from afml_cache.sweeping.journal import Failure as Failure
    from afml_cache.sweeping.journal import SweepStatus as SweepStatus
    from afml_cache.sweeping.listing import sweeps as sweeps
    from afml_cache.sweeping.progress import Progress as Progress
    from afml_cache.sweeping.sweep import sweep as sweep
    from afml_cache.tracker import DataAccessTracker as DataAccessTracker
    from afml_cache.tracker import get_data_tracker as get_data_tracker
    from afml_cache.tracker import log_data_access as log_data_access
    from afml_cache.tracker import print_contamination_report as print_contamination_report
    from afml_cache.tracker import save_access_log as save_access_log
    from afml_cache.tracking import data_tracking_cacheable as data_tracking_cacheable
    from afml_cache.tracking import (
        time_aware_data_tracking_cacheable as time_aware_data_tracking_cacheable,
    )

__all__ = [
    "CACHE_DIRS",
    "ArtifactError",
    "ArtifactWarning",
    "BasisChangedError",
    "CacheConfigError",
    "CacheCorruptError",
    "CacheError",
    "CacheInfo",
    "CacheMissError",
    "CacheReadWarning",
    "CacheStoreError",
    "CacheWarning",
    "CacheWriteWarning",
    "Cleared",
    "Collection",
    "DiskBudgetError",
    "EntryInfo",
    "Exported",
    "File",
    "Imported",
    "ItemError",
    "LeakageError",
    "LoaderError",
    "LookAheadError",
    "MergeError",
    "PartialCoverageError",
    "Problem",
    "PrunedError",
    "RankingWarning",
    "RunNotFoundError",
    "SchemaError",
    "ScratchError",
    "SpotCheckWarning",
    "Store",
    "SweepWarning",
    "TimeRangeWarning",
    "TrackingError",
    "TrackingWarning",
    "UncacheableArgumentError",
    "UncacheableArgumentWarning",
    "UndeclaredFileWarning",
    "Verification",
    "__version__",
    "add_cache_arguments",
    "as_of",
    "cache_status",
    "cacheable",
    "clear_afml_cache",
    "clear_group",
    "clear_label_cache",
    "configure",
    "digest",
    "entries",
    "export_entries",
    "gc",
    "get_cache_stats",
    "import_entries",
    "initialize_cache_system",
    "invalidate",
    "mode",
    "pin",
    "register_hasher",
    "robust_cacheable",
    "time_aware_cacheable",
    "unpin",
    "verify",
]

# They take longest to import, and some need NumPy or polars, which need not be installed.
_LATE = {
    "Artifact": "afml_cache.artifacts.artifact",
    "BacktestCache": "afml_cache.runs.cache",
    "BacktestMetadata": "afml_cache.runs.result",
    "BacktestResult": "afml_cache.runs.result",
    "BatchResult": "afml_cache.sweeping.batch_runner",
    "BatchRunner": "afml_cache.sweeping.batch_runner",
    "CachedDataEngine": "afml_cache.ranges.engine",
    "Causality": "afml_cache.causality",
    "DataAccessTracker": "afml_cache.tracker",
    "DiskBudget": "afml_cache.scratch_space",
    "Failure": "afml_cache.sweeping.journal",
    "Fold": "afml_cache.runs.fold",
    "Holder": "afml_cache.scratch_space",
    "Lazy": "afml_cache.artifacts.lazies",
    "MLFLOW_AVAILABLE": "afml_cache.mlflow",
    "MLFLOW_INTEGRATION_AVAILABLE": "afml_cache.mlflow",
    "Metadata": "afml_cache.artifacts.sidecar",
    "Progress": "afml_cache.sweeping.progress",
    "RangeCache": "afml_cache.ranges.cache",
    "Saved": "afml_cache.artifacts.reading",
    "Scratch": "afml_cache.scratch_space",
    "SweepStatus": "afml_cache.sweeping.journal",
    "artifact": "afml_cache.artifacts.decorator",
    "cached_backtest": "afml_cache.runs.decorator",
    "check_causality": "afml_cache.causality",
    "collect_scratch": "afml_cache.scratch_space",
    "current_budget": "afml_cache.scratch_space",
    "data_tracking_cacheable": "afml_cache.tracking",
    "deflated_sharpe_ratio": "afml_cache.sharpe",
    "disk_budget": "afml_cache.scratch_space",
    "expected_maximum_sharpe": "afml_cache.sharpe",
    "get_backtest_cache": "afml_cache.runs.cache",
    "get_data_tracker": "afml_cache.tracker",
    "get_mlflow_cache": "afml_cache.mlflow",
    "independent_trials": "afml_cache.sharpe",
    "lazy": "afml_cache.artifacts.lazies",
    "log_data_access": "afml_cache.tracker",
    "mlflow_cached": "afml_cache.mlflow",
    "print_contamination_report": "afml_cache.tracker",
    "probabilistic_sharpe_ratio": "afml_cache.sharpe",
    "probability_of_backtest_overfitting": "afml_cache.overfitting",
    "range_cached": "afml_cache.ranges.decorator",
    "save_access_log": "afml_cache.tracker",
    "scratch": "afml_cache.scratch_space",
    "scratch_holders": "afml_cache.scratch_space",
    "setup_mlflow_cache": "afml_cache.mlflow",
    "sharpe_ratio": "afml_cache.sharpe",
    "sweep": "afml_cache.sweeping.sweep",
    "sweeps": "afml_cache.sweeping.listing",
    "time_aware_data_tracking_cacheable": "afml_cache.tracking",
    "walk_forward": "afml_cache.runs.folds",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    try:
        module = importlib.import_module(_LATE[name])
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "polars"}:
            raise
        extra = "bars" if ".ranges." in _LATE[name] else "runs"
        message = f"`{name}` needs {error.name}: pip install 'afml-cache[{extra}]'"
        raise ImportError(message, name=error.name) from error
    found = globals()[name] = getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
