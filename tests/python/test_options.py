"""What the decorators' options say about which results are kept, where, and for how long."""

import asyncio
import datetime as dt
import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bodies import Bodies, counted
from forged import parse
from hostile import blobs, indexes, put_blob

import afml_cache
from afml_cache import CacheConfigError, SpotCheckWarning, Store, robust_cacheable

RAN = logging.getLogger("afml-tests.ran")


@pytest.fixture(autouse=True)
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def double(x: int) -> int:
    RAN.warning("double")
    return 2 * x


def backdate(root: Path, seconds: float) -> None:
    """Make every stored result that much older, as a clock that went on would."""
    (index,) = indexes(root)
    for blob in blobs(index):
        payload = parse(blob[-1])
        payload.created -= int(seconds * 1e9)
        put_blob(index, blob, payload.write())


def test_a_result_older_than_its_ttl_is_computed_again(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store, ttl=3600)(double)
    assert [cached(1), cached(1)] == [2, 2]
    assert len(bodies) == 1
    cached = robust_cacheable(store=store, ttl=0)(double)
    assert cached(1) == 2
    assert len(bodies) == 2
    assert cached.cache_info().expired == 1


@pytest.mark.parametrize("ttl", [dt.timedelta(hours=1), 3600, "1h"])
def test_an_hour_is_an_hour_however_it_is_said(store: Store, bodies: Bodies, ttl: object) -> None:
    cached = robust_cacheable(store=store, ttl=ttl)(double)
    assert [cached(1), cached.is_cached(1)] == [2, True]


def test_a_ttl_is_no_part_of_the_key(store: Store) -> None:
    assert robust_cacheable(store=store)(double).cache_key(1) == (
        robust_cacheable(store=store, ttl=1)(double).cache_key(1)
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("ttl", -1, "`ttl` takes a length of time"),
        ("ttl", True, "`ttl` takes a length of time"),
        ("ttl", float("nan"), "`ttl` takes a length of time"),
        ("ttl", float("inf"), "`ttl` takes a length of time"),
        ("ttl", "soon", "`ttl` takes a length of time"),
        ("min_seconds", -1, "`min_seconds` is a number of seconds"),
        ("min_seconds", "1", "`min_seconds` is a number of seconds"),
        ("memory", "lots", "`memory` is a size"),
        ("memory", -1, "`memory` is a size"),
        ("compress", "gzip", '`compress` is None, "lz4" or "zstd"'),
        ("spot_check", 1.5, "`spot_check` is a share between 0 and 1"),
        ("spot_check", None, "`spot_check` is a share between 0 and 1"),
        ("key", "x", "`key` is a function of the call's arguments"),
    ],
)
def test_an_option_that_can_not_be_right_says_so(option: str, value: object, said: str) -> None:
    with pytest.raises(CacheConfigError, match=said.replace("(", r"\(")):
        robust_cacheable(**{option: value})(double)


def test_calls_that_took_less_are_not_stored(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store, min_seconds=60)(double)
    assert [cached(1), cached(1)] == [2, 2]
    assert len(bodies) == 2
    assert len(store) == 0
    assert cached.cache_info().errors == 0


def test_key_says_what_the_arguments_come_to(store: Store, bodies: Bodies) -> None:
    class Connection:
        """Something that can't be keyed, behind what can."""

        def __init__(self, name: str) -> None:
            self.name, self.lines = name, (line for line in ())

    @robust_cacheable(store=store, key=lambda connection, day: (connection.name, day))
    def load(connection: Connection, day: int) -> str:
        RAN.warning("load")
        return f"{connection.name} {day}"

    assert load(Connection("a"), 1) == load(Connection("a"), day=1) == "a 1"
    assert load(Connection("b"), 1) == "b 1"
    assert load(Connection("a"), 2) == "a 2"
    assert len(bodies) == 3


def test_the_code_of_key_is_part_of_the_key(store: Store) -> None:
    one = robust_cacheable(store=store, key=lambda x: x % 2)(double)
    other = robust_cacheable(store=store, key=lambda x: x % 3)(double)
    assert one.cache_key(1) == one.cache_key(3)
    assert one.cache_key(1) != other.cache_key(1)


def test_a_call_that_key_does_not_take_runs_without_the_cache(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store, key=lambda x: x.missing)(double)
    with pytest.warns(afml_cache.UncacheableArgumentWarning, match="missing"):
        assert cached(1) == 2
    assert cached.cache_info().bypasses == 1


@pytest.mark.parametrize(("memory", "hits"), [(True, 1), (False, 0), (10, 0), ("1 MiB", 1)])
def test_memory_holds_what_it_is_told_to(store: Store, memory: object, hits: int) -> None:
    cached = robust_cacheable(store=store, memory=memory)(double)
    cached(1)
    assert cached(1) == 2
    info = cached.cache_info()
    assert (info.memory_hits, info.disk_hits) == (hits, 1 - hits)


@pytest.mark.parametrize("compress", ["lz4", "zstd"])
def test_what_is_compressed_comes_back(store: Store, compress: str) -> None:
    def features(rows: int) -> dict[str, object]:
        return {"array": np.zeros(rows), "text": ["spam " * 20] * 200, "object": double}

    plain = robust_cacheable(store=store)(features)
    plain(100_000)
    large = store.size_bytes
    plain.cache_clear()
    cached = robust_cacheable(store=store, compress=compress)(features)
    cached(100_000)
    assert 0 < store.size_bytes < large / 20
    again = robust_cacheable(store=Store(store.path), compress=compress)(features)
    result = again(100_000)
    assert again.cache_info().disk_hits == 1
    np.testing.assert_array_equal(result["array"], np.zeros(100_000))
    assert result["text"] == ["spam " * 20] * 200
    result["array"][:] = 1
    assert again(100_000)["array"].sum() == 0
    assert afml_cache.verify(store)


def test_a_small_compressed_result_is_found_in_memory_or_on_disk(store: Store) -> None:
    cached = robust_cacheable(store=store, compress="lz4")(double)
    assert [cached(1), cached(1), cached(1)] == [2, 2, 2]
    assert cached.cache_info().misses == 1


def test_damage_to_a_compressed_result_is_a_miss(store: Store, bodies: Bodies) -> None:
    def numbers(rows: int) -> np.ndarray:
        RAN.warning("numbers")
        return np.arange(rows)

    robust_cacheable(store=store, compress="zstd")(numbers)(50_000)
    (path,) = (store.path / "v1/payloads").glob("*/*")
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    cached = robust_cacheable(store=Store(store.path), compress="zstd")(numbers)
    with pytest.warns(afml_cache.CacheReadWarning):
        np.testing.assert_array_equal(cached(50_000), np.arange(50_000))
    assert len(bodies) == 2


@pytest.mark.parametrize("claimed", [2**62, 2**40, 10**9])
def test_a_compressed_result_can_not_ask_for_all_memory(
    store: Store, claimed: int, bodies: Bodies
) -> None:
    def numbers(rows: int) -> np.ndarray:
        RAN.warning("numbers")
        return np.arange(rows)

    robust_cacheable(store=store, compress="lz4")(numbers)(50_000)
    (path,) = (store.path / "v1/payloads").glob("*/*")
    payload = parse(path.read_bytes())
    payload.leaves[0] = struct.pack("<Q", claimed) + payload.leaves[0][8:]
    path.write_bytes(payload.write())
    cached = robust_cacheable(store=Store(store.path))(numbers)
    with pytest.warns(afml_cache.CacheReadWarning):
        assert len(cached(50_000)) == 50_000


def test_a_spot_check_finds_what_the_function_no_longer_gives(store: Store) -> None:
    state = iter(range(10))

    @robust_cacheable(store=store, spot_check=1, ignore_deps=("state",))
    def drawn(x: int) -> int:
        return x + next(state)

    assert drawn(100) == 100
    with pytest.warns(SpotCheckWarning, match="drawn.*something that is not in its key"):
        assert drawn(100) == 101
    info = drawn.cache_info()
    assert (info.spot_checks, info.spot_differences) == (1, 1)


def test_a_spot_check_of_an_honest_function_finds_nothing(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store, spot_check=1)
    def features(rows: int) -> dict[str, np.ndarray]:
        RAN.warning("features")
        return {"a": np.arange(rows) / 3}

    for _ in range(3):
        features(1000)
    info = features.cache_info()
    assert (info.hits, info.spot_checks, info.spot_differences, len(bodies)) == (2, 2, 0, 3)


def test_a_spot_check_of_a_function_that_now_raises_returns_what_is_stored(store: Store) -> None:
    left = [1]

    @robust_cacheable(store=store, spot_check=1, ignore_deps=("left",))
    def once(x: int) -> int:
        return left.pop() * x

    assert once(5) == 5
    with pytest.warns(SpotCheckWarning, match="it raises pop from empty list"):
        assert once(5) == 5


def test_put_fills_from_outside(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store)(double)
    assert cached.put(7, 1)
    assert [cached(1), cached(x=1)] == [7, 7]
    assert cached.put(8, x=1)
    assert cached(1) == 8
    assert len(bodies) == 0


def test_put_of_an_argument_that_can_not_be_keyed_raises(store: Store) -> None:
    cached = robust_cacheable(store=store)(double)
    with pytest.raises(afml_cache.UncacheableArgumentError, match="`x`"):
        cached.put(1, (x for x in ()))


def test_put_and_invalidate_of_a_method_take_the_instance(store: Store, bodies: Bodies) -> None:
    class Model:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @robust_cacheable(store=store)
        def times(self, x: int) -> int:
            RAN.warning("times")
            return self.factor * x

    model = Model(3)
    assert model.times.put(10, 2)
    assert model.times(2) == 10
    assert Model(4).times(2) == 8
    assert model.times.check_call_in_cache(2)
    assert model.times.invalidate(2)
    assert not model.times.check_call_in_cache(2)
    assert Model(4).times.is_cached(2)


def test_invalidate_removes_one_call(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store)(double)
    assert [cached(1), cached(2)] == [2, 4]
    assert cached.invalidate(1)
    assert not cached.invalidate(1)
    assert [cached.is_cached(1), cached.is_cached(2)] == [False, True]
    assert [cached(1), cached(2)] == [2, 4]
    assert len(bodies) == 3


def test_an_invalidated_call_is_gone_from_another_store_of_the_folder(store: Store) -> None:
    cached = robust_cacheable(store=store)(double)
    other = robust_cacheable(store=Store(store.path))(double)
    cached(1)
    assert other(1) == other(1) == 2
    assert other.cache_info().misses == 0
    cached.invalidate(1)
    other(1)
    assert other.cache_info().misses == 1


def test_joblib_s_two_names_are_there(store: Store, bodies: Bodies) -> None:
    cached = robust_cacheable(store=store)(double)
    assert not cached.check_call_in_cache(1)
    value, metadata = cached.call(1)
    assert value == 2
    assert metadata["duration"] > 0
    assert cached.check_call_in_cache(1)
    cached.call(1)
    assert len(bodies) == 2


def test_a_recursive_function_uses_its_own_results(store: Store) -> None:
    @robust_cacheable(store=store)
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(60) == 1548008755920
    assert fibonacci.cache_info().misses == 61


def test_a_coroutine_function_has_it_all(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    async def load(x: int) -> int:
        RAN.warning("load")
        await asyncio.sleep(0)
        return 2 * x

    async def main() -> None:
        assert await load(1) == await load(1) == 2
        assert load.is_cached(1)
        assert load.put(5, 2)
        assert await load(2) == 5
        assert load.invalidate(1)
        assert await load.refresh(2) == 4
        assert await load(2) == 4

    asyncio.run(main())
    assert len(bodies) == 2


def test_results_of_the_future_are_too_old(store: Store, bodies: Bodies) -> None:
    """A clock that was set back makes ages negative."""
    robust_cacheable(store=store)(double)(1)
    backdate(store.path, -1000)
    cached = robust_cacheable(store=Store(store.path), ttl=3600)(double)
    assert cached(1) == 2
    assert cached.cache_info().expired == 1
    assert len(bodies) == 2


def test_results_older_than_the_ttl_by_the_clock_of_the_payload(
    store: Store, bodies: Bodies
) -> None:
    robust_cacheable(store=store)(double)(1)
    backdate(store.path, 3599)
    within: Callable[[int], int] = robust_cacheable(store=Store(store.path), ttl=3660)(double)
    beyond: Callable[[int], int] = robust_cacheable(store=Store(store.path), ttl=3500)(double)
    assert within(1) == 2
    assert len(bodies) == 1
    assert beyond(1) == 2
    assert len(bodies) == 2
