"""What the range cache waits for is cut short: in order, by a cancellation, Ctrl-C or an exit."""

import asyncio
import threading
from collections.abc import Generator

import pytest
from driven import DRIVERS, PATIENCE, Closing, Drive, step

from afml_cache.ranges.effects import Call, Parallel, Pause, Until, arun


@pytest.fixture(params=DRIVERS)
def drive(request: pytest.FixtureRequest) -> Drive:
    return DRIVERS[request.param]


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


def test_a_step_that_never_rests_is_stopped_between_its_calls(drive: Drive) -> None:
    begun, ended = threading.Event(), []

    def busy() -> Generator:
        try:
            while True:
                yield Call(begun.set)
        finally:
            ended.append("busy")

    def leave() -> None:
        begun.wait(PATIENCE)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        drive(step(Parallel([busy(), step(Call(leave))], 2)))
    assert ended == ["busy"]


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
    last = (Call(closing.said.append, ("one in order",), inline=True),)
    coroutine = arun(closing.step("one", Pause(PATIENCE), last=last))

    async def main() -> None:
        coroutine.send(None)

    asyncio.run(main())
    coroutine.close()
    assert closing.said == ["one GeneratorExit", "one in order", "one closed"]


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
        print(name + " closed\\n", end="", flush=True)  # in one piece

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
