"""MLflow, Optuna and a file of JSON, asked what a `BacktestCache` is asked."""

from __future__ import annotations

import json
import logging
import sqlite3
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

METRICS = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "calmar")
PATIENCE = 25.0  # seconds that filling one may take
STRATEGIES = 10
IN_MEMORY = "this process has all trials in memory; another one reads them all first"


def metrics_of(number: int) -> dict[str, float]:
    """The metrics of a run."""
    drawn = np.random.default_rng(number).normal(size=len(METRICS))
    return dict(zip(METRICS, map(float, drawn), strict=True))


def parameters_of(number: int) -> dict[str, int]:
    """The parameters of a run."""
    return {"window": number, "width": number % 7}


def copy_rows(path: Path, tables: dict[str, dict[str, str]], times: int) -> None:
    """Copy all rows of tables so many times, with other values where a column's is given."""
    with closing(sqlite3.connect(path)) as database, database:
        for table, changed in tables.items():
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changed.get(name, name) for name in names)
            rows = database.execute(
                f"WITH RECURSIVE copies(copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM copies "  # noqa: S608
                f"WHERE copy < ?) SELECT {values} FROM {table}, copies",
                (times,),
            ).fetchall()
            places = ", ".join("?" * len(names))
            database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608


class Tracker(ABC):
    """Runs of ten strategies, nearly all of the first."""

    note = ""
    last = 100  # records of which the median is told, where most are copied

    def __init__(self) -> None:
        self.count = 0
        self.each = 0.0
        self.copied = ""
        for strategy in range(1, STRATEGIES):
            for number in range(5):
                self.record(strategy, number)

    def fill(self, count: int) -> list[float]:
        """Have so many runs; give the seconds of those that were recorded last.

        What would take too long to record is copied from what is there, in the tracker's files.
        """
        if self.each * (count - self.count) > PATIENCE:
            times = -(-(count - self.count - self.last) // self.count)
            self.copy(times)
            self.copied = "of its runs most are copies, made in its files"
            self.count *= 1 + times
            count = self.count + self.last
        seen = []
        for number in range(self.count, count):
            start = time.perf_counter()
            self.record(0, number)
            seen.append(time.perf_counter() - start)
        self.count, self.each = count, statistics.median(seen)
        return seen[-self.last :]

    def told(self) -> str:
        """What is to be known of it beside its figures."""
        return "; ".join(text for text in (self.note, self.copied) if text)

    @abstractmethod
    def copy(self, times: int) -> None:
        """Copy all that is there so many times."""

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
        self._path = folder / "mlflow.db"
        self._client = client(f"sqlite:///{self._path}")
        names = [f"strategy {number}" for number in range(STRATEGIES)]
        self._experiments = [self._client.create_experiment(name) for name in names]
        self._search = import_module("mlflow").search_runs
        import_module("mlflow").set_tracking_uri(f"sqlite:///{self._path}")
        super().__init__()

    def copy(self, times: int) -> None:
        # A letter that no hexadecimal number has, at a place of its own in each round of copies.
        self._copies = getattr(self, "_copies", 0) + 1
        there, place = "run_uuid", self._copies
        run = f"substr({there}, 1, {place - 1}) || char(102 + copy) || substr({there}, {place + 1})"
        tables = ("runs", "latest_metrics", "metrics", "params", "tags")
        copy_rows(self._path, {table: {there: run} for table in tables}, times)

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

    def __init__(self, make: Callable[[], Any]) -> None:
        self._optuna = import_module("optuna")
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self._make = make
        whole = self._optuna.distributions.IntDistribution
        self._distributions = {"window": whole(0, 10**9), "width": whole(0, 9)}
        self._open()
        super().__init__()

    def _open(self) -> None:
        """Open the studies, with nothing of them in memory."""
        storage = self._make()
        self._studies = [
            self._optuna.create_study(
                storage=storage,
                study_name=f"strategy {number}",
                direction="maximize",
                load_if_exists=True,
            )
            for number in range(STRATEGIES)
        ]

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

    note = IN_MEMORY

    def __init__(self, folder: Path) -> None:
        self._path = folder / "optuna.db"
        storage = import_module("optuna").storages.RDBStorage
        super().__init__(lambda: storage(f"sqlite:///{self._path}"))

    def copy(self, times: int) -> None:
        trial = "trial_id + copy * (SELECT max(trial_id) FROM trials)"
        keys = {
            "trial_user_attributes": "trial_user_attribute_id",
            "trial_params": "param_id",
            "trial_values": "trial_value_id",
        }
        tables = {table: {key: "NULL", "trial_id": trial} for table, key in keys.items()}
        number = "number + copy * (SELECT max(number) + 1 FROM trials)"
        copy_rows(self._path, {**tables, "trials": {"trial_id": trial, "number": number}}, times)
        self._open()


class OptunaInJournal(Optuna):
    """Its journal, which each process holds in memory."""

    note = IN_MEMORY

    def __init__(self, folder: Path) -> None:
        self._path = folder / "optuna.log"
        storages = import_module("optuna").storages
        backend = import_module("optuna.storages.journal").JournalFileBackend
        super().__init__(lambda: storages.JournalStorage(backend(str(self._path))))

    def copy(self, times: int) -> None:
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        trials = "".join(line for line in lines if line.startswith('{"op_code":4,'))
        with self._path.open("a", encoding="utf-8") as journal:
            for _ in range(times):
                journal.write(trials)
        self._open()


class JsonIndex(Tracker):
    """One file of all runs, written again with each; questions are asked of memory."""

    note = "the file is not synced, and two processes overwrite each other's runs"
    last = 5

    def __init__(self, folder: Path) -> None:
        self._path = folder / "backtest_index.json"
        self._index: dict[str, dict[str, Any]] = {}
        super().__init__()

    def copy(self, times: int) -> None:
        for run_id, run in list(self._index.items()):
            self._index.update({f"{run_id}-{number}": run for number in range(times)})

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
