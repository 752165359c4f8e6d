"""The blocks of the usage guide that are about MLflow, as they stand there."""

import linecache

import numpy as np
import pandas as pd
import pytest
from mlflow_runs import Logged
from sklearn.ensemble import RandomForestClassifier

from afml_cache import TrackingWarning
from afml_cache.mlflow import get_mlflow_cache

SETUP = """
from afml.cache.mlflow_integration import setup_mlflow_cache

# Initialize once at startup
mlflow_cache = setup_mlflow_cache(
    experiment_name="mt5_strategy_optimization",
    tracking_uri="http://localhost:5000"  # Or None for local ./mlruns
)
"""

TRACKING = '''
from afml.cache.mlflow_integration import mlflow_cached

@mlflow_cached(tags={"strategy": "momentum", "market": "EURUSD"})
def train_model(data, params):
    """
    Automatically:
    - Checks local cache first (fast)
    - Tracks parameters in MLflow
    - Logs metrics to MLflow
    - Caches results locally
    """
    model = RandomForestClassifier(**params)
    model.fit(data['features'], data['labels'])

    metrics = {
        'accuracy': 0.85,
        'sharpe_ratio': 1.5,
        'max_drawdown': -0.15
    }

    return model, metrics

# First call: trains and logs to MLflow
model, metrics = train_model(mt5_data, {'n_estimators': 100})

# Second call: uses cached result (still logs to MLflow for tracking)
model2, metrics2 = train_model(mt5_data, {'n_estimators': 100})
'''

CONTEXT = """
from afml.cache.mlflow_integration import get_mlflow_cache

mlflow_cache = get_mlflow_cache()

with mlflow_cache.experiment_run("parameter_optimization") as ctx:
    # Check cache
    cached = ctx.get_cached("opt_results_v1")
    if cached:
        results = cached
    else:
        # Run optimization
        results = optimize_parameters(data, param_grid)

        # Cache for next time
        ctx.cache_result("opt_results_v1", results)

    # Log metrics
    ctx.log_metric("best_sharpe", results['best_sharpe'])
    ctx.log_param("param_grid_size", len(param_grid))
"""

BEST = """
# Get best performing run
best_run_id = mlflow_cache.get_best_run("sharpe_ratio", maximize=True)

# Load model from best run
best_model = mlflow_cache.load_model_from_run(best_run_id)

# Compare multiple runs
comparison = mlflow_cache.compare_runs(
    run_ids=["abc123", "def456", "ghi789"],
    metrics=["sharpe_ratio", "max_drawdown", "win_rate"]
)
print(comparison)
"""

PRODUCTION = """
from afml.cache.mlflow_integration import setup_mlflow_cache

def initialize_production_cache():
    # Setup MLflow tracking
    mlflow_cache = setup_mlflow_cache(
        experiment_name="production_trading",
        tracking_uri=os.getenv("MLFLOW_TRACKING_URI")
    )
    return mlflow_cache
"""


def run_block(text, names, name):
    source = f"guide-{name}"
    linecache.cache[source] = (len(text), None, text.splitlines(keepends=True), source)
    exec(compile(text, source, "exec"), names)  # noqa: S102 - a block of ours


def test_the_blocks_of_the_guide_run(tracker, database, monkeypatch):
    numbers = np.random.default_rng(0).normal(size=(60, 3))
    searches = []

    def optimize_parameters(data, grid):
        searches.append(grid)
        return {"best_sharpe": 1.4}

    names = {
        "__name__": "guide",
        "RandomForestClassifier": RandomForestClassifier,
        "mt5_data": {"features": pd.DataFrame(numbers), "labels": pd.Series(numbers[:, 0] > 0)},
        "optimize_parameters": optimize_parameters,
        "data": pd.DataFrame(numbers),
        "param_grid": [{"n_estimators": 10}],
    }
    run_block(SETUP.replace("http://localhost:5000", database), names, "setup")
    run_block(TRACKING, names, "tracking")
    for _ in range(2):
        run_block(CONTEXT, names, "context")
    with pytest.warns(TrackingWarning, match="abc123|def456|ghi789"):  # in the guide's own code
        run_block(BEST, names, "best")

    logged = Logged(get_mlflow_cache())
    trained, *contexts = logged.computed()
    assert trained.info.run_id == names["best_run_id"]
    assert [run.data.metrics for run in contexts] == [{"best_sharpe": 1.4}] * 2
    assert len(logged.hits()) == len(searches) == 1
    assert names["train_model"].cache_info().hits == names["train_model"].cache_info().misses == 1
    features = names["mt5_data"]["features"]
    for model in (names["model2"], names["best_model"]):
        assert (model.predict(features) == names["model"].predict(features)).all()
    assert names["metrics"] == names["metrics2"]
    assert list(names["comparison"]) == ["timestamp", "sharpe_ratio", "max_drawdown", "win_rate"]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    names["os"] = __import__("os")
    run_block(PRODUCTION, names, "production")
    assert names["initialize_production_cache"]().tracking_uri == database
