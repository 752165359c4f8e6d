"""What the range cache waits for: the same in threads and under asyncio."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.effects import (
    Call,
    Done,
    Failed,
    Parallel,
    Pause,
    Until,
    arun,
    gives_awaitable,
    run,
)

PATIENCE = 60  # seconds before a test calls it a hang
PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("PLACE", default="nowhere")

Drive = Callable[[Generator], Any]


@pytest.fixture(params=["threads", "asyncio"])
def drive(request: pytest.FixtureRequest) -> Drive:
    if request.param == "threads":
        return run
    return lambda generator: asyncio.run(arun(generator))


def step(*effects: Any) -> Generator:
    """Yield these, and return what came back."""
    given = []
    for effect in effects:
        given.append((yield effect))  # noqa: PERF401 - no comprehension yields
    return given


async def twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


class Closing:
    """Says what happened, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, name: str, *effects: Any, last: tuple = ()) -> Generator:
        try:
            for effect in effects:
                yield effect
            self.said.append(f"{name} done")
        except BaseException as error:
            self.said.append(f"{name} {type(error).__name__}")
            raise
        finally:
            for effect in last:
                yield effect
            self.said.append(f"{name} closed")
        return name


def test_a_generator_gets_what_it_waits_for_and_its_return_value_is_given(drive: Drive) -> None:
    def body() -> Generator:
        first = yield Call(max, (1, 2))
        yield Pause(0.001)
        second = yield Call(sorted, ([first, 5, 4],), {"reverse": True})
        return first, second

    assert drive(body()) == (2, [5, 4, 2])


def test_a_generator_that_waits_for_nothing_is_run(drive: Drive) -> None:
    assert drive(step()) == []


def test_an_exception_of_a_call_is_thrown_in(drive: Drive) -> None:
    def body() -> Generator:
        try:
            yield Call(int, ("no number",))
        except ValueError:
            return (yield Call(int, ("7",)))

    assert drive(body()) == 7


def test_an_exception_that_nobody_catches_goes_up_and_the_generator_is_closed(drive: Drive) -> None:
    closing = Closing()
    with pytest.raises(ZeroDivisionError):
        drive(closing.step("one", Call(divmod, (1, 0)), last=(Call(int),)))
    assert closing.said == ["one ZeroDivisionError", "one closed"]


def test_a_function_that_raises_stop_iteration_ends_nothing(drive: Drive) -> None:
    def body() -> Generator:
        try:
            yield Call(next, (iter([]),))
        except (StopIteration, RuntimeError):
            return "caught"

    assert drive(body()) == "caught"
    with pytest.raises(RuntimeError):
        drive(step(Call(next, (iter([]),))))


@pytest.mark.parametrize(
    "call", [Call(twice, (4,)), Call(lambda: twice(4)), Call(twice, (), {"number": 4})]
)
def test_a_coroutine_is_awaited(drive: Drive, call: Call) -> None:
    assert drive(step(call)) == [8]


def test_what_is_no_effect_is_refused_where_it_was_yielded(drive: Drive) -> None:
    with pytest.raises(TypeError, match="no effect"):
        drive(step("pause"))


def test_until_gives_the_first_thing_that_is_not_none(drive: Drive) -> None:
    looks = iter([None, None, 0])
    assert drive(step(Until(lambda: next(looks)))) == [0]


def test_until_gives_none_where_the_wait_closes_a_circle(drive: Drive) -> None:
    asked = []

    def closes() -> bool:
        asked.append(time.monotonic())
        return len(asked) == 2

    start = time.monotonic()
    assert drive(step(Until(lambda: None, closes))) == [None]
    assert asked[0] - start >= 0.1
    assert asked[1] - asked[0] >= 0.1


def test_what_look_raises_is_thrown_in(drive: Drive) -> None:
    def body() -> Generator:
        try:
            yield Until(lambda: 1 // 0)
        except ZeroDivisionError:
            return "caught"

    assert drive(body()) == "caught"


@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_parallel_gives_outcomes_in_the_order_of_its_steps(drive: Drive, most: int) -> None:
    slow, quick = step(Pause(0.02), Call(str, (1,))), step(Call(str, (2,)))
    (outcomes,) = drive(step(Parallel([slow, step(Call(int, ("x",))), quick], most)))
    assert outcomes[0] == Done([None, "1"])
    assert isinstance(outcomes[1], Failed)
    assert isinstance(outcomes[1].exception, ValueError)
    assert outcomes[2] == Done(["2"])


def test_parallel_of_nothing_is_an_empty_list(drive: Drive) -> None:
    assert drive(step(Parallel([], 4))) == [[]]


@pytest.mark.parametrize("most", [1, 3])
def test_at_most_so_many_steps_are_done_at_once(drive: Drive, most: int) -> None:
    running, seen = [], []

    def body(number: int) -> Generator:
        running.append(number)
        seen.append(len(running))
        yield Pause(0.002)
        running.remove(number)

    drive(step(Parallel([body(number) for number in range(12)], most)))
    assert max(seen) <= most
    assert len(seen) == 12


def test_steps_that_wait_for_each_other_are_done_together(drive: Drive) -> None:
    meeting = threading.Barrier(3)
    waits = [step(Call(meeting.wait, (PATIENCE,))) for _ in range(3)]
    (outcomes,) = drive(step(Parallel(waits, 3)))
    assert sorted(outcome.value[0] for outcome in outcomes) == [0, 1, 2]


def test_one_at_a_time_is_done_in_the_thread_that_calls() -> None:
    where = step(Call(threading.get_ident))
    assert run(step(Parallel([where, step()], 1)))[0][0] == Done([threading.get_ident()])


def test_steps_in_threads_see_the_context_of_the_caller(drive: Drive) -> None:
    def body() -> Generator:
        PLACE.set("here")
        seen = yield Call(PLACE.get)
        outcomes = yield Parallel([step(Call(PLACE.get)), step(Call(PLACE.get))], 2)
        return [seen, *(outcome.value[0] for outcome in outcomes)]

    token = PLACE.set("test")
    try:
        assert drive(body()) == ["here"] * 3
    finally:
        PLACE.reset(token)


def test_what_is_no_exception_stops_the_other_steps_first_and_goes_up(drive: Drive) -> None:
    closing, begun = Closing(), threading.Event()

    def leave() -> None:
        begun.wait(PATIENCE)
        raise SystemExit(3)

    others = closing.step("other", Call(begun.set), Pause(PATIENCE), last=(Pause(0.001),))
    whole = closing.step("whole", Parallel([step(Call(leave)), others], 2), last=(Call(int),))
    with pytest.raises(SystemExit):
        drive(whole)
    assert closing.said == [
        "other CancelledError",
        "other closed",
        "whole SystemExit",
        "whole closed",
    ]


def test_steps_of_steps_are_stopped_too(drive: Drive) -> None:
    closing, begun = Closing(), threading.Barrier(3)
    inner = [closing.step(name, Call(begun.wait), Until(lambda: None)) for name in "ab"]

    def leave() -> None:
        begun.wait(PATIENCE)
        raise SystemExit(3)

    # What it does to put things in order is not stopped a second time.
    last = (Pause(0), Parallel([step(Pause(0)), step(Pause(0))], 2), Call(int))
    nested = closing.step("nested", Parallel(inner, 2), last=last)
    with pytest.raises(SystemExit):
        drive(step(Parallel([nested, step(Call(leave))], 2)))
    assert sorted(closing.said[:4]) == [
        "a CancelledError",
        "a closed",
        "b CancelledError",
        "b closed",
    ]
    assert closing.said[4:] == ["nested CancelledError", "nested closed"]


@pytest.mark.parametrize("most", [1, 2])
def test_steps_that_are_not_begun_are_closed(drive: Drive, most: int) -> None:
    def leave() -> None:
        raise SystemExit(3)

    later = step(Pause(PATIENCE))
    with pytest.raises(SystemExit):
        drive(step(Parallel([step(Call(leave)), step(Call(leave)), later], most)))
    assert later.gi_frame is None


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    run(step(Parallel([step(Pause(0.001)) for _ in range(8)], 4)))
    assert threading.active_count() == before


def test_a_coroutine_is_refused_where_a_loop_is_running() -> None:
    async def inside(*effects: Any) -> None:
        run(step(*effects))

    together = Parallel([step(Call(twice, (1,))), step(Call(lambda: twice(1)))], 2)
    for call in (Call(twice, (1,)), Call(lambda: twice(1))):
        with pytest.raises(CacheConfigError, match=r"await cache\.aget"):
            asyncio.run(inside(call))

    async def outcomes() -> list:
        return run(step(together))[0]

    for outcome in asyncio.run(outcomes()):
        assert isinstance(outcome.exception, CacheConfigError)


def test_a_plain_function_is_called_where_a_loop_is_running() -> None:
    async def inside() -> list:
        return run(step(Call(int, ("1",))))

    assert asyncio.run(inside()) == [1]


def test_plain_functions_leave_the_loop_free_unless_they_are_inline() -> None:
    def whole(inline: bool) -> list:
        return asyncio.run(arun(step(Call(threading.get_ident)), inline=inline))

    here = threading.get_ident()
    assert whole(inline=False) != [here]
    assert whole(inline=True) == [here]
    assert asyncio.run(arun(step(Call(threading.get_ident, inline=True)))) == [here]


def test_a_cancelled_task_puts_things_in_order_before_it_ends() -> None:
    closing = Closing()

    async def main() -> None:
        begun = asyncio.Event()
        inner = [
            closing.step(name, Pause(0), Pause(PATIENCE), last=(Pause(0.001),)) for name in "ab"
        ]
        together = Parallel([*inner, step(Call(begun.set, inline=True), Pause(PATIENCE))], 3)
        task = asyncio.ensure_future(arun(closing.step("whole", together, last=(Pause(0.001),))))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(closing.said[:4]) == [
        "a CancelledError",
        "a closed",
        "b CancelledError",
        "b closed",
    ]
    assert closing.said[4:] == ["whole CancelledError", "whole closed"]


def test_of_two_tasks_that_wait_for_one_thing_one_may_be_cancelled() -> None:
    async def main() -> None:
        landed: list[str] = []
        shared = asyncio.get_running_loop().create_future()
        waits = [Until(lambda: landed or None), Call(lambda: shared, inline=True)]
        first, second = (
            [asyncio.ensure_future(arun(step(wait))) for wait in waits] for _ in range(2)
        )
        await asyncio.sleep(0)
        for task in first:
            task.cancel()
        assert all(
            isinstance(outcome, asyncio.CancelledError)
            for outcome in await asyncio.gather(*first, return_exceptions=True)
        )
        landed.append("landed")
        shared.set_result("landed")
        assert await asyncio.gather(*second) == [[["landed"]], ["landed"]]

    asyncio.run(main())


@pytest.mark.parametrize("abandonable", [False, True])
def test_a_cancelled_task_waits_for_its_call_unless_that_may_be_abandoned(
    abandonable: bool,
) -> None:
    said: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        ended.wait(PATIENCE)
        said.append("written")

    def body() -> Generator:
        try:
            yield Call(write, abandonable=abandonable)
        finally:
            said.append("lock given back")

    async def main() -> None:
        task = asyncio.ensure_future(arun(body()))
        await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # twice changes nothing
        if abandonable:
            with pytest.raises(asyncio.CancelledError):
                await task
        ended.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    right = ["written", "lock given back"]
    assert said == (right[::-1] if abandonable else right)


def test_a_task_that_is_dropped_closes_its_generator() -> None:
    closing = Closing()
    coroutine = arun(closing.step("one", Pause(PATIENCE)))

    async def main() -> None:
        coroutine.send(None)

    asyncio.run(main())
    coroutine.close()
    assert closing.said == ["one GeneratorExit", "one closed"]


INTERRUPTED = """
import asyncio, os, signal, threading
from afml_cache.ranges.effects import Call, Parallel, Pause, Until, arun, run

met = threading.Barrier(3)
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))

def interrupt_soon():
    signal.setitimer(signal.ITIMER_REAL, 0.02)

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def body(name):
    try:
        yield Call(met.wait)
        yield Until(lambda: None)
    finally:
        yield Pause(0.001)
        print(name, "closed", flush=True)

def breaker():
    yield Call(met.wait)
    yield Call(interrupt)

def whole(*effects):
    try:
        for effect in effects:
            yield effect
    finally:
        yield Pause(0.001)
        print("whole closed", flush=True)

try:
    DRIVER
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("driver", ["run(EFFECTS)", "asyncio.run(arun(EFFECTS))"])
@pytest.mark.parametrize("wait", ["Pause(60)", "Until(lambda: None)"])
def test_ctrl_c_puts_things_in_order_and_goes_up(run_python, driver: str, wait: str) -> None:
    effects = f"whole(Call(interrupt_soon), {wait})"
    code = INTERRUPTED.replace("DRIVER", driver.replace("EFFECTS", effects))
    assert run_python(code).split("\n") == ["whole closed", "interrupted", ""]


@pytest.mark.parametrize("driver", ["run(EFFECTS)", "asyncio.run(arun(EFFECTS))"])
def test_ctrl_c_stops_what_is_done_in_parallel_first(run_python, driver: str) -> None:
    effects = "whole(Parallel([body('a'), body('b'), breaker()], 3))"
    printed = run_python(INTERRUPTED.replace("DRIVER", driver.replace("EFFECTS", effects)))
    lines = printed.split("\n")
    assert sorted(lines[:2]) == ["a closed", "b closed"]
    assert lines[2:] == ["whole closed", "interrupted", ""]


class Vendor:
    async def load(self) -> None: ...
    async def __call__(self) -> None: ...
    def plain(self) -> None: ...


def test_coroutine_functions_are_told_from_others_however_they_are_wrapped() -> None:
    vendor = Vendor()
    for function in (twice, vendor, vendor.load, functools.partial(functools.partial(vendor))):
        assert gives_awaitable(function)
    for other in (vendor.plain, int, functools.partial(int), lambda: twice(1), Vendor):
        assert not gives_awaitable(other)
