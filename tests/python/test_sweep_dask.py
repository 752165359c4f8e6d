"""Sweeps on a cluster of Dask: four real processes on loopback, which die, hang, and differ."""

import os
import signal
import sys
import time
from collections import Counter

import numpy as np
import pytest

from afml_cache import ItemError, robust_cacheable, sweep

distributed = pytest.importorskip("distributed", reason="these are sweeps on Dask")

WORKERS = 4
PATIENCE = 30  # seconds


def note(log, item):
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{item}\n".encode())
    os.close(descriptor)


def noted(log):
    return Counter(log.read_text().split())


def wait_for(is_so):
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        host="127.0.0.1",
        silence_logs=60,
    ) as running:
        yield running


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as connected:
        connected.wait_for_workers(WORKERS)
        yield connected


@pytest.fixture
def executor(client):
    return client.get_executor()


class Unpacked:
    """What notes each process that it arrives in."""

    def __init__(self, log, size):
        self.log = log
        self.values = np.arange(size)

    def __setstate__(self, state):
        self.__dict__.update(state)
        note(self.log, os.getpid())


def times(item, log):
    note(log, item)
    return item * 3


def first(item, shared):
    return item + int(shared.values[0])


def killed_once(item, folder, log):
    if item == 30 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    note(log, item)
    return item * 3


def kills_always(item):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def hangs(item, folder, log):
    while item == 3 and not (folder / "go on").exists():
        pass
    note(log, item)
    return item * 3


def fails_once(item, folder):
    if not (folder / str(item)).exists():
        (folder / str(item)).touch()
        message = "not yet"
        raise ValueError(message)
    return item


def test_a_cluster_gives_what_a_loop_gives(executor, tmp_path) -> None:
    log = tmp_path / "log"
    found = sweep(times, range(200), common=(log,), executor=executor, ignore="log")
    assert found == [item * 3 for item in range(200)]
    assert noted(log) == Counter(map(str, range(200)))
    assert sweep(times, range(250), common=(log,), executor=executor, ignore="log")[-1] == 747
    assert sweep.status().hits == 200
    assert sweep(times, range(250), common=(log,), ignore="log")[:200] == found
    assert sweep.status().hits == 250


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_items_share_goes_to_a_worker_once(executor, tmp_path, size) -> None:
    log = tmp_path / "log"
    shared = Unpacked(log, size)
    assert sweep(first, range(80), common=(shared,), executor=executor) == list(range(80))
    assert 1 <= len(noted(log)) <= WORKERS
    assert set(noted(log).values()) == {1}


def test_a_worker_that_is_killed_costs_no_item(executor, tmp_path) -> None:
    log = tmp_path / "log"
    common, options = (tmp_path, log), {"ignore": ("folder", "log"), "checkpoint_interval": 5}
    found = sweep(killed_once, range(120), common=common, executor=executor, **options)
    assert (tmp_path / "killed").exists()
    assert found == [item * 3 for item in range(120)]
    counts = noted(log)
    assert set(counts) == set(map(str, range(120)))
    assert sum(counts.values()) - 120 <= 5


def test_an_item_that_kills_every_worker_is_told(client, executor) -> None:
    found = sweep(kills_always, range(3), executor=executor, on_error="keep going")
    assert (found[0], found[2], found[1].kind) == (0, 2, "WorkerDied")
    assert "KilledWorker" in str(found[1])
    client.wait_for_workers(WORKERS)


def test_an_item_that_failed_is_tried_again_and_not_taken_from_dask(executor, tmp_path) -> None:
    options = {"common": (tmp_path,), "executor": executor, "ignore": "folder"}
    with pytest.raises(ItemError, match="not yet"):
        sweep(fails_once, [0], **options)
    assert sweep(fails_once, range(8), max_attempts=2, **options) == list(range(8))


def test_an_item_that_hangs_is_given_up_and_its_late_result_is_kept(executor, tmp_path) -> None:
    log = tmp_path / "log"
    options = {"common": (tmp_path, log), "executor": executor}
    hanging = robust_cacheable(ignore=("folder", "log"))(hangs)
    found = sweep(hanging, range(40), timeout=1.0, on_error="keep going", **options)
    assert found[:3] + found[4:] == [item * 3 for item in range(40) if item != 3]
    assert found[3].kind == "TimeoutError"
    status = sweep.status()
    assert (status.done, status.timed_out) == (39, 1)
    (tmp_path / "go on").touch()
    wait_for(lambda: hanging.is_cached(3, tmp_path, log))
    assert sweep(hanging, range(40), **options)[3] == 9
    assert noted(log) == Counter(map(str, range(40)))


def test_workers_whose_store_is_another_one_still_give_results(client, executor, tmp_path) -> None:
    # The same path, which is another folder in each process.
    folders = {}
    for number, worker in enumerate(client.scheduler_info(-1)["workers"]):
        folders[worker] = tmp_path / f"worker{number}"
        folders[worker].mkdir()
        client.run(os.chdir, folders[worker], workers=[worker])
    log = tmp_path / "log"
    work = robust_cacheable(store="/proc/self/cwd/store", ignore="log")(times)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        found = sweep(work, range(20), common=(log,), executor=executor)
        assert found == [item * 3 for item in range(20)]
    assert all((folder / "store").exists() for folder in folders.values())
    # Stored where this process does not see it, and then sent.
    assert max(noted(log).values()) == 2


def test_workers_with_other_code_are_refused_by_name(client, executor, tmp_path, module) -> None:
    text = "def swept(item):\n    return item + {}\n"
    function = module(text.format(1), "dask_module").swept
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dask_module.py").write_text(text.format(2))
    client.run(lambda folder: sys.path.insert(0, folder), str(tmp_path / "other"))
    other = r"on .* has other code of `dask_module\.swept` than this process"
    with pytest.raises(ItemError, match=other) as caught:
        sweep(function, [1, 2], executor=executor)
    assert caught.value.kind == "CodeMismatchError"
    assert sweep(function, [1, 2]) == [2, 3]
