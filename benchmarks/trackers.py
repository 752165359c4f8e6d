"""MLflow, Optuna and a file of JSON, asked what a `BacktestCache` is asked."""

from __future__ import annotations

import json
import logging
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

METRICS = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "calmar")
PATIENCE = 25.0  # seconds that filling one may take
STRATEGIES = 10
LAST = 100  # records of which the median is told


def metrics_of(number: int) -> dict[str, float]:
    """The metrics of a run."""
    drawn = np.random.default_rng(number).normal(size=len(METRICS))
    return dict(zip(METRICS, map(float, drawn), strict=True))


def parameters_of(number: int) -> dict[str, int]:
    """The parameters of a run."""
    return {"window": number, "width": number % 7}


class Tracker(ABC):
    """Runs of ten strategies, nearly all of the first."""

    note = ""

    def __init__(self) -> None:
        self.count = 0
        self.each = 0.0
        for strategy in range(1, STRATEGIES):
            for number in range(5):
                self.record(strategy, number)

    def why_not(self, count: int) -> str:
        """Say why it is not filled with so many, if it takes too long."""
        takes = self.each * (count - self.count)
        if takes < PATIENCE:
            return ""
        return f"not filled: {takes:.0f} s, at {self.each * 1e3:.2g} ms a run"

    def fill(self, count: int) -> list[float]:
        """Record runs until there are so many; give the seconds of the last."""
        seen = []
        for number in range(self.count, count):
            start = time.perf_counter()
            self.record(0, number)
            seen.append(time.perf_counter() - start)
        self.count, self.each = count, statistics.median(seen)
        return seen[-LAST:]

    @abstractmethod
    def record(self, strategy: int, number: int) -> None:
        """Record a run."""

    @abstractmethod
    def best(self) -> Any:
        """Find the best five of the first strategy."""

    @abstractmethod
    def compare(self) -> Any:
        """Put a thousand runs side by side, in a frame."""

    @abstractmethod
    def leaders(self) -> Any:
        """Find the best run of each strategy."""


class Mlflow(Tracker):
    """A client of a local SQLite file, without a server; metrics and parameters in one batch."""

    def __init__(self, folder: Path) -> None:
        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._entities = import_module("mlflow.entities")
        client = import_module("mlflow.tracking").MlflowClient
        self._client = client(f"sqlite:///{folder / 'mlflow.db'}")
        names = [f"strategy {number}" for number in range(STRATEGIES)]
        self._experiments = [self._client.create_experiment(name) for name in names]
        self._search = import_module("mlflow").search_runs
        import_module("mlflow").set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        super().__init__()

    def record(self, strategy: int, number: int) -> None:
        run = self._client.create_run(self._experiments[strategy]).info.run_id
        now = int(time.time() * 1000)
        make = self._entities
        metrics = [make.Metric(name, value, now, 0) for name, value in metrics_of(number).items()]
        params = [make.Param(name, str(value)) for name, value in parameters_of(number).items()]
        self._client.log_batch(run, metrics, params, [])
        self._client.set_terminated(run)

    def best(self) -> Any:
        return self._ranked(self._experiments[:1], 5)

    def _ranked(self, experiments: list[str], most: int) -> Any:
        order = ["metrics.sharpe_ratio DESC"]
        return self._search(experiments, order_by=order, max_results=most)

    def compare(self) -> Any:
        return self._search(self._experiments[:1], max_results=1_000)

    def leaders(self) -> Any:
        return pd.concat([self._ranked([one], 1) for one in self._experiments])


class Optuna(Tracker):
    """Studies of a storage; metrics beside the one that is optimised are user attributes."""

    def __init__(self, storage: Any) -> None:
        self._optuna = import_module("optuna")
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self._storage = storage
        self._studies = [
            self._optuna.create_study(
                storage=storage, study_name=f"strategy {number}", direction="maximize"
            )
            for number in range(STRATEGIES)
        ]
        whole = self._optuna.distributions.IntDistribution
        self._distributions = {"window": whole(0, 10**9), "width": whole(0, 9)}
        super().__init__()

    def record(self, strategy: int, number: int) -> None:
        value, *others = metrics_of(number).items()
        trial = self._optuna.trial.create_trial(
            params=parameters_of(number),
            distributions=self._distributions,
            value=value[1],
            user_attrs=dict(others),
        )
        self._studies[strategy].add_trial(trial)

    def best(self) -> Any:
        trials = self._studies[0].get_trials(deepcopy=False)
        return sorted(trials, key=lambda trial: -trial.value)[:5]

    def compare(self) -> Any:
        return self._studies[0].trials_dataframe().head(1_000)

    def leaders(self) -> Any:
        return [study.best_trial for study in self._studies]


class OptunaInSqlite(Optuna):
    """Its relational storage, in SQLite."""

    def __init__(self, folder: Path) -> None:
        storages = import_module("optuna").storages
        super().__init__(storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}"))


class OptunaInJournal(Optuna):
    """Its journal, which each process holds in memory."""

    note = "this process has all trials in memory; another one reads the whole journal first"

    def __init__(self, folder: Path) -> None:
        storages = import_module("optuna").storages
        backend = import_module("optuna.storages.journal").JournalFileBackend
        super().__init__(storages.JournalStorage(backend(str(folder / "optuna.log"))))


class JsonIndex(Tracker):
    """One file of all runs, written again with each; questions are asked of memory."""

    note = "the file is not synced, and two processes overwrite each other's runs"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "backtest_index.json"
        self._index: dict[str, dict[str, Any]] = {}
        super().__init__()

    def fill(self, count: int) -> list[float]:
        """Write the file for the last runs alone, each time with all that are there by then."""
        for number in range(self.count, count - 5):
            self._enter(0, number)
        self.count = max(self.count, count - 5)
        seen = super().fill(count)
        self.each = 0.0
        return seen

    def _enter(self, strategy: int, number: int) -> None:
        self._index[f"{strategy}-{number:032x}"] = {
            "strategy": f"strategy {strategy}",
            "parameters": parameters_of(number),
            "data_hash": "0" * 32,
            "timestamp": "2024-01-01T00:00:00",
            "metrics": metrics_of(number),
        }

    def record(self, strategy: int, number: int) -> None:
        self._enter(strategy, number)
        self._path.write_text(json.dumps(self._index, indent=2), encoding="utf-8")

    def _frame(self, most: int | None = None) -> pd.DataFrame:
        runs = list(self._index.values())[:most]
        rows = [
            {"strategy": run["strategy"], **run["parameters"], **run["metrics"]} for run in runs
        ]
        return pd.DataFrame(rows)

    def best(self) -> Any:
        frame = self._frame()
        chosen = frame[frame["strategy"] == "strategy 0"]
        return chosen.sort_values("sharpe_ratio", ascending=False).head(5)

    def compare(self) -> Any:
        return self._frame(1_000)

    def leaders(self) -> Any:
        frame = self._frame()
        return frame.loc[frame.groupby("strategy")["sharpe_ratio"].idxmax()]


TRACKERS: dict[str, Callable[[Path], Tracker]] = {
    "MLflow, SQLite": Mlflow,
    "Optuna, SQLite": OptunaInSqlite,
    "Optuna, journal": OptunaInJournal,
    "JSON index": JsonIndex,
}
