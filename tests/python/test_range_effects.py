"""What the range cache waits for: the same in threads and under asyncio."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest
from driven import DRIVERS, PATIENCE, Closing, Drive, step

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

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("PLACE", default="nowhere")


@pytest.fixture(params=DRIVERS)
def drive(request: pytest.FixtureRequest) -> Drive:
    return DRIVERS[request.param]


async def twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


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
