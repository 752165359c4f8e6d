"""One caller computes a run, and the others wait for it: threads, tasks, processes, forks."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import pathlib
import sys
import threading

import pytest
from backtests import bars, momentum_of
from bodies import RAN, counted

from afml_cache import BacktestCache, cached_backtest

DATA = bars(40)


@pytest.fixture
def bodies():
    with counted() as seen:
        yield seen


def in_threads(*calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [each.result(timeout=60) for each in [pool.submit(call) for call in calls]]


def test_threads_wait_for_the_one_that_computes(bodies):
    backtest = momentum_of()
    begun, go_on = threading.Event(), threading.Event()

    def hold(_):
        begun.set()
        assert go_on.wait(60)

    bodies.action = hold

    def late():
        assert begun.wait(60)
        threading.Timer(0.02, go_on.set).start()
        return backtest(DATA, {"lookback": 5})

    answers = in_threads(lambda: backtest(DATA, {"lookback": 5}), late, late, late)
    assert len(bodies) == 1
    assert all(metrics == answers[0][0] for metrics, _, _ in answers)
    assert backtest.cache_info()[:1] == (3,)


def test_different_runs_do_not_wait_for_each_other(bodies):
    backtest = momentum_of()
    both = threading.Barrier(2, timeout=60)
    bodies.action = lambda _: both.wait()
    in_threads(*(lambda at=at: backtest(DATA, {"lookback": at}) for at in (5, 6)))
    assert len(BacktestCache().index) == 2


def test_tasks_wait_for_the_one_that_computes(bodies):
    @cached_backtest("tasks")
    async def backtest(data, params):
        RAN.warning("tasks")
        await asyncio.sleep(0.01)
        return {"sharpe_ratio": 1.0}

    async def study():
        return await asyncio.gather(*(backtest(DATA, {}) for _ in range(5)))

    assert asyncio.run(study()) == [{"sharpe_ratio": 1.0}] * 5
    assert len(bodies) == 1


class Gate:
    """Holds up who comes first; it is no part of a run."""

    def __init__(self):
        self.passed = 0

    def __cache_key__(self):
        return "gate"

    async def wait(self):
        self.passed += 1
        await asyncio.sleep(60 if self.passed == 1 else 0)


def test_a_cancelled_task_leaves_its_turn_to_others(bodies):
    gate = Gate()

    @cached_backtest("cancelled")
    async def backtest(data, params):
        RAN.warning("cancelled")
        await gate.wait()
        return {"sharpe_ratio": 1.0}

    async def study():
        begun = asyncio.Event()
        bodies.action = lambda _: begun.set()
        first = asyncio.create_task(backtest(DATA, {}))
        await begun.wait()
        second = asyncio.create_task(backtest(DATA, {}))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.wait_for(second, 30)

    assert asyncio.run(study()) == {"sharpe_ratio": 1.0}
    assert gate.passed == 2
    assert len(BacktestCache().index) == 1


def test_whoever_fails_leaves_its_turn_to_the_next(bodies):
    backtest = momentum_of()

    def once(_):
        if len(bodies) == 1:
            message = "no more memory"
            raise MemoryError(message)

    bodies.action = once

    def call():
        try:
            return backtest(DATA, {"lookback": 5})
        except MemoryError:
            return None

    answers = in_threads(call, call, call)
    assert answers.count(None) == 1
    assert len(bodies) == 2


def test_what_can_not_be_recorded_is_not_waited_for(bodies, recwarn):
    @cached_backtest("lost")
    def backtest(data, params):
        RAN.warning("lost")
        return 5.0

    backtest(DATA, {})
    both = threading.Barrier(2, timeout=60)
    bodies.action = lambda _: both.wait()
    assert in_threads(lambda: backtest(DATA, {}), lambda: backtest(DATA, {})) == [5.0, 5.0]
    assert len(recwarn) == 1


def test_a_backtest_may_call_itself_with_other_parameters():
    @cached_backtest("recursive")
    def backtest(data, params):
        depth = params["depth"]
        below = backtest(data, {"depth": depth - 1})["sharpe_ratio"] if depth else 0.0
        return {"sharpe_ratio": below + 1.0}

    assert backtest(DATA, {"depth": 3}) == {"sharpe_ratio": 4.0}
    assert len(BacktestCache().index) == 4


def test_two_backtests_that_call_each_other_from_two_threads_do_not_wait_for_ever():
    both = threading.Barrier(2, timeout=60)
    depth = threading.local()

    def called(other):
        """Call the other one, from the outermost body only."""
        if getattr(depth, "inside", False):
            return 1.0
        depth.inside = True
        try:
            both.wait()
            return other()["sharpe_ratio"] + 1.0
        finally:
            depth.inside = False

    @cached_backtest("first", track_code=False)
    def first(data, params):
        return {"sharpe_ratio": called(lambda: second(data, params))}

    @cached_backtest("second", track_code=False)
    def second(data, params):
        return {"sharpe_ratio": called(lambda: first(data, params))}

    answers = in_threads(lambda: first(DATA, {}), lambda: second(DATA, {}))
    assert {each["sharpe_ratio"] for each in answers} <= {1.0, 2.0, 3.0}


def backtest_in_process(folder):
    import afml_cache

    afml_cache.configure(cache_dir=folder)
    with counted() as bodies:
        momentum_of()(DATA, {"lookback": 5})
        return len(bodies)


def test_processes_wait_for_the_one_that_computes(default_cache):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        counts = list(pool.map(backtest_in_process, [default_cache] * 2))
    assert sum(counts) == 1
    assert len(BacktestCache().index) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_forked_while_a_run_is_computed_computes_others(bodies):
    backtest = momentum_of()

    def fork(_):
        bodies.action = lambda _: None
        child = os.fork()
        if child == 0:
            status = 1
            try:
                backtest(DATA, {"lookback": 6})
                backtest(DATA, {"lookback": 6})
                status = len(bodies) - 2  # one beside that of the parent
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    bodies.action = fork
    backtest(DATA, {"lookback": 5})
    backtest(DATA, {"lookback": 6})
    assert len(bodies) == 1
    assert len(BacktestCache().index) == 2


class InterruptAt:
    """A tracer that raises as Ctrl-C does, where the function of that number is entered."""

    def __init__(self, number):
        self.left = number

    def __call__(self, frame, *_):
        here, names = pathlib.Path(frame.f_code.co_filename).name, set()
        while frame is not None:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        # Python itself keeps what is raised in a finalizer.
        if here in {"calls.py", "flights.py"} and "__del__" not in names:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt


def test_an_interrupt_at_any_step_leaves_no_turn_behind_even_while_its_traceback_lives():
    @cached_backtest("plain")
    def plain(data, params):
        return {"sharpe_ratio": 1.0}

    before = sys.gettrace()
    for number in range(1, 200):
        interrupt = InterruptAt(number)
        try:
            sys.settrace(interrupt)
            plain(DATA, {"lookback": number})
        except KeyboardInterrupt:
            assert plain(DATA, {"lookback": number}) == {"sharpe_ratio": 1.0}
            assert plain.is_cached(DATA, {"lookback": number})
        finally:
            sys.settrace(before)
        if interrupt.left > 0:
            break
    assert 15 < number < 199
