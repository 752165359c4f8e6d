"""`digest` of extension dtypes: by content, whatever lies under a mask, or refused."""

import datetime as dt
import decimal
from collections.abc import Callable

import numpy as np
import pytest

from afml_cache import UncacheableArgumentError, digest

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

LONG = "a text that is too long to lie in a view of twelve bytes"
DAY = dt.datetime(2024, 1, 2)  # noqa: DTZ001 - naive on purpose

# a dtype, values, and the same values with one change
COLUMNS: list[tuple[object, list, list]] = [
    ("int64", [1, 2, 3], [1, 2, 4]),
    ("float32", [1.0, None, 3.0], [1.0, None, -3.0]),
    ("bool", [True, False], [True, True]),
    ("str", ["a", None, LONG], ["a", None, LONG + "!"]),
    ("datetime64[s]", [DAY, None], [DAY, DAY]),
    ("datetime64[us, Europe/Berlin]", [DAY, None], [DAY, DAY]),
    ("timedelta64[ms]", [dt.timedelta(1), None], [dt.timedelta(2), None]),
    ("category", ["a", "b", "a"], ["a", "b", "b"]),
    ("Int64", [1, None, 3], [1, None, 4]),
    ("Int64", [1, None, 3], [1, 2, 3]),
    ("UInt8", [1, None, 3], [None, 1, 3]),
    ("Float64", [1.5, None, 3.0], [1.5, None, 3.5]),
    ("boolean", [True, None, False], [True, None, True]),
    ("boolean", [True, None, False], [True, False, None]),
    ("string[python]", ["a", None, LONG], ["a", None, LONG[1:]]),
    ("string[pyarrow]", ["a", None, LONG], ["a", "", LONG]),
    ("period[D]", [DAY, None], [DAY, DAY]),
    ("interval[float64, right]", [pd.Interval(0.0, 1.0), None], [pd.Interval(0.0, 2.0), None]),
    ("Sparse[int64]", [0, 0, 1], [0, 1, 0]),
    (pd.ArrowDtype(pa.int64()), [1, None, 3], [1, None, 4]),
    (pd.ArrowDtype(pa.bool_()), [True, None, False], [True, True, False]),
    (pd.ArrowDtype(pa.string()), ["a", None, LONG], ["a", None, ""]),
    (pd.ArrowDtype(pa.large_string()), ["a", None, LONG], ["b", None, LONG]),
    (pd.ArrowDtype(pa.binary()), [b"a", None, b"ab"], [b"aa", None, b"b"]),
    (pd.ArrowDtype(pa.timestamp("ms", "UTC")), [DAY, None], [DAY, DAY]),
    (
        pd.ArrowDtype(pa.decimal128(5, 2)),
        [decimal.Decimal("1.25"), None],
        [decimal.Decimal("1.26"), None],
    ),
    (pd.ArrowDtype(pa.list_(pa.int64())), [[1, 2], [3]], [[1], [2, 3]]),
    (pd.ArrowDtype(pa.struct({"a": pa.int64()})), [{"a": 1}, None], [{"a": None}, None]),
]
NAMES = [f"{place}-{dtype}" for place, (dtype, *_) in enumerate(COLUMNS)]


def digest_or_refusal(value: object) -> str | None:
    try:
        return digest(value)
    except UncacheableArgumentError as error:
        assert "['column']" in str(error)  # noqa: PT017
        return None


def wraps() -> list[Callable[[object], object]]:
    return [
        lambda s: s,
        lambda s: s.to_frame("a"),
        lambda s: pd.DataFrame({"n": 1, "a": s}),
        pd.Index,
    ]


@pytest.mark.parametrize(("dtype", "values", "changed"), COLUMNS, ids=NAMES)
def test_a_column_digests_by_content_or_is_refused(
    dtype: object, values: list, changed: list
) -> None:
    for wrap in wraps():
        first = digest_or_refusal({"column": wrap(pd.Series(values, dtype=dtype))})
        again = digest_or_refusal({"column": wrap(pd.Series(list(values), dtype=dtype))})
        other = digest_or_refusal({"column": wrap(pd.Series(changed, dtype=dtype))})
        assert first == again
        assert first is None or first != other


@pytest.mark.parametrize("place", range(8), ids=NAMES[:8])
def test_the_common_dtypes_are_not_refused(place: int) -> None:
    dtype, values, _ = COLUMNS[place]
    assert digest(pd.DataFrame({"a": pd.Series(values, dtype=dtype)}))


@pytest.mark.parametrize(("dtype", "values", "changed"), COLUMNS, ids=NAMES)
def test_a_slice_of_a_column_equals_the_column_built_alone(
    dtype: object, values: list, changed: list
) -> None:
    longer = pd.concat([pd.Series(part, dtype=dtype) for part in (changed, values, changed)])
    assert longer.dtype == pd.Series(values, dtype=dtype).dtype
    part = longer.iloc[len(changed) : len(changed) + len(values)].reset_index(drop=True)
    whole = pd.Series(values, dtype=dtype).reset_index(drop=True)
    assert digest_or_refusal({"column": part}) == digest_or_refusal({"column": whole})
    taken = whole.iloc[::-1].iloc[::-1].reset_index(drop=True)
    assert digest_or_refusal({"column": taken}) == digest_or_refusal({"column": whole})


def test_equal_values_under_different_dtypes_differ() -> None:
    dtypes = [
        "int64",
        "int32",
        "float64",
        "Int64",
        "Int32",
        "Float64",
        object,
        "category",
        "str",
        "string[python]",
    ]
    dtypes += [
        "string[pyarrow]",
        pd.ArrowDtype(pa.int64()),
        pd.ArrowDtype(pa.int32()),
        pd.ArrowDtype(pa.float64()),
    ]
    found = [digest_or_refusal({"column": pd.Series([1, 2]).astype(dtype)}) for dtype in dtypes]
    digests = [one for one in found if one is not None]
    assert len(set(digests)) == len(digests)


def test_values_under_a_mask_do_not_count() -> None:
    mask = np.array([False, True, False])
    for make, left, right in (
        (pd.arrays.IntegerArray, np.array([1, 0, 3]), np.array([1, 99, 3])),
        (pd.arrays.FloatingArray, np.array([1.0, 0, 3]), np.array([1.0, np.nan, 3])),
        (pd.arrays.BooleanArray, np.array([True, False, True]), np.array([True, True, True])),
    ):
        one, other = (
            digest_or_refusal({"column": pd.Series(make(data, mask))}) for data in (left, right)
        )
        assert one == other


def test_values_under_an_arrow_null_do_not_count() -> None:
    validity = pa.py_buffer(bytes([0b101]))
    arrays = [
        pa.Array.from_buffers(pa.int64(), 3, [validity, pa.py_buffer(np.array([1, hidden, 3]))])
        for hidden in (0, 99)
    ]
    one, other = (
        digest_or_refusal({"column": pd.Series(pd.arrays.ArrowExtensionArray(a))}) for a in arrays
    )
    assert one == other


def test_the_chunks_of_an_arrow_column_do_not_count() -> None:
    whole = pa.chunked_array([["a", None, LONG, "b"]])
    cut = pa.chunked_array([["x", "a"], [None], [], [LONG, "b", "y"]]).slice(1, 4)
    for wrap in (
        lambda c: pd.Series(pd.arrays.ArrowExtensionArray(c)),
        lambda c: pd.Series(c.to_pandas()),
    ):
        one, other = (digest_or_refusal({"column": wrap(array)}) for array in (whole, cut))
        assert one == other


def test_a_categorical_is_its_categories_their_order_and_its_values() -> None:
    base = pd.Categorical(["a", "b", "a"])
    values = [
        base,
        pd.Categorical(["a", "b", "b"]),
        pd.Categorical(["a", "b", "a"], ordered=True),
        pd.Categorical(["a", "b", "a"], categories=["b", "a"]),
        pd.Categorical(["a", "b", "a"], categories=["a", "b", "c"]),
        pd.Categorical(["a", "b", None]),
        pd.Categorical([1, 2, 1]),
        pd.Categorical([1.0, 2.0, 1.0]),
        pd.Categorical(["a", "b", "a"], categories=pd.Index(["a", "b"], dtype="string")),
    ]
    for wrap in (pd.Series, lambda c: pd.DataFrame({"a": c}), pd.CategoricalIndex):
        assert len({digest(wrap(value)) for value in values}) == len(values)
        renamed = pd.Categorical(["x", "y", "x"]).rename_categories(["a", "b"])
        assert digest(wrap(renamed)) == digest(wrap(base))
        wide = pd.Categorical.from_codes(np.array([0, 1, 0], "int64"), categories=["a", "b"])
        assert digest(wrap(wide)) == digest(wrap(base))


def test_text_of_one_content_equals_however_it_was_made() -> None:
    words = ["", "a", LONG, None, "é", "a\0b", "a"]
    series = pd.Series(words, dtype="str")
    assert digest(
        pd.Series([word and "".join(list(word)) for word in words], dtype="str")
    ) == digest(series)
    assert digest(pd.concat([series[:3], series[3:]])) == digest(
        pd.concat([series[:5], series[5:]])
    )
    for place, other in ((0, None), (3, ""), (5, "a"), (1, "A")):
        changed = list(words)
        changed[place] = other
        assert digest(pd.Series(changed, dtype="str")) != digest(series)


def test_two_neighbouring_texts_keep_their_border() -> None:
    for dtype in ("str", object, "category"):
        pairs = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]]
        assert len({digest(pd.Series(pair, dtype=dtype)) for pair in pairs}) == len(pairs)
