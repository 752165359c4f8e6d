"""`digest`: scalars and containers. What the function could tell apart has another digest."""

import copy
import datetime as dt
import decimal
import itertools
import pathlib
import pickle
import uuid
import zoneinfo

import numpy as np
import pytest

from afml_cache import UncacheableArgumentError, digest

UTC = dt.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2024, 1, 2, 12)  # noqa: DTZ001 - naive on purpose

SCALARS = [
    None, Ellipsis, False, True, 0, 1, -1, 2, 255, 256, -(2**63), 2**63, 2**64, -(2**64), 2**64 + 1,
    10**5000, 0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), 5e-324, 0j, complex(0.0,
    -0.0),
    complex(-0.0, 0.0), 1j, complex(1, 0),
    "", "1", "a", "\0", "\0\0", "é", "e\u0301", "€", "\U0001f600", "None", "True", "nan",
    b"", b"1", b"a", b"\0", b"\0\0", bytearray(), bytearray(b"1"),
    (), (None,), (1,), ((),), ([],), [], [None], [1], [()], [[]], [[[]]], {}, {1: 1}, {1: None},
    {"1": 1},
    {1: {}}, set(), {1}, {"1"}, {1.0}, {()}, frozenset(), frozenset({1}), {frozenset()},
    {frozenset({1})},
    range(0), range(1), range(1, 1), range(0, 4, 2), range(0, 3, 2), range(2**70),
    slice(1), slice(1, None), slice(None), slice(None, None, 1), slice("a"),
    decimal.Decimal(1), decimal.Decimal("1.0"), decimal.Decimal("1.00"), decimal.Decimal(-1),
    decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal("Infinity"),
    decimal.Decimal("-0"),
    decimal.Decimal(0), decimal.Decimal("1E+1"), decimal.Decimal(10),
    uuid.UUID(int=0), uuid.UUID(int=1),
    pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.PosixPath("a"),
    pathlib.PosixPath("a/b"), pathlib.PosixPath("/a"),
    dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.time(12), dt.time(12, tzinfo=UTC), dt.time(12,
    fold=1),
    dt.timedelta(0), dt.timedelta(1), dt.timedelta(seconds=1), dt.timedelta(microseconds=-1),
    NOON, NOON.replace(fold=1), NOON.replace(microsecond=1), NOON.replace(tzinfo=UTC),
    NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
    NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")),
    NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    dt.datetime(2024, 1, 2),  # noqa: DTZ001
    np.bool_(True), np.int8(1), np.int16(1), np.int32(1), np.int64(1), np.uint8(1), np.uint64(1),
    np.float16(1), np.float32(1), np.float64(1), np.float64(0.0), np.float64(-0.0),
    np.float64("nan"),
    np.complex64(1), np.complex128(1), np.str_("1"), np.bytes_(b"1"),
    np.datetime64("2024-01-02", "D"), np.datetime64("2024-01-02", "s"), np.datetime64("2024-01-02",
    "ns"),
    np.datetime64("NaT"), np.datetime64("NaT", "ns"), np.timedelta64(1, "s"), np.timedelta64(1,
    "ns"),
    np.timedelta64("NaT"), np.array(1), np.array([1]), np.array([[1]]), np.array(1.0),
    np.array("1"),
    (1, 23), (12, 3), ("1", "23"), ("12", "3"), ("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"),
    (b"ab", b"c"), (b"a", b"bc"), [[1], 2], [[1, 2]], [1, [2]], [[1], [2]], [1, 2], (1, 2),
    ((1,), 2),
    {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, {"a": {"b": 2}}, {"ab": 1},
    {("a", "b"): 1},
    [("a", 1), ("b", 2)], (("a", 1), ("b", 2)), ["a", 1, "b", 2],
]  # fmt: skip


def shown(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def test_every_scalar_and_container_has_a_digest_of_its_own() -> None:
    seen: dict[str, object] = {}
    for value in SCALARS:
        found = digest(value)
        assert found not in seen, f"{value!r} and {seen[found]!r} share a digest"
        seen[found] = value


def test_a_digest_is_32_lower_case_hex_digits() -> None:
    for value in SCALARS[:60]:
        found = digest(value)
        assert len(found) == 32
        assert set(found) <= set("0123456789abcdef")


@pytest.mark.parametrize("value", SCALARS, ids=shown)
def test_a_value_equals_its_copy_and_its_pickle(value: object) -> None:
    assert digest(value) == digest(value)
    assert digest(copy.deepcopy(value)) == digest(value)
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_nan_equals_nan() -> None:
    assert digest(float("nan")) == digest(np.nan)
    assert digest([float("nan")]) == digest([float("nan")])


def test_the_order_of_a_set_does_not_count() -> None:
    numbers, backwards = set(), set()
    for number in range(0, 8000, 8):
        numbers.add(number)
    for number in reversed(range(0, 8000, 8)):
        backwards.add(number)
    odd_table = set(range(100_000))
    odd_table.intersection_update(numbers)
    assert list(numbers) != list(backwards) or list(numbers) != list(odd_table)
    assert digest(numbers) == digest(backwards) == digest(odd_table)
    assert digest(frozenset(numbers)) == digest(frozenset(odd_table))
    assert digest({"k": {(1, "a"), None, 2.5, b"x"}}) == digest({"k": {b"x", 2.5, None, (1, "a")}})


def test_the_insertion_history_of_a_dict_does_not_count_but_its_order_does() -> None:
    grown = {number: number for number in range(100)}
    for number in range(3, 100):
        del grown[number]
    assert digest(grown) == digest({0: 0, 1: 1, 2: 2})
    grown[0] = grown.pop(0)
    assert digest(grown) != digest({0: 0, 1: 1, 2: 2})
    assert digest(grown) == digest({1: 1, 2: 2, 0: 0})


def test_a_shared_part_digests_like_two_equal_parts() -> None:
    part = [1, {"a": 2}]
    assert digest([part, part]) == digest([[1, {"a": 2}], [1, {"a": 2}]])
    assert digest([(part,), part]) == digest([([1, {"a": 2}],), [1, {"a": 2}]])


def test_a_value_shared_over_many_levels_is_digested_once(run_python) -> None:
    shown = run_python(
        "import afml_cache\nx = [1]\nfor _ in range(64): x = [x, x]\n"
        "try: print(len(afml_cache.digest(x)))\n"
        "except afml_cache.UncacheableArgumentError: print(32)\n"
    )
    assert shown.strip() == "32"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udcff"], ids=ascii)  # noqa: PT014
def test_a_lone_surrogate_digests_or_is_refused(text: str) -> None:
    try:
        assert digest(text) != digest("?")
        assert digest([text]) == digest([text[:]])
    except UncacheableArgumentError:
        pass


def test_a_mutable_value_is_not_remembered_by_identity() -> None:
    for value, change, back in [
        ([1, 2], lambda v: v.append(3), lambda v: v.pop()),
        ({"a": [1]}, lambda v: v["a"].append(2), lambda v: v["a"].pop()),
        (bytearray(b"ab"), lambda v: v.append(3), lambda v: v.pop()),
        (
            np.zeros(1_000_000),
            lambda v: v.__setitem__(500_000, 1),
            lambda v: v.__setitem__(500_000, 0),
        ),
    ]:
        before = digest(value)
        change(value)
        assert digest(value) != before
        back(value)
        assert digest(value) == before


def test_no_two_of_200_000_argument_tuples_collide() -> None:
    words = ["", "a", "b", "ab", "1", "12"]
    numbers = [*range(-20, 140), *(number / 4 for number in range(40))]
    pairs = itertools.product(numbers + words, repeat=2)
    triples = itertools.product(range(40), numbers[:100], [*words, 1.0, True])
    values = [*pairs, *triples, *([a, b] for a, b in itertools.product(numbers, repeat=2))]
    values += [(a, (b, c)) for a, b, c in itertools.product(range(30), range(30), range(60))]
    values += [((a, b), c) for a, b, c in itertools.product(range(30), range(30), range(60))]
    assert len(values) > 200_000
    assert len({digest(value) for value in values}) == len(values)
