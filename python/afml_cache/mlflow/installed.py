"""Whether MLflow is there, which is not needed for anything but tracking."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

INSTALL: Final = (
    "MLflow is not installed, so nothing is tracked, and results are cached as ever: "
    "pip install 'afml-cache[mlflow]'"
)


class _MLflow:
    """What is known of it in this process."""

    is_there: bool | None = None
    told = False


def installed() -> bool:
    """Whether MLflow can be imported, without doing so."""
    if _MLflow.is_there is None:
        _MLflow.is_there = find_spec("mlflow") is not None
    return _MLflow.is_there


def is_news() -> bool:
    """Whether nobody has been told yet that it is not there; asked once, it is told."""
    news, _MLflow.told = not _MLflow.told, True
    return news
