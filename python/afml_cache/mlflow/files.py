"""Parts of a result as files, written when the call ended: its caller may change them after."""

from __future__ import annotations

import json
import os
import pathlib
import pickle
import shutil
import sys
import tempfile
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.mlflow.names import free
from afml_cache.mlflow.texts import content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL: Final = "model"


class PickledModel(NamedTuple):
    """An estimator as it was when the call ended."""

    pickled: bytes
    predicts: bool


class Snapshot:
    """A folder of files and models that waits to be logged, and is removed with this object."""

    def __init__(self) -> None:
        self.models: dict[str, PickledModel] = {}
        self._folder: Path | None = None
        self._names: set[str] = set()

    @property
    def used(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.models or self._names)

    @property
    def size(self) -> int:
        """How many bytes of memory it takes."""
        return sum(len(model.pickled) for model in self.models.values())

    @property
    def files(self) -> Path | None:
        """The folder with the files that are no models."""
        return self._folder

    def add_model(self, name: str, estimator: Any) -> list[str]:
        """Take an estimator as it is now; give what stands against it, if anything does."""
        path = MODEL if MODEL not in self.models else free(f"{MODEL}.{name}", self.models, name)
        try:
            pickled = _pickled(estimator)
        except Exception as error:  # noqa: BLE001 - a pickle runs the code of others
            return [f"the model `{path}`, which can't be pickled ({error})"]
        self.models[path] = PickledModel(pickled, hasattr(estimator, "predict"))
        return []

    def add_file(self, name: str, value: Any) -> list[str]:
        """Write a value in the format of its kind; give what stands against it."""
        if value is None:
            return []
        kind = next((write for is_kind, write in _KINDS if is_kind(value)), None)
        if kind is None:
            return [f"`{name}`, a {type(value).__name__}, for which there is no kind of file"]
        if self._folder is None:
            self._folder = pathlib.Path(tempfile.mkdtemp(prefix="afml-cache-"))
            weakref.finalize(self, _remove, self._folder, os.getpid())
        name = name.replace("/", "_")
        stem = free(name, self._names, f"{name}={len(self._names)}")
        try:
            kind(value, self._folder / stem)
        except Exception as error:  # noqa: BLE001 - whatever a library raises
            return [f"`{name}`, a {type(value).__name__}, which can't be written ({error})"]
        self._names.add(stem)
        return []


def _remove(folder: Path, process: int) -> None:
    """Remove a folder; a forked child leaves its parent's alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _pickled(estimator: Any) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(estimator, protocol=pickle.DEFAULT_PROTOCOL)
    pickled: bytes = cloudpickle.dumps(estimator, protocol=pickle.DEFAULT_PROTOCOL)
    return pickled


def _is(module: str, *names: str) -> Callable[[Any], bool]:
    """Tell values of a library's classes, without importing it."""

    def check(value: Any) -> bool:
        loaded = sys.modules.get(module)
        classes = tuple(getattr(loaded, name) for name in names if hasattr(loaded, name))
        return isinstance(value, classes)

    return check


def _pandas_frame(value: Any, path: Path) -> None:
    frame = value.to_frame() if value.ndim == 1 else value
    try:
        frame.to_parquet(f"{path}.parquet")
    except Exception:  # noqa: BLE001 - no engine for Parquet, or cells that it can't hold
        frame.to_csv(f"{path}.csv")


def _polars_frame(value: Any, path: Path) -> None:
    frame = value.to_frame() if hasattr(value, "to_frame") else value
    frame.write_parquet(f"{path}.parquet")


def _arrow_table(value: Any, path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(value, f"{path}.parquet")


def _array(value: Any, path: Path) -> None:
    import numpy as np

    np.save(f"{path}.npy", value, allow_pickle=False)


def _drawing(value: Any, path: Path) -> None:
    value.savefig(f"{path}.png")


def _web_page(value: Any, path: Path) -> None:
    value.write_html(f"{path}.html")


def _copy(value: Path, path: Path) -> None:
    shutil.copyfile(value, f"{path}{value.suffix}")


def _text(value: str, path: Path) -> None:
    pathlib.Path(f"{path}.txt").write_text(value, encoding="utf-8")


def _bytes(value: bytes, path: Path) -> None:
    pathlib.Path(f"{path}.bin").write_bytes(value)


def _json(value: Any, path: Path) -> None:
    text = json.dumps(_jsonable(value), indent=1, default=content)
    pathlib.Path(f"{path}.json").write_text(text, encoding="utf-8")


def _jsonable(value: Any) -> Any:
    """Give containers with keys that JSON takes."""
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): _jsonable(part)
            for key, part in value.items()
        }
    return [_jsonable(part) for part in value] if isinstance(value, list | tuple) else value


_KINDS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any, Any], None]], ...]] = (
    (_is("pandas", "DataFrame", "Series"), _pandas_frame),
    (_is("polars", "DataFrame", "Series"), _polars_frame),
    (_is("pyarrow", "Table"), _arrow_table),
    (_is("numpy", "ndarray"), _array),
    (_is("matplotlib.figure", "Figure"), _drawing),
    (_is("plotly.basedatatypes", "BaseFigure"), _web_page),
    (lambda value: isinstance(value, pathlib.Path) and value.is_file(), _copy),
    (lambda value: isinstance(value, str), _text),
    (lambda value: isinstance(value, bytes | bytearray), _bytes),
    (lambda value: isinstance(value, dict | list | tuple), _json),
)
