"""`digest` of the rarer dtypes of NumPy and polars: content, whatever padding and codes."""

import os
from collections.abc import Callable

import numpy as np
import pytest

from afml_cache import digest


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
def test_padding_of_extended_precision_does_not_count(dtype: type) -> None:
    clean, dirty = np.zeros(5, dtype), np.empty(5, dtype)
    dirty.view("u1")[:] = 255
    for array in (clean, dirty):
        array[:] = [1, 2, 3, 4, 5]
    expected = digest(clean)
    assert digest(dirty) == expected
    assert digest(dirty[:1][0]) == digest(clean[:1][0])
    assert digest(dirty.reshape(5, 1)) == digest(clean.reshape(5, 1))
    assert digest(np.repeat(dirty, 2)[::2]) == expected
    records = [np.zeros(5, [("a", dtype), ("b", "i1")]) for _ in range(2)]
    for record, values in zip(records, (clean, dirty), strict=True):
        record["a"] = values
    assert digest(records[0]) == digest(records[1])
    dirty[2] = np.nextafter(dirty.real[2], np.longdouble(9))
    assert digest(dirty) != expected
    assert digest(clean.astype("c16")) != expected
    assert len({digest(np.float64(1)), digest(np.longdouble(1)), digest(np.clongdouble(1))}) == 3


def test_a_frame_may_have_extended_precision() -> None:
    pd = pytest.importorskip("pandas")
    first, other = (pd.DataFrame({"a": np.array([1, last], np.longdouble)}) for last in (2, 3))
    assert digest(first) == digest(first.copy()) != digest(other)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 2")
def test_strings_of_numpy_are_their_text_and_their_dtype() -> None:
    words = ["a", "", "é" * 40, "b\0"]
    kinds = [np.dtypes.StringDType(), np.dtypes.StringDType(na_object=None)]
    kinds += [np.dtypes.StringDType(na_object=np.nan), np.dtypes.StringDType(coerce=False)]
    arrays = [np.array(words, kind) for kind in kinds]
    arrays += [np.array(words), np.array(words, object)]
    assert len(set(map(digest, arrays))) == len(arrays)
    assert len(set(map(digest, kinds))) == len(kinds)
    base = arrays[0]
    assert digest(base) == digest(np.concatenate([base, base])[4:]) == digest(base.copy())
    assert digest(base.reshape(2, 2)) == digest(np.asfortranarray(base.reshape(2, 2)))
    assert digest(base.reshape(2, 2)) != digest(base)
    changed = base.copy()
    changed[3] = "b"
    assert digest(changed) != digest(base)
    missing = np.array(["a", None], kinds[1])
    assert digest(missing) != digest(np.array(["a", "None"], kinds[1]))


def test_objects_in_a_structured_array_count() -> None:
    dtype = [("a", "i4"), ("o", object), ("s", "f8", (2,)), ("r", [("x", object), ("y", "u1")])]
    rows = [(1, "text", (1.0, 2.0), (None, 3)), (2, [1, 2], (3.0, 4.0), ({"k": 1}, 4))]
    array = np.array(rows, dtype)
    expected = digest(array)
    assert digest(np.array(rows, dtype)) == expected == digest(np.concatenate([array, array])[2:])
    for field, value in (("o", [[1, 3], "x"]), ("s", 5.0), ("a", 7)):
        changed = np.array(rows, dtype)
        changed[field][1] = value[0] if field == "o" else value
        assert digest(changed) != expected
    changed = np.array(rows, dtype)
    changed["r"]["x"][1] = {"k": 2}
    assert digest(changed) != expected


def test_a_mapped_file_is_an_array(tmp_path) -> None:
    array = np.arange(100.0)
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert type(mapped) is np.memmap
    assert digest(mapped) == digest(array)
    assert digest(mapped[::2]) == digest(array[::2])


def test_dtypes_are_values() -> None:
    texts = [
        "i4",
        "<U3",
        "O",
        [("a", "i4")],
        [("a", "O")],
        [("a", "i4"), ("b", "f8")],
        "longdouble",
    ]
    kinds = [np.dtype(text) for text in texts]
    kinds.append(np.dtype([("a", "i4"), ("b", "f8")], align=True))
    kinds.append(np.dtype(("i4", (2,))))
    assert len(set(map(digest, kinds))) == len(kinds)


def test_objects_in_a_polars_column_count() -> None:
    pl = pytest.importorskip("polars")

    def column(last: object) -> object:
        return pl.Series("o", [None, {"a": 1}, last], dtype=pl.Object)

    assert digest(column(1)) == digest(column(1)) != digest(column(1.0))
    assert digest(column(1)) != digest(column(1).alias("p"))
    frames = [pl.DataFrame({"n": [1, 2, 3], "o": column(last)}) for last in (1, 1, 2)]
    assert digest(frames[0]) == digest(frames[1]) != digest(frames[2])
    assert digest(frames[0].head(2)) == digest(frames[2].head(2)) != digest(frames[0])
    assert digest(pl.Series(["Object"], dtype=pl.Enum(["Object"])))


def test_nested_categories_of_polars_are_their_names() -> None:
    pl = pytest.importorskip("polars")
    categories = pl.Categorical(pl.Categories("names"))
    pl.Series(["z", "b"], dtype=categories)  # physical codes are process history
    enum = pl.Enum(["a", "b"])
    for inner in (categories, enum):
        listed, struct = pl.List(inner), pl.Struct({"k": inner, "l": pl.List(pl.List(inner))})
        one = pl.Series([["a", None], None, ["b"]], dtype=listed)
        same = pl.Series([["b"], ["a", None], None, ["b"]], dtype=listed)[1:]
        other = pl.Series([["a", None], None, ["a"]], dtype=listed)
        assert digest(one) == digest(same) != digest(other)
        assert digest(one) != digest(one.cast(pl.List(pl.String)))
        rows = [{"k": "a", "l": [["b"], None]}, None]
        changed = [{"k": "b", "l": [["b"], None]}, None]
        first, second, third = (pl.Series(part, dtype=struct) for part in (rows, rows, changed))
        assert digest(first) == digest(second) != digest(third)
        assert digest(pl.DataFrame({"s": first})) != digest(pl.DataFrame({"s": third}))
    wider = pl.Enum(["a", "b", "c"])
    assert digest(pl.Series([["a"]], dtype=pl.List(enum))) != digest(
        pl.Series([["a"]], dtype=pl.List(wider))
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_digests_what_its_parent_did(run_python: Callable) -> None:
    shown = run_python(
        """
import os, threading
import numpy as np
from afml_cache import digest

large = np.arange(1_000_000.0)
words = np.array([f"word {number}" for number in range(100_000)], object)
expected = digest([large, words])
busy = threading.Thread(target=lambda: [digest([large, words]) for _ in range(50)])
busy.start()
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if digest([large, words]) == expected else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children] == [0] * 10)
busy.join()
"""
    )
    assert shown.strip() == "True"


@pytest.mark.parametrize("kind", ["Int8", "UInt16", "Float32", "Int64", "Float64", "boolean"])
def test_a_masked_column_equals_however_it_lies(kind: str) -> None:
    pd = pytest.importorskip("pandas")
    array = pd.array([1, None, 0, 1] * 20_000, dtype=kind)
    expected = digest(array)
    dirty = array.copy()
    dirty._data[dirty._mask] = 1
    assert digest(dirty) == expected
    assert digest(array.repeat(2)[::2]) == expected
    assert digest(array[1:]) != expected
    for place, value in ((1, 0), (2, None), (3, 0)):
        changed = array.copy()
        changed[place] = bool(value) if kind == "boolean" and value is not None else value
        assert digest(changed) != expected
