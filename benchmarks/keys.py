"""Keys: what a call pays for its arguments and for the code that it reaches."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.digests import digester
from benchmarks.measure import SUBJECT, Table

CALLS = 20_000
NAMES = (0, 20, 120)
DEEP = 100_000
MILLION = 1_000_000


def keys(table: Table, folder: Path) -> None:
    """Time what goes into keys, by itself."""
    for kind, line in (("constants", "C{0} = {0}.5"), ("helpers", "def C{0}(x): return x + {0}")):
        for count in NAMES:
            case = f"key of f(1, 2), {count} {kind}" if count else "key of f(1, 2)"
            if count or kind == "constants":
                function = cached(line, count, folder)
                table.measure(case, SUBJECT, partial(seconds_keyed, function))
    for columns in (1_000, 10_000):
        frame = pd.DataFrame(np.zeros((10, columns)), columns=range(columns))
        mixed = pd.concat([frame.iloc[:, ::2], frame.iloc[:, 1::2].astype(str)], axis=1)
        compare(table, f"digest frame 10 x {columns:,}", frame)
        compare(table, f"digest frame 10 x {columns:,}, half text", mixed)
    compare(
        table, "digest dict of 1M entries", {number: (number, "x") for number in range(MILLION)}
    )
    compare(table, "digest list of 1M floats", [number / 7 for number in range(MILLION)])
    deep: list[Any] = reduce(lambda inner, _: [inner], range(DEEP), [])
    compare(table, "digest list 100,000 deep", deep)


def compare(table: Table, case: str, value: Any) -> None:
    """Time our digest of a value beside those of the peers."""
    table.time(case, SUBJECT, digester("afml_cache", "digest", value), runs=5)
    for module, name in (("dask.base", "tokenize"), ("joblib", "hash")):
        table.time(case, f"{module.split('.')[0]}.{name}", digester(module, name, value), runs=1)


def cached(line: str, count: int, folder: Path) -> Any:
    """A cached `f(a, b)` in a module of its own that reads so many names."""
    module = types.ModuleType(f"benchmarked_{line[:3].strip()}_{count}")
    sys.modules[module.__name__] = module
    called = "(a)" if line.startswith("def") else ""
    terms = "".join(f" + C{number}{called}" for number in range(count))
    lines = [line.format(number) for number in range(count)]
    source = "\n".join([*lines, "def f(a, b):", f"    return a + b{terms}"])
    exec(compile(source, f"{module.__name__}.py", "exec"), vars(module))  # noqa: S102
    afml_cache = import_module("afml_cache")
    return afml_cache.robust_cacheable(store=folder / "cache")(vars(module)["f"])


def seconds_keyed(function: Callable[..., Any]) -> float:
    """What `cache_info` says of the key's share of a hit."""
    told: Any = function
    for _ in range(2):  # the first time round it is warmed up
        told.reset_counters()
        for _ in range(CALLS):
            function(1, 2)
    return float(told.cache_info().seconds_keyed) / CALLS
