"""Estimators as models of MLflow: a folder with a pickle, and files that say how to load it."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache.mlflow.files import PickledModel

_PICKLE: Final = "model.pkl"
_PACKAGES: Final = ("mlflow", "scikit-learn", "cloudpickle", "numpy", "pandas", "scipy")


def write_model(estimator: PickledModel, folder: Path) -> None:
    """Write a pickled estimator as `mlflow.sklearn.load_model` and `mlflow.pyfunc` load it.

    `mlflow.sklearn.save_model` would do the same with the estimator itself, which belongs to the
    caller by now.
    """
    from mlflow import pyfunc
    from mlflow.models import Model

    folder.mkdir(parents=True)
    (folder / _PICKLE).write_bytes(estimator.pickled)
    model = Model()
    if estimator.predicts:
        pyfunc.add_to_model(
            model,
            loader_module="mlflow.sklearn",
            model_path=_PICKLE,
            conda_env="conda.yaml",
            python_env="python_env.yaml",
            predict_fn="predict",
        )
    model.add_flavor(
        "sklearn",
        pickled_model=_PICKLE,
        sklearn_version=_version("scikit-learn"),
        serialization_format="cloudpickle",
        code=None,
    )
    model.save(str(folder / "MLmodel"))
    for name, text in _environment().items():
        (folder / name).write_text(text, encoding="utf-8")


def _environment() -> dict[str, str]:
    """Give the files that name the packages that a model was made with."""
    pins = [f"{name}=={version}" for name in _PACKAGES if (version := _version(name))]
    python, lines = platform.python_version(), "".join(f"    - {pin}\n" for pin in pins)
    return {
        "requirements.txt": "".join(f"{pin}\n" for pin in pins),
        "python_env.yaml": f"python: {python}\ndependencies:\n- -r requirements.txt\n",
        "conda.yaml": (
            "name: mlflow-env\nchannels:\n- conda-forge\n"
            f"dependencies:\n- python={python}\n- pip\n- pip:\n{lines}"
        ),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def load_model(folder: str) -> Any:
    """Load a model from a folder: an estimator as it was logged, another one as a `pyfunc`."""
    from mlflow.models import Model

    if "sklearn" in Model.load(str(pathlib.Path(folder) / "MLmodel")).flavors:
        from mlflow import sklearn

        return sklearn.load_model(folder)
    from mlflow import pyfunc

    return pyfunc.load_model(folder)
