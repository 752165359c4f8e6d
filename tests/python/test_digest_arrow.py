"""`digest` of pyarrow values and of what lies in Arrow's memory: content, never layout."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import UncacheableArgumentError, digest

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

from arrows import LONG, NAMES, TEXT, TYPES, cut  # noqa: E402 - needs pyarrow


@pytest.mark.parametrize(("kind", "values", "changed"), TYPES, ids=NAMES)
def test_an_array_is_its_type_and_its_values(kind: object, values: list, changed: list) -> None:
    array, other = pa.array(values, kind), pa.array(changed, kind)
    sliced, whole, chunked = cut(array, other)
    assert digest(array) == digest(pa.array(list(values), kind)) == digest(sliced)
    assert digest(whole) == digest(chunked) != digest(array)
    assert digest(array) != digest(other)
    assert digest(array) != digest(array.slice(1))
    assert digest(pa.table({"a": sliced})) == digest(pa.table({"a": chunked}))
    assert digest(pa.table({"a": array})) != digest(pa.table({"a": other}))
    assert digest(pa.array([], kind)) == digest(array.slice(0, 0))
    for value in (array[0], array[1]):
        assert digest(value) == digest(sliced[0 if value is array[0] else list(array).index(value)])


@pytest.mark.parametrize(("kind", "values", "changed"), TYPES, ids=NAMES)
def test_a_pandas_column_in_arrow_memory_is_its_type_and_values(
    kind: object, values: list, changed: list
) -> None:
    array, other = pa.array(values, kind), pa.array(changed, kind)

    def column(part: object) -> object:
        return pd.Series(pd.arrays.ArrowExtensionArray(part))

    expected = digest(column(array))
    assert all(digest(column(same)) == expected for same in cut(array, other))
    assert digest(column(other)) != expected
    assert digest(pd.DataFrame({"a": column(array)})) != digest(pd.DataFrame({"a": column(other)}))


def test_types_are_told_apart() -> None:
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]
    kinds += [pa.binary_view(), pa.binary(1), pa.dictionary(pa.int8(), pa.string())]
    kinds += [pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string()), pa.null()]
    kinds += [pa.list_(pa.field("x", pa.string())), pa.list_(pa.field("x", pa.string(), False))]
    kinds += [pa.int64(), pa.uint64(), pa.timestamp("s"), pa.timestamp("s", "UTC")]
    for make in (
        lambda kind: pa.array([], kind),
        lambda kind: kind,
        lambda kind: pa.field("", kind),
    ):
        assert len({digest(make(kind)) for kind in kinds}) == len(kinds)


def test_a_schema_is_names_types_nullability_and_metadata() -> None:
    field = pa.field("a", pa.int64())
    schemas = [
        pa.schema([field]),
        pa.schema([field], metadata={"a": "1"}),
        pa.schema([field], metadata={"a": "2"}),
        pa.schema([field.with_name("b")]),
        pa.schema([field.with_nullable(False)]),
        pa.schema([field.with_metadata({"a": "1"})]),
        pa.schema([field, field.with_name("b")]),
        pa.schema([field.with_name("b"), field]),
    ]
    for make in (lambda schema: schema, lambda schema: schema.empty_table()):
        assert len({digest(make(schema)) for schema in schemas}) == len(schemas)
    values = [pa.array([1])]
    tables = [pa.Table.from_arrays(values, schema=schema) for schema in schemas[:6]]
    assert len(set(map(digest, tables))) == len(tables)


def test_arrays_batches_tables_and_scalars_differ() -> None:
    array = pa.array([1])
    batch = pa.record_batch({"a": array})
    struct = pa.StructArray.from_arrays([array], ["a"])
    values = [array, pa.chunked_array([array]), batch, pa.table(batch), array[0], struct, [1]]
    assert len(set(map(digest, values))) == len(values)


def hidden(kind: pa.DataType, buffers: list) -> pa.Array:
    return pa.Array.from_buffers(kind, 3, [pa.py_buffer(bytes([0b101])), *buffers])


def test_what_lies_under_a_null_does_not_count() -> None:
    def ints(value: int, kind: str = "int64") -> pa.Buffer:
        return pa.py_buffer(np.array([1, value, 3], kind))

    def texts(middle: bytes, kind: str) -> list:
        ends = np.array([0, 1, 1 + len(middle), 2 + len(middle)], kind)
        return [pa.py_buffer(ends), pa.py_buffer(b"a" + middle + b"b")]

    pairs = [
        [hidden(pa.int64(), [ints(value)]) for value in (0, 9)],
        [hidden(pa.bool_(), [pa.py_buffer(bytes([bits]))]) for bits in (0b101, 0b11111111)],
        [hidden(pa.string(), texts(text, "int32")) for text in (b"", b"xyz")],
        [hidden(pa.large_string(), texts(text, "int64")) for text in (b"", b"xyz")],
    ]
    valid = pa.py_buffer(bytes([0b101]))
    pairs.append(
        [
            pa.StructArray.from_buffers(
                pa.struct({"a": pa.string()}), 3, [valid], children=[pa.array(["a", text, "b"])]
            )
            for text in ("", "xyz", None)
        ]
    )
    pairs.append(
        [
            pa.FixedSizeListArray.from_buffers(
                pa.list_(pa.int64(), 1), 3, [valid], children=[pa.array([1, value, 3])]
            )
            for value in (0, 9, None)
        ]
    )
    for same in pairs:
        assert len({digest(array) for array in same}) == 1
        assert len({digest(pa.table({"a": array})) for array in same}) == 1
        frames = [pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(array)}) for array in same]
        assert len(set(map(digest, frames))) == 1


def test_a_dictionary_is_its_values() -> None:
    def coded(codes: list, values: list, ordered: bool = False) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            pa.array(codes, pa.int8()), pa.array(values), ordered=ordered
        )

    base = coded([0, 1, None, 0], ["a", "b"])
    assert digest(base) == digest(coded([1, 0, None, 1], ["b", "a"]))
    assert digest(base) == digest(coded([2, 0, 1, 2], ["b", None, "a", "unused"]))
    assert digest(base) == digest(coded([2, 0, None, 1], ["b", "a", "a"]))
    assert digest(base) != digest(coded([0, 0, None, 0], ["a", "b"]))
    chunks = pa.chunked_array([coded([0], ["a"]), coded([0, None, 1], ["b", "a"])])
    assert digest(chunks) == digest(pa.chunked_array([base]))
    ordered = coded([0, 1, None, 0], ["a", "b"], ordered=True)
    assert digest(ordered) != digest(base)
    assert digest(ordered) != digest(coded([1, 0, None, 1], ["b", "a"], ordered=True))


def test_runs_are_their_values() -> None:
    def runs(ends: list, values: list) -> pa.Array:
        return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values))

    base = runs([2, 3, 5], ["a", None, "b"])
    assert digest(base) == digest(runs([1, 2, 3, 4, 5], ["a", "a", None, "b", "b"]))
    assert digest(base) == digest(runs([1, 3, 4, 7, 9], ["x", "a", None, "b", "y"]).slice(1, 5))
    assert digest(base) != digest(runs([1, 3, 5], ["a", None, "b"]))
    assert digest(base) != digest(runs([2, 3, 5], ["a", "a", "b"]))


def test_unions_are_their_values() -> None:
    types = pa.array([0, 1, 0, 1], pa.int8())
    sparse = pa.UnionArray.from_sparse(
        types, [pa.array([1, 9, 3, 9]), pa.array(["x", "a", "x", "b"])]
    )
    same = pa.UnionArray.from_sparse(
        types, [pa.array([1, 0, 3, 0]), pa.array(["", "a", None, "b"])]
    )
    other = pa.UnionArray.from_sparse(
        types, [pa.array([1, 0, 4, 0]), pa.array(["", "a", None, "b"])]
    )
    assert digest(sparse) == digest(same) != digest(other)
    offsets = pa.array([0, 0, 1, 1], pa.int32())
    dense = pa.UnionArray.from_dense(types, offsets, [pa.array([1, 3]), pa.array(["a", "b"])])
    moved = pa.UnionArray.from_dense(
        types, pa.array([2, 1, 0, 0], pa.int32()), [pa.array([3, 7, 1]), pa.array(["b", "a"])]
    )
    assert digest(dense) == digest(moved) != digest(sparse)
    assert digest(dense.slice(1)) == digest(moved.slice(1)) != digest(dense)


def test_an_extension_type_is_its_name_and_storage() -> None:
    storage = pa.array([bytes(16), None], pa.binary(16))
    array = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    assert digest(array) == digest(pa.ExtensionArray.from_storage(pa.uuid(), storage))
    assert digest(array) != digest(storage)
    tensor = pa.fixed_shape_tensor(pa.int64(), [2])
    flat = pa.array([[1, 2]], pa.list_(pa.int64(), 2))
    turned = pa.fixed_shape_tensor(pa.int64(), [2], dim_names=["a"])
    made = [pa.ExtensionArray.from_storage(kind, flat) for kind in (tensor, turned)]
    assert digest(made[0]) != digest(made[1])


@pytest.mark.parametrize("dtype", ["str", "string[pyarrow]"])
def test_text_of_pandas_shows_no_chunks_offsets_or_garbage(dtype: str) -> None:
    words = ["x", *TEXT, "y"] * 3
    series = pd.Series(words, dtype=dtype)
    expected = digest(series)
    parts = pd.concat([series[:1], series[1:9], series[9:]])
    assert digest(parts) == expected
    twice = pd.concat([series, series]).iloc[len(series) :].reset_index(drop=True)
    assert digest(twice) == expected
    assert digest(series.iloc[::-1].iloc[::-1]) == expected
    for place, word in ((0, "X"), (2, ""), (4, None), (3, LONG[1:])):
        changed = series.copy()
        changed.iloc[place] = word
        assert digest(changed) != expected
        assert digest(changed.to_frame("a")) != digest(series.to_frame("a"))
    moved = pd.Series(["ab", "c"], dtype=dtype), pd.Series(["a", "bc"], dtype=dtype)
    assert digest(moved[0]) != digest(moved[1])


def test_large_text_equals_however_it_is_cut() -> None:
    words = [f"word {number}" * (number % 7) for number in range(40_000)]
    whole = pa.array([word or None for word in words], pa.large_string())
    chunks = [whole.slice(start, 777) for start in range(0, len(whole), 777)]
    series = [
        pd.Series(pd.arrays.ArrowStringArray(part))
        for part in (whole, pa.chunked_array(chunks), whole.cast(pa.string()))
    ]
    assert len(set(map(digest, series))) == 1
    for kind in (pa.string(), pa.string_view(), pa.large_string()):
        left = pa.chunked_array([whole.cast(kind)])
        right = pa.chunked_array([chunk.cast(kind) for chunk in chunks])
        assert digest(left) == digest(right)


WORDS = st.none() | st.text(max_size=3) | st.just(LONG)
NESTED = st.lists(st.none() | st.lists(WORDS, max_size=3), max_size=12)
KINDS = [
    pa.list_(pa.string()),
    pa.large_list(pa.large_string()),
    pa.list_view(pa.string_view()),
    pa.large_list_view(pa.dictionary(pa.int16(), pa.string())),
    pa.struct({"a": pa.list_(pa.binary()), "b": pa.dictionary(pa.int8(), pa.string())}),
]


def nested(values: list, kind: pa.DataType) -> pa.Array:
    if pa.types.is_struct(kind):
        values = [
            {"a": [word and word.encode() for word in row], "b": row[0]} if row else None
            for row in values
        ]
    return pa.array(values, kind)


@given(NESTED, NESTED, st.sampled_from(KINDS), st.lists(st.integers(0, 12), max_size=4))
def test_nested_values_equal_exactly_when_their_digests_do(
    left: list, right: list, kind: pa.DataType, cuts: list[int]
) -> None:
    one, other = nested(left, kind), nested(right, kind)
    assert (digest(one) == digest(other)) == (one.to_pylist() == other.to_pylist())
    sliced = pa.concat_arrays([other, one, other]).slice(len(other), len(one))
    assert digest(sliced) == digest(one)
    bounds = [0, *sorted(min(cut, len(one)) for cut in cuts), len(one)]
    chunks = [sliced.slice(start, end - start) for start, end in itertools.pairwise(bounds)]
    assert digest(pa.chunked_array(chunks)) == digest(pa.chunked_array([one]))
    again = one.take(pa.array(range(len(one)), pa.int64()))
    assert digest(again) == digest(one)


def test_an_array_that_reaches_beyond_its_buffers_is_refused() -> None:
    short = pa.py_buffer(bytes(16))
    schema, array = pa.array([1, 2]).__arrow_c_array__()
    long = pa.Array._import_from_c_capsule(schema, array)
    assert digest(long) == digest(pa.array([1, 2]))
    with pytest.raises((UncacheableArgumentError, pa.ArrowInvalid)):
        digest(pa.Array.from_buffers(pa.int64(), 1_000_000, [None, short]))
    offsets = pa.py_buffer(np.array([0, 5, 3], "int32"))
    crooked = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"abc")])
    try:
        assert digest(crooked) == digest(crooked)
    except UncacheableArgumentError as error:
        assert "Arrow array" in str(error)  # noqa: PT017
