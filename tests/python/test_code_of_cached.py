"""What a cached function says of its code counts for those that reach it, too."""

import pytest
from backtests import bars

from afml_cache import cached_backtest, robust_cacheable

DATA = bars(40)


def scale(x):
    return x


def doubled(x):
    return 2 * x


@robust_cacheable
def scaled(function):
    return function(1)


def backtest(data, params):
    return {"sharpe_ratio": 1.0}, DATA


def keys_with(inner):
    """The keys of a function and of a backtest that reach this one."""

    @robust_cacheable
    def outer(x):
        return inner

    @cached_backtest("outer")
    def run(data, params):
        return {"sharpe_ratio": inner(1)}

    class Features:
        member = inner

    features = {"inner": inner}

    @robust_cacheable
    def by_class(x):
        return Features.member

    @robust_cacheable
    def by_name(x):
        return features["inner"](x)

    keys = (each.cache_key(1) for each in (outer, by_class, by_name))
    return (*keys, scaled.cache_key(inner), run.run_id(DATA, {}), run.run_id(DATA, features))


def test_the_version_of_a_cached_coroutine_function_counts_for_its_callers():
    async def awaited(x):
        return x

    def key(version):
        inner = robust_cacheable(version=version)(awaited)

        @robust_cacheable
        def outer(x):
            return inner

        return outer.cache_key(1)

    assert key("1") == key("1")
    assert len(set(map(key, ("", "1", "2")))) == 3


def test_the_version_of_a_cached_function_counts_for_its_callers():
    plain, *versions = (robust_cacheable(version=each)(doubled) for each in ("", "1", "2", "1"))
    first, second, again = map(keys_with, versions)
    assert first == again
    assert len({*keys_with(plain), *first, *second}) == 18
    assert keys_with(plain)[:2] == keys_with(doubled)[:2]


@pytest.mark.parametrize(
    "option", [{"deps": (scale,)}, {"track_packages": ("pandas",)}], ids=["deps", "packages"]
)
def test_what_a_cached_function_declares_counts_for_its_callers(option):
    declared = keys_with(robust_cacheable(**option)(doubled))
    assert not set(declared) & set(keys_with(robust_cacheable(doubled)))


def test_an_edit_of_what_a_cached_function_declares_is_seen_by_its_callers(monkeypatch):
    inner = robust_cacheable(deps=(scale,))(doubled)
    before = keys_with(inner)
    monkeypatch.setattr(scale, "__code__", (lambda x: x + 1).__code__)
    assert not set(before) & set(keys_with(inner))


@pytest.mark.parametrize("option", [{"version": "2"}, {"save_trades": False}], ids=str)
def test_what_a_cached_backtest_says_counts_for_its_callers(option):
    said, plain = (keys_with(cached_backtest("inner", **each)(backtest)) for each in (option, {}))
    assert not set(said) & set(plain)


def test_a_cached_function_that_calls_itself_has_a_key():
    @robust_cacheable(version="1")
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    assert factorial(5) == 120
    assert factorial.is_cached(4)
