"""When results of a sweep get into the store, and what is left of it when it is over."""

import threading
import time

import pytest

from afml_cache import sweep
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


@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_no_thread_outlives_a_sweep(executor: str) -> None:
    before = set(threading.enumerate())
    sweep(abs, range(-5, 0), executor=executor, workers=2, checkpoint_interval=100)
    others = set(threading.enumerate()) - before
    for thread in others:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in others)


def test_no_thread_outlives_a_sweep_that_fails() -> None:
    before = set(threading.enumerate())
    found = sweep(len, ["a", 1, "b"], checkpoint_interval=100, on_error="keep going")
    assert found[0] == found[2] == 1
    with pytest.raises(TypeError, match="has no len"):
        raise found[1].__cause__
    with pytest.raises(Exception, match="has no len"):
        sweep(len, ["abc", 1], checkpoint_interval=100)
    others = set(threading.enumerate()) - before
    for thread in others:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in others)
