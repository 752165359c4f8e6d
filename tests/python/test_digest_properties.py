"""`digest` against a naive model, which says when two values are the same."""

import copy
import datetime as dt
import decimal
import math
import pickle
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd

from afml_cache import digest

hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.sampled_from(["", "a", "b", "ab", "1", "\0"]),
    st.text(max_size=4),
    st.binary(max_size=2),
    st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 3)),
    st.timedeltas(dt.timedelta(0), dt.timedelta(1)),
    st.decimals(places=2, min_value=-1, max_value=1),
    st.integers(0, 2).map(lambda number: uuid.UUID(int=number)),
)
leaves = st.one_of(
    hashable,
    st.complex_numbers(),
    st.binary(max_size=2).map(bytearray),
    st.builds(range, st.integers(-2, 2), st.integers(-2, 2)),
    st.builds(slice, st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from(
        [np.int64(1), np.float64(1), np.bool_(True), np.int8(1), np.datetime64("2024", "s")]
    ),
    hnp.arrays(st.sampled_from(["f8", "i8", "i1", "U2"]), hnp.array_shapes(max_dims=2, max_side=2)),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashable, inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
    ),
    max_leaves=10,
)


def model(value: Any) -> Any:  # noqa: PLR0911 - a table
    """What the function could see of a value, as nested tuples of types and texts."""
    kind = type(value).__name__
    match value:
        case float() if kind == "float":
            return kind, "nan" if math.isnan(value) else struct.pack("<d", value)
        case complex():
            return kind, model(value.real), model(value.imag)
        case list() | tuple():
            return kind, tuple(model(part) for part in value)
        case dict():
            return kind, tuple((model(key), model(part)) for key, part in value.items())
        case set() | frozenset():
            return kind, tuple(sorted(repr(model(part)) for part in value))
        case np.ndarray():
            return (
                kind,
                str(value.dtype),
                value.shape,
                tuple(model(part) for part in value.ravel().tolist()),
            )
        case np.generic():
            return kind, str(value.dtype), value.tobytes()
    return kind, repr(value)


@given(values)
def test_a_value_equals_its_deep_copy_and_its_pickle(value: Any) -> None:
    assert digest(copy.deepcopy(value)) == digest(value)
    for protocol in (2, 4, 5):
        assert digest(pickle.loads(pickle.dumps(value, protocol))) == digest(value)


@settings(max_examples=500)
@given(values, values)
def test_two_values_share_a_digest_exactly_when_they_are_the_same(left: Any, right: Any) -> None:
    assert (digest(left) == digest(right)) == (model(left) == model(right))


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from([0, 1, 12, 23, 3, "", "a", "ab", "b", None, True, 1.0, (), (1,), [], {}]),
        max_size=4,
    ),
    st.data(),
)
def test_small_tuples_and_lists_never_meet(parts: list, data: st.DataObject) -> None:
    other = data.draw(st.lists(st.sampled_from([*parts, 1, "a", None]), max_size=4))
    shapes = [
        parts,
        tuple(parts),
        [parts],
        (tuple(parts),),
        [*parts, parts],
        {"a": parts},
        *nestings(parts),
        other,
    ]
    digests = {repr(model(shape)): digest(shape) for shape in shapes}
    assert len(set(digests.values())) == len(digests)


def nestings(parts: list) -> Iterator[list]:
    for place in range(len(parts) + 1):
        yield [parts[:place], *parts[place:]]
        yield [*parts[:place], parts[place:]]


def changes(value: Any) -> Iterator[Any]:  # noqa: C901 - a table
    """Every value that differs from this one in a single place."""
    yield (value,)
    yield [value]
    match value:
        case bool():
            yield not value
            yield int(value)
        case int():
            yield value + 1
            yield -value - 1
            yield value ^ (1 << 70)
        case float() if not math.isnan(value):
            yield -value
            yield math.nextafter(value, math.inf if value < 1 else -math.inf)
        case str():
            yield value + "\0"
            yield value + " "
            yield value.encode("utf-8", "surrogatepass")
        case bytes() | bytearray():
            yield value + b"\0"
            yield bytearray(value) if isinstance(value, bytes) else bytes(value)
        case decimal.Decimal():
            yield value + 1
            yield str(value)
        case np.ndarray():
            yield value.reshape(-1, 1, 1, 1)
            yield value.tolist()
            yield np.concatenate([value, value])
        case list() | tuple():
            kind = type(value)
            yield [*value] if kind is tuple else (*value,)
            yield kind([*value, None])
            for place, part in enumerate(value):
                yield kind([*value[:place], *value[place + 1 :]])
                yield from (
                    kind([*value[:place], other, *value[place + 1 :]]) for other in changes(part)
                )
        case dict():
            yield list(value.items())
            yield value | {"another key": 1}
            yield dict(reversed(value.items()))
            for key, part in value.items():
                yield {other: value[other] for other in value if other is not key}
                yield from (value | {key: other} for other in changes(part))
        case set() | frozenset():
            yield value | {"another element"}
            yield frozenset(value) if isinstance(value, set) else set(value)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_any_single_change_changes_the_digest(value: Any) -> None:
    before, seen = digest(value), model(value)
    for changed in changes(value):
        if model(changed) != seen:
            assert digest(changed) != before, changed
        else:
            assert digest(changed) == before, changed


columns = [
    hpd.column("a", dtype="float64"),
    hpd.column("b", dtype="int64", elements=st.integers(-2, 2)),
    hpd.column(
        "c", dtype=object, elements=st.one_of(st.none(), st.text(max_size=3), st.integers(0, 2))
    ),
    hpd.column("d", dtype="datetime64[ns]"),
    hpd.column("e", dtype="bool"),
]
frames = hpd.data_frames(columns, index=hpd.range_indexes(min_size=1, max_size=6))


@given(frames, st.data())
def test_a_frame_equals_its_relaid_copies_and_differs_by_one_cell(
    frame: Any, data: st.DataObject
) -> None:
    before = digest(frame)
    assert digest(frame.copy()) == before
    assert digest(pickle.loads(pickle.dumps(frame))) == before
    anew = type(frame)({name: frame[name].copy() for name in frame})
    anew.index = frame.index
    assert digest(anew) == before
    row, column = (
        data.draw(st.integers(0, len(frame) - 1)),
        data.draw(st.sampled_from(list("abce"))),
    )
    cells = list(frame[column])
    cell = cells[row]
    other = {
        "a": 0.5 if cell != 0.5 else 1.5,
        "b": cell if column != "b" else cell + 1,
        "c": (1,),
        "e": cell is False,
    }
    cells[row] = bool(not cell) if column == "e" else other[column]
    changed = frame.copy()
    changed[column] = type(frame[column])(cells, index=frame.index, dtype=frame[column].dtype)
    assert digest(changed) != before
    assert digest(frame.rename(columns={column: column + "x"})) != before
    assert digest(frame[[*frame.columns[1:], frame.columns[0]]]) != before
    assert digest(frame.set_axis(range(1, len(frame) + 1), axis=0)) != before
