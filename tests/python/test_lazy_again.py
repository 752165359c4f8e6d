"""Lazy arguments that are asked again: after a change, in a simulation, in another mode."""

import functools

import numpy as np
import pandas as pd
import pytest
from artifacts_made import RAN, listening

from afml_cache import LookAheadError, as_of, mode, robust_cacheable
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.lazies import lazy
from afml_cache.exceptions import UncacheableArgumentError

BARS = pd.Series([1.0, 2.0], pd.date_range("2024-05-01", periods=2))
END = pd.Timestamp("2024-05-03").value


@robust_cacheable
def cached_mean(bars):
    return float(bars.mean())


def plain_mean(bars):
    return float(bars.mean())


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def keep(tmp_path):
    @artifact("{name}.json", folder=tmp_path)
    def keep(name, labels):
        return labels

    return keep


def test_arguments_that_were_changed_in_between_are_computed(keep):
    prices = [1, 2]
    total = lazy(sum, prices)
    assert keep("total", total) == 3
    prices.append(3)
    assert keep("total", total) == 6


def test_changed_globals_are_computed(keep, module):
    labels = module("LEVELS = [1]\ndef label(price):\n    return [price > one for one in LEVELS]\n")
    above = lazy(labels.label, 2)
    assert keep("above", above) == [True]
    labels.LEVELS.append(3)
    assert keep("above", above) == [True, False]


@pytest.mark.parametrize("mean", [cached_mean, plain_mean])
def test_each_consumer_has_seen_what_the_call_has(keep, mean):
    one = lazy(mean, BARS)
    for name in ("first", "second"):
        keep(name, one)
        assert keep.metadata(name, one).seen_ns == END


@pytest.mark.parametrize("mean", [cached_mean, plain_mean])
def test_what_was_computed_outside_is_refused_in_a_simulation(mean):
    one = lazy(mean, BARS)
    one.evaluate()
    with as_of("2024-05-02"), pytest.raises(LookAheadError, match="lazy"):
        one.evaluate()
    with as_of("2024-05-03"):
        assert one.evaluate() == 1.5


def test_fresh_computes_once_what_was_there(ran):
    @robust_cacheable
    def double(number):
        RAN.warning("doubled")
        return 2 * number

    one = lazy(double, 1)
    one.evaluate()
    with mode("fresh"):
        one.evaluate()
        one.evaluate()
    assert ran == ["doubled", "doubled"]


def test_a_key_of_somebody_elses_is_none():
    def mean(prices):
        return float(prices.mean())

    mean.cache_key = lambda prices: (prices,)  # as cachetools has it
    prices = np.zeros(5000)
    other = prices.copy()
    other[2500] = 1
    assert lazy(mean, prices).cache_key() != lazy(mean, other).cache_key()


@pytest.mark.parametrize("function", [cached_mean, plain_mean])
def test_partial_calls_are_calls(function):
    call = lazy(functools.partial(function, bars=BARS))
    assert call.cache_key() == lazy(function, BARS).cache_key()
    assert call.evaluate() == 1.5


def test_a_function_without_a_signature_is_told():
    with pytest.raises(UncacheableArgumentError, match="pass a function that calls it"):
        lazy(max, [1, 2]).cache_key()
