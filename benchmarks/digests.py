"""Digests: what it costs to name a value by its content."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.measure import SUBJECT, Table
from benchmarks.work import SMALL, bars, symbols


def values() -> dict[str, Any]:
    """What is digested, by name."""
    frame = bars()
    return {
        "digest frame 1M x 5": frame,
        "digest array 1M x 5": frame.to_numpy().copy(),
        "digest polars 1M x 6": pl.from_pandas(frame.reset_index()),
        "digest 1M strings, object": pd.DataFrame({"symbol": pd.Series(symbols(), dtype=object)}),
        "digest 1M strings, str dtype": pd.DataFrame({"symbol": pd.Series(symbols(), dtype="str")}),
        "digest frame 1000 x 5": frame.iloc[:SMALL].copy(),
    }


def digests(table: Table) -> None:
    """Time every digest on every value."""
    known = values()
    for case, value in known.items():
        loops, runs = (50, 7) if case.endswith("1000 x 5") else (1, 3)
        table.time(case, SUBJECT, digester("afml_cache", "digest", value), loops=loops)
        for module, name in (("dask.base", "tokenize"), ("joblib", "hash")):
            call = digester(module, name, value)
            table.time(case, f"{module.split('.')[0]}.{name}", call, runs=runs, loops=loops)
        if isinstance(value, pd.DataFrame):
            call = digester("pandas.util", "hash_pandas_object", value)
            note = "64 bits a row, without the column names"
            table.time(case, "hash_pandas_object", call, runs=runs, loops=loops, note=note)
    lazy, array = known["digest polars 1M x 6"], known["digest array 1M x 5"]
    note = "64 bits a row, differs between sessions"
    table.time("digest polars 1M x 6", "polars hash_rows", lazy.hash_rows, note=note)
    floors(table, array)


def digester(module: str, name: str, value: Any) -> Callable[[], Any]:
    """A call of `module.name(value)` that imports when it first runs."""

    def call() -> Any:
        return getattr(import_module(module), name)(value)

    return call


def floors(table: Table, array: np.ndarray) -> None:
    """What no digest can beat by much: reading the same memory."""
    case = "digest array 1M x 5"
    call = digester("xxhash", "xxh3_128_digest", array)
    table.time(case, "C xxh3_128, one thread", call, floor=True)
    table.time(case, "read, one thread", array.sum, floor=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = np.array_split(array.reshape(-1), os.cpu_count() or 1)
        table.time(case, "read, every core", lambda: list(pool.map(np.sum, parts)), floor=True)
