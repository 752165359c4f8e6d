"""When results of a sweep get into the store, and what is left of it when it is over."""

import functools
import threading
import time

import numpy as np
import pytest

from afml_cache import cacheable, sweep
from afml_cache._native import default_store
from afml_cache.sweeping import checkpoint

PATIENCE = 20.0


def stored_meanwhile(item):
    """Wait, in every item but the first, until something is in the store."""
    until = time.monotonic() + PATIENCE
    while item and not len(default_store()) and time.monotonic() < until:
        pass
    return len(default_store())


@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_what_waits_is_stored_while_the_next_item_runs(
    monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setattr(checkpoint, "_LONGEST", 0.05)
    found = sweep(stored_meanwhile, range(2), executor=executor, workers=1, checkpoint_interval=100)
    assert found == [0, 1]


@functools.lru_cache
def buffer():
    """Give what the items of this process write over."""
    return np.zeros(2)


def filled(item):
    array = buffer()
    array[:] = item
    return {"array": array}


@pytest.mark.parametrize("workers", [None, 1])
def test_a_result_that_the_next_item_writes_over_is_stored_as_it_was(workers: int | None) -> None:
    for _ in range(2):
        found = sweep(filled, range(100), workers=workers, checkpoint_interval=100)
        assert [one["array"].tolist() for one in found] == [[item, item] for item in range(100)]


class Lone:
    """What can't be copied, and can be stored."""

    def __init__(self, item: int) -> None:
        self.item = item

    def __deepcopy__(self, memo: dict[int, object]) -> "Lone":
        message = "there is but one"
        raise TypeError(message)


def lone(item):
    return Lone(item)


def test_a_result_that_cannot_be_copied_is_stored() -> None:
    for hits in (0, 50):
        assert [one.item for one in sweep(lone, range(50))] == list(range(50))
        assert sweep.status("lone").hits == hits


@cacheable
def fibonacci(place):
    return place if place < 2 else fibonacci(place - 1) + fibonacci(place - 2)


@pytest.mark.parametrize("options", [{}, {"executor": "threads", "workers": 3}, {"workers": 2}])
def test_items_that_ask_for_one_another_are_not_kept_waiting(options) -> None:
    begun = time.monotonic()
    assert sweep(fibonacci, range(30), **options)[-1] == 514229
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_no_thread_outlives_a_sweep(executor: str) -> None:
    before = set(threading.enumerate())
    sweep(abs, range(-5, 0), executor=executor, workers=2, checkpoint_interval=100)
    assert set(threading.enumerate()) <= before


def test_no_thread_outlives_a_sweep_that_fails() -> None:
    before = set(threading.enumerate())
    found = sweep(len, ["a", 1, "b"], checkpoint_interval=100, on_error="keep going")
    assert found[0] == found[2] == 1
    with pytest.raises(TypeError, match="has no len"):
        raise found[1].__cause__
    with pytest.raises(Exception, match="has no len"):
        sweep(len, ["abc", 1], checkpoint_interval=100)
    assert set(threading.enumerate()) <= before


def test_workers_end_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """A thread that wakes while the interpreter of its worker ends would have that abort."""
    for _ in range(3):
        sweep(abs, range(8), workers=4, force_rerun=True, progress=False)
    assert capfd.readouterr().err == ""
