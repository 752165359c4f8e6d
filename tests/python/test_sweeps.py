"""Sweeps: each item computed once, whatever the list looks like."""

import functools
import importlib
import itertools
import logging
import pickle
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bodies import counted
from hypothesis import given, settings
from hypothesis import strategies as st

import afml_cache
from afml_cache import (
    BatchRunner,
    CacheConfigError,
    CacheMissError,
    ItemError,
    Store,
    SweepWarning,
    as_of,
    mode,
    robust_cacheable,
    sweep,
    sweeps,
)

RAN = logging.getLogger("afml-tests.ran")


@pytest.fixture
def bodies():
    with counted() as seen:
        yield seen


@pytest.fixture(params=["sequential", "threads"])
def kind(request):
    return request.param


def double(item):
    RAN.warning(str(item))
    return 2 * item


def scaled(item, frame, factor=1.0):
    RAN.warning(str(item))
    return float(frame["close"].sum()) * item * factor


def fails_on_three(item):
    RAN.warning(str(item))
    if item == 3:
        message = "three is too many"
        raise ValueError(message)
    return item


@pytest.fixture
def frame():
    return pd.DataFrame({"close": np.arange(1000.0)})


def test_results_come_in_the_order_of_the_list(bodies, kind) -> None:
    assert sweep(double, [3, 1, 2], executor=kind, workers=2) == [6, 2, 4]
    assert sorted(bodies.ran) == ["1", "2", "3"]


def test_a_second_call_computes_nothing(bodies, kind) -> None:
    for _ in range(2):
        assert sweep(double, range(30), executor=kind) == [2 * item for item in range(30)]
    assert len(bodies) == 30


def test_a_list_that_is_reordered_cut_or_extended_computes_what_is_new(bodies) -> None:
    sweep(double, [1, 2, 3, 4])
    assert sweep(double, [4, 3, 2, 1]) == [8, 6, 4, 2]
    assert sweep(double, [2, 3]) == [4, 6]
    assert len(bodies) == 4
    assert sweep(double, [5, 1, 6, 4]) == [10, 2, 12, 8]
    assert bodies.ran[4:] == ["5", "6"]


def test_an_item_that_appears_twice_is_computed_once_and_returned_twice(bodies, kind) -> None:
    assert sweep(double, [1, 2, 1, 1], executor=kind) == [2, 4, 2, 2]
    assert sorted(bodies.ran) == ["1", "2"]
    assert sweep.status().done == 4


@pytest.mark.parametrize("kind", ["sequential", "threads", "processes"])
def test_results_of_an_item_that_appears_twice_are_changed_apart(kind) -> None:
    for _ in range(2):
        first, _, last = sweep(lambda item: [item], [1, 2, 1], executor=kind, workers=1)
        first.append("changed")
        assert last == [1]


def test_an_empty_list_is_done() -> None:
    assert sweep(double, []) == []
    assert sweep.status().state == "done"


def test_what_items_share_is_part_of_their_identity(bodies, frame) -> None:
    first = sweep(scaled, [1, 2], common=(frame,))
    assert first == [499500.0, 999000.0]
    assert sweep(scaled, [1, 2], common=(frame.copy(),)) == first
    assert len(bodies) == 2
    frame.loc[500, "close"] += 1
    assert sweep(scaled, [1, 2], common=(frame,)) == [499501.0, 999002.0]
    assert sweep(scaled, [1], common={"frame": frame, "factor": 2.0}) == [999002.0]
    assert len(bodies) == 5


def test_a_frame_that_the_function_reaches_as_a_global_counts(bodies, tmp_path) -> None:
    prices = pd.DataFrame({"close": [1.0, 2.0]})

    def total(item):
        RAN.warning(str(item))
        return item * float(prices["close"].sum())

    assert sweep(total, [1, 2]) == [3.0, 6.0]
    prices.loc[0, "close"] = 2.0
    assert sweep(total, [1, 2]) == [4.0, 8.0]
    assert len(bodies) == 4


def test_a_direct_call_of_a_cached_function_and_a_sweep_share_results(bodies, frame) -> None:
    cached = robust_cacheable(scaled)
    assert cached(1, frame) == 499500.0
    assert sweep(cached, [1, 2], common=(frame,)) == [499500.0, 999000.0]
    assert bodies.ran == ["1", "2"]
    assert cached(2, frame) == 999000.0
    assert sweep(scaled, [1, 2], common=(frame,)) == [499500.0, 999000.0]
    assert len(bodies) == 2


def test_changed_code_computes_all_items(module, bodies) -> None:
    text = (
        "import logging\nR = logging.getLogger('afml-tests.ran')\ndef f(x):\n    R.warning('f')\n"
    )
    assert sweep(module(text + "    return x + 1\n").f, [1, 2]) == [2, 3]
    assert sweep(module(text + "    return x + 2\n").f, [1, 2]) == [3, 4]
    assert len(bodies) == 4


def test_files_count_by_content(tmp_path, bodies) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("1.1")

    def read(item, file):
        RAN.warning(str(item))
        return item + file.read_text()

    assert sweep(read, ["a"], common=(path,), files="file") == ["a1.1"]
    path.write_text("1.25")
    assert sweep(read, ["a"], common=(path,), files="file") == ["a1.25"]
    assert len(bodies) == 2


def test_an_item_that_raises_ends_the_sweep_and_what_came_before_is_kept(bodies, kind) -> None:
    with pytest.raises(ItemError, match=r"item 3 \(3\) failed: ValueError: three is too") as caught:
        sweep(fails_on_three, range(6), executor=kind, workers=1)
    assert (caught.value.position, caught.value.item, caught.value.kind) == (3, 3, "ValueError")
    assert isinstance(caught.value.__cause__, ValueError)
    assert bodies.ran[:4] == ["0", "1", "2", "3"]
    assert sweep(fails_on_three, [0, 1, 2], executor=kind) == [0, 1, 2]
    assert len(bodies) == len(set(bodies.ran))


def test_a_sweep_that_keeps_going_has_errors_in_the_place_of_results(bodies) -> None:
    found = sweep(fails_on_three, range(6), on_error="keep going")
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5]
    assert isinstance(found[3], ItemError)
    status = sweep.status()
    assert (status.state, status.done, status.failed) == ("failed", 5, 1)
    assert [(one.place, one.kind, one.attempts) for one in status.failures] == [
        (3, "ValueError", 1)
    ]


def test_what_failed_before_is_tried_again_as_the_caller_says(bodies) -> None:
    def run(**options):
        sweep(fails_on_three, range(6), on_error="keep going", **options)
        return bodies.ran.count("3")

    assert [run(), run(retry=None), run(retry="timeout"), run(retry="failed"), run()] == [
        1,
        1,
        1,
        2,
        3,
    ]
    assert run(max_attempts=3) == 6
    assert sweep.status().failures[0].attempts == 6
    assert len(bodies) == 5 + 6


def test_what_failed_and_is_not_tried_again_still_raises() -> None:
    with pytest.raises(ItemError):
        sweep(fails_on_three, [3])
    with pytest.raises(ItemError, match="three is too many"):
        sweep(fails_on_three, [3], retry=None)


def test_an_item_that_works_again_is_no_failure_any_more(tmp_path) -> None:
    there = tmp_path / "there"

    def needs_file(item, path):
        return item + path.stat().st_size

    with pytest.raises(ItemError, match="FileNotFoundError"):
        sweep(needs_file, [1], common=(there,))
    there.write_text("ab")
    assert sweep(needs_file, [1], common=(there,)) == [3]
    assert sweep.status().failures == ()


@pytest.mark.parametrize("way", ["called directly", "there from before"])
def test_an_item_whose_result_is_there_is_no_failure_any_more(tmp_path, way) -> None:
    broken = tmp_path / "broken"

    @robust_cacheable(version="1", ignore=("path",))
    def fails_at_times(item, path):
        if item == 1 and Path(path).exists():
            raise ValueError
        return item

    common = (str(broken),)
    if way == "there from before":
        sweep(fails_at_times, range(3), common=common)
    broken.touch()
    sweep(fails_at_times, range(3), common=common, force_rerun=True, on_error="keep going")
    assert [failure.place for failure in sweep.status().failures] == [1]
    broken.unlink()
    if way == "called directly":
        assert fails_at_times(1, *common) == 1
    assert sweep(fails_at_times, range(3), common=common) == [0, 1, 2]
    assert (sweep.status().state, sweep.status().hits) == ("done", 3)
    assert sweep.status().failures == ()


def test_seeds_are_of_the_item_and_not_of_its_place() -> None:
    def draw(item, seed, rng):
        return item, seed, float(rng.random())

    first, again = sweep(draw, ["a", "b"]), sweep(draw, ["b", "c", "a"])
    assert [again[2], again[0]] == first
    assert first[0][1:] != first[1][1:]
    assert sweep(draw, ["a"], seed=1)[0] != first[0]
    assert 0 <= first[0][1] < 2**32


def test_a_seed_that_the_caller_gives_is_left_alone() -> None:
    def draw(item, seed):
        return item, seed

    assert sweep(draw, [1, 2], common=(7,)) == [(1, 7), (2, 7)]
    assert sweep(draw, [1], common={"seed": 8}) == [(1, 8)]
    assert sweep(functools.partial(draw, seed=9), [1]) == [(1, 9)]
    assert sweep(draw, [(1, 7), {"item": 2, "seed": 8}], unpack=True) == [(1, 7), (2, 8)]
    drawn = sweep(draw, [(1,), {"item": 1}], unpack=True)
    assert [seed for _, seed in drawn] != [7, 8]


def test_items_can_be_several_arguments(bodies) -> None:
    def power(base, exponent, plus=0):
        RAN.warning("power")
        return base**exponent + plus

    assert sweep(power, [(2, 3), {"base": 3, "exponent": 2}], unpack=True) == [8, 9]
    assert sweep(power, [(2, 3)], unpack=True, common={"plus": 1}) == [9]
    with pytest.raises(TypeError, match="missing"):
        sweep(power, [(2, 3)])


def test_methods_are_keyed_by_their_instance(bodies) -> None:
    class Model:
        def __init__(self, slope) -> None:
            self.slope = slope

        @robust_cacheable
        def predict(self, x):
            RAN.warning("predict")
            return self.slope * x

    assert sweep(Model(2).predict, [1, 2]) == [2, 4]
    assert sweep(Model(3).predict, [1, 2]) == [3, 6]
    assert sweep(Model(2).predict, [2, 1]) == [4, 2]
    assert len(bodies) == 4


def test_partial_functions_and_lambdas_are_swept() -> None:
    assert sweep(functools.partial(pow, 2), [3, 4]) == [8, 16]
    assert sweep(lambda item: item + 1, [1, 2]) == [2, 3]


def test_consume_keeps_what_it_gives_in_the_place_of_the_result(bodies, store: Store) -> None:
    @robust_cacheable(store=store)
    def label(item):
        RAN.warning("label")
        return np.full(100_000, item)

    def mean(labels):
        RAN.warning("mean")
        return float(labels.mean())

    for _ in range(2):
        assert sweep(label, [1, 2], consume=mean) == [1.0, 2.0]
    assert sorted(bodies.ran) == ["label", "label", "mean", "mean"]
    assert store.size_bytes < 100_000
    assert sweep(label, [3])[0].sum() == 300_000
    assert sweep(label, [3], consume=mean) == [3.0]
    assert bodies.ran.count("label") == 3


def test_another_consumer_is_another_result() -> None:
    assert sweep(double, [2], consume=lambda value: value + 1) == [5]
    assert sweep(double, [2], consume=lambda value: value + 2) == [6]


def test_a_function_that_changes_what_items_share_stores_nothing(frame) -> None:
    def spoils(item, frame):
        frame.loc[0, "close"] += item
        return float(frame.loc[0, "close"])

    with pytest.warns(SweepWarning, match="share an argument"):
        assert sweep(spoils, [1, 2], common=(frame,)) == [1.0, 3.0]
    cached = robust_cacheable(spoils)
    assert not cached.is_cached(1, pd.DataFrame({"close": np.arange(1000.0)}))


def test_a_function_that_changes_its_item_stores_nothing() -> None:
    def pops(item):
        return item.pop()

    with pytest.warns(afml_cache.CacheWarning):
        assert sweep(pops, [[1, 2]]) == [2]


def test_what_cannot_be_keyed_is_computed_and_not_kept(bodies) -> None:
    def call(item):
        RAN.warning("call")
        return item is not None

    with pytest.warns(afml_cache.UncacheableArgumentWarning):
        assert sweep(call, [threading.Lock(), 1]) == [True, True]
    assert sweep(call, [threading.Lock(), 1]) == [True, True]
    assert len(bodies) == 3


def test_what_cannot_be_stored_is_given_all_the_same(bodies) -> None:
    def lock(item):
        RAN.warning("lock")
        return threading.Lock()

    with pytest.warns(afml_cache.CacheWriteWarning):
        found = sweep(lock, [1])
    assert found[0].acquire(blocking=False)
    assert len(bodies) == 1


def test_modes_hold(bodies) -> None:
    sweep(double, [1, 2])
    with mode("frozen"):
        assert sweep(double, [2, 1]) == [4, 2]
        with pytest.raises(CacheMissError, match=r"1 items of `.*double`.*item 1 \(3\)"):
            sweep(double, [1, 3])
    with mode("readonly"):
        assert sweep(double, [1, 3]) == [2, 6]
    with mode("off"):
        assert sweep(double, [1]) == [2]
    assert len(bodies) == 4
    with mode("fresh"):
        assert sweep(double, [1, 2]) == [2, 4]
    assert len(bodies) == 6
    assert sweep(double, [1, 2], force_rerun=True) == [2, 4]
    assert len(bodies) == 8
    assert sweep(double, [1, 2, 3]) == [2, 4, 6]
    assert len(bodies) == 9


def test_a_group_that_is_turned_off_computes_and_keeps_nothing(bodies) -> None:
    try:
        afml_cache.configure(cache_labeling=False)
        for _ in range(2):
            assert sweep(double, [1], group="labeling") == [2]
        assert len(bodies) == 2
        assert sweep(double, [1], group="regimes") == [2]
    finally:
        afml_cache.configure(cache_labeling=True)
    assert len(bodies) == 3
    assert sweep(double, [1], group="labeling") == [2]
    assert len(bodies) == 3


def test_each_sweep_lists_the_items_that_failed_in_it() -> None:
    def fails_on_one(item):
        if item == 1:
            raise ValueError(item)
        return item

    def places(name):
        status = sweep.status(name)
        assert status.failed == len(status.failures)
        return [failure.place for failure in status.failures]

    swept = robust_cacheable(fails_on_one)
    sweep(swept, [0, 1, 2], desc="first", on_error="keep going")
    sweep(swept, [1, 3], desc="left alone", on_error="keep going", retry=None)
    sweep(swept, [4, 5, 1], desc="again", on_error="keep going")
    assert (places("first"), places("left alone"), places("again")) == ([1], [0], [2])
    assert [failure.attempts for failure in sweep.status("first").failures] == [2]
    swept.put(1, 1)
    sweep(swept, [0, 1, 2], desc="first")
    assert places("first") == []


def test_halves_of_characters_are_noted() -> None:
    def fails(item):
        raise ValueError(item)

    name = b"bars-\xff.csv".decode(errors="surrogateescape")
    (found,) = sweep(fails, [name], desc=name, on_error="keep going")
    assert found.kind == "ValueError"
    assert sweep.status(name).failures[0].message == name


def test_sweeps_of_nothing_are_listed_by_what_they_are() -> None:
    sweep(double, [], desc="nothing")
    sweep(scaled, [], desc="nothing else")
    assert [one.name for one in sweeps()] == ["nothing", "nothing else"]


def test_sweeps_are_listed(kind) -> None:
    sweep(double, [1, 2], desc="Labeling", executor=kind)
    sweep(double, [1, 2, 3], desc="Labeling", executor=kind, group="labeling")
    listed = sweeps()
    assert [(one.name, one.total, one.done, one.hits, one.state) for one in listed] == [
        ("Labeling", 2, 2, 0, "done"),
        ("Labeling", 3, 3, 2, "done"),
    ]
    assert sweep.status("Labeling").group == "labeling"
    with pytest.raises(
        CacheConfigError, match="there is no sweep 'Backtests'; there are `Labeling`"
    ):
        sweep.status("Backtests")


def test_a_callback_hears_how_far_it_is() -> None:
    told = []
    sweep(fails_on_three, range(6), on_error="keep going", progress_callback=told.append)
    last = told[-1]
    assert (last.total, last.done, last.failed, last.ended) == (6, 5, 1, 6)
    assert all(one.ended <= two.ended for one, two in itertools.pairwise(told))


def test_nothing_in_the_future_is_handed_to_a_simulation() -> None:
    prices = pd.Series([1.0, 2.0], pd.date_range("2024-05-01", periods=2, tz="UTC"))

    def last(item, prices):
        return item * prices.iloc[-1]

    assert sweep(last, [1], common=(prices,)) == [2.0]
    with as_of("2024-05-01"), pytest.raises(afml_cache.LookAheadError):
        sweep(last, [1], common=(prices,))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"common": 5}, "`common` is a tuple of arguments"),
        ({"workers": -1}, "`workers` must be a whole number from 0"),
        ({"workers": True}, "`workers` must be a whole number"),
        ({"executor": "dask"}, '`executor` is one of "processes", "threads", "sequential"'),
        ({"timeout": 1}, '`timeout` needs `executor="processes"`'),
        ({"timeout": 1, "executor": "threads"}, "runs in this process can't be stopped"),
        ({"timeout": 0, "workers": 1}, "`timeout` must be longer than nothing"),
        ({"timeout": "soon"}, "`timeout`"),
        ({"checkpoint_interval": 0}, "`checkpoint_interval` must be a whole number from 1"),
        ({"retry": "always"}, "`retry` is one of 'all', 'failed', 'timeout', None"),
        ({"max_attempts": 0}, "`max_attempts` must be"),
        ({"on_error": "ignore"}, "`on_error` is one of 'raise', 'keep going'"),
        ({"seed": "a"}, "`seed` must be a whole number"),
        ({"threads_per_worker": 0}, "`threads_per_worker` must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_that_cannot_be_right_are_refused(options, said) -> None:
    with pytest.raises(CacheConfigError, match=said.replace("(", r"\(")):
        sweep(double, [1], **options)


def test_functions_that_cannot_be_swept_are_refused() -> None:
    async def later(item):
        return item

    def several(item):
        yield item

    for function in (later, robust_cacheable(later)):
        with pytest.raises(TypeError, match="coroutine function"):
            sweep(function, [1])
    with pytest.raises(TypeError, match="generator function"):
        sweep(several, [1])
    with pytest.raises(TypeError, match="does not tell its parameters"):
        sweep(functools.lru_cache(double), [1])
    with pytest.raises(TypeError, match="not callable"):
        sweep("double", [1])
    with pytest.raises(TypeError, match="has no option `versio`"):
        sweep(double, [1], versio="2")
    with pytest.raises(TypeError, match="has its own options; leave out `version`"):
        sweep(robust_cacheable(double), [1], version="2")


@settings(max_examples=30)
@given(
    lists=st.lists(st.lists(st.integers(0, 8), max_size=12), min_size=1, max_size=4),
    interval=st.integers(1, 5),
)
def test_any_lists_give_what_a_loop_gives_and_compute_each_item_once(
    tmp_path_factory, lists, interval
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    cached = robust_cacheable(store=store)(double)
    with counted() as seen:
        for items in lists:
            found = sweep(cached, items, checkpoint_interval=interval)
            assert pickle.dumps(found) == pickle.dumps([2 * item for item in items])
    assert sorted(seen.ran) == sorted({str(item) for items in lists for item in items})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_or_a_text_is_no_list_of_items(library, tmp_path) -> None:
    frame = importlib.import_module(library).DataFrame({"fast": [1], "slow": [2]})
    with pytest.raises(TypeError, match="the names of its columns; for its rows write"):
        sweep(abs, frame)
    with pytest.raises(TypeError, match="the names of its columns"):
        BatchRunner(dict, frame, 2, output_dir=tmp_path)
    with pytest.raises(TypeError, match="whose characters they would be"):
        sweep(len, "EURUSD")
