"""`artifact`: a function whose result is a named file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from afml_cache._values import unwrap
from afml_cache.artifacts.artifact import Artifact
from afml_cache.artifacts.template import checked_template
from afml_cache.decorators import check_function, code_settings
from afml_cache.exceptions import CacheConfigError
from afml_cache.groups import checked_group
from afml_cache.store import checked_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from afml_cache._native import Store
    from afml_cache.decorators import CodeOptions

__all__ = ["artifact"]


def artifact(
    path_template: str | os.PathLike[str],
    *,
    scratch: str | Iterable[str] = (),
    identified_by: str | Iterable[str] | None = None,
    trust: Literal["content", "name"] = "content",
    group: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    store: Store | str | os.PathLike[str] | None = None,
    **options: Unpack[CodeOptions],
) -> Callable[[Callable[..., Any]], Any]:
    """Keep the result of a function as a named file, and use it while it matches what made it.

    Beside the file lies `<stem>_metadata.json` (`<file>_metadata.json` where that is taken), which
    says what it was made from: function, code, the digest of each input, time, size, seconds. The
    file is used while the key of the call and the digest of the file are those; else the function
    runs, and the file is written under another name, synced and renamed. The first call, too,
    returns what the file reads back as.

    Parameters
    ----------
    path_template : str or os.PathLike
        Where the file lies, with placeholders as of `str.format` that name parameters:
        `"universe_{interval}m_{lookback}lb.parquet"`. A relative path lies in `folder`. The suffix
        says the format:

        - `.json`: dictionaries with text keys, lists, tuples (read back as lists), texts, finite
          numbers, truth values and `None`;
        - `.parquet`: a frame of pandas or polars, or a table of pyarrow;
        - `.csv`: a frame of pandas, with its index unless that counts rows, or of polars;
        - `.npz`: an array of NumPy, or a mapping of names to arrays, none of objects;
        - `.txt`: a text.

        JSON, CSV and text may be compressed: `.json.gz`, also `.bz2`, `.xz`, and `.zst` where
        Python or pyarrow has that.
    scratch : str or iterable of str, default ()
        Names of scratch folders that are removed once the file is in place.
    identified_by : str or iterable of str, optional
        The parameters that the file belongs to; by default every one counts.
    trust : {"content", "name"}, default "content"
        Whether a file is used because it is what was written and matches the call, or because it is
        there and can be read.
    group : str, optional
        Such as "labeling": what the settings `cache_<group>` and `skip_existing_<group>` are about.
    folder : str or os.PathLike, optional
        Where relative paths lie; by default the working directory of the call.
    store : Store, str or os.PathLike, optional
        The store whose secret and locks are used; the default store if it is left out.
    **options
        Those of `robust_cacheable` that say what code is: `version`, `ignore`, `unordered`,
        `files`, `deps`, `ignore_deps`, `track_code`, `track_packages`; and how bars are labelled:
        `label`, `timeframe`, `calendar`.

    Returns
    -------
    callable
        A decorator. What it gives is called as the function is, and has

        - `path(...)`, `metadata(...)`: where the file of a call lies, and what it was made from;
        - `is_current(...)`, `explain(...)`: whether it would be used, and why not, in words;
        - `saved(...)`: a handle of the file, made if it must be and not read;
        - `load(...)`: the file of a call, never made;
        - `refresh(...)`, `remove(...)`: make it anew whatever is there, remove it;
        - `cache_key(...)`, `__wrapped__`.

    Raises
    ------
    TypeError
        What is decorated is not a function that returns a result, or an option is unknown.
    CacheConfigError
        A placeholder or an option names no parameter, the suffix is of no format, or an option has
        a value that can't be right.
    ScratchError
        A name of scratch is no relative path of plain parts.

    Notes
    -----
    A call raises `ArtifactError` for a result that the format can't hold, by its place in the
    result, and for an argument that leads out of the template's folder; the earlier file stays. In
    mode "frozen" a miss is a `CacheMissError`. A file that was edited, truncated, or written by
    somebody else is told by an `ArtifactWarning`, moved to `<name>.before-<n>`, and made anew.
    Where nothing can be written, the caller has the result all the same.

    Examples
    --------
    >>> import tempfile
    >>> from afml_cache.artifacts.decorator import artifact
    >>> @artifact("{pair}_patterns.json", identified_by="pair", folder=tempfile.mkdtemp())
    ... def discover_patterns(prices, *, pair):
    ...     print("mining")
    ...     return {"important_features": ["range"], "bars": len(prices)}
    >>> discover_patterns([1.1, 1.2], pair="EURUSD")
    mining
    {'important_features': ['range'], 'bars': 2}
    >>> discover_patterns([1.3], pair="EURUSD")
    {'important_features': ['range'], 'bars': 2}
    >>> discover_patterns.metadata([1.3], pair="EURUSD").inputs["pair"].text
    "'EURUSD'"
    """
    template = checked_template(path_template)
    settings = code_settings("artifact", dict(options))
    chosen = {
        "scratch": _checked_scratch(_names("scratch", scratch)),
        "identified_by": None if identified_by is None else _names("identified_by", identified_by),
        "trust": _checked_trust(trust),
        "group": checked_group(group),
        "folder": _checked_folder(folder),
        "store": checked_store(store),
    }

    def decorate(function: Any) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(decorate(function.__func__))
        _check(function, settings)
        return Artifact(function, template, settings, **chosen)

    return decorate


def _check(function: Any, settings: dict[str, Any]) -> None:
    reason = None
    if unwrap(function) is not function:
        reason = "is cached already; decorate the function itself"
    elif inspect.iscoroutinefunction(function):
        reason = "is a coroutine function; decorate a function that runs it"
    if reason is not None:
        message = f"artifact can't decorate {function!r}: it {reason}"
        raise TypeError(message)
    check_function("artifact", function, settings["options"])


def _names(option: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, str | Iterable):
        message = f"`{option}` takes names, not {given!r}"
        raise CacheConfigError(message)
    names: tuple[Any, ...] = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            message = f"`{option}` takes names, not {name!r}"
            raise CacheConfigError(message)
    return names


def _checked_scratch(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    from afml_cache.scratch_space.places import names_of

    return tuple(sorted(names_of(names)))


def _checked_trust(trust: object) -> str:
    if trust not in ("content", "name"):
        message = f'`trust` is "content" or "name", not {trust!r}'
        raise CacheConfigError(message)
    return str(trust)


def _checked_folder(folder: object) -> Any:
    if folder is not None and (not isinstance(folder, str | os.PathLike) or not os.fspath(folder)):
        message = f"`folder` must be a path, not {folder!r}"
        raise CacheConfigError(message)
    return folder
