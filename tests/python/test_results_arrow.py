"""Arrow results: what comes back equals what was stored, with no pickle."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afml_cache import Store, robust_cacheable

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

from arrows import NAMES, TEXT, TYPES, cut  # noqa: E402 - needs pyarrow


def kept(name: str, value: Any) -> Any:
    """Give the value; only the name is in the key."""
    return value


@pytest.fixture
def through(tmp_path: Path) -> Callable[[Any], Any]:
    """Store a result, and give what another store reads."""
    names = itertools.count()

    def give(value: Any) -> Any:
        name = str(next(names))
        for stored in (value, "computed again"):
            store = Store(tmp_path / "store", allow_pickle=False)
            found = robust_cacheable(store=store, ignore=("value",))(kept)(name, stored)
        return found

    return give


def wraps() -> list[Callable[[Any], Any]]:
    return [
        lambda array: array,
        lambda array: array.slice(1),
        lambda array: array.slice(0, 0),
        lambda array: pa.chunked_array([array, array.slice(1)]),
        lambda array: pa.chunked_array([], array.type),
        lambda array: pa.table({"a": array, "b": array}).replace_schema_metadata({"a": "1"}),
        lambda array: pa.record_batch({"a": array}),
        lambda array: pa.record_batch({"a": array}).slice(0, 0),
        lambda array: pa.table({"a": array}).schema,
        lambda array: pa.field("a", array.type, metadata={"a": "1"}),
        lambda array: array.type,
        lambda array: array[0],
    ]


@pytest.mark.parametrize(("kind", "values", "changed"), TYPES, ids=NAMES)
def test_values_of_pyarrow_come_back(
    through: Callable, kind: Any, values: list, changed: list
) -> None:
    array = pa.array(values, kind)
    for wrap in wraps():
        value = wrap(array)
        back = through(value)
        assert type(back) is type(value)
        assert back.equals(value)
        if hasattr(value, "num_chunks"):
            assert back.num_chunks == value.num_chunks
        if hasattr(value, "schema"):
            assert back.schema.equals(value.schema, check_metadata=True)
        if hasattr(back, "validate"):
            back.validate(full=True)
    for same in cut(array, pa.array(changed, kind)):
        assert through(same).equals(same)


@pytest.mark.parametrize("dtype", ["str", "string[pyarrow]", "string[python]"])
def test_text_of_pandas_comes_back(through: Callable, dtype: str) -> None:
    series = pd.Series(TEXT * 2000, dtype=dtype, name="text")
    for value in (series, series.to_frame(), series[3:], series[:0], pd.Index(series)):
        back = through(value)
        assert type(back) is type(value)
        assert back.equals(value)
        assert getattr(back, "dtype", dtype) == getattr(value, "dtype", dtype)
    changed = through(series)
    changed.iloc[0] = "changed"
    assert changed.iloc[0] == "changed"


def test_an_array_that_is_not_sound_comes_back_as_it_was(store: Store) -> None:
    """pyarrow makes arrays of any buffers; what a hit gives is no worse than what was returned."""
    rows = 300_000
    text = pa.py_buffer(b"\xff" * rows)
    offsets = pa.array(range(rows + 1), pa.int64()).buffers()[1]

    @robust_cacheable(store=store)
    def unsound() -> Any:
        return pa.table(
            {"a": pa.Array.from_buffers(pa.large_string(), rows, [None, offsets, text])}
        )

    for hits in range(3):
        column = unsound()["a"].chunk(0)
        assert column.buffers()[1].equals(offsets)
        assert column.buffers()[2].equals(text)
        info = unsound.cache_info()
        assert (info.misses, info.errors) == (1, 0), hits
