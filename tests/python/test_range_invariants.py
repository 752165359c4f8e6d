"""The promises of the range cache, held against a naive model and a vendor as bad as they come.

Each test draws sequences of what one does with a cache, and looks at every answer and at the files
after every step. `AFML_CACHE_SEQUENCES` says how many sequences the soak plays.
"""

import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from range_model import World
from range_sequences import Session, Step, sequences

from afml_cache import Store

FEW = 150
MANY = int(os.environ.get("AFML_CACHE_SEQUENCES", "20000"))
NUMBERS = itertools.count()
LOOSE = list(HealthCheck)

Done = tuple[World, list[Step]]

# What drawn sequences have found, each as short as it could be made.
FOUND: dict[str, Done] = {
    "compacting twice writes a segment twice whose pieces lie apart": (
        World("1h", max_span=64),
        [Step("prefetch", moods=("cut first 1",)), Step("compact")],
    ),
    "an answer cut before its first bar is final": (
        World("1min"),
        [Step("get", moods=("cut last 32",)), Step("get")],
    ),
    "an answer cut before its first bar is final on a weekend": (
        World("1h", cap=10),
        [Step("get", begin=203, end=45, moods=("well", "cut first 39", "cut last 7"))],
    ),
    "an answer cut within a session is final": (
        World("1min", "XNYS"),
        [Step("get", begin=777, end=100, moods=("cut first 23", "cut first 1")), Step("get")],
    ),
    "bars that are stored are lost to an answer that is cut": (
        World("1h"),
        [Step("get"), Step("refresh", moods=("cut last 395",)), Step("get")],
    ),
    "ticks at an end are given again": (
        World("tick", seed=1, closed="both"),
        [Step("get", end=500), Step("get", begin=500)],
    ),
    "ticks finer than an inclusive end are never asked for": (
        World("tick", loader_closed="both"),
        [Step("get"), Step("verify", count=5)],
    ),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all sequences, each with a cache of its own."""
    return Store(tmp_path_factory.mktemp("bars"))


def play(done: Done, store: Store) -> Session:
    world, steps = done
    session = Session(world, store, f"bars {next(NUMBERS)}")
    for number, step in enumerate(steps):
        session.do(step)
        assert not session.problems, "\n".join([f"step {number}, {step}:", *session.problems])
    session.disk.close()
    return session


@pytest.mark.parametrize("done", FOUND.values(), ids=list(FOUND))
def test_what_was_wrong_once_is_right(shared: Store, done: Done) -> None:
    play(done, shared)


@given(done=sequences())
@settings(max_examples=FEW, suppress_health_check=LOOSE)
def test_every_answer_is_what_the_vendor_gave_last(shared: Store, done: Done) -> None:
    play(done, shared)


@pytest.mark.soak
@given(done=sequences())
@settings(max_examples=MANY, suppress_health_check=LOOSE)
def test_every_answer_of_many_is_what_the_vendor_gave_last(shared: Store, done: Done) -> None:
    play(done, shared)
