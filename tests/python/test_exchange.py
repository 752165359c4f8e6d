"""Results from one store to another, as one file."""

import dataclasses
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exchanged import cached, modelled, numbers, two
from forged import exported
from hostile import quarantined

import afml_cache
from afml_cache import (
    Imported,
    Store,
    export_entries,
    import_entries,
    mode,
    robust_cacheable,
    time_aware_cacheable,
)

results = pytest.importorskip("results", exc_type=ImportError)
pytest.importorskip("alike", exc_type=ImportError)
kinds = pytest.importorskip("kinds", exc_type=ImportError)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results.afml"


@pytest.fixture
def elsewhere(run_python: Callable, tmp_path: Path) -> Callable[..., str]:
    """Run source in another process, with another default store."""

    def run(code: str, **env: str) -> str:
        paths = str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join(filter(None, paths))
        folder = str(tmp_path / "elsewhere")
        return run_python(code, env={"AFML_CACHE": folder, "PYTHONPATH": path, **env})

    return run


HITS = """
from alike import same
from results import CASES, echo
import kinds
wrong = [name for name in CASES if not same(echo(name, None), CASES[name]())]
made = kinds.kinds()
for name in {kinds}:
    back, of = echo("kind " + name, None), made[name]()
    wrong += [name] * (type(back).__qualname__ != type(of).__qualname__)
print(wrong, echo.cache_info().misses)
"""


def test_every_result_is_a_hit_in_another_store(elsewhere: Callable, file: Path) -> None:
    for name, make in results.CASES.items():
        results.echo(name, make())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in kinds.kinds().items():
            results.echo("kind " + name, make())
    storable = [name for name in kinds.kinds() if results.echo.is_cached("kind " + name, None)]
    assert len(storable) > len(kinds.numpy_kinds())
    total = len(results.CASES) + len(storable)
    done = export_entries(file)
    assert done == afml_cache.Exported(total, file.stat().st_size)
    shown = elsewhere(f"""
import afml_cache
print(afml_cache.import_entries({str(file)!r}))
{HITS.format(kinds=storable)}
""")
    imported, hits = shown.splitlines()
    size = sum(entry.size_bytes for entry in afml_cache.entries())
    assert imported == str(Imported(stored=total, bytes=size))
    assert hits == "[] 0"


def test_with_another_secret_only_what_is_plain_comes(elsewhere: Callable, file: Path) -> None:
    plain = {name: results.CASES[name] for name in ("model", "function of a module")}
    sealed = {"a number": lambda: 1.5, "an array": lambda: np.arange(90_000)}
    for name, make in (plain | sealed).items():
        results.echo(name, make())
    export_entries(file)
    code = f"""
import afml_cache, results
done = afml_cache.import_entries({str(file)!r})
print(done.stored, done.foreign, done.refused, len(afml_cache.entries()))
"""
    assert elsewhere(code, AFML_CACHE_KEY="22" * 32).split() == ["2", "2", "0", "2"]


def test_when_and_how_long_and_compressed_are_kept(store: Store, other: Store, file: Path) -> None:
    packed = robust_cacheable(store=store, compress="zstd")(numbers)
    timed = time_aware_cacheable(store=store)(ranged)
    packed(100_000), timed("2024-05-01", "2024-05-02"), cached(store)(2)
    assert export_entries(file, store=store).entries == 3
    assert import_entries(file, store=other).stored == 3
    assert afml_cache.entries(store=other) == afml_cache.entries(store=store)
    assert afml_cache.verify(other)
    again = robust_cacheable(store=other)(numbers)
    assert np.array_equal(again(100_000), numbers(100_000))
    assert again.cache_info().hits == 1


def ranged(start: str, end: str) -> tuple[str, str]:
    return start, end


def test_one_function_is_exported_by_itself_or_by_name(store: Store, file: Path) -> None:
    square, count = cached(store), cached(store, numbers)
    square(1), square(2), count(3)
    assert export_entries(file, function=square, store=store).entries == 2
    assert export_entries(file, function=count.cache_name, store=store).entries == 1
    assert export_entries(file, function="nothing.such", store=store).entries == 0
    assert import_entries(file, store=store) == Imported()


def test_what_is_there_stays(store: Store, other: Store, file: Path) -> None:
    cached(store)(2)
    export_entries(file, store=store)
    there = cached(other)
    there.put(5, 2)
    assert import_entries(file, store=other) == Imported(present=1)
    assert there(2) == 5


DROPS: dict[str, Callable] = {
    "the function": lambda function, _: function.cache_clear(),
    "the call": lambda function, _: function.invalidate("2024-05-01", "2024-05-02"),
    "the store": lambda _, store: store.clear(),
    "the time": lambda _, store: afml_cache.invalidate(("2024-05-02", None), store=store),
    "the time, of the function": lambda function, store: afml_cache.invalidate(
        ("2024-05-02", "2024-05-03"), function=function, store=store
    ),
}


@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("back", [True, False], ids=["backup", "from elsewhere"])
def test_what_was_dropped_does_not_come_back(
    store: Store, other: Store, file: Path, name: str, back: bool
) -> None:
    timed = time_aware_cacheable(store=store)(ranged)
    timed("2024-05-01", "2024-05-02"), cached(store)(2)
    export_entries(file, store=store)
    into = store if back else other
    function = time_aware_cacheable(store=into)(ranged)
    DROPS[name](function, into)
    done = import_entries(file, store=into)
    everything = name == "the store"
    assert done.outdated == (2 if everything else 1)
    assert done.stored + done.present == (0 if everything else 1)
    assert not function.is_cached("2024-05-01", "2024-05-02")
    # what is computed from now on is another matter
    timed.refresh("2024-05-01", "2024-05-02")
    export_entries(file, store=store, function=timed)
    assert import_entries(file, store=into).outdated == 0
    assert function.is_cached("2024-05-01", "2024-05-02")


def test_what_was_let_go_or_lost_comes_back(store: Store, other: Store, file: Path) -> None:
    square = cached(store)
    square(2), square.refresh(3)
    export_entries(file, store=store)
    afml_cache.gc(store, max_size=0)
    assert not square.is_cached(2)
    assert import_entries(file, store=store).stored == 2
    assert square.is_cached(2)
    cached(other)(4)
    for index in (other.path / "v1").glob("index-*"):
        index.unlink()
    assert import_entries(file, store=Store(other.path)).stored == 2


@pytest.mark.parametrize("name", ["readonly", "frozen", "off"])
def test_nothing_is_written_in_a_mode_that_writes_nothing(
    store: Store, other: Store, file: Path, name: str
) -> None:
    _, identity, payloads = two(store, file)
    cached(other)(2)
    with mode(name):
        assert export_entries(file, store=store).entries == 2
    file.write_bytes(exported(identity, [*payloads, b"rubbish"]))
    before = sorted(path for path in other.path.rglob("*") if "-shm" not in path.name)
    with mode(name):
        done = import_entries(file, store=other)
    assert done == Imported(present=1, unwritten=1, refused=1)
    assert sorted(path for path in other.path.rglob("*") if "-shm" not in path.name) == before
    assert len(other) == 1


def test_without_pickle_none_leaves_and_none_comes_in(
    store: Store, tmp_path: Path, file: Path
) -> None:
    cached(store)(2), cached(store, modelled)(3)
    careful = Store(store.path, allow_pickle=False)
    assert export_entries(file, store=store).entries == 2
    into = Store(tmp_path / "careful", allow_pickle=False)
    assert dataclasses.replace(import_entries(file, store=into), bytes=0) == Imported(
        stored=1, pickles=1
    )
    assert quarantined(into.path) == []
    done = export_entries(file, store=careful)
    assert (done.entries, done.pickles) == (1, 1)


def test_a_store_takes_no_more_than_it_may(store: Store, tmp_path: Path, file: Path) -> None:
    count = cached(store, numbers)
    for size in (10, 1_000, 1_000_000):
        count(size)
    export_entries(file, store=store)
    small = Store(tmp_path / "small", max_size=1_000_000)
    done = import_entries(file, store=small)
    assert (done.stored, done.too_large) == (2, 1)
    assert small.size_bytes < 1_000_000
