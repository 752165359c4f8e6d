"""Many callers of one key: threads, tasks and processes compute it once, and never for ever."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAD = """
import asyncio, logging, os, signal, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from afml_cache import robust_cacheable

RAN = logging.getLogger("ran")
LOG = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(record):
    # one write, so that lines of several processes do not mix
    os.write(LOG, f"{record.msg}\\n".encode())
    return False

RAN.addFilter(note)
FOLDER = Path(os.environ["LOG"]).parent

def until(name):
    while not (FOLDER / name).exists():
        time.sleep(0.002)

def say(name):
    (FOLDER / name).touch()
"""


class Scripts:
    """Processes that run a script each, on one cache and one log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.started: list[subprocess.Popen[str]] = []

    def start(self, body: str, **env: str) -> subprocess.Popen[str]:
        # One file for all: a function's code is found in it, and is the same in every process.
        script = self.folder / f"script{abs(hash(body))}.py"
        if not script.exists():
            script.write_text(HEAD + body, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, script],
            env={**os.environ, "LOG": str(self.log), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def ended(self, process: subprocess.Popen[str]) -> str:
        said, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        return said

    def wait_for(self, name: str) -> None:
        until = time.monotonic() + 60
        while not (self.folder / name).exists():
            assert time.monotonic() < until, f"nobody said {name}"
            time.sleep(0.002)

    def wait_for_waiters(self, count: int) -> None:
        """Until so many computations wait, as the files of the locks that they hold say."""
        until = time.monotonic() + 60
        while self._waiting() < count:
            assert time.monotonic() < until, f"there are no {count} who wait"
            time.sleep(0.002)

    def _waiting(self) -> int:
        ended_and_token, waiting = 9, 0
        for path in (self.folder / "cache/v1/locks").glob("?" * 32):
            with contextlib.suppress(FileNotFoundError):
                waiting += len(path.read_bytes()) > ended_and_token
        return waiting

    def say(self, name: str) -> None:
        (self.folder / name).touch()

    def ran(self) -> Counter[str]:
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    made = Scripts(tmp_path)
    yield made
    for process in made.started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


KEYS = """
@robust_cacheable
def work(number):
    RAN.warning(number)
    time.sleep(0.01)
    return list(range(number))

def some(seed):
    import random
    order = list(range(50))
    random.Random(seed).shuffle(order)
    for number in order:
        assert work(number) == list(range(number))

seed = int(os.environ["SEED"])
with ThreadPoolExecutor(4) as pool:
    list(pool.map(some, range(4 * seed, 4 * seed + 4)))
"""


def test_eight_processes_with_four_threads_compute_each_of_fifty_keys_once(
    scripts: Scripts,
) -> None:
    processes = [scripts.start(KEYS, SEED=str(seed)) for seed in range(8)]
    for process in processes:
        scripts.ended(process)
    assert scripts.ran() == {str(number): 1 for number in range(50)}


def test_processes_that_are_killed_in_the_middle_hold_nobody_up(scripts: Scripts) -> None:
    doomed = [scripts.start(KEYS, SEED=str(seed)) for seed in range(4)]
    processes = [scripts.start(KEYS, SEED=str(seed)) for seed in range(4, 8)]
    for number, process in enumerate(doomed):
        while sum(scripts.ran().values()) < 10 + 5 * number:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for process in processes:
        scripts.ended(process)
    ran = scripts.ran()
    assert set(ran) == {str(number) for number in range(50)}
    # Nothing is computed again but what a killed process was at: four threads each.
    assert sum(ran.values()) <= 50 + 4 * 4


SLEEPER = """
@robust_cacheable
def work(number):
    RAN.warning("work")
    if os.environ["WHO"] == "first":
        child = os.fork()
        if child == 0:
            say("forked")
            time.sleep(3600)
            os._exit(0)
        (FOLDER / "sleeper").write_text(str(child))
        say("holding")
        time.sleep(3600)
    return number

@robust_cacheable
def around(process):
    return work(1)

print(work(1) if os.environ["WHO"] == "first" else around(os.getpid()))
"""


def test_a_forked_sleeper_that_outlives_its_killed_parent_holds_nobody_up(
    scripts: Scripts,
) -> None:
    first = scripts.start(SLEEPER, WHO="first")
    scripts.wait_for("holding")
    scripts.wait_for("forked")
    second = scripts.start(SLEEPER, WHO="second")
    try:
        scripts.wait_for_waiters(1)
        first.kill()
        first.wait()
        killed = time.monotonic()
        assert scripts.ended(second).split() == ["1"]
        assert time.monotonic() - killed < 30
    finally:
        os.kill(int((scripts.folder / "sleeper").read_text()), signal.SIGKILL)
    assert scripts.ran() == {"work": 2}


def test_two_processes_that_wait_for_each_other_both_go_on(scripts: Scripts) -> None:
    """A in one process calls B, and B in the other calls A, each while the other computes it."""
    body = """

@robust_cacheable(ignore=("deep",))
def work(name, deep=False):
    RAN.warning(name)
    if not deep:
        say("at-" + name)
        until("at-a"), until("at-b")
        work({"a": "b", "b": "a"}[name], deep=True)
    return name

print(work({"first": "a", "second": "b"}[os.environ["WHO"]]))
"""
    first = scripts.start(body, WHO="first")
    second = scripts.start(body, WHO="second")
    assert scripts.ended(first).split() == ["a"]
    assert scripts.ended(second).split() == ["b"]


def test_two_threads_that_wait_for_each_other_both_go_on(scripts: Scripts) -> None:
    process = scripts.start(
        """
at = {"a": threading.Event(), "b": threading.Event()}

@robust_cacheable(ignore=("deep",), ignore_deps=("at",))
def work(name, deep=False):
    RAN.warning(name)
    if deep:
        return name
    at[name].set()
    at["a"].wait(), at["b"].wait()
    work({"a": "b", "b": "a"}[name], deep=True)
    return name

with ThreadPoolExecutor(2) as pool:
    print(*pool.map(work, "ab"))
"""
    )
    assert scripts.ended(process).split() == ["a", "b"]


def test_two_tasks_that_wait_for_each_other_both_go_on(scripts: Scripts) -> None:
    process = scripts.start(
        """
async def main():
    at = {"a": asyncio.Event(), "b": asyncio.Event()}

    @robust_cacheable(ignore=("deep",), ignore_deps=("at",))
    async def work(name, deep=False):
        RAN.warning(name)
        if deep:
            return name
        at[name].set()
        await at["a"].wait(), await at["b"].wait()
        await work({"a": "b", "b": "a"}[name], deep=True)
        return name

    print(*await asyncio.gather(work("a"), work("b")))

asyncio.run(main())
"""
    )
    assert scripts.ended(process).split() == ["a", "b"]


def test_a_call_beneath_a_computation_of_itself_goes_on(scripts: Scripts) -> None:
    process = scripts.start(
        """
@robust_cacheable(ignore=("deep",))
def work(number, deep=False):
    RAN.warning("work")
    if deep:
        return number
    # in another thread, with the context of this one
    import contextvars
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(context.run, work, number, deep=True).result()

print(work(3))
"""
    )
    assert scripts.ended(process).split() == ["3"]


def test_a_thousand_tasks_wait_for_one_computation(scripts: Scripts) -> None:
    process = scripts.start(
        """
@robust_cacheable
async def load(number):
    RAN.warning("load")
    await asyncio.sleep(0.2)
    return [number]

async def main():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    results = await asyncio.gather(*[load(7) for _ in range(1000)])
    ticking.cancel()
    assert all(result == [7] for result in results)
    assert len({id(result) for result in results}) == 1000
    print(ticks > 5, load.cache_info().misses, load.cache_info().hits)

asyncio.run(main())
"""
    )
    assert scripts.ended(process).split() == ["True", "1", "999"]
    assert scripts.ran() == {"load": 1}


def test_a_task_that_is_cancelled_hands_the_computation_on(scripts: Scripts) -> None:
    process = scripts.start(
        """
begun, go = asyncio.Event(), asyncio.Event()

@robust_cacheable(ignore_deps=("begun", "go"))
async def load(number):
    RAN.warning("load")
    begun.set()
    await go.wait()
    return number

async def main():
    first = asyncio.create_task(load(7))
    await begun.wait()
    others = [asyncio.create_task(load(7)) for _ in range(20)]
    while load.cache_info().waits < 20:
        await asyncio.sleep(0)
    first.cancel()
    go.set()
    print(*set(await asyncio.gather(*others)), first.cancelled())

asyncio.run(main())
"""
    )
    assert scripts.ended(process).split() == ["7", "True"]
    assert scripts.ran() == {"load": 2}


def test_tasks_of_several_processes_compute_once(scripts: Scripts) -> None:
    body = """
@robust_cacheable
async def load(number):
    RAN.warning(number)
    await asyncio.sleep(0.05)
    return number

async def main():
    print(sum(await asyncio.gather(*[load(number % 5) for number in range(50)])))

asyncio.run(main())
"""
    processes = [scripts.start(body) for _ in range(4)]
    assert [scripts.ended(process).split() for process in processes] == [["100"]] * 4
    assert scripts.ran() == {str(number): 1 for number in range(5)}


def test_an_error_goes_to_its_caller_and_another_takes_over(scripts: Scripts) -> None:
    body = """
@robust_cacheable
def work(number):
    RAN.warning("work")
    if os.environ["WHO"] == "first":
        say("holding")
        until("fail")
        raise ValueError("of the first")
    return number

@robust_cacheable
def around(process):
    return work(1)

try:
    print(work(1) if os.environ["WHO"] == "first" else around(os.getpid()))
except ValueError as error:
    print(error)
"""
    first = scripts.start(body, WHO="first")
    scripts.wait_for("holding")
    others = [scripts.start(body, WHO="other") for _ in range(3)]
    scripts.wait_for_waiters(3)
    scripts.say("fail")
    assert scripts.ended(first).strip() == "of the first"
    assert [scripts.ended(other).split() for other in others] == [["1"]] * 3
    assert scripts.ran() == {"work": 2}


def test_those_who_wait_for_a_result_that_can_not_be_stored_compute_at_once(
    scripts: Scripts,
) -> None:
    body = """
@robust_cacheable(min_seconds=60)
def work(number):
    RAN.warning("work")
    say("holding-" + os.environ["WHO"])
    until("go")
    return number

@robust_cacheable
def around(process):
    return work(1)

print(work(1) if os.environ["WHO"] == "first" else around(os.getpid()))
"""
    first = scripts.start(body, WHO="first")
    scripts.wait_for("holding-first")
    others = [scripts.start(body, WHO=f"other{number}") for number in range(3)]
    scripts.wait_for_waiters(3)
    # Whoever computed one after another would be held up by the first of the others.
    scripts.say("go")
    assert [scripts.ended(process).split() for process in (first, *others)] == [["1"]] * 4
    assert scripts.ran() == {"work": 4}


def test_waiting_gives_way_to_ctrl_c(scripts: Scripts) -> None:
    body = """
@robust_cacheable
def work(number):
    RAN.warning("work")
    say("holding")
    until("go")
    return number

@robust_cacheable
def around(process):
    return work(1)

try:
    print(work(1) if os.environ["WHO"] == "first" else around(os.getpid()))
except KeyboardInterrupt:
    print("interrupted")
"""
    first = scripts.start(body, WHO="first")
    scripts.wait_for("holding")
    second = scripts.start(body, WHO="second")
    scripts.wait_for_waiters(1)
    second.send_signal(signal.SIGINT)
    assert scripts.ended(second).split() == ["interrupted"]
    scripts.say("go")
    assert scripts.ended(first).split() == ["1"]


def test_an_invalidation_during_a_computation_wins(scripts: Scripts) -> None:
    body = """
@robust_cacheable
def work(number):
    RAN.warning("work")
    say("holding")
    until("go")
    return number

if os.environ["WHO"] == "first":
    print(work(1), work.is_cached(1))
else:
    {how}
    print("done")
"""
    for number, how in enumerate(("work.invalidate(1)", "work.cache_clear()")):
        for name in ("holding", "go"):
            with contextlib.suppress(FileNotFoundError):
                (scripts.folder / name).unlink()
        script = body.replace("{how}", how)
        first = scripts.start(script, WHO="first")
        scripts.wait_for("holding")
        scripts.ended(scripts.start(script, WHO="second"))
        scripts.say("go")
        assert scripts.ended(first).split() == ["1", "False"]
        assert scripts.ran() == {"work": number + 1}


def test_locks_of_killed_processes_do_not_pile_up(scripts: Scripts, default_cache: Path) -> None:
    body = """
@robust_cacheable
def work(number):
    say(f"holding-{number}")
    until("go")
    return number

with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
"""
    first = scripts.start(body)
    for number in range(4):
        scripts.wait_for(f"holding-{number}")
    locks = default_cache / "v1/locks"
    held = [path for path in locks.iterdir() if len(path.name) == 32]
    assert len(held) == 4
    first.kill()
    first.wait()
    scripts.say("go")
    scripts.ended(scripts.start(body))
    assert [path for path in locks.iterdir() if len(path.name) == 32] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_a_key_is_computed_waits_for_it_and_no_longer(
    scripts: Scripts,
) -> None:
    process = scripts.start(
        """
@robust_cacheable
def work(number):
    RAN.warning(number)
    if number == 1:
        say("holding")
        until("go")
    return number

leader = threading.Thread(target=work, args=(1,))
leader.start()
until("holding")
child = os.fork()
if child == 0:
    signal.alarm(30)
    assert work(2) == 2
    say("go")
    os._exit(0 if [work(1), work(2), work(1)] == [1, 2, 1] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
leader.join()
print(work(1), work(2))
"""
    )
    assert scripts.ended(process).split() == ["0", "1", "2"]
    assert scripts.ran() == {"1": 1, "2": 1}


def test_a_child_that_goes_on_from_within_a_body_leaves_its_parent_alone(
    scripts: Scripts,
) -> None:
    process = scripts.start(
        """
@robust_cacheable
def work(number):
    RAN.warning("work")
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    return number

parent = os.getpid()
print(work(1), work(2) if os.getpid() == parent else "", flush=True)
if os.getpid() != parent:
    os._exit(0)
print(work.is_cached(1))
""",
    )
    said = scripts.ended(process).split()
    assert said[-1] == "True"


def test_many_threads_with_their_own_stores_compute_once(scripts: Scripts) -> None:
    process = scripts.start(
        """
from afml_cache import Store

def work(number):
    RAN.warning(number)
    time.sleep(0.02)
    return number

functions = [robust_cacheable(store=Store(os.environ["AFML_CACHE"]))(work) for _ in range(4)]
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda at: functions[at % 4](at % 10), range(200))))
"""
    )
    assert scripts.ended(process).split() == ["900"]
    assert scripts.ran() == {str(number): 1 for number in range(10)}


def test_interleavings_of_computing_and_invalidating_leave_nothing_stale(
    scripts: Scripts,
) -> None:
    """A value is drawn before the body waits; after an invalidation no earlier one is served."""
    interleave(scripts, rounds=300)


def interleave(scripts: Scripts, rounds: int) -> None:
    process = scripts.start(
        f"""
import random
state = {{"version": 0}}
guard = threading.Lock()

@robust_cacheable(ignore_deps=("state",))
def work(key):
    version = state["version"]
    time.sleep(random.random() / 1000)
    return version

generator = random.Random({rounds})
wrong = 0
for round in range({rounds}):
    calls = [threading.Thread(target=work, args=(round % 3,)) for _ in range(3)]
    for call in calls:
        call.start()
    time.sleep(generator.random() / 500)
    with guard:
        state["version"] += 1
    how = generator.randrange(3)
    if how == 0:
        work.invalidate(round % 3)
    elif how == 1:
        work.cache_clear()
    else:
        import afml_cache
        afml_cache.clear_afml_cache(warn=False)
    after = work(round % 3)
    wrong += after != state["version"]
    for call in calls:
        call.join()
    wrong += work(round % 3) != state["version"]
print(wrong)
"""
    )
    said, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    assert said.split() == ["0"]


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_thousand_interleavings_leave_nothing_stale(scripts: Scripts) -> None:
    interleave(scripts, rounds=10_000)
