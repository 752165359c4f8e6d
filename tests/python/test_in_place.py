"""Writing into a result changes nothing for the next hit, nor on disk."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from afml_cache import Store, robust_cacheable

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

SIZES = {"inline": 100, "file": 20_000, "mapped": 700_000}


def array(size: int) -> np.ndarray:
    return np.arange(size, dtype="f8")


def frame(size: int) -> "pd.DataFrame":
    index = pd.date_range("2024", periods=size, freq="s", tz="UTC")
    return pd.DataFrame({"a": array(size), "b": array(size) * 2, "n": np.arange(size)}, index=index)


def text(size: int) -> "pd.DataFrame":
    return pd.DataFrame(
        {"t": [f"row {row}" for row in range(size)], "c": pd.Categorical(["x", "y"] * (size // 2))}
    )


def cells(size: int) -> "pd.Series":
    return pd.Series([[row] for row in range(size)], dtype=object)


def nested(size: int) -> dict:
    return {
        "a": array(size),
        "b": [frame(size), {"c": {1, 2}, "d": bytearray(b"ab")}],
        "e": list(range(size)),
    }


def lazy(size: int) -> "pl.DataFrame":
    return pl.DataFrame({"a": array(size), "s": [f"row {row}" for row in range(size)]})


MAKERS = {make.__name__: make for make in (array, frame, text, cells, nested, lazy)}


def made(kind: str, size: int) -> object:
    return MAKERS[kind](size)


def spoil(value: object) -> None:  # noqa: C901 - a table
    """Write wherever a caller could write."""
    match value:
        case np.ndarray():
            value[:] = 0 if value.dtype != object else None
        case pd.DataFrame():
            for name in list(value.columns):
                column = value[name]
                value.loc[value.index[:3], name] = column.iloc[-1]
                value[name] = column.iloc[::-1].to_numpy()
            value.attrs["spoilt"] = True
            value.index.name = "spoilt"
            value.columns = [f"{name}!" for name in value.columns]
        case pd.Series():
            for cell in value:
                cell.append("spoilt")
            value.iloc[0] = None
        case pl.DataFrame():
            value[0, 0] = -1.0
            value.columns = ["x", "y"]
        case dict():
            for part in list(value.values()):
                spoil(part)
            value["spoilt"] = True
        case list():
            for part in value:
                spoil(part)
            value.clear()
        case set():
            value.add("spoilt")
        case bytearray():
            value[:] = b"spoilt"


def contents(store: Store) -> dict[str, str]:
    files = [path for path in store.path.rglob("payloads/*/*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("kind", MAKERS)
def test_writing_into_a_result_changes_nothing_for_the_next(
    store: Store, kind: str, size: int
) -> None:
    alike = pytest.importorskip("alike")
    if kind in ("cells", "nested", "text") and size > 100_000:
        size = 200_000
    make = robust_cacheable(store=store, ignore_deps=("MAKERS",))(made)
    spoil(make(kind, size))
    on_disk = contents(store)
    for _ in range(3):
        value = make(kind, size)
        assert alike.same(value, MAKERS[kind](size))
        spoil(value)
    again = robust_cacheable(store=Store(store.path), ignore_deps=("MAKERS",))(made)
    for _ in range(2):
        value = again(kind, size)
        assert alike.same(value, MAKERS[kind](size))
        spoil(value)
    assert make.cache_info().misses == 1
    assert again.cache_info().misses == 0
    assert contents(store) == on_disk


def test_the_two_halves_of_one_result_are_not_the_two_halves_of_another(store: Store) -> None:
    @robust_cacheable(store=store)
    def pair(a: int) -> tuple:
        return (np.zeros(a), [np.zeros(a)])

    pair(10)
    left, right = pair(10), pair(10)
    left[0][:] = 1
    left[1].append(2)
    assert right[0].sum() == 0
    assert len(right[1]) == 1
    assert left[1][0].sum() == 0


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_returned_array_may_be_written(store: Store, size: int) -> None:
    @robust_cacheable(store=store)
    def zeros(size: int) -> dict:
        return {"array": np.zeros(size), "frame": pd.DataFrame({"a": np.zeros(size)})}

    for function in (zeros, zeros, robust_cacheable(store=Store(store.path))(zeros.__wrapped__)):
        value = function(size)
        value["array"][-1] = 5
        value["frame"].loc[0, "a"] = 7
        assert value["array"].sum() == 5
        assert value["frame"]["a"].sum() == 7


def test_a_mapped_result_outlives_its_file(run_python: Callable) -> None:
    code = """
import shutil, sys, numpy as np, pandas as pd
from afml_cache import robust_cacheable

@robust_cacheable
def load(rows):
    print("computed")
    return [np.arange(rows), pd.DataFrame({"a": np.arange(rows), "t": ["text"] * rows})]

array, frame = load(500_000)
if "first" not in sys.argv[1:] and load.cache_info().hits:
    shutil.rmtree(sys.argv[0].replace("script.py", "cache"))
    array[:10] = 0
    print(array.sum() == sum(range(10, 500_000)), frame["a"].sum(), (frame["t"] == "text").all())
    array, frame = load(500_000)
    print(array.sum(), len(frame))
"""
    assert run_python(code).split() == ["computed"]
    shown = run_python(code).splitlines()
    assert shown[0] == "True 124999750000 True"
    assert shown[-1] == "124999750000 500000"


def test_a_hit_survives_that_its_file_is_deleted(store: Store) -> None:
    @robust_cacheable(store=store)
    def load(rows: int) -> np.ndarray:
        return np.arange(rows)

    load(500_000)
    fresh = robust_cacheable(store=Store(store.path))(load.__wrapped__)
    value = fresh(500_000)
    for path in store.path.rglob("payloads/*/*"):
        path.unlink()
    assert value.sum() == sum(range(500_000))
    assert fresh(500_000).sum() == sum(range(500_000))
    assert value.sum() == sum(range(500_000))
