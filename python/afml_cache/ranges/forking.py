"""Forked children: polars starts threads once, which a child does not have and waits for."""

from __future__ import annotations

import os
import threading
from typing import Final

import polars as pl

from afml_cache.exceptions import CacheConfigError

_PATIENCE: Final = 2.0  # seconds


class _Child:
    """What is known of polars in this process, if it was forked."""

    doubted = False
    trial: threading.Thread | None = None


def _doubt() -> None:
    _Child.doubted, _Child.trial = True, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_doubt)


def check_polars() -> None:
    """See that polars works in this process.

    Raises
    ------
    CacheConfigError
        It would wait for ever: it had been used before this process was forked.
    """
    if not _Child.doubted:
        return
    if _Child.trial is None:
        _Child.trial = threading.Thread(target=_try_polars, name="afml-cache-trial", daemon=True)
        _Child.trial.start()
        _Child.trial.join(_PATIENCE)
    if _Child.trial.is_alive():
        message = (
            "polars can't be used in this process: it was forked from one that had used polars, "
            "and does not have its threads; start processes with "
            'multiprocessing.get_context("spawn"), or fork before the first bars are asked for'
        )
        raise CacheConfigError(message)
    _Child.doubted = False


def _try_polars() -> None:
    pl.DataFrame({"a": [1], "b": [1]}).select("a", "b")
