"""Workers that die, hang or will not stop, and parents that do: real signals to real processes."""

import array
import fcntl
import os
import signal
import subprocess
import termios
import time

import psutil
import pytest
from pool_tasks import (
    LONG,
    deaf,
    does_not_stop,
    for_ever,
    forks_and_ends,
    holds_the_interpreter,
    pool_of,
    process_id,
    run_script,
    same,
    stands_still,
    told,
    until,
    until_begun,
    with_grandchild,
)

from afml_cache.sweeping.events import Died, Finished, TimedOut
from afml_cache.sweeping.pool import Pool
from afml_cache.sweeping.process import Process
from afml_cache.sweeping.shipping import pack

# A pool whose workers run a function of `pool_tasks` that notes in files that it has begun.
SCRIPT = """
import pool_tasks, sys
from pool_tasks import pool_of, told
pool = pool_of(getattr(pool_tasks, sys.argv[1]), workers=2)
for number, path in enumerate(sys.argv[3:]):
    pool.submit([(number, path)])
try:
    while True:
        pool.wait(None)
except KeyboardInterrupt:
    print("stops", flush=True)
    pool.stop(float(sys.argv[2]))
    print("stopped", flush=True)
"""


def processes_of(script, *paths):
    """Give all that descends from a script, once its items have begun."""
    for path in paths:
        until_begun(path)
    found = psutil.Process(script.pid).children(recursive=True)
    assert len(found) >= len(paths)
    return found


def is_gone(process):
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ended_soon(process):
    """Whether a process that is nobody's child here ends."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if is_gone(process):
            return True
    return False


def ends_with_status(item):
    if item == "ends":
        os._exit(3)
    return item


def ends_by_signal(item):
    if isinstance(item, signal.Signals):
        os.kill(os.getpid(), item)
    return item


@pytest.mark.parametrize(
    ("function", "item", "reason"),
    [
        (ends_with_status, "ends", "ended with exit status 3"),
        (ends_by_signal, signal.SIGSEGV, "killed by SIGSEGV"),
        (ends_by_signal, signal.SIGKILL, "killed by SIGKILL (out of memory?)"),
    ],
)
def test_a_death_is_told_with_its_item_and_the_others_go_on(function, item, reason) -> None:
    with pool_of(function, workers=2) as pool:
        dies, goes_on = [(0, "before"), (1, item), (2, "after")], [(3, "other")]
        pool.submit(dies)
        pool.submit(goes_on)
        events = until(pool, Died)
        while Finished(goes_on) not in events:
            events += until(pool, Finished)
        assert Died(dies, 1, reason) in events
        assert sorted(told(events)) == [(0, "before"), (3, "other")]
        pool.submit([(2, "after")])
        assert told(until(pool, Finished)) == [(2, "after")]


def test_a_worker_that_dies_while_it_has_nothing_to_do_is_replaced() -> None:
    with pool_of(process_id) as pool:
        pool.submit([(0, None)])
        ((_, worker),) = told(until(pool, Finished))
        os.kill(worker, signal.SIGKILL)
        assert ended_soon(worker)
        assert pool.wait(0.01) == []
        pool.submit([(0, None)])
        assert told(until(pool, Finished)) != [(0, worker)]


def test_a_death_is_seen_while_what_was_forked_lives(tmp_path) -> None:
    path = tmp_path / "forked"
    with pool_of(forks_and_ends) as pool:
        pool.submit([(0, path)])
        assert until(pool, Died) == [Died([(0, path)], 0, "ended with exit status 3")]
    assert ended_soon(int(path.read_text()))


def test_a_death_is_seen_where_the_kernel_does_not_tell_of_it(tmp_path, monkeypatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    test_a_death_is_seen_while_what_was_forked_lives(tmp_path)


def test_a_worker_that_can_not_be_spoken_to_is_replaced(tmp_path) -> None:
    with pool_of(deaf) as pool:
        pool.submit([(0, tmp_path / "deaf")])
        (event,) = until(pool, Died)
    assert (event.running, "it had closed what it is spoken to by" in event.reason) == (0, True)


def hangs_at_one(item):
    if item == 1:
        for_ever(os.devnull)
    return item


def test_an_item_that_takes_too_long_is_killed_and_its_worker_replaced() -> None:
    chunk = [(10, 0), (11, 1), (12, 2)]
    with pool_of(hangs_at_one, timeout=0.3) as pool:
        pool.submit(chunk)
        events = until(pool, TimedOut)
        late = events[-1]
        assert told(events) == [(10, 0)]
        assert (late.chunk, late.number, late.seconds >= 0.3) == (chunk, 11, True)
        assert pool.free() == 1
        pool.submit([(12, 2)])
        assert told(until(pool, Finished)) == [(12, 2)]


class SlowToRead:
    """A task whose modules take long to import."""

    def __init__(self, seconds) -> None:
        self.seconds = seconds

    def __setstate__(self, state) -> None:
        end = time.monotonic() + state["seconds"]
        while time.monotonic() < end:
            pass

    def __call__(self, chunk, emit, begin) -> None:
        begin(chunk[0][0])
        emit(chunk[0])


def test_the_start_of_a_worker_is_no_part_of_an_items_time() -> None:
    with Pool(pack(SlowToRead(0.7)), workers=1, timeout=0.5) as pool:
        pool.submit([(0, "given")])
        assert told(until(pool, Finished, TimedOut, Died)) == [(0, "given")]


def test_an_item_that_holds_the_interpreter_is_killed_in_time(tmp_path) -> None:
    with pool_of(holds_the_interpreter, timeout=0.3) as pool:
        pool.submit([(0, tmp_path / "begun")])
        assert until(pool, TimedOut)[-1].number == 0


def test_what_a_killed_item_had_started_is_killed_with_it(tmp_path) -> None:
    path = tmp_path / "grandchild"
    with pool_of(with_grandchild, timeout=1.0) as pool:
        pool.submit([(0, path)])
        until(pool, TimedOut)
    assert ended_soon(int(path.read_text()))


def test_stopping_raises_out_of_the_item_and_takes_what_the_task_still_tells(tmp_path) -> None:
    pool = pool_of(for_ever, last="committed", workers=2)
    for number in range(2):
        pool.submit([(number, tmp_path / str(number))])
    until_begun(tmp_path / "0")
    until_begun(tmp_path / "1")
    begun = time.monotonic()
    assert told(pool.stop()) == [(-1, "committed")] * 2
    assert time.monotonic() - begun < 1.0


def test_stopping_within_a_message_leaves_it_whole_and_the_next_ones_too() -> None:
    class Floods:
        def __call__(self, chunk, emit, begin) -> None:
            self.emit = emit
            begin(chunk[0][0])
            while True:
                emit((0, bytes(500_000)))

        def close(self) -> None:
            self.emit((-1, b"committed"))

    pool = Pool(pack(Floods()), workers=1)
    pool.submit([(0, None)])
    until_half_sent(pool)
    found = told(pool.stop(grace=LONG))
    assert found[-1] == (-1, b"committed")
    assert {len(content) for _, content in found[:-1]} == {500_000}


def until_half_sent(pool) -> None:
    """Wait until a worker waits in a message, which is larger than what fits in between."""
    there, end = array.array("i", [0]), time.monotonic() + LONG
    while there[0] < 50_000:
        assert time.monotonic() < end
        fcntl.ioctl(pool._workers[0].channel, termios.FIONREAD, there)


@pytest.mark.parametrize("item", [does_not_stop, holds_the_interpreter])
def test_an_item_that_will_not_stop_is_killed_after_the_grace(item, tmp_path) -> None:
    pool = pool_of(item)
    pool.submit([(0, tmp_path / "begun")])
    until_begun(tmp_path / "begun")
    worker = pool._workers[0].process
    begun = time.monotonic()
    assert pool.stop(0.3) == []
    assert 0.3 <= time.monotonic() - begun < 5.0
    assert worker.returncode == -signal.SIGKILL


def test_a_process_that_stands_still_is_timed_out_and_stopped() -> None:
    with pool_of(stands_still, timeout=0.3) as pool:
        pool.submit([(0, None)])
        assert until(pool, TimedOut)[-1].number == 0
        pool.submit([(1, None)])
        begun = time.monotonic()
        pool.stop(0.2)
        assert time.monotonic() - begun < 1.0


def test_leaving_a_pool_by_an_exception_stops_its_workers(tmp_path) -> None:
    with pytest.raises(LookupError), pool_of(for_ever) as pool:  # noqa: PT012 - one block
        pool.submit([(0, tmp_path / "begun")])
        until_begun(tmp_path / "begun")
        worker = pool._workers[0].process
        raise LookupError
    assert worker.returncode is not None


def test_a_pool_that_is_forgotten_leaves_no_worker(tmp_path) -> None:
    pool = pool_of(for_ever)
    pool.submit([(0, tmp_path / "begun")])
    until_begun(tmp_path / "begun")
    worker = pool._workers[0].process
    del pool
    assert worker.returncode == -signal.SIGKILL


def test_a_worker_that_can_not_be_started_leaves_nothing_open() -> None:
    before = len(psutil.Process().open_files()) + psutil.Process().num_fds()
    parcel = pack(same)
    with pytest.raises(TypeError, match="not object"):
        Process(parcel, {"NAME": object()})  # type: ignore[dict-item]
    parcel.close()
    assert len(psutil.Process().open_files()) + psutil.Process().num_fds() == before


def test_ctrl_c_reaches_the_parent_alone_which_stops_its_workers(tmp_path) -> None:
    paths = [tmp_path / "0", tmp_path / "1"]
    with run_script(SCRIPT, "for_ever", 0.5, *paths, stdout=subprocess.PIPE) as script:
        workers = processes_of(script, *paths)
        assert {os.getpgid(worker.pid) for worker in workers} == {one.pid for one in workers}
        begun = time.monotonic()
        script.send_signal(signal.SIGINT)
        assert script.communicate()[0] == "stops\nstopped\n"
    assert script.returncode == 0
    assert time.monotonic() - begun < 3.0
    assert not psutil.wait_procs(workers, timeout=LONG)[1]


def test_ctrl_c_twice_kills_all_at_once(tmp_path) -> None:
    paths = [tmp_path / "0", tmp_path / "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with run_script(SCRIPT, "does_not_stop", 10 * LONG, *paths, **pipes) as script:
        workers = processes_of(script, *paths)
        script.send_signal(signal.SIGINT)
        assert script.stdout.readline() == "stops\n"
        script.send_signal(signal.SIGINT)
        said, error = script.communicate(timeout=LONG)
    assert (said, script.returncode) == ("", -signal.SIGINT)
    assert "KeyboardInterrupt" in error
    assert not psutil.wait_procs(workers, timeout=LONG)[1]


@pytest.mark.parametrize("name", ["for_ever", "with_grandchild", "holds_the_interpreter"])
def test_workers_and_what_they_started_end_with_a_parent_that_is_killed(name, tmp_path) -> None:
    paths = [tmp_path / "0", tmp_path / "1"]
    with run_script(SCRIPT, name, 0.5, *paths) as script:
        found = processes_of(script, *paths)
        assert len(found) == (4 if name == "with_grandchild" else 2)
        script.kill()
    assert not psutil.wait_procs(found, timeout=LONG)[1]


def test_workers_end_with_a_parent_that_ends_without_a_word(tmp_path) -> None:
    text = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pool_tasks import for_ever, pool_of, until_begun\n"
        "pool = pool_of(for_ever)\n"
        "pool.submit([(0, sys.argv[1])])\n"
        "until_begun(Path(sys.argv[1]))\n"
        "print(pool._workers[0].process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    with run_script(text, tmp_path / "begun", stdout=subprocess.PIPE) as script:
        worker = int(script.stdout.readline())
    assert ended_soon(worker)
