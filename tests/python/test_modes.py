"""Modes: what a call may do with the cache, in a context and in a process."""

import argparse
import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bodies import Bodies, counted

import afml_cache
from afml_cache import CacheConfigError, CacheMissError, Store, groups, mode, robust_cacheable

RAN = logging.getLogger("afml-tests.ran")


@pytest.fixture(autouse=True)
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


@pytest.fixture
def double(store: Store) -> Callable[[int], int]:
    @robust_cacheable(store=store)
    def double(x: int) -> int:
        RAN.warning("double")
        return 2 * x

    return double


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Files with size and time, the parts of the database that readers share left out."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def test_fresh_computes_and_overwrites(double, bodies: Bodies) -> None:
    double.put(7, 1)
    with mode("fresh"):
        assert double(1) == 2
        assert double(1) == 2
    assert len(bodies) == 2
    assert double(1) == 2
    assert len(bodies) == 2


def test_frozen_serves_what_is_there_and_raises_for_the_rest(double, bodies: Bodies) -> None:
    double(1)
    with mode("frozen"):
        assert double(1) == 2
        with pytest.raises(CacheMissError, match=r"double.*no stored result.*frozen.*explain"):
            double(2)
    assert len(bodies) == 1


def test_a_call_that_can_not_be_keyed_is_missing_when_frozen(double) -> None:
    with (
        mode("frozen"),
        pytest.warns(afml_cache.UncacheableArgumentWarning),
        pytest.raises(CacheMissError),
    ):
        double(x for x in ())


@pytest.mark.parametrize("name", ["frozen", "readonly"])
def test_nothing_is_written(double, store: Store, name: str) -> None:
    double(1)
    before = everything(store.path)
    again = robust_cacheable(store=Store(store.path))(double.__wrapped__)
    with mode(name):
        assert again(1) == 2
        if name == "readonly":
            assert again(2) == 4
    assert everything(store.path) == before


@pytest.mark.parametrize("name", ["frozen", "readonly", "off"])
def test_a_refresh_or_put_writes_nothing_either(double, store: Store, name: str) -> None:
    double.put(7, 1)
    with mode(name):
        if name == "frozen":
            with pytest.raises(CacheMissError):
                double.refresh(1)
        else:
            assert double.refresh(1) == 2
        assert not double.put(9, 1)
    assert double(1) == 7


@pytest.mark.parametrize("name", ["frozen", "readonly", "off"])
def test_a_coroutine_s_refresh_writes_nothing_either(store: Store, name: str) -> None:
    @robust_cacheable(store=store)
    async def load(x: int) -> int:
        return 2 * x

    async def main() -> None:
        load.put(7, 1)
        with mode(name):
            if name == "frozen":
                with pytest.raises(CacheMissError):
                    await load.refresh(1)
            else:
                assert await load.refresh(1) == 2
        assert await load(1) == 7

    asyncio.run(main())


def test_readonly_computes_what_is_missing(double, bodies: Bodies) -> None:
    with mode("readonly"):
        assert double(1) == double(1) == 2
    assert len(bodies) == 2
    assert not double.is_cached(1)


def test_off_is_as_if_there_were_no_cache(double, store: Store, bodies: Bodies) -> None:
    double.put(7, 1)
    with mode("off"):
        assert double(1) == 2
    assert double(1) == 7
    assert len(bodies) == 1


def test_modes_nest_and_end_with_an_error(double) -> None:
    double.put(7, 1)
    with mode("off"):
        with contextlib.suppress(ZeroDivisionError), mode("normal"):
            assert double(1) == 7
            raise ZeroDivisionError
        assert double(1) == 2
    assert double(1) == 7


def test_a_mode_is_of_its_context_alone(double) -> None:
    double.put(7, 1)
    seen: list[int] = []
    with mode("off"):
        other = threading.Thread(target=lambda: seen.append(double(1)))
        other.start()
        other.join()
        assert double(1) == 2
    assert seen == [7]


def test_coroutines_have_modes_too(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    async def load(x: int) -> int:
        RAN.warning("load")
        return x

    async def main() -> None:
        with mode("frozen"), pytest.raises(CacheMissError):
            await load(1)
        with mode("readonly"):
            await load(1)
        assert not load.is_cached(1)
        await load(1)
        with mode("frozen"):
            assert await asyncio.create_task(load(1)) == 1
        with mode("fresh"):
            await load(1)
        with mode("off"):
            await load(1)

    asyncio.run(main())
    assert len(bodies) == 4


def test_an_unknown_mode_says_which_there_are() -> None:
    with (
        pytest.raises(CacheConfigError, match='"normal", "fresh", "frozen", "readonly", "off"'),
        mode("warm"),
    ):
        pass


def test_the_environment_has_a_mode_for_the_whole_process(run_python: Callable) -> None:
    script = """
import afml_cache
@afml_cache.robust_cacheable
def double(x):
    return 2 * x
try:
    print(double(1))
except afml_cache.CacheMissError:
    print("missing")
"""
    assert run_python(script, env={"AFML_CACHE_MODE": "frozen"}).split() == ["missing"]
    assert run_python(script).split() == ["2"]
    assert run_python(script, env={"AFML_CACHE_MODE": "frozen"}).split() == ["2"]


def test_configure_sets_the_mode_of_the_process(double) -> None:
    double.put(7, 1)
    afml_cache.configure(mode="off")
    try:
        assert double(1) == 2
        with mode("normal"):
            assert double(1) == 7
    finally:
        afml_cache.configure(mode="normal")
    assert double(1) == 7


@pytest.mark.parametrize("argument", ["--fresh", "--force-rerun", "--no-skip-existing"])
def test_a_script_has_arguments_for_it(
    double, argument: str, bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODE", "FORCE_RERUN", "SKIP_EXISTING"):
        monkeypatch.setenv(f"AFML_CACHE_{name}", "")
    parser = argparse.ArgumentParser()
    afml_cache.add_cache_arguments(parser)
    double(1)
    given = parser.parse_args([])
    assert (given.fresh, given.force_rerun, given.skip_existing) == (False, False, True)
    double(1)
    assert len(bodies) == 1
    try:
        given = parser.parse_args([argument])
        double(1)
        told = [os.environ[f"AFML_CACHE_{name}"] for name in ("MODE", "FORCE_RERUN")]
        looks = groups.looks_up("sweep"), groups.looks_up("artifact")
    finally:
        afml_cache.configure(mode="normal", force_rerun=False, skip_existing=True)
    assert told == ["fresh" if given.fresh else "", "true" if given.force_rerun else ""]
    assert len(bodies) == 1 + given.fresh
    assert looks == (not (given.fresh or given.force_rerun), False)
    assert (given.fresh, given.force_rerun, not given.skip_existing).count(True) == 1


def test_a_script_can_be_given_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFML_CACHE", "elsewhere")
    parser = argparse.ArgumentParser()
    afml_cache.add_cache_arguments(parser)
    given = parser.parse_args(["--cache-dir", str(tmp_path / "here")])
    assert given.cache_dir == str(tmp_path / "here")
    assert afml_cache.CACHE_DIRS["base"] == tmp_path / "here"
    assert os.environ["AFML_CACHE"] == str(tmp_path / "here")
