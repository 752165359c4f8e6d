"""What artifacts make of their arguments: changed, unkeyed, named files, bars of the future."""

import json
import threading
from pathlib import Path

import pandas as pd
import pytest
from artifacts_made import BARS, CALL, LATER, RAN, listening, names, patterns_in

import afml_cache
from afml_cache import (
    CacheWriteWarning,
    LookAheadError,
    UncacheableArgumentWarning,
    UndeclaredFileWarning,
    as_of,
    mode,
)
from afml_cache.artifacts.decorator import artifact
from afml_cache.look_ahead import note_seen, watched


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def patterns(tmp_path):
    return patterns_in(tmp_path / "out")


def test_a_body_that_changes_its_arguments_leaves_no_file(tmp_path):
    @artifact("sorted.json", folder=tmp_path)
    def in_order(values):
        values.sort()
        return values

    with pytest.warns(CacheWriteWarning, match="argument `values` changed"):
        assert in_order([2, 1]) == [1, 2]
    assert names(tmp_path) == []


def test_an_argument_that_cannot_be_keyed_is_told_and_made_each_time(tmp_path):
    made = artifact("n.json", folder=tmp_path)(lambda handle, n: [handle.name, n][1])
    told = pytest.warns(UncacheableArgumentWarning, match="is made at each call")
    with (tmp_path / "log.txt").open("w") as log, told:
        assert (made(log, 1), made(log, 2)) == (1, 2)
    assert json.loads((tmp_path / "n.json").read_text()) == 2


def test_a_file_that_is_named_and_not_declared_is_told(tmp_path):
    source = tmp_path / "bars.csv"
    source.write_text("1")

    def read(path):
        return Path(path).read_text()

    with pytest.warns(UndeclaredFileWarning, match=r'files=\("path",\)'):
        artifact("a.txt", folder=tmp_path)(read)(source)
    declared = artifact("b.txt", folder=tmp_path, files="path")(read)
    assert declared(source) == "1"
    source.write_text("2")
    assert declared(source) == "2"


def test_a_result_that_has_seen_too_much_is_refused_in_a_simulation(tmp_path):
    @artifact("mean.json", folder=tmp_path)
    def mean(prices):
        return float(prices.mean())

    prices = pd.Series([1.0, 2.0], pd.date_range("2024-05-01", periods=2))
    mean(prices)
    with as_of("2024-06-01"):
        assert mean(prices) == 1.5
    with as_of("2024-05-02"), pytest.raises(LookAheadError):
        mean(prices)


def test_what_asked_for_bars_up_to_now_is_no_answer_inside_of_a_simulation(tmp_path, ran):
    @artifact("latest.json", folder=tmp_path)
    def latest():
        RAN.warning("latest")
        note_seen(None, open_ended=True)
        return 1

    with as_of("2024-05-01"):
        latest()
    assert names(tmp_path) == []
    latest()
    latest()
    assert len(ran) == 2
    with as_of("2024-05-01"):
        latest()
    assert len(ran) == 3


def test_of_many_threads_one_makes_it(patterns, ran):
    barrier, found = threading.Barrier(4), []

    def ask():
        barrier.wait()
        found.append(patterns(BARS, [1], **CALL))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == ["EURUSD"]
    assert len(found) == 4


def test_a_handle_counts_by_the_content_of_its_file(patterns):
    saved = patterns.saved(BARS, [1], **CALL)
    before = afml_cache.digest(saved)
    patterns.refresh(BARS, [1], **CALL)
    assert afml_cache.digest(patterns.saved(BARS, [1], **CALL)) == before
    assert afml_cache.digest(patterns.saved(LATER, [1], **CALL)) != before


@pytest.mark.parametrize("how", ["normal", "readonly"])
def test_a_handle_from_outside_of_a_simulation_tells_what_it_has_seen(tmp_path, how):
    bars = pd.Series([1.0, 2.0], pd.date_range("2024-05-01", periods=2))
    count = artifact("a.json", folder=tmp_path)(lambda prices: prices.size)
    with mode(how):
        saved = count.saved(bars)
    with watched() as seen:
        assert saved.load() == 2
    assert seen.until == pd.Timestamp("2024-05-03").value
    with as_of("2024-05-02"), pytest.raises(LookAheadError):
        saved.load()
