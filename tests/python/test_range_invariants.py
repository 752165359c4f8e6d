"""The promises of the range cache, held against a naive model and a vendor as bad as they come.

Each test draws sequences of what one does with a cache, and looks at every answer and at the files
after every step. `AFML_CACHE_SEQUENCES` says how many sequences the soak plays.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from range_crowds import Answer, Crowd, Together, as_tasks, crowds, in_threads
from range_model import World
from range_processes import Processes, Round, Watched, meetings, running
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
    "a tick behind a rounded end is taken for one at an end that is excluded": (
        World("tick"),
        [Step("get", begin=500, written="timestamp"), Step("get")],
    ),
    "restated ticks behind an end that was rounded are taken for those that were asked for": (
        World("tick"),
        [
            Step("get", begin=6, end=2, off=(-3, 0), written="timestamp"),
            Step("restate", end=1, off=(-2, 1), written="timestamp"),
            Step("get", end=284, off=(-3, -3)),
        ],
    ),
    "a tick behind an inclusive end that was rounded is taken for one that was asked for": (
        World("tick", loader_closed="both"),
        [
            Step("get", begin=6, end=6, off=(0, 1), written="timestamp"),
            Step("get", begin=0, end=6, off=(0, 1)),
        ],
    ),
    "ticks finer than an inclusive end are never asked for": (
        World("tick", loader_closed="both"),
        [Step("get"), Step("verify", count=5)],
    ),
    "what fails and only makes the month of a verified bar whole is no failure": (
        World("1D", seed=1, align="month"),
        [
            Step("get", begin=0, end=0, off=(0, 1)),
            Step("invalidate", begin=0, end=0, off=(0, 8)),
            Step("verify", moods=("fails",)),
        ],
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


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def meet(crowd: Crowd, store: Store, how: Callable[[Together], list[Answer]]) -> None:
    together = Together(crowd, store, f"bars {next(NUMBERS)}")
    together.finish(how(together))
    assert not together.problems, "\n".join(together.problems)


@pytest.mark.usefixtures("hurried")
@given(crowd=crowds())
@settings(max_examples=FEW // 3, suppress_health_check=LOOSE)
def test_threads_that_ask_at_once_get_what_one_would(shared: Store, crowd: Crowd) -> None:
    meet(crowd, shared, in_threads)


@given(crowd=crowds(cancelled=True))
@settings(max_examples=FEW // 3, suppress_health_check=LOOSE)
def test_tasks_get_what_one_would_whoever_is_cancelled(shared: Store, crowd: Crowd) -> None:
    meet(crowd, shared, as_tasks)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with running(Store(tmp_path_factory.mktemp("shared"))) as all_of_them:
        yield all_of_them


def watch(meeting: tuple[World, list[Round]], processes: Processes) -> None:
    name = f"bars {next(NUMBERS)}"
    watched = Watched(meeting[0], processes, name, processes.store.path / f"{name}.log")
    watched.play(meeting[1])
    assert not watched.problems, "\n".join(watched.problems)


@given(meeting=meetings())
@settings(max_examples=FEW // 6, suppress_health_check=LOOSE)
def test_processes_that_share_series_get_what_one_would(
    processes: Processes, meeting: tuple[World, list[Round]]
) -> None:
    watch(meeting, processes)


@pytest.mark.soak
@given(meeting=meetings())
@settings(max_examples=MANY // 8, suppress_health_check=LOOSE)
def test_many_processes_that_share_series_get_what_one_would(
    processes: Processes, meeting: tuple[World, list[Round]]
) -> None:
    watch(meeting, processes)


@pytest.mark.soak
@pytest.mark.usefixtures("hurried")
@given(crowd=crowds())
@settings(max_examples=MANY // 8, suppress_health_check=LOOSE)
def test_many_threads_that_ask_at_once_get_what_one_would(shared: Store, crowd: Crowd) -> None:
    meet(crowd, shared, in_threads)


@pytest.mark.soak
@given(crowd=crowds(cancelled=True))
@settings(max_examples=MANY // 8, suppress_health_check=LOOSE)
def test_many_tasks_get_what_one_would_whoever_is_cancelled(shared: Store, crowd: Crowd) -> None:
    meet(crowd, shared, as_tasks)
