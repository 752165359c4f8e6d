"""Bytes that change without a trace: the times of the file are put back. `verify` finds them."""

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile import blobs, indexes, payloads, put_blob

import afml_cache
from afml_cache import CacheReadWarning, Store, robust_cacheable

SMALL, FILE, MAPPED = 100, 20_000, 500_000
PLACES = [0, 8, 12, 20, 33, 64, 72, 80, 100, 130, 161, 312, 4_096, 70_000, -9, -1]


def count(size: int) -> np.ndarray:
    return np.arange(size)


def sealed(size: int) -> list[object]:
    return [np.arange(size), re.compile("a pickle")]


@pytest.fixture
def load(store: Store) -> Callable[[int], np.ndarray]:
    cached = robust_cacheable(store=store, track_code=False)(count)
    for size in (SMALL, FILE, MAPPED):
        cached(size)
    return cached


def flip(path: Path, place: int) -> None:
    """Change a byte in place, and put the time of change back as far as that can be done."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_whole_store_is_clean(store: Store, load: Callable) -> None:
    report = afml_cache.verify(store)
    assert report
    assert report.problems == []
    assert report.checked == 3
    assert report.bytes > (FILE + MAPPED) * 8


@pytest.mark.parametrize("place", PLACES)
def test_verify_finds_every_flipped_payload(store: Store, load: Callable, place: int) -> None:
    for payload in payloads(store.path):
        flip(payload, place)
        report = afml_cache.verify(store)
        assert not report
        (problem,) = report.problems
        assert problem.key == payload.name.partition("-")[0]
        assert problem.reason
        flip(payload, place)
        assert afml_cache.verify(store)


def check_found(store: Store, payload: Path, place: int) -> None:
    flip(payload, place)
    found = [problem.key for problem in afml_cache.verify(store).problems]
    assert found == [payload.name.partition("-")[0]], place
    flip(payload, place)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_verify_finds_every_flipped_byte_within_one_boot(store: Store) -> None:
    kept = robust_cacheable(store=store, track_code=False)
    kept(count)(2_100)
    kept(sealed)(2_100)
    small = payloads(store.path)
    assert sorted(payload.read_bytes()[12] & 1 for payload in small) == [0, 1]
    for payload in small:
        for place in range(payload.stat().st_size):
            check_found(store, payload, place)
    kept(count)(MAPPED)
    (large,) = set(payloads(store.path)) - set(small)
    generator = random.Random(0)
    for _ in range(10_000):
        check_found(store, large, generator.randrange(large.stat().st_size))
    assert afml_cache.verify(store)


@pytest.mark.parametrize("place", [0, 20, 100, -8])
def test_verify_finds_a_flipped_row(store: Store, load: Callable, place: int) -> None:
    (index,) = indexes(store.path)
    (row,) = blobs(index)
    damaged = bytearray(row[3])
    damaged[place] ^= 0x10
    put_blob(index, row, bytes(damaged))
    assert [problem.key for problem in afml_cache.verify(store).problems] == [load.cache_key(SMALL)]


def test_what_verify_fixes_is_computed_again(store: Store, load: Callable) -> None:
    for payload in payloads(store.path):
        flip(payload, -9)
    assert len(afml_cache.verify(store, fix=True).problems) == 2
    assert afml_cache.verify(store)
    again = robust_cacheable(store=Store(store.path), track_code=False)(count)
    for size in (SMALL, FILE, MAPPED):
        assert np.array_equal(again(size), np.arange(size))
    assert again.cache_info().misses == 2
    assert afml_cache.verify(store)


def test_damage_after_the_check_of_this_boot_is_found_where_the_times_tell(
    store: Store, load: Callable
) -> None:
    for payload in payloads(store.path):
        flip(payload, -9)  # the time of the change of state can't be put back
    again = robust_cacheable(store=Store(store.path), track_code=False)(count)
    with pytest.warns(CacheReadWarning):
        assert np.array_equal(again(FILE), np.arange(FILE))
    assert np.array_equal(again(MAPPED), np.arange(MAPPED))
