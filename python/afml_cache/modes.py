"""How the cache is used: as a whole, or within a `with` statement."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from afml_cache import _native

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["add_cache_arguments", "mode"]


@contextlib.contextmanager
def mode(name: str) -> Iterator[None]:
    """Use the cache in another way for what this context calls.

    Coroutines and tasks that are started inside are of the context; threads and processes are not,
    and have `AFML_CACHE_MODE` instead.

    Parameters
    ----------
    name : {"normal", "fresh", "frozen", "readonly", "off"}
        "normal": look up, compute and store what is missing; "fresh": compute, and overwrite what
        is stored; "frozen": look up only, where a miss raises `CacheMissError`, and write nothing;
        "readonly": look up, compute what is missing, and write nothing; "off": as if there were no
        cache.

    Raises
    ------
    CacheConfigError
        There is no such mode.

    Examples
    --------
    >>> from afml_cache import mode, robust_cacheable
    >>> @robust_cacheable
    ... def add(x, y):
    ...     return x + y
    >>> with mode("frozen"):  # doctest: +ELLIPSIS
    ...     add(1, 2)
    Traceback (most recent call last):
        ...
    afml_cache.exceptions.CacheMissError: `...add` has no stored result for this call (...
    """
    token = _native.enter_mode(name)
    try:
        yield
    finally:
        _native.leave_mode(token)


def looks_up() -> bool:
    """Whether what is stored may be used here."""
    return _native.current_mode() not in {"fresh", "off"}


def writes() -> bool:
    """Whether anything may be stored here."""
    return _native.current_mode() in {"fresh", "normal"}


def add_cache_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a script the cache's arguments; they take effect when the parser meets them.

    `--fresh` computes everything anew and overwrites what is stored. `--force-rerun` does so with
    artifacts, files of batches and sweeps, and `--no-skip-existing` with artifacts and files of
    batches alone. `--cache-dir` names another folder.

    Parameters
    ----------
    parser
        Any argparse parser; its namespace gets `fresh`, `force_rerun`, `skip_existing` and
        `cache_dir`.

    Examples
    --------
    >>> import argparse
    >>> from afml_cache import add_cache_arguments
    >>> parser = argparse.ArgumentParser()
    >>> add_cache_arguments(parser)
    >>> parser.parse_args([]).fresh
    False
    """
    from afml_cache._arguments import CacheDir, Switch

    group = parser.add_argument_group("cache")
    group.add_argument(
        "--fresh",
        action=Switch,
        settings={"mode": "fresh"},
        help="compute everything anew, and overwrite what is stored",
    )
    group.add_argument(
        "--force-rerun",
        action=Switch,
        settings={"force_rerun": True},
        help="compute artifacts, batches and sweeps anew",
    )
    group.add_argument(
        "--no-skip-existing",
        action=Switch,
        settings={"skip_existing": False},
        dest="skip_existing",
        default=True,
        const=False,
        help="make artifacts and files of batches anew",
    )
    group.add_argument(
        "--cache-dir", action=CacheDir, metavar="FOLDER", help="where results are stored"
    )
