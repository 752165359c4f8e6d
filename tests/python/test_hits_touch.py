"""A hit reads what is touched: how much of a payload is in memory when it is handed out.

The result is asked for in a fresh interpreter, which says how much of the mapped file it has.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forged import index_of
from hostile import payloads, tables

pytest.importorskip("pandas")
pytest.importorskip("polars")
pytest.importorskip("pyarrow")

MAKE = """
import json, sys
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
from afml_cache import robust_cacheable

def words(rows):
    return pa.array(np.char.add("a word that is longer ", np.arange(1000).astype("U"))).take(
        pa.array(np.arange(rows) % 1000))

def lists(rows):
    return pa.ListArray.from_arrays(np.arange(rows + 1, dtype="i4") * 3, np.arange(3.0 * rows))

def codes(rows):
    return np.arange(rows) % 100

TEXT = "str" if pd.__version__ >= "3" else "string[pyarrow]"
NAMES = [f"name {code}" for code in range(100)]
KINDS = {
    "text of pandas": lambda rows: pd.DataFrame({"a": pd.array(words(rows), dtype=TEXT)}),
    "labels of pandas": lambda rows: pd.Series(
        np.ones(rows), index=pd.Index(pd.array(words(rows), dtype=TEXT))),
    "arrow of pandas": lambda rows: pd.DataFrame(
        {"a": pd.arrays.ArrowExtensionArray(pa.chunked_array([words(rows)]))}),
    "categories of pandas": lambda rows: pd.DataFrame(
        {n: pd.Categorical.from_codes(codes(rows), NAMES) for n in "abcdefghij"}),
    "category labels of pandas": lambda rows: pd.DataFrame(
        {"x": np.ones(rows)}, index=pd.Index(pd.Categorical.from_codes(codes(rows), NAMES))),
    "levels of pandas": lambda rows: pd.DataFrame(
        {"x": np.ones(rows)}, index=pd.MultiIndex.from_product([range(10), range(rows // 10)])),
    "intervals of pandas": lambda rows: pd.Series(
        pd.arrays.IntervalArray.from_breaks(np.arange(rows + 1))),
    "interval labels of pandas": lambda rows: pd.Series(
        np.ones(rows), index=pd.IntervalIndex.from_breaks(np.arange(rows + 1))),
    "masked of pandas": lambda rows: pd.Series(
        pd.arrays.IntegerArray(np.arange(rows), codes(rows) == 1)),
    "text of polars": lambda rows: pl.DataFrame({"a": pl.Series(words(rows))}),
    "nulls of polars": lambda rows: pl.DataFrame(
        {"a": pl.Series(pa.array(np.arange(rows), mask=codes(rows) == 1))}),
    "lists of polars": lambda rows: pl.DataFrame({"a": pl.Series(lists(rows))}),
    "structs of polars": lambda rows: pl.DataFrame(
        {"a": words(rows), "b": np.ones(rows)}).select(pl.struct("a", "b")),
    "text of pyarrow": lambda rows: pa.table({"a": words(rows)}),
    "large text of pyarrow": lambda rows: pa.table({"a": words(rows).cast(pa.large_string())}),
    "views of pyarrow": lambda rows: pa.table({"a": words(rows).cast(pa.string_view())}),
    "dictionary of pyarrow": lambda rows: pa.table(
        {n: pa.DictionaryArray.from_arrays(codes(rows), NAMES) for n in "ab"}),
    "lists of pyarrow": lambda rows: pa.table({"a": lists(rows)}),
}

@robust_cacheable(memory=False)
def make(kind, rows):
    return KINDS[kind](rows)

def in_memory():  # bytes of payload files that this process has in memory
    found, inside = 0, False
    for line in open("/proc/self/smaps"):
        first = line.split()[0]
        if not first.endswith(":"):
            inside = "/payloads/" in line
        elif inside and first == "Rss:":
            found += int(line.split()[1]) * 1024
    return found

def hit(kind, rows):
    value = make(kind, rows)
    taken = in_memory()
    del value
    return taken
"""
ROWS = 800_000
SLACK = 3 << 20  # the kernel maps what lies around a page that is touched, 2 MiB at most


@pytest.fixture
def run(run_python: Callable, default_cache: Path) -> Iterator[Callable[[str], list[int]]]:
    """Runs `body` for each kind, in one interpreter, and gives what it says of them."""

    def run(body: str) -> list[int]:
        said = f"print(json.dumps([{body} for kind in KINDS]), make.cache_info().misses)"
        numbers, _, misses = run_python(MAKE + said).rpartition(" ")
        assert int(misses) == (0 if "hit(" in body else len(json.loads(numbers)))
        return json.loads(numbers)

    yield run
    shutil.rmtree(default_cache)


def sizes(cache: Path, keys: list[str]) -> list[int]:
    """Sizes of the files of these entries."""
    found = {path.name[:32]: path.stat().st_size for path in payloads(cache)}
    return [found[key] for key in keys]


def test_what_a_hit_reads_does_not_grow_with_the_rows(run: Callable, default_cache: Path) -> None:
    keys = run(f"(make(kind, {ROWS}), make.cache_key(kind, {ROWS}))[1]")
    hits = f"hit(kind, {ROWS})"
    files = sizes(default_cache, keys)
    assert min(files) > 6 << 20
    for number, (taken, size) in enumerate(zip(run(hits), files, strict=True)):
        assert 3 * taken < size + SLACK, number

    with tables(index_of(default_cache)) as index:  # as after a start of the machine
        index.execute("update entries set stamp = null")
    assert all(taken >= size // 4096 * 4096 for taken, size in zip(run(hits), files, strict=True))
    assert all(3 * taken < size + SLACK for taken, size in zip(run(hits), files, strict=True))
