"""Values of libraries whose digests may change with the library: a table by kind.

What stands in `tests/golden` has one digest everywhere; this has one within an environment.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SAMPLES = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]] * 5)
SIDES = np.array([0, 1, 1, 0] * 5)


class PurgedKFold:
    """A splitter of a user's: folds without the samples whose labels overlap."""

    def __init__(self, ends: pd.Series, splits: int = 3, embargo: float = 0.01) -> None:
        self.ends, self.splits, self.embargo = ends, splits, embargo


def ends() -> pd.Series:
    index = pd.date_range("2024-01-01", periods=20, freq="h", tz="UTC")
    return pd.Series(index + pd.Timedelta("3h"), index=index)


def numpy_kinds() -> dict[str, Callable[[], Any]]:
    def advanced() -> np.random.Generator:
        generator = np.random.default_rng(5)
        generator.normal(size=3)
        return generator

    return {
        "generator": lambda: np.random.default_rng(5),
        "generator, advanced": advanced,
        "random state": lambda: np.random.RandomState(5),
        "bit generator": lambda: np.random.PCG64(5),
        "seed sequence": lambda: np.random.SeedSequence(5),
        "longdouble": lambda: np.longdouble(1) / 3,
        "longdouble array": lambda: np.arange(3, dtype=np.longdouble) / 3,
        "masked array": lambda: np.ma.masked_array([1, 2], [True, False]),
        "record array": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i8"), ("b", "f8")]),
        "array of objects in a record": lambda: np.array([("a", 1)], [("s", "O"), ("n", "i8")]),
        "polynomial": lambda: np.polynomial.Polynomial([1.0, 2.0]),
        "user's splitter": lambda: PurgedKFold(ends()),
        "business days": lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]),
    }


def scipy_kinds() -> dict[str, Callable[[], Any]]:
    import scipy.sparse as sp
    import scipy.stats

    dense = np.diag([1.0, 0.0, 3.0])
    formats = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")
    return {
        **{
            f"sparse {name}": lambda name=name: sp.csr_array(dense).asformat(name)
            for name in formats
        },
        "sparse matrix": lambda: sp.csr_matrix(dense),
        "frozen norm": lambda: scipy.stats.norm(0.0, 2.0),
        "frozen norm, by name": lambda: scipy.stats.norm(loc=0.0, scale=2.0),
        "frozen binomial": lambda: scipy.stats.binom(5, 0.5),
        "frozen multivariate": lambda: scipy.stats.multivariate_normal([0.0, 1.0], np.eye(2)),
    }


def sklearn_kinds() -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, TimeSeriesSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def forest(**options: Any) -> Any:
        return RandomForestClassifier(n_estimators=5, random_state=1, **options)

    return {
        "forest": forest,
        "forest, deeper": lambda: forest(max_depth=3),
        "forest, fitted": lambda: forest().fit(SAMPLES, SIDES),
        "boosting, fitted": lambda: HistGradientBoostingClassifier(
            max_iter=3, min_samples_leaf=2, random_state=1
        ).fit(SAMPLES, SIDES),
        "logistic, fitted": lambda: LogisticRegression().fit(SAMPLES, SIDES),
        "pipeline": lambda: make_pipeline(StandardScaler(), forest()),
        "pipeline, fitted": lambda: make_pipeline(StandardScaler(), forest()).fit(SAMPLES, SIDES),
        "k-fold": lambda: KFold(5),
        "time series split": lambda: TimeSeriesSplit(4, gap=2),
    }


def attrs_kinds() -> dict[str, Callable[[], Any]]:
    import attrs

    return {"attrs": lambda: attrs.make_class("Order", ["size"], slots=True)(5)}


def pydantic_kinds() -> dict[str, Callable[[], Any]]:
    from models_of_pydantic import Settings

    return {"pydantic": lambda: Settings(window=5), "pydantic, other": lambda: Settings(window=6)}


def polars_kinds() -> dict[str, Callable[[], Any]]:
    import polars as pl

    file = HERE / "data_of_kinds.csv"
    return {
        "lazy frame": lambda: pl.LazyFrame({"a": [1, 2]}).with_columns(b=pl.col("a") * 2),
        "lazy scan": lambda: pl.scan_csv(file).filter(pl.col("close") > 1.0),
        "expression": lambda: pl.col("close").rolling_mean(5),
        "schema": lambda: pl.Schema({"a": pl.Int64()}),
        "column of objects": lambda: pl.Series("o", [{"a"}, None], dtype=pl.Object),
        "nested categories": lambda: pl.Series(
            "c", [["b"], ["a", "b"]], dtype=pl.List(pl.Categorical)
        ),
    }


def pyarrow_kinds() -> dict[str, Callable[[], Any]]:
    import pyarrow as pa

    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    return {
        "batch": lambda: batch,
        "sliced table": lambda: pa.table({"a": [0, 1, 2]}).slice(1),
        "schema of Arrow": lambda: batch.schema,
        "struct": lambda: pa.array([{"a": 1}, None]),
        "map": lambda: pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "scalar of Arrow": lambda: pa.scalar(1.5),
    }


def torch_kinds() -> dict[str, Callable[[], Any]]:
    import torch

    def linear() -> Any:
        torch.manual_seed(5)
        return torch.nn.Linear(2, 1)

    return {
        "tensor": lambda: torch.arange(6.0).reshape(2, 3),
        "tensor of bfloat16": lambda: torch.ones(2, dtype=torch.bfloat16),
        "linear layer": linear,
    }


def numba_kinds() -> dict[str, Callable[[], Any]]:
    from jitted import compiled

    return {"dispatcher": lambda: compiled}


LIBRARIES = {
    "numpy": numpy_kinds,
    "scipy": scipy_kinds,
    "sklearn": sklearn_kinds,
    "attrs": attrs_kinds,
    "pydantic": pydantic_kinds,
    "polars": polars_kinds,
    "pyarrow": pyarrow_kinds,
    "torch": torch_kinds,
    "numba": numba_kinds,
}


def kinds() -> dict[str, Callable[[], Any]]:
    """Every value that can be made here, by name."""
    found: dict[str, Callable[[], Any]] = {}
    for library, make in LIBRARIES.items():
        if importlib.util.find_spec(library):
            found.update(make())
    return found
