"""What comes back is what was returned: from memory, from the folder, and in another process."""

import os
import pickle
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afml_cache import CacheWriteWarning, Store, robust_cacheable

results = pytest.importorskip("results", exc_type=ImportError)
alike = pytest.importorskip("alike", exc_type=ImportError)


def cached(store: Store) -> Callable:
    return robust_cacheable(store=store, ignore=("value",))(results.echoed)


@pytest.mark.parametrize("name", results.CASES)
def test_a_result_comes_back_as_it_was_returned(store: Store, name: str) -> None:
    make = results.CASES[name]
    echo = cached(store)
    value = make()
    assert echo(name, value) is value
    assert alike.same(value, make())
    assert alike.same(echo(name, None), make())
    assert alike.same(echo(name, None), make())
    again = cached(Store(store.path))
    assert alike.same(again(name, None), make())
    assert (echo.cache_info().misses, again.cache_info().misses) == (1, 0)


def test_every_result_comes_back_in_another_process(
    run_python: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, make in results.CASES.items():
        results.echo(name, make())
    paths = str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    shown = run_python(
        """
from alike import same
from results import CASES, echo
missing = [name for name in CASES if not echo.is_cached(name, None)]
there = [name for name in CASES if name not in missing] * 2
wrong = [name for name in there if not same(echo(name, None), CASES[name]())]
print(missing, wrong, echo.cache_info().misses, echo.cache_info().hits == 2 * len(CASES))
""",
        hashseed=7,
    )
    assert shown.split("\n")[0] == "[] [] 0 True"


@pytest.mark.parametrize("name", results.PLAIN)
def test_no_result_of_a_known_library_needs_pickle(tmp_path: Path, name: str) -> None:
    make = results.CASES[name]
    echo = cached(Store(tmp_path / "plain", allow_pickle=False))
    value = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        echo(name, value)
    assert not caught
    assert echo.is_cached(name, None)
    assert alike.same(echo(name, None), make())


@pytest.mark.parametrize("name", results.MODELS)
def test_without_pickle_a_result_that_needs_one_is_returned_but_not_stored(
    tmp_path: Path, name: str
) -> None:
    make = results.CASES[name]
    store = Store(tmp_path / "plain", allow_pickle=False)
    echo = cached(store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert alike.same(echo(name, make()), make())
        assert alike.same(echo("another", make()), make())
    assert [warning.category for warning in caught] == [CacheWriteWarning]
    assert "pickle" in str(caught[0].message)
    assert "results.echoed" in str(caught[0].message)
    assert len(store) == 0
    assert echo.cache_info().hits == 0


def test_without_pickle_nothing_that_was_pickled_is_loaded(store: Store) -> None:
    echo = cached(store)
    echo("model", results.CASES["model"]())
    careful = cached(Store(store.path, allow_pickle=False))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert careful("model", "computed") == "computed"
    assert all(warning.category is not UserWarning for warning in caught)
    assert careful.cache_info().hits == 0


UNHOLDABLE: dict[str, Callable] = {
    "a lock": threading.Lock,
    "a generator": lambda: (number for number in range(3)),
    "an open file": Path(__file__).open,
    "a column of objects of polars": lambda: results.pl.Series([object()], dtype=results.pl.Object),
    "a frame of locks": lambda: [results.bars(2), {"a": threading.Lock()}],
}


@pytest.mark.parametrize("name", UNHOLDABLE)
def test_a_result_that_nothing_can_hold_is_returned(store: Store, name: str) -> None:
    echo = cached(store)
    value = UNHOLDABLE[name]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert echo(name, value) is value
        assert echo(name, value) is value
        assert not echo.is_cached(name, None)
    if name == "an open file":
        value.close()
    assert [warning.category for warning in caught] == [CacheWriteWarning]


def test_a_subclass_comes_back_as_itself_or_not_at_all(store: Store) -> None:
    echo = cached(store)
    values = [
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros((2, 2)).view(np.matrix),
        np.rec.array([(1, 2.0)]),
    ]
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        for place, value in enumerate(values):
            echo(str(place), value)
            back = echo(str(place), value)
            assert type(back) is type(value)
            assert pickle.dumps(back) == pickle.dumps(value) or (back == value).all()


def test_a_result_that_holds_itself_is_returned(store: Store) -> None:
    echo = cached(store)
    value: list = [1]
    value.append(value)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert echo("loop", value) is value
        back = echo("loop", value)
    assert back[0] == 1
    assert back[1] is back


@pytest.mark.parametrize("kind", ["[value]", "(value,)", "{'k': value}"])
def test_a_result_nested_100_000_deep_never_crashes_the_interpreter(
    run_python: Callable, kind: str
) -> None:
    shown = run_python(
        f"""
import warnings, afml_cache
warnings.simplefilter("ignore")
@afml_cache.robust_cacheable
def deep(levels):
    value = 1
    for _ in range(levels):
        value = {kind}
    return value
for _ in range(3):
    value, depth = deep(100_000), 0
    while value != 1 if type(value) is int else True:
        value, depth = (value["k"] if type(value) is dict else value[0]), depth + 1
    print(depth)
"""
    )
    assert shown.split() == ["100000"] * 3


def test_one_object_met_twice_is_one_object_afterwards(store: Store) -> None:
    echo = cached(store)
    part = np.arange(400_000.0)
    echo("twice", {"a": part, "b": [part, part]})
    assert store.size_bytes < 2 * part.nbytes
    back = echo("twice", None)
    assert np.array_equal(back["a"], part)
    assert np.array_equal(back["b"][1], part)


def test_a_long_text_met_twice_is_written_once(store: Store) -> None:
    echo = cached(store)
    text, content = "x" * 100_000, b"y" * 100_000
    echo("twice", [[text] * 5, {"a": content, "b": content}])
    assert store.size_bytes < 210_000
    assert echo("twice", None) == [[text] * 5, {"a": content, "b": content}]


def test_two_stores_know_nothing_of_each_other(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    here, there = cached(store), cached(other)
    here("a", 1)
    assert not there.is_cached("a", None)
    there("a", 2)
    assert (here("a", None), there("a", None)) == (1, 2)
    assert here.cache_key("a", None) == there.cache_key("a", None)
    assert here.cache_clear() == 1
    assert there("a", None) == 2
    assert (len(store), len(other)) == (0, 1)


def test_an_aligned_record_around_one_without_fields_comes_back(store: Store) -> None:
    """NumPy 1 divides by the alignment of its fields, which is zero here."""
    echo = cached(store)
    for name, inner in (("direct", ("e", [])), ("twice", ("e", [], (2,)))):
        value = np.zeros(2, np.dtype([("a", "i1"), inner], align=True))
        echo(name, value)
        back = cached(Store(store.path))(name, None)
        assert alike.same(back, value)


def test_a_record_array_comes_back_with_its_manners(store: Store) -> None:
    echo = cached(store)
    for name, dtype in (
        ("record", np.dtype((np.record, [("x", "i4")]))),
        ("titled", np.dtype([(("Title", "x"), "i4")])),
    ):
        value = np.zeros(2, dtype)
        echo(name, value)
        again = cached(Store(store.path))(name, None)
        assert again.dtype == dtype
        assert again.dtype.type is dtype.type
        assert again.dtype.fields == dtype.fields
