"""Arguments of batches, and the file that all items are evaluated on as one of the function."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Function
from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = "parquet_file"
_REMEDY: Final = f"give it an argument `{_NAME}`"


def checked_folder(given: Any) -> Path:
    """Give the folder of the files of batches.

    Raises
    ------
    CacheConfigError
        It is no path, or that of a file.
    """
    if not isinstance(given, str | os.PathLike):
        message = f"`output_dir` must be the path of a folder, not {given!r}"
        raise CacheConfigError(message)
    folder = Path(given).absolute()
    if folder.exists() and not folder.is_dir():
        message = f"`output_dir` must be a folder, and `{folder}` is a file; name another one"
        raise CacheConfigError(message)
    return folder


def check_merged_file(given: Any, folder: Path, batches: Sequence[Path]) -> None:
    """Refuse a name that the merged file can't have.

    Raises
    ------
    CacheConfigError
        It is no name of a Parquet file, or that of a batch.
    """
    if not isinstance(given, str | os.PathLike) or not os.fspath(given).endswith(".parquet"):
        message = f"`merged_file` is the name of a Parquet file and ends so, not {given!r}"
        raise CacheConfigError(message)
    if folder / given in batches:
        message = f"`merged_file` is the file of a batch, `{given}`; take another name"
        raise CacheConfigError(message)


def add_file(evaluate: Any, options: dict[str, Any], path: Path) -> None:
    """Give all items a file, which counts by its content.

    Parameters
    ----------
    evaluate : callable
        Takes it as `parquet_file`, else as the argument behind the item.
    options : dict
        Of the sweep; `common` and `files` are changed.
    path : Path
        Of the file.

    Raises
    ------
    CacheConfigError
        The function has no place for it, or is cached and does not count its content.
    """
    parameter = _parameter_of(evaluate, is_unpacked=options.get("unpack", False))
    name, common = parameter.name, options.get("common", ())
    if isinstance(common, Mapping):
        options["common"] = {**common, name: path}
    elif parameter.kind is not parameter.KEYWORD_ONLY and name != _NAME:
        options["common"] = (path, *common)
    elif not common:
        options["common"] = {name: path}
    else:
        message = f"`common` must be a mapping where `evaluate` takes `{name}` by name"
        raise CacheConfigError(message)
    _count_content(evaluate, options, name)


def _parameter_of(evaluate: Any, *, is_unpacked: bool) -> inspect.Parameter:
    try:
        parameters = dict(inspect.signature(evaluate).parameters)
    except (TypeError, ValueError):  # a function of C that does not tell
        parameters = {}
    if _NAME in parameters:
        return parameters[_NAME]
    if is_unpacked:
        message = f"`evaluate` must say where `{_NAME}` belongs if items are unpacked; {_REMEDY}"
        raise CacheConfigError(message)
    behind = list(parameters.values())[1:2]
    if not behind or behind[0].kind in {behind[0].VAR_POSITIONAL, behind[0].VAR_KEYWORD}:
        message = f"`evaluate` takes nothing behind the item that `{_NAME}` could be; {_REMEDY}"
        raise CacheConfigError(message)
    return behind[0]


def _count_content(evaluate: Any, options: dict[str, Any], name: str) -> None:
    function = getattr(evaluate, "__func__", evaluate)
    if not isinstance(function, Function):
        files = options.get("files", ())
        options["files"] = (*((files,) if isinstance(files, str) else files), name)
    elif name not in function.settings()["options"].get("files", ()):
        message = (
            f"`evaluate` is cached, and does not count the content of `{_NAME}`: decorate it with "
            f'`files="{name}"`'
        )
        raise CacheConfigError(message)
