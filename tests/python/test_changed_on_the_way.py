"""A function that changes what its key was made of is not stored, and says so once."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from bodies import RAN, Bodies, counted

from afml_cache import CacheWarning, Store, robust_cacheable


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def frame() -> object:
    return pytest.importorskip("pandas").DataFrame({"a": [1.0, 2.0]})


def append(value: list) -> None:
    value.append(9)


def set_first(value: np.ndarray) -> None:
    value[0] = 9


def set_key(value: dict) -> None:
    value["inner"]["a"] = 9


def set_column(value: object) -> None:
    value["b"] = 9


CHANGES = [
    (lambda: [1, 2], append),
    (lambda: np.zeros(3), set_first),
    (lambda: {"inner": {"a": 1}}, set_key),
    (lambda: bytearray(b"ab"), set_first),
    (frame, set_column),
]


@pytest.mark.parametrize(("make", "change"), CHANGES, ids=lambda part: part.__name__)
def test_a_function_that_changes_its_argument_is_not_stored(
    store: Store, bodies: Bodies, make: Callable, change: Callable
) -> None:
    @robust_cacheable(store=store)
    def spoil(value: object) -> str:
        RAN.warning("spoil")
        change(value)
        return str(value)

    expected = make()
    change(expected)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            value = make()
            assert spoil(value) == str(expected)
            assert str(value) == str(expected)
    assert len(bodies) == 3
    assert len(store) == 0
    assert not spoil.is_cached(make())
    assert len(caught) == 1
    assert issubclass(caught[0].category, CacheWarning)
    assert "value" in str(caught[0].message)
    assert "spoil" in str(caught[0].message)


SEEN: dict[str, int] = {"calls": 0}


def test_a_function_that_changes_a_global_it_reads_is_not_stored(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def count(a: int) -> int:
        RAN.warning("count")
        SEEN["calls"] += 1
        return a + SEEN["calls"]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [count(0), count(0), count(0)] == [1, 2, 3]
    assert len(bodies) == 3
    assert len(store) == 0
    assert len(caught) == 1
    assert "SEEN" in str(caught[0].message)


def test_a_function_that_puts_back_what_it_changed_is_stored(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def borrow(value: list) -> int:
        RAN.warning("borrow")
        value.append(1)
        return len([value.pop() for _ in range(1)])

    assert [borrow([1]), borrow([1])] == [1, 1]
    assert len(bodies) == 1


def test_returning_the_argument_itself_stores_a_copy_of_it(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def same(value: list) -> list:
        RAN.warning("same")
        return value

    value = [1, [2]]
    assert same(value) is value
    value[1].append(3)
    assert same([1, [2]]) == [1, [2]]
    assert len(bodies) == 1
