"""Lazy arguments: told by what computes them, computed on a miss, once."""

import pickle
import threading

import pytest
from artifacts_made import RAN, listening

from afml_cache import CacheConfigError, CacheWriteWarning, digest, robust_cacheable
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.lazies import Lazy, lazy, resolved


def label(prices, horizon=2):
    RAN.warning("labelled")
    return [price > prices[0] for price in prices[:horizon]]


def double(values):
    return [*values, *values]


@robust_cacheable
def cached_label(prices, horizon=2):
    RAN.warning("labelled")
    return [price > prices[0] for price in prices[:horizon]]


PRICES = [1.0, 1.2, 0.9]


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def mine(tmp_path):
    @artifact("patterns.json", folder=tmp_path)
    def mine(labels):
        RAN.warning("mined")
        return {"labels": labels}

    return mine


@pytest.mark.parametrize("function", [label, cached_label])
def test_a_lazy_argument_is_computed_on_a_miss_only(mine, ran, function):
    found = mine(lazy(function, PRICES))
    assert found == {"labels": [False, True]}
    assert mine(lazy(function, list(PRICES))) == found
    assert mine(lazy(function, prices=PRICES, horizon=2)) == found
    assert sorted(ran) == ["labelled", "mined"]


def test_other_arguments_of_the_lazy_call_are_another_input(mine, ran):
    mine(lazy(label, PRICES))
    assert "argument `labels` changed" in repr(mine.explain(lazy(label, PRICES, 3)))
    assert mine(lazy(label, PRICES, 3)) == {"labels": [False, True, False]}
    assert len(ran) == 4


def test_its_digest_is_the_key_of_the_call(mine):
    assert lazy(cached_label, PRICES).cache_key() == cached_label.cache_key(PRICES, horizon=2)
    assert lazy(label, PRICES).cache_key() == robust_cacheable(label).cache_key(PRICES)
    assert lazy(mine, PRICES).cache_key() == mine.cache_key(PRICES)
    assert digest(lazy(label, PRICES)) != digest(lazy(label, PRICES, 3))
    assert digest(lazy(label, PRICES)) != digest(lazy(double, PRICES))


def test_changed_code_of_the_lazy_call_is_another_input(module):
    source = "def label(prices):\n    return prices[0]\n"
    before = lazy(module(source).label, PRICES).cache_key()
    assert lazy(module(source.replace("0", "1")).label, PRICES).cache_key() != before


def test_lazy_calls_nest(mine, ran):
    assert mine(lazy(double, lazy(label, PRICES, 1))) == {"labels": [False, False]}
    assert mine(lazy(double, lazy(label, PRICES, 1))) == {"labels": [False, False]}
    assert len(ran) == 2
    mine(lazy(double, lazy(label, PRICES, 2)))
    assert len(ran) == 4


def test_artifacts_are_lazy_arguments_of_others(tmp_path, mine, ran):
    total = artifact("total.json", folder=tmp_path)(lambda patterns: len(patterns["labels"]))
    assert total(lazy(mine, lazy(label, PRICES))) == 2
    assert total(lazy(mine, lazy(label, PRICES))) == 2
    assert sorted(ran) == ["labelled", "mined"]


def test_those_in_lists_tuples_and_dictionaries_are_computed_too(mine, ran):
    one = lazy(label, PRICES, 1)
    assert mine([one, 1])["labels"] == [[False], 1]
    assert mine((one,))["labels"] == [[False]]
    assert mine({"a": one})["labels"] == {"a": [False]}
    assert ran.count("labelled") == 1
    deep = [[one]]
    assert resolved((deep,), {}) == ((deep,), {})


def test_a_cached_function_keys_it_and_is_given_the_call(ran):
    @robust_cacheable
    def count(labels):
        RAN.warning("counted")
        return len(labels.evaluate())

    assert count(lazy(label, PRICES)) == count(lazy(label, PRICES)) == 2
    assert sorted(ran) == ["counted", "labelled"]


def test_it_is_computed_once_by_however_many_threads(ran):
    one, barrier = lazy(label, PRICES), threading.Barrier(4)

    def ask():
        barrier.wait()
        one.evaluate()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == ["labelled"]


def test_what_one_consumer_changed_is_not_what_another_is_given(tmp_path):
    one = lazy(label, PRICES)

    def worse(labels):
        labels.append("mine")
        return labels

    first = artifact("a.json", folder=tmp_path)(worse)
    second = artifact("b.json", folder=tmp_path)(double)
    assert first(one) == [False, True, "mine"]
    assert second(one) == [False, True, False, True]


def test_what_raises_is_raised_and_asked_again(mine):
    def fails(times):
        return 1 / times

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            mine(lazy(fails, 0))
    assert not mine.is_current(lazy(fails, 0))


def test_an_argument_of_a_lazy_call_that_is_changed_meanwhile_leaves_no_file(mine):
    def spoil(prices):
        prices.append(0.0)
        return prices

    with pytest.warns(CacheWriteWarning, match="argument `labels` changed"):
        mine(lazy(spoil, [1.0]))
    assert not mine.is_current(lazy(spoil, [1.0]))


class Labeller:
    def __init__(self, level):
        self.level = level

    def label(self, prices):
        return [price > self.level for price in prices]


def test_methods_count_with_their_instance(mine):
    assert mine(lazy(Labeller(1.1).label, PRICES))["labels"] == [False, True, False]
    assert mine.is_current(lazy(Labeller(1.1).label, PRICES))
    assert not mine.is_current(lazy(Labeller(1.0).label, PRICES))


def test_it_travels_without_its_result(ran):
    one = lazy(cached_label, PRICES)
    one.evaluate()
    copied = pickle.loads(pickle.dumps(lazy(double, [1])))
    assert copied.evaluate() == [1, 1]
    assert digest(copied) == digest(lazy(double, [1]))
    assert "double, " in repr(copied)
    assert isinstance(copied, Lazy)


async def coroutine():
    pass


@pytest.mark.parametrize("function", [1, "f", int, coroutine, lazy(label, PRICES)])
def test_what_is_no_function_is_refused(function):
    with pytest.raises(CacheConfigError):
        lazy(function)
