"""Instances as results: put together without their code, sealed, stale when the class changed."""

import collections
import contextlib
import dataclasses
import gc
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from afml_cache import CacheReadWarning, CacheWriteWarning, Store, robust_cacheable
from afml_cache._records import put_together, take_apart
from afml_cache.exceptions import CacheCorruptError

records = pytest.importorskip("results_records", exc_type=ImportError)

DATACLASS = """
import dataclasses
@dataclasses.dataclass
class Fit:
    score: float
    name: str = "a"
"""
TUPLE = """
import collections
Fit = collections.namedtuple("Fit", ["score", "name"], defaults=["a"])
"""
CHANGES = {
    "gone": "Other = 1",
    "another field": DATACLASS + "    more: int = 0",
    "another order": DATACLASS.replace("score: float", "name: str").replace(
        'name: str = "a"', "score: float = 0.5"
    ),
    "no dataclass": "class Fit:\n    pass",
    "no class": "Fit = 5",
    "its own state": DATACLASS + "    def __setstate__(self, state):\n        raise OSError",
    "another tuple": 'import collections\nFit = collections.namedtuple("Fit", "score")',
    "broken": "raise RuntimeError",
}


def echoed(name: str, value: object) -> object:
    """Give the value; only the name is in the key."""
    return value


def cached(store: Store) -> Callable:
    return robust_cacheable(store=store, ignore=("value",))(echoed)


def base_of(array: np.ndarray) -> Any:
    while isinstance(array, np.ndarray):
        array = array.base
    return array


@pytest.mark.parametrize("size", [10, 10_000, 600_000])
def test_the_arrays_of_a_dataclass_lie_in_the_payload(store: Store, size: int) -> None:
    cached(store)("fit", records.Fit(np.arange(float(size))))
    back = cached(Store(store.path))("fit", None)
    assert type(base_of(back.weights)).__name__ == "Memory"
    back.weights[0] = 7
    assert cached(Store(store.path))("fit", None).weights[0] == 0


@pytest.mark.parametrize("source", [DATACLASS, TUPLE], ids=["dataclass", "tuple"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_instance_of_a_class_that_changed_is_computed_again(
    store: Store, module: Callable, change: str, source: str
) -> None:
    fit = module(source).Fit(0.5)
    cached(store)("fit", fit)
    again = cached(Store(store.path))
    assert again("fit", None) == fit
    with contextlib.suppress(RuntimeError):
        module(CHANGES[change])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        later = cached(Store(store.path))
        assert later("fit", "computed") == "computed"
        assert later("fit", None) == "computed"
    assert [warning.category for warning in caught] == [CacheReadWarning]


def test_a_class_that_only_gained_a_method_is_as_good_as_before(
    store: Store, module: Callable
) -> None:
    cached(store)("fit", module(DATACLASS).Fit(0.5))
    changed = module(DATACLASS + "    def double(self):\n        return 2 * self.score")
    back = cached(Store(store.path))("fit", None)
    assert type(back) is changed.Fit
    assert back.double() == 1


def test_without_a_secret_a_dataclass_is_returned_but_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFML_CACHE_KEY", "no key")
    for allow_pickle in (True, False):
        store = Store(tmp_path / str(allow_pickle), allow_pickle=allow_pickle)
        echo = cached(store)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                assert echo("fit", records.Frozen(1)) == records.Frozen(1)
            assert echo("plain", 5) == 5
        assert [warning.category for warning in caught] == [CacheWriteWarning]
        assert "AFML_CACHE_KEY" in str(caught[0].message)
        assert len(store) == 1


def test_a_store_without_pickle_reads_the_dataclasses_of_one_with_it(store: Store) -> None:
    cached(store)("fit", records.Frozen(1, [2]))
    cached(store)("enum", records.Color.RED)
    careful = cached(Store(store.path, allow_pickle=False))
    assert careful("fit", None) == records.Frozen(1, [2])
    assert careful("enum", "computed") == "computed"


def test_many_instances_say_once_what_they_are(store: Store) -> None:
    cached(store)("many", [records.Frozen(number) for number in range(5_000)])
    assert store.size_bytes < 5_000 * 80


class Local(NamedTuple):
    a: int


@dataclasses.dataclass
class FailingError(Exception):
    a: int


@dataclasses.dataclass
class Mapping(dict):
    a: int


class Guarded(collections.namedtuple("Guarded", "a")):  # noqa: PYI024, SLOT002
    def __new__(cls, a: int) -> Any:
        return super().__new__(cls, a + 1)


@dataclasses.dataclass
class Made:
    a: int

    def __new__(cls, *_: object) -> Any:
        return super().__new__(cls)


def test_what_has_a_manner_of_its_own_is_left_to_pickle() -> None:
    @dataclasses.dataclass
    class Within:
        a: int

    unset = (
        Local(1),
        Within(1),
        FailingError(1),
        Mapping(1),
        Guarded(1),
        Made(1),
        records.Reduced(1),
    )
    assert [take_apart(value) is None for value in unset] == [False] + [True] * 6
    assert take_apart(records.unset()) is None
    assert take_apart(records.named()) is None
    assert take_apart(records.Stateful(1)) is None
    assert take_apart(records.Color.RED) is None
    assert take_apart(records.Fit) is None


def test_a_class_that_copyreg_knows_is_left_to_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    import copyreg

    assert take_apart(records.Frozen(1)) is not None
    monkeypatch.setitem(copyreg.dispatch_table, records.Frozen, lambda value: (int, (value.a,)))
    assert take_apart(records.Frozen(1)) is None


@pytest.mark.parametrize(
    ("form", "names", "values"),
    [
        ((0, "results_records", "Frozen", ("a",)), ("a",), (1,)),
        ((0, "results_records", "Frozen", ("a", "b")), ("a",), (1, 2)),
        ((0, "results_records", "Frozen", ("a", "b")), ("a", "c"), (1, 2)),
        ((1, "results_records", "Frozen", ("a", "b")), ("a", "b"), (1, 2)),
        ((0, "results_records", "echoed", ()), (), ()),
        ((0, "results_records", "", ()), (), ()),
        ((0, "", "Frozen", ()), (), ()),
        ((0, "builtins", "int", ()), (), ()),
        ((0, "os", "system", ()), (), ()),
        ((1, "results_records", "Bar", ("open", "extra")), ("open", "extra"), (1,)),
        ((0, "results_records", "Bar"), (), ()),
        (None, None, ()),
        (5, ("a",), (1,)),
    ],
)
def test_parts_that_do_not_fit_make_no_instance(form: Any, names: Any, values: Any) -> None:
    with pytest.raises((CacheCorruptError, ImportError, AttributeError, TypeError, ValueError)):
        put_together(form, names, values)


def test_a_class_is_not_kept_alive(module: Callable) -> None:
    loaded = module(DATACLASS)
    assert take_apart(loaded.Fit(1.0)) is not None
    gone = weakref.ref(loaded.Fit)
    del loaded
    module("Fit = None")
    gc.collect()
    assert gone() is None
