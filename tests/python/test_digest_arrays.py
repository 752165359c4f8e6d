"""`digest` of NumPy arrays: dtype, shape and values count, their place in memory does not."""

import contextlib
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from afml_cache import UncacheableArgumentError, digest

DTYPES = [
    "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "S1", "S2",
    "U1", "U2",
    "V1", "V4", "O", "M8", "M8[Y]", "M8[D]", "M8[s]", "M8[ms]", "M8[us]", "M8[ns]", "M8[2D]", "m8",
    "m8[s]",
    "m8[ns]", "m8[25s]", ">i2", ">i4", ">f8", ">U1", ">M8[ns]", "i4,f8", "i4,i4",
    [("a", "i4"), ("b", "f8")], [("b", "i4"), ("a", "f8")], [("a", "i4"), ("c", "f8")],
    {"names": ["a"], "formats": ["i4"], "offsets": [4],
    "itemsize": 8},
    {"names": ["a"], "formats": ["i4"], "offsets": [0], "itemsize": 8},
]  # fmt: skip
SHAPES = [
    (),
    (0,),
    (1,),
    (0, 3),
    (3, 0),
    (0, 0),
    (6,),
    (2, 3),
    (3, 2),
    (1, 6),
    (6, 1),
    (1, 2, 3),
    (2, 0, 3),
]


def test_every_dtype_has_a_digest_of_its_own() -> None:
    for length in (0, 3):
        seen = {digest(np.zeros(length, dtype)): dtype for dtype in DTYPES}
        assert len(seen) == len(DTYPES)


def test_nested_dtypes_digest_by_content_or_are_refused() -> None:
    dtypes: list = ["(2,)i4,f8", "(2,)i4,f4", [("a", "i4"), ("b", [("x", "f8")])]]
    dtypes += [[("a", "i4"), ("b", [("y", "f8")])], [("a", "(2,2)i4")], [("a", "O"), ("b", "i4")]]
    found = []
    for dtype in dtypes:
        with contextlib.suppress(UncacheableArgumentError):
            found.append(digest(np.zeros(3, dtype)))
            assert digest(np.zeros((3, 3), dtype)[1]) == found[-1]
    assert len(set(found)) == len(found)


def test_every_shape_has_a_digest_of_its_own() -> None:
    for dtype in ("f8", "O", "U1", "i4,f8"):
        assert len({digest(np.zeros(shape, dtype)) for shape in SHAPES}) == len(SHAPES)


def test_equal_bytes_under_two_dtypes_differ() -> None:
    array = np.array([1, 2, 3], "i8")
    views = [
        array,
        array.view("u8"),
        array.view("f8"),
        array.view("M8[ns]"),
        array.view("M8[s]"),
        array.view(">i8"),
    ]
    assert len({digest(view) for view in views}) == len(views)
    assert digest(array) != digest(array.tolist())
    assert digest(array) != digest(array.tobytes())


def layouts(array: np.ndarray, folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The same content, lying in memory in every way that NumPy knows."""
    doubled = np.repeat(array, 2, axis=0)
    wide = np.empty((*array.shape[:-1], array.shape[-1] + 3), array.dtype)
    wide[..., 2:-1] = array
    shifted = (
        np.frombuffer(b"x" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    )
    mapped = np.memmap(folder / "mapped", array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    return {
        "fortran": np.asfortranarray(array),
        "every second": doubled[::2],
        "backwards": array[::-1].copy()[::-1],
        "backwards, last axis": array[..., ::-1].copy()[..., ::-1],
        "a window": wide[..., 2:-1],
        "transposed twice": array.T.copy().T,
        "unaligned": shifted,
        "memmap": mapped,
        "read-only memmap": np.memmap(folder / "mapped", array.dtype, "r", shape=array.shape),
        "read-only": frozen,
        "swapped axes": np.swapaxes(np.swapaxes(array, 0, -1).copy(), 0, -1),
    }


@pytest.mark.parametrize("dtype", ["?", "i2", "f8", "c16", "S3", "U2", "M8[us]", "i4,f8", ">f4"])
@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 5), (1500, 700)])
def test_the_layout_does_not_count(
    tmp_path: pathlib.Path, dtype: str, shape: tuple[int, ...]
) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape) % 100
    if "," in dtype:
        array = np.zeros(shape, dtype)
        array["f0"], array["f1"] = numbers, numbers / 2
    else:
        array = numbers.astype(dtype)
    for name, other in layouts(array, tmp_path).items():
        assert np.array_equal(array, other)
        assert digest(other) == digest(array), name
        assert digest([{"x": other}]) == digest([{"x": array}]), name


def test_a_broadcast_array_equals_its_copy() -> None:
    narrow = np.broadcast_to(np.arange(3.0), (4, 3))
    assert digest(narrow) == digest(narrow.copy())
    assert digest(np.broadcast_to(np.float32(2), (1000, 1000))) == digest(
        np.full((1000, 1000), 2, "f4")
    )


def test_an_object_array_counts_its_elements() -> None:
    values = [
        1,
        1.0,
        True,
        "1",
        None,
        float("nan"),
        (1,),
        [1],
        np.int64(1),
        np.array([1]),
        {"a": 1},
    ]
    arrays = []
    for value in values:
        array = np.empty(2, object)
        array[0], array[1] = value, "x"
        arrays.append(array)
    assert len({digest(array) for array in arrays}) == len(values)
    spread = np.empty((4, 2), object, order="F")
    spread[...] = [[1, "a"], [2, "b"], [3, None], [4, 2.5]]
    assert digest(spread) == digest(spread.copy("C")) == digest(spread[::-1].copy()[::-1])


def test_an_object_array_names_the_element_that_it_refuses() -> None:
    array = np.empty(3, object)
    array[1] = object()
    with pytest.raises(UncacheableArgumentError, match=r"\['x'\].*\[1\]"):
        digest({"x": array})


def test_padding_bytes_do_not_count() -> None:
    dtype = np.dtype([("flag", "i1"), ("price", "f8")], align=True)
    raw = np.frombuffer(bytes(range(dtype.itemsize)) * 2, dtype).copy()
    clean = np.zeros(2, dtype)
    clean["flag"], clean["price"] = raw["flag"], raw["price"]
    assert raw.tobytes() != clean.tobytes()
    assert digest(raw) == digest(clean)
    clean["price"][1] += 1
    assert digest(raw) != digest(clean)


def test_a_field_of_a_structured_array_equals_a_plain_array() -> None:
    records = np.zeros(5, "i4,f8")
    records["f1"] = range(5)
    assert digest(records["f1"]) == digest(np.arange(5.0))


def test_zeros_and_nans_keep_their_bits() -> None:
    assert digest(np.array([0.0])) != digest(np.array([-0.0]))
    assert digest(np.array([np.nan, 1])) == digest(np.array([np.nan, 1]))
    assert digest(np.array(["NaT"], "M8[s]")) != digest(np.array([0], "M8[s]"))


def test_string_arrays_count_every_character() -> None:
    texts = [
        ["ab", "c"],
        ["a", "bc"],
        ["", "abc"],
        ["abc", ""],
        ["ab", "c\0d"],
        ["AB", "c"],
        ["äb", "c"],
    ]
    assert len({digest(np.array(text, "U4")) for text in texts}) == len(texts)
    assert digest(np.array(["ab"], "S2")) != digest(np.array(["ab"], "U2"))


def test_variable_width_strings_digest_by_content_or_are_refused() -> None:
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    make = lambda words: np.array(words, np.dtypes.StringDType())  # noqa: E731
    long = "a string that is far too long to lie in the array itself"
    try:
        first = digest(make(["a", long]))
    except UncacheableArgumentError:
        return
    assert first == digest(make(["a", "".join(long)]))
    assert first != digest(make(["a", long + "!"]))


@pytest.mark.parametrize("place", [0, 1, 65_535, 65_536, 1_048_576, 5_000_000, 9_999_998, -1])
def test_one_changed_byte_anywhere_in_a_large_array_counts(place: int) -> None:
    array = np.zeros(9_999_999, np.uint8)
    before = digest(array)
    array[place] = 1
    assert digest(array) != before
    array[place] = 0
    assert digest(array) == before


def test_two_swapped_parts_of_a_large_array_count() -> None:
    array = np.arange(2_000_000.0)
    for size in (8, 64, 4096, 131_072, 524_288, 1_000_000):
        swapped = array.copy()
        swapped[:size], swapped[size : 2 * size] = array[size : 2 * size], array[:size]
        assert digest(swapped) != digest(array), size


def test_lengths_around_a_leaf_are_told_apart() -> None:
    sizes = [base + step for base in (1 << power for power in range(6, 23)) for step in (-1, 0, 1)]
    assert len({digest(np.zeros(size, np.uint8)) for size in sizes}) == len(sizes)
    assert len({digest(b"\0" * size) for size in sizes}) == len(sizes)


def test_the_number_of_processors_does_not_count(run_python) -> None:
    code = """
import os, numpy as np, afml_cache
{bind}
big = np.arange(3_000_001)
print(afml_cache.digest(big), afml_cache.digest(big[::3]), afml_cache.digest(big.tobytes()))
"""
    alone = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert run_python(code.format(bind=alone)) == run_python(code.format(bind=""))


@given(
    hnp.arrays(
        st.sampled_from(["i2", "f4", "f8", "U3", "S2", "M8[s]", "?", "c8"]),
        hnp.array_shapes(max_dims=3),
    ),
    st.data(),
)
def test_any_array_equals_its_copies_and_differs_by_one_element(
    array: np.ndarray, data: st.DataObject
) -> None:
    before = digest(array)
    assert digest(array.copy("F")) == before
    assert digest(array[::-1].copy()[::-1]) == before
    spot = data.draw(st.tuples(*(st.integers(0, size - 1) for size in array.shape)))
    bits = np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, array.itemsize).copy()
    bits[(*spot, 0)] ^= 1
    changed = bits.reshape(-1).view(array.dtype).reshape(array.shape)
    if changed.tobytes() != array.tobytes() and array.dtype.kind not in "?U":
        assert digest(changed) != before
    assert digest(array.reshape(1, *array.shape)) != before
    assert digest(np.concatenate([array, array])) != before


def test_the_manners_of_a_structured_dtype_count() -> None:
    plain = np.zeros(2, [("x", "i4")])
    record = plain.astype(np.dtype((np.record, [("x", "i4")])))
    titled = np.zeros(2, [(("Title", "x"), "i4")])
    assert type(record) is type(plain)
    assert len({digest(plain), digest(record), digest(titled)}) == 3
    assert len({digest(array.dtype) for array in (plain, record, titled)}) == 3
