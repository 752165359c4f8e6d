"""How a tracking store is opened: a server's with time limits, a local database's one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import warnings
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SQLITE: Final = "sqlite:///"


def open_store(uri: str, seconds: Callable[[], float]) -> Any:
    """Open the tracking store behind a URI.

    Parameters
    ----------
    uri : str
        The tracking URI.
    seconds : callable
        Gives how long a server may take for one answer.
    """
    folder = folder_of(uri)
    if urlsplit(uri).scheme in {"http", "https"}:
        from afml_cache.mlflow.rest import bounded_store

        return bounded_store(uri, seconds)
    if folder is not None:
        return _open_database(uri, folder)
    from mlflow.tracking._tracking_service.utils import _get_store

    return _get_store(uri)


def _open_database(uri: str, folder: pathlib.Path) -> Any:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with _alone(folder.parent):
        store = SqlAlchemyStore(uri, str(folder))
    if _Process.forked:
        # Connections that came along belong to the parent, which goes on using them.
        store.engine.dispose(close=False)
    return store


class _Process:
    """What is known of this process."""

    forked = False


def forked() -> None:
    """Note that this process is a child that was forked."""
    _Process.forked = True


def folder_of(uri: str) -> pathlib.Path | None:
    """Give the folder for the files of runs in a local database: `mlartifacts` beside it."""
    path = uri[len(_SQLITE) :].partition("?")[0] if uri.startswith(_SQLITE) else ""
    if not path or path == ":memory:":
        return None
    return pathlib.Path(path).absolute().parent / "mlartifacts"


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[None]:
    """Keep others from making tables in a folder meanwhile, which MLflow does not expect."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep warnings of MLflow's own imports from being errors, where warnings are.

    Where they are none, nothing is done: filters are the whole process's.
    """
    if not any(action == "error" for action, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
