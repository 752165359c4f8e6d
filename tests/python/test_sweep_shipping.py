"""What goes to workers: by value where they can't import it, and once where it is large."""

import ctypes
import functools
import hashlib
import resource
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pool_tasks import pool_of, told, until

from afml_cache import CacheConfigError
from afml_cache.sweeping.events import Finished
from afml_cache.sweeping.shipping import Parcel, pack
from afml_cache.sweeping.slot import NOTHING, SIZE, Running, Slot

LARGE = 80_000_000


@functools.cache
def length_of(text):
    return len(text)


def reopened(value):
    return pack(value).open()


def test_lambdas_closures_and_classes_of_a_function_are_sent() -> None:
    power = 3

    class Own:
        def cube(self, item):
            return item**power

        @functools.cached_property
        def power(self):
            return power

        @functools.cache  # noqa: B019 - as users write it
        def halved(self, item):
            return item / 2

    assert reopened(lambda item: -item)(2) == -2
    own = reopened(Own)()
    assert (own.cube(2), own.power, own.halved(3), vars(own)) == (8, 3, 1.5, {"power": 3})


def test_functions_that_remember_their_results_are_sent_with_how_they_do() -> None:
    calls = []

    @functools.lru_cache(maxsize=7)
    def sum_to(number):
        calls.append(number)
        return number + sum_to(number - 1) if number else 0

    assert sum_to(3) == 6
    found = reopened(lambda number: (sum_to(number), sum_to))
    assert found(5)[0] == found(5)[0] == 15
    assert found(5)[1].cache_parameters()["maxsize"] == 7
    assert found(5)[1].cache_info().misses == 6
    assert calls == [3, 2, 1, 0]
    assert reopened(length_of) is length_of


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10_001.0),
        np.empty((0, 3)),
        np.array(1.5),
        np.arange(24).reshape(4, 6)[:, ::2],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
    ids=["long", "empty", "scalar", "strided", "columns first"],
)
def test_arrays_come_back_as_they_were(array) -> None:
    found = reopened({"array": array, "again": array})
    np.testing.assert_array_equal(found["array"], array)
    assert found["array"].dtype == array.dtype
    assert found["again"] is found["array"]


def test_frames_come_back_as_they_were() -> None:
    index = pd.date_range("2024-01-01", periods=50, freq="h", tz="UTC")
    frame = pd.DataFrame({"close": np.arange(50.0), "symbol": ["a"] * 50}, index=index)
    pd.testing.assert_frame_equal(reopened(frame), frame)


def test_large_buffers_are_mapped_where_processors_like_them() -> None:
    arrays = reopened([np.ones(101), np.ones(7, dtype=np.int8), np.ones(1003)])
    assert [array.ctypes.data % 64 for array in arrays] == [0, 0, 0]
    assert not any(array.flags.owndata for array in arrays)


def test_what_is_written_to_a_parcel_stays_where_it_was_written() -> None:
    parcel = pack(np.zeros(1000))
    digest = parcel.digest
    first, second = parcel.open(), parcel.open()
    first[:] = 1.0
    assert (first.sum(), second.sum(), parcel.open().sum()) == (1000.0, 0.0, 0.0)
    assert parcel.digest == digest


def test_a_large_array_is_in_memory_once_however_many_workers_read_it() -> None:
    array = np.ones(LARGE // 8)

    def own_bytes() -> int:
        # What is no part of a file: neither mapped from one, nor waiting to be written to it.
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))

    def sums_and_spoils(item):
        before = own_bytes()
        total = array.sum()
        after = own_bytes()
        array[: array.size // 2] = item
        return total, after, after - before, own_bytes() - after, array[0]

    with pool_of(sums_and_spoils, workers=2) as pool:
        pool.submit([(0, 5.0)])
        pool.submit([(1, 7.0)])
        found = told(until(pool, Finished))
        while len(found) < 2:
            found += told(pool.wait(1.0))
    for total, own, read, written, first in [values for _, values in sorted(found)]:
        assert total == array.size
        assert own < 0.7 * LARGE
        assert read < LARGE / 20
        assert 0.4 * LARGE < written < 0.6 * LARGE
        assert first in {5.0, 7.0}
    assert array.min() == 1.0


def test_a_parcel_goes_through_bytes_and_has_a_digest() -> None:
    parcel = pack({"prices": np.arange(5000.0)})
    content = parcel.to_bytes()
    again = Parcel.from_bytes(content)
    assert (len(content), again.size) == (parcel.size, parcel.size)
    assert again.digest == parcel.digest == hashlib.sha256(content).hexdigest()
    np.testing.assert_array_equal(again.open()["prices"], np.arange(5000.0))
    assert pack({"prices": np.arange(5001.0)}).digest != parcel.digest


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pool_of(len) as pool:
        assert list(tmp_path.iterdir()) == []
        pool.submit([(0, "three")])
        assert told(until(pool, Finished)) == [(0, 5)]
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [(part for part in ()), ctypes.pointer(ctypes.c_int(3))])
def test_what_cannot_be_sent_is_refused_with_what_to_do(value) -> None:
    with pytest.raises(CacheConfigError, match=r'(?s)t be sent to other.*executor="threads"'):
        pack(value)


def test_a_full_disk_is_told_with_the_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(CacheConfigError, match=f"(?s)8,000,.*`{tmp_path}`.*TMPDIR"):
            pack(np.zeros(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_without_cloudpickle_it_is_said_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ImportError, match=r"pip install 'afml-cache\[sweeps\]'"):
        pack(len)


def test_what_runs_is_not_told_while_it_is_being_written(tmp_path) -> None:
    with (tmp_path / "slot").open("w+b") as file:
        file.truncate(SIZE)
        slot = Slot(file.fileno())
        slot.note(NOTHING)
        assert slot.read().number == NOTHING
        slot.note(12)
        number, since = slot.read()
        words = slot._words
        words[0] = 13
        assert slot.read() is None
        words[0] = number
        assert slot.read() == Running(12, since)
        words[1] = since + 1
        assert slot.read() is None
