"""A pool of worker processes: chunks go out, messages come back, at once and of any size."""

import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from pool_tasks import PYTHON, Each, pool_of, process_id, run_script, same, told, until

from afml_cache import CacheConfigError
from afml_cache.sweeping.channel import Channel
from afml_cache.sweeping.events import Died, Finished, TimedOut
from afml_cache.sweeping.pool import Pool, WorkerStartError
from afml_cache.sweeping.shipping import pack
from afml_cache.sweeping.threads import VARIABLES, limited_threads, own_memory

SCRIPT = """
import sys
from afml_cache.sweeping.pool import Pool
from afml_cache.sweeping.shipping import pack
print("script", flush=True)
power = 3
class Own:
    def __init__(self, value): self.value = value
def task(chunk, emit, begin):
    for number, item in chunk:
        begin(number)
        emit((number, Own(item.value ** power)))
with Pool(pack(task), workers=2) as pool:
    pool.submit([(0, Own(2))])
    pool.submit([(1, Own(3))])
    found = {}
    while len(found) < 2:
        found |= {e.message[0]: e.message[1].value for e in pool.wait(9) if hasattr(e, "message")}
print(found[0], found[1])
"""


def worked_through(pool, chunks):
    """Give all messages of some chunks, in the order of their numbers."""
    events, chunks = [], list(chunks)
    finished, wanted = 0, len(chunks)
    while finished < wanted:
        while chunks and pool.free():
            pool.submit(chunks.pop())
        events += until(pool, Finished)
        finished = sum(isinstance(event, Finished) for event in events)
    return sorted(told(events))


def test_every_item_of_every_chunk_is_told() -> None:
    chunks = [
        [(number, -number) for number in range(first, first + 7)] for first in range(0, 70, 7)
    ]
    with pool_of(same, workers=2) as pool:
        assert pool.free() == 2
        assert worked_through(pool, chunks) == [(number, -number) for number in range(70)]
        assert pool.free() == 2


def test_workers_are_started_as_there_is_work() -> None:
    with pool_of(process_id, workers=4) as pool:
        assert pool.memory() == 0
        first = worked_through(pool, [[(0, None)]])
        assert worked_through(pool, [[(0, None)]]) == first
        pool.submit([(1, None)])
        assert pool.free() == 3


def test_the_memory_of_workers_is_told() -> None:
    with pool_of(same) as pool:
        worked_through(pool, [[(0, None)]])
        assert pool.memory() > 10_000_000
    assert own_memory() > 10_000_000


def test_without_psutil_a_pool_works_and_tells_no_memory(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pool_of(same) as pool:
        assert worked_through(pool, [[(0, 1)]]) == [(0, 1)]
        assert (pool.memory(), own_memory()) == (0, 0)


@pytest.mark.parametrize("way", ["code", "file", "stdin"])
def test_a_script_needs_no_main_guard_and_runs_once(way, tmp_path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    arguments = {"code": ["-c", SCRIPT], "file": [str(path)], "stdin": []}[way]
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        input=SCRIPT if way == "stdin" else None,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "script\n8 27\n"
    assert done.stderr == ""


def test_workers_have_the_folder_path_and_variables_of_their_parent(tmp_path, monkeypatch) -> None:
    (tmp_path / "only_here.py").write_text("found = 'here'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def sees(name):
        import only_here

        return only_here.found, str(Path.cwd()), os.environ[name]

    with pool_of(sees, environment={"GIVEN": "to workers"}) as pool:
        assert worked_through(pool, [[(0, "GIVEN")]]) == [
            (0, ("here", str(tmp_path), "to workers"))
        ]


def test_native_threads_are_pinned() -> None:
    def pinned(names):
        return {os.environ[name] for name in names}

    with pool_of(pinned, threads_per_worker=3) as pool:
        assert worked_through(pool, [[(0, VARIABLES)]]) == [(0, {"3"})]
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"} < set(VARIABLES)
    assert all(name.endswith("_THREADS") for name in VARIABLES)


def test_native_threads_of_this_process_are_limited_for_a_while() -> None:
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    before = threadpool_info()
    with limited_threads(1):
        assert {library["num_threads"] for library in threadpool_info()} <= {1}
    assert threadpool_info() == before


def test_options_of_the_interpreter_are_those_of_the_parent() -> None:
    text = (
        "import sys, warnings\n"
        "from pool_tasks import pool_of, until, told\n"
        "from afml_cache.sweeping.events import Finished\n"
        "def options(_): return sys.flags.utf8_mode, sys.flags.optimize, sys.warnoptions\n"
        "with pool_of(options) as pool:\n"
        "    pool.submit([(0, None)])\n"
        "    print(told(until(pool, Finished)))\n"
    )
    flags = ("-X", "utf8", "-O", "-W", "error::UserWarning")
    with run_script(text, flags=flags, stdout=subprocess.PIPE) as script:
        assert script.communicate()[0] == "[(0, (1, 1, ['error::UserWarning']))]\n"


def test_messages_that_cannot_be_pickled_raise_in_the_task() -> None:
    def task(chunk, emit, begin) -> None:
        for number, _ in chunk:
            begin(number)
            try:
                emit((number, threading.Lock()))
            except TypeError as error:
                emit((number, str(error)))

    with Pool(pack(task), workers=1) as pool:
        found = worked_through(pool, [[(0, None), (1, None)]])
    assert [number for number, text in found if "pickle" in text] == [0, 1]


def test_large_items_and_messages_pass_one_another() -> None:
    sizes = [5_000_000, 3_000_000]
    with pool_of(same, workers=2) as pool:
        for number, size in enumerate(sizes):
            pool.submit([(number, bytes(size)), (number + 2, bytes(size))])
        found = []
        while len(found) < 4:
            found += told(pool.wait(1.0))
    assert sorted((number, len(content)) for number, content in found) == [
        (number, sizes[number % 2]) for number in range(4)
    ]


def test_a_large_chunk_does_not_wait_for_its_worker_to_start() -> None:
    with pool_of(len) as pool:
        pool.submit([(0, bytes(30_000_000))])
        assert pool._workers[0].channel.is_sending
        assert told(until(pool, Finished)) == [(0, 30_000_000)]


def test_a_worker_that_tells_without_end_does_not_keep_others_waiting() -> None:
    def task(chunk, emit, begin) -> None:
        begin(chunk[0][0])
        while chunk[0][1]:
            emit((0, "again"))

    with Pool(pack(task), workers=2, timeout=1.0) as pool:
        pool.submit([(0, True)])
        pool.submit([(1, False)])
        assert Finished([(1, False)]) in until(pool, Finished)
        late = until(pool, TimedOut)[-1]
    assert (late.chunk, late.number) == ([(0, True)], 0)


class Endless:
    """What always has more to read, as where a worker is faster than its parent."""

    def setblocking(self, _blocks) -> None:
        pass

    def recv(self, _size):
        return struct.pack("<Q", 3) + b"new"


def test_messages_are_taken_in_turns_where_they_have_no_end() -> None:
    messages = Channel(Endless()).take()
    assert set(messages) == {b"new"}


def test_items_that_cannot_be_sent_are_refused_and_take_no_worker() -> None:
    with pool_of(same) as pool:
        with pytest.raises(CacheConfigError, match="an item can't be sent to other processes"):
            pool.submit([(0, threading.Lock())])
        assert pool.free() == 1
        assert worked_through(pool, [[(0, 1)]]) == [(0, 1)]


class Unreadable:
    """Can be sent, and not be made again."""

    def __reduce__(self):
        return int, ("no number",)


def test_items_that_a_worker_cannot_read_are_told_and_the_worker_goes_on() -> None:
    with pool_of(process_id) as pool:
        before = worked_through(pool, [[(0, None)]])
        pool.submit([(1, None), (2, Unreadable())])
        (event,) = until(pool, Died)
        assert (len(event.chunk), event.running) == (2, None)
        pool.submit([(2, Unreadable())])
        (event,) = until(pool, Died)
        assert event.running == 2
        assert "ValueError: invalid literal for int()" in event.reason
        assert worked_through(pool, [[(0, None)]]) == before


def test_a_module_that_workers_do_not_have_is_told_with_where_it_was_asked_for(module) -> None:
    function = module("def given(item):\n    return item\n", "soon_gone").given
    with pool_of(function) as pool:
        Path(sys.modules["soon_gone"].__file__).unlink()
        pool.submit([(0, None)])
        with pytest.raises(WorkerStartError, match=r"(?s)Traceback.*No module named 'soon_gone'"):
            until(pool, Finished)


class EndsWhereItIsRead:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (4,)


def test_workers_that_never_begin_are_not_started_for_ever() -> None:
    deaths = 0
    with Pool(pack(EndsWhereItIsRead()), workers=1) as pool:

        def starts() -> None:
            nonlocal deaths
            while True:
                pool.submit([(0, None)])
                assert until(pool, Died)[0].running is None
                deaths += 1

        with pytest.raises(WorkerStartError, match="before they begin: ended with exit status 4"):
            starts()
    assert deaths == 2


def test_two_pools_and_a_pool_in_a_thread_keep_apart() -> None:
    found = {}

    def work(factor) -> None:
        with pool_of(lambda item: item * factor) as pool:
            found[factor] = worked_through(pool, [[(0, 1)], [(1, 2)]])

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2, 3)]
    for thread in threads:
        thread.start()
    work(5)
    for thread in threads:
        thread.join()
    assert found == {factor: [(0, factor), (1, 2 * factor)] for factor in (2, 3, 5)}


def test_a_worker_outlives_the_thread_that_started_it() -> None:
    with pool_of(process_id) as pool:
        found = []
        thread = threading.Thread(
            target=lambda: found.extend(worked_through(pool, [[(0, None)]])),
        )
        thread.start()
        thread.join()
        assert worked_through(pool, [[(0, None)]]) == found


def test_a_forked_process_leaves_workers_to_its_parent() -> None:
    text = (
        "import os\n"
        "from pool_tasks import pool_of, until, told, process_id\n"
        "from afml_cache.sweeping.events import Finished\n"
        "with pool_of(process_id) as pool:\n"
        "    pool.submit([(0, None)])\n"
        "    first = told(until(pool, Finished))\n"
        "    forked = os.fork()\n"
        "    if forked == 0:\n"
        "        pool.stop()\n"
        "        os._exit(pool._workers != [])\n"
        "    assert os.waitpid(forked, 0)[1] == 0\n"
        "    pool.submit([(0, None)])\n"
        "    print(told(until(pool, Finished)) == first)\n"
    )
    with run_script(text, stdout=subprocess.PIPE) as script:
        assert script.communicate()[0] == "True\n"


def test_what_the_task_tells_at_its_end_is_given() -> None:
    pool = pool_of(same, last="closed")
    worked_through(pool, [[(0, 1)]])
    assert told(pool.close()) == [(-1, "closed")]


def test_pools_leave_no_descriptors_behind() -> None:
    def used():
        with pool_of(same, workers=2) as pool:
            worked_through(pool, [[(0, 1)], [(1, 1)]])
        return psutil.Process().num_fds()

    assert used() == used()


@pytest.mark.soak
def test_ten_thousand_trivial_items_cost_little_each() -> None:
    chunks = [
        [(number, None) for number in range(first, first + 50)] for first in range(0, 10_000, 50)
    ]
    with Pool(pack(Each(same)), workers=2) as pool:
        worked_through(pool, [[(0, None)], [(1, None)]])
        begun = time.perf_counter()
        worked_through(pool, chunks)
        assert (time.perf_counter() - begun) / 10_000 < 50e-6
