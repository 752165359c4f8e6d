"""The wrapper: what it refuses at decoration, how it looks, and the questions it answers."""

import copy
import functools
import inspect
import pickle
import pydoc
import typing
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import (
    CacheError,
    CacheWarning,
    Store,
    UncacheableArgumentError,
    UncacheableArgumentWarning,
    cacheable,
    robust_cacheable,
    time_aware_cacheable,
)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


@robust_cacheable
def documented(bars: list, window: int = 20, *, side: str = "both") -> float:
    """Count what lies within the window."""
    return len(bars) / window


DECORATORS = [cacheable, robust_cacheable, time_aware_cacheable]


@pytest.mark.parametrize("decorator", DECORATORS)
def test_an_unknown_option_is_refused_with_the_known_ones(decorator: Callable) -> None:
    with pytest.raises(TypeError, match="verzion") as raised:
        decorator(verzion="1")
    for known in ("version", "ignore", "ignore_deps", "on_uncacheable", "store"):
        assert known in str(raised.value)


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("decorator", [*DECORATORS, robust_cacheable()])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (generator, "generator"),
        (async_generator, "generator"),
        (functools.partial(generator), "generator"),
        (3, "3.*call"),
        ("name", "name.*call"),
        (Bodies, "class"),
        (property(lambda _: 1), "call"),
    ],
)
def test_what_cannot_be_cached_is_refused_at_decoration(
    decorator: Callable, what: object, reason: str
) -> None:
    with pytest.raises(TypeError, match=reason):
        decorator(what)


def test_a_wrong_choice_of_on_uncacheable_is_refused_at_decoration() -> None:
    with pytest.raises((TypeError, ValueError, CacheError), match="on_uncacheable"):
        robust_cacheable(on_uncacheable="shrug")(len)


def test_the_wrapper_looks_like_the_function() -> None:
    plain = documented.__wrapped__
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(documented, name) == getattr(plain, name)
    assert inspect.signature(documented) == inspect.signature(plain)
    assert typing.get_type_hints(documented) == typing.get_type_hints(plain)
    assert inspect.unwrap(documented) is plain
    assert callable(documented)
    text = pydoc.render_doc(documented, renderer=pydoc.plaintext)
    assert "Count what lies within the window" in text
    assert "window: int = 20" in text
    assert "documented" in repr(documented)


def test_a_wrapper_pickles_by_reference() -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(documented, protocol)) is documented
    assert copy.copy(documented) is documented
    assert copy.deepcopy(documented) is documented


def test_a_wrapper_takes_further_decorators(store: Store) -> None:
    def twice(function: Callable) -> Callable:
        @functools.wraps(function)
        def inner(*args: object) -> list:
            return [function(*args), function(*args)]

        return inner

    @twice
    @robust_cacheable(store=store)
    def number(a: int) -> int:
        return a

    assert number(3) == [3, 3]


def test_refresh_computes_again_and_overwrites(store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "hidden")

    @robust_cacheable(store=store)
    def read(a: int) -> str:
        with open(path) as file:  # noqa: PTH123
            return file.read() * a

    Path(path).write_text("x")
    assert read(2) == "xx"
    Path(path).write_text("y")
    assert read(2) == "xx"
    assert read.refresh(2) == "yy"
    assert read(2) == "yy"
    assert read.refresh(3) == read(3) == "yyy"
    assert len(store) == 2


def test_cache_clear_removes_the_entries_of_this_function_only(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def one(a: int) -> int:
        RAN.warning("one")
        return a

    @robust_cacheable(store=store)
    def other(a: int) -> int:
        RAN.warning("other")
        return a

    assert [one(1), one(2), other(1)] == [1, 2, 1]
    assert one.cache_clear() == 2
    info = one.cache_info()
    assert (info.hits, info.misses, info.stored_bytes) == (0, 0, 0)
    assert not one.is_cached(1)
    assert [one(1), other(1)] == [1, 1]
    assert bodies.ran == ["one", "one", "other", "one"]
    assert one.cache_clear() == 1
    assert one.cache_clear() == 0


def test_asking_neither_runs_nor_counts(store: Store, bodies: Bodies) -> None:
    documented_here = robust_cacheable(store=store)(documented.__wrapped__)
    assert not documented_here.is_cached([1])
    key = documented_here.cache_key([1])
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert not documented_here.explain([1]).cached
    assert documented_here.cache_info().misses == 0
    assert documented_here.cache_info().hits == 0
    documented_here([1])
    assert documented_here.is_cached([1])
    assert documented_here.cache_key([1]) == key
    assert documented_here.cache_info().hits == 0
    assert len(bodies) == 0


def test_explain_says_which_part_differs(store: Store) -> None:
    @robust_cacheable(store=store)
    def scan(bars: list, params: dict, window: int = 3) -> int:
        return len(bars) + window + len(params)

    assert "never called" in str(scan.explain([1], {}))
    assert not scan.explain([1], {}).cached
    scan([1], {"a": 1})
    hit = scan.explain([1], {"a": 1})
    assert hit.cached
    missed = scan.explain([1], {"a": 2})
    assert not missed.cached
    assert len(missed.reasons) == 1
    assert "argument `params` changed" in str(missed)
    assert scan.explain([1], {"a": 1}, 4).reasons[0].startswith("argument `window` changed")
    both = scan.explain([2], {"a": 1}, window=5).reasons
    assert {reason.split("`")[1] for reason in both} == {"bars", "window"}


def test_another_version_misses_and_the_first_one_hits_again(store: Store, bodies: Bodies) -> None:
    def make(version: str) -> Callable:
        @robust_cacheable(store=store, version=version)
        def add(a: int) -> int:
            RAN.warning("add")
            return a

        return add

    for version, runs in (("1", 1), ("2", 2), ("1", 2), ("", 3)):
        if runs > len(bodies):
            assert not make(version).is_cached(1)
        assert make(version)(1) == 1
        assert len(bodies) == runs
    assert "version" in str(make("3").explain(1))


def test_an_ignored_argument_is_not_in_the_key(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store, ignore=("verbose", "n_jobs"))
    def fit(a: int, verbose: object = 0, *, n_jobs: object = 1) -> int:
        RAN.warning("fit")
        return a

    assert [fit(1), fit(1, 2), fit(1, object()), fit(1, n_jobs=lambda: 1), fit(a=1, verbose=3)] == [
        1
    ] * 5
    assert len(bodies) == 1
    assert fit(2) == 2
    assert len(bodies) == 2


def test_an_argument_that_cannot_be_keyed_warns_once_per_place(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def run(params: dict, extra: object = None) -> str:
        RAN.warning("run")
        return str(sorted(params))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert run({"model": [object()]}) == "['model']"
        assert len(caught) == 1
        assert run({"other": object()}) == "['other']"
        assert run({}, object()) == "[]"
    assert [warning.category for warning in caught] == [UncacheableArgumentWarning] * 3
    for warning, place in zip(
        caught, ("params['model'][0]", "params['other']", "extra"), strict=True
    ):
        assert place in str(warning.message)
        assert "run" in str(warning.message)
        assert issubclass(warning.category, CacheWarning)
    assert run.cache_info().bypasses == len(bodies) == 5
    assert len(store) == 0


def test_an_argument_that_cannot_be_keyed_raises_where_asked(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store, on_uncacheable="raise")
    def run(params: dict) -> None:
        RAN.warning("run")

    with pytest.raises(UncacheableArgumentError, match=r"params\['model'\]\[1\]"):
        run({"model": (1, iter([]))})
    for question in (run.cache_key, run.is_cached):
        with pytest.raises(UncacheableArgumentError, match=r"params"):
            question({"model": iter([])})
    assert len(bodies) == 0
