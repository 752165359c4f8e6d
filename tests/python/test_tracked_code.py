"""Functions whose calls count as looks are code like any other: in keys, and in pickles."""

import pickle
from collections.abc import Callable

import cloudpickle

from afml_cache import (
    data_tracking_cacheable,
    digest,
    get_data_tracker,
    robust_cacheable,
)


@data_tracking_cacheable("known", "test")
def double(a: int) -> int:
    return 2 * a


class Model:
    @data_tracking_cacheable("known", "test", ignore=("self",))
    def double(self, a: int) -> int:
        return 2 * a


def looks(dataset: str) -> int:
    return get_data_tracker().analyze_contamination(dataset)[0]


def test_a_caller_of_a_tracked_function_misses_when_that_was_edited(module: Callable) -> None:
    source = """
from afml_cache import data_tracking_cacheable, robust_cacheable

@data_tracking_cacheable("eurusd", "train")
def inner(a):
    return a + 1

@robust_cacheable
def outer(a):
    return inner(a) * 10
"""
    first = module(source)
    assert first.outer(1) == 20
    assert module(source).outer.is_cached(1)
    edited = module(source.replace("a + 1", "a + 2"))
    assert not edited.outer.is_cached(1)
    assert edited.outer(1) == 30


def test_a_tracked_function_as_an_argument_counts_by_its_code(module: Callable) -> None:
    source = """
from afml_cache import data_tracking_cacheable

@data_tracking_cacheable("eurusd", "train")
def inner(a):
    return a + {}

def make():
    @data_tracking_cacheable("eurusd", "train")
    def local(a):
        return a + {}
    return local

class Model:
    @data_tracking_cacheable("eurusd", "train")
    def fit(self, a):
        return a + {}
"""
    digests = []
    for step in (1, 1, 2):
        made = module(source.format(step, step, step))
        model = made.Model()
        digests.append([digest(each) for each in (made.inner, made.make(), model, model.fit)])
    assert digests[0] == digests[1]
    assert not set(digests[1]) & set(digests[2])


def test_tracked_functions_are_pickled_by_name_or_by_value() -> None:
    assert pickle.loads(pickle.dumps(double)) is double
    assert pickle.loads(pickle.dumps(Model().double))(2) == 4
    assert looks("known") == 1

    @data_tracking_cacheable("local", "test")
    def local(a: int) -> int:
        return a + 1

    again = cloudpickle.loads(cloudpickle.dumps(local))
    assert local(1) == 2
    assert again.is_cached(1)
    assert again(1) == 2
    assert looks("local") == 2


def test_a_cached_function_may_use_the_tracker_itself() -> None:
    tracker = get_data_tracker()

    @robust_cacheable
    def look(a: int) -> int:
        tracker.log_access("inside", None, None, "test")
        return a

    assert [look(1), look(1)] == [1, 1]
    assert look.cache_info().hits == 1
    assert looks("inside") == 1
