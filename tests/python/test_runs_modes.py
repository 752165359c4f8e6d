"""Modes, failures and interrupts of backtests; counters, and what clearing leaves alone."""

import asyncio
import concurrent.futures
import inspect

import pytest
from backtests import bars, momentum_of
from bodies import counted

import afml_cache
from afml_cache import BacktestCache, CacheMissError, cached_backtest, mode

DATA = bars(40)
PARAMS = {"lookback": 5}


@pytest.fixture
def cache():
    return BacktestCache()


@pytest.fixture
def bodies():
    with counted() as seen:
        yield seen


def test_off_computes_and_records_nothing(cache, bodies):
    backtest = momentum_of()
    with mode("off"):
        backtest(DATA, PARAMS)
        backtest(DATA, PARAMS)
    assert (len(bodies), len(cache.index), backtest.cache_info().bypasses) == (2, 0, 2)
    backtest(DATA, PARAMS)
    with mode("off"):
        backtest(DATA, PARAMS)
        assert cache.get_cached_backtest("momentum", PARAMS, DATA) is None
    assert (len(bodies), backtest.last_run_id) == (4, None)


def test_readonly_hits_and_records_nothing(cache, bodies):
    backtest = momentum_of()
    backtest(DATA, PARAMS)
    with mode("readonly"):
        backtest(DATA, PARAMS)
        assert len(bodies) == 1
        backtest(DATA, {"lookback": 6})
        run = cache.cache_backtest("by_hand", {}, DATA, {"sharpe_ratio": 1.0})
        assert run not in cache.index
        cache.cache_walk_forward_split("split", DATA[:20], DATA[20:], 0, 1)
    assert len(bodies) == 2
    assert len(cache.index) == 1
    assert cache.get_walk_forward_split("split", 0) is None


def test_frozen_hits_or_says_what_is_missing(cache, bodies):
    backtest = momentum_of()
    backtest(DATA, PARAMS)
    with mode("frozen"):
        backtest(DATA, PARAMS)
        with pytest.raises(CacheMissError, match="'momentum' has no run for this call"):
            backtest(DATA, {"lookback": 6})
        with pytest.raises(CacheMissError, match="can't be keyed"):
            backtest(DATA, {"lookback": iter([6])})
    assert (len(bodies), len(cache.index)) == (1, 1)


def test_fresh_computes_and_records_anew(cache, bodies):
    backtest = momentum_of()
    backtest(DATA, PARAMS)
    with mode("fresh"):
        backtest(DATA, PARAMS)
        assert cache.get_cached_backtest("momentum", PARAMS, DATA) is None
    backtest.refresh(DATA, PARAMS)
    assert (len(bodies), len(cache.index)) == (3, 1)
    assert len(cache.ledger.trials("momentum")) == 1


def test_a_refresh_keeps_to_the_mode(cache, bodies):
    backtest = momentum_of()
    for name in ("off", "readonly"):
        with mode(name):
            backtest.refresh(DATA, PARAMS)
    assert (len(bodies), len(cache.index)) == (2, 0)
    with mode("frozen"), pytest.raises(CacheMissError, match="computes nothing in mode 'frozen'"):
        backtest.refresh(DATA, PARAMS)


def failing(error):
    @cached_backtest("failing")
    def backtest(data, params):
        raise error

    return backtest


def test_what_is_raised_goes_to_the_caller_and_is_listed_not_counted(cache):
    backtest = failing(ZeroDivisionError("no trades"))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no trades"):
            backtest(DATA, {"a": 1})
    (failure,) = cache.ledger.trials("failing").to_dict("records")
    assert (failure["kind"], failure["note"]) == ("failure", "ZeroDivisionError: no trades")
    assert failure["run_id"] == backtest.run_id(DATA, {"a": 1})
    assert not len(cache.index)
    assert backtest.cache_info().misses == 2


def test_a_failure_that_passes_is_a_trial(cache, bodies):
    backtest = momentum_of()

    def interrupted(_):
        message = "no more memory"
        raise MemoryError(message)

    bodies.action = interrupted
    with pytest.raises(MemoryError):
        backtest(DATA, PARAMS)
    assert list(cache.ledger.trials("momentum")["kind"]) == ["failure"]
    bodies.action = lambda _: None
    backtest(DATA, PARAMS)
    assert list(cache.ledger.trials("momentum")["kind"]) == ["trial"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_is_no_failure(cache, error):
    with pytest.raises(error):
        failing(error())(DATA, {})
    assert cache.ledger.families() == []


def test_an_error_whose_text_raises_is_noted_too(cache):
    class OddError(Exception):
        def __str__(self):
            raise RuntimeError

    with pytest.raises(OddError):
        failing(OddError())(DATA, {"a": {(1, 2): object}})
    assert list(cache.ledger.trials("failing")["note"]) == ["OddError: <OddError>"]


def test_a_call_that_does_not_fit_is_told_by_the_function(cache):
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'params'"):
        momentum_of()(DATA)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        momentum_of()(DATA, {}, other=1)
    assert cache.ledger.families() == []


def test_coroutine_functions_are_awaited(cache, bodies):
    @cached_backtest("awaited")
    async def backtest(data, params):
        await asyncio.sleep(0)
        if params["a"] < 0:
            message = "too short"
            raise ValueError(message)
        return {"sharpe_ratio": float(params["a"])}

    async def study():
        first = await backtest(DATA, {"a": 1})
        assert await backtest(DATA, {"a": 1}) == first == {"sharpe_ratio": 1.0}
        assert (await backtest.refresh(DATA, {"a": 1})) == first
        with pytest.raises(ValueError, match="too short"):
            await backtest(DATA, {"a": -1})
        with mode("off"):
            await backtest(DATA, {"a": 2})

    asyncio.run(study())
    assert asyncio.iscoroutinefunction(backtest)
    assert backtest.cache_info()[:4] == (1, 0, 1, 3)
    assert sorted(cache.ledger.trials("awaited")["kind"]) == ["failure", "trial"]


def test_it_has_the_manners_of_the_function():
    def run_momentum(data, params, *, fee: float = 0.1) -> dict:
        """Run it."""

    run_momentum.author = "me"
    backtest = cached_backtest("manners")(run_momentum)
    assert inspect.signature(backtest) == inspect.signature(run_momentum)
    assert backtest.__wrapped__ is run_momentum
    assert (backtest.__name__, backtest.__doc__, backtest.author) == (
        "run_momentum",
        "Run it.",
        "me",
    )
    assert backtest.__module__ == __name__
    assert "manners" in repr(backtest)


def test_backtests_are_counted_with_the_other_functions():
    @cached_backtest("counted")
    def counted_here(data, params):
        return {"rows": float(len(data))}

    backtest = counted_here
    backtest(DATA, PARAMS)
    backtest(DATA, PARAMS)
    name = f"{__name__}.test_backtests_are_counted_with_the_other_functions.<locals>.counted_here"
    assert backtest.cache_name == name
    assert afml_cache.get_cache_stats()[name] == {"hits": 1, "misses": 1}
    info = backtest.cache_info()
    assert (info.hits, info.disk_hits, info.misses) == (1, 1, 1)
    assert info.seconds_computed > 0


def test_clearing_and_collecting_entries_never_touches_runs(cache, bodies):
    backtest = momentum_of()
    backtest(DATA, PARAMS)
    assert afml_cache.clear_afml_cache(warn=False) == 0
    afml_cache.gc(max_age=0, max_size=0)
    afml_cache.invalidate(("2023", "2024"))
    afml_cache.verify(fix=True)
    assert backtest.cache_info().misses == 0  # the counters were cleared
    backtest(DATA, PARAMS)
    assert len(bodies) == 1
    assert cache.get_cache_stats()["total_runs"] == 1


def test_the_last_run_is_that_of_the_thread(cache):
    def recorded(a):
        return cache.cache_backtest("threads", {"a": a}, DATA, {})

    run = recorded(1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(recorded, 2).result()
        assert pool.submit(lambda: cache.index[...]).result() == other
    assert cache.index[...] == run != other
