"""Methods, static and class methods are cached like functions; `self` is an argument."""

import threading
import warnings
from collections.abc import Iterator

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import UncacheableArgumentWarning, robust_cacheable


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


class Model:
    """A user class whose methods are cached."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @robust_cacheable(ignore=("self",))
    def fit(self, a: int) -> int:
        RAN.warning("fit")
        return a * 2

    @robust_cacheable
    def scaled(self, a: int) -> int:
        RAN.warning("scaled")
        return a * self.factor

    @staticmethod
    @robust_cacheable
    def plain(a: int) -> int:
        RAN.warning("plain")
        return a + 1

    @classmethod
    @robust_cacheable(ignore=("cls",))
    def named(cls, a: int) -> str:
        RAN.warning("named")
        return f"{a}"


def test_a_method_that_ignores_self_hits_for_every_instance(bodies: Bodies) -> None:
    assert [Model(1).fit(2), Model(3).fit(2), Model.fit(Model(4), 2), Model(5).fit(a=2)] == [4] * 4
    assert bodies.ran == ["fit"]
    assert Model.fit.cache_info().misses == 1
    assert Model(1).fit.cache_info().hits == 3
    assert Model.fit.is_cached(Model(6), 2)


def test_questions_to_a_bound_method_know_the_instance(bodies: Bodies) -> None:
    assert Model(1).fit(7) == 14
    assert Model(1).fit.is_cached(7)
    assert Model(1).fit.cache_key(7) == Model(2).fit.cache_key(a=7)
    assert Model(1).fit.refresh(7) == 14
    assert Model(1).fit.explain(7).cached
    assert bodies.ran == ["fit", "fit"]


def test_a_method_of_an_instance_that_cannot_be_keyed_runs_and_says_so(bodies: Bodies) -> None:
    first, second = Model(3), Model(5)
    first.lock = second.lock = threading.Lock()
    with pytest.warns(UncacheableArgumentWarning, match=r"self\.lock"):
        assert first.scaled(2) == 6
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert second.scaled(2) == 10
    assert not caught
    assert bodies.ran == ["scaled", "scaled"]


def test_the_instance_counts_by_content_and_its_class_by_code(
    bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [Model(3).scaled(2), Model(3).scaled(2), Model(4).scaled(2)] == [6, 6, 8]
    assert bodies.ran == ["scaled", "scaled"]
    monkeypatch.setattr(Model, "helper", lambda _: 1, raising=False)
    assert Model(3).scaled(2) == 6
    monkeypatch.undo()
    assert Model(3).scaled(2) == 6
    assert bodies.ran == ["scaled"] * 3


def test_static_and_class_methods_hit(bodies: Bodies) -> None:
    assert [Model.plain(1), Model(1).plain(1), Model(2).plain(a=1)] == [2] * 3
    assert [Model.named(1), Model(1).named(1)] == ["1", "1"]
    assert bodies.ran == ["plain", "named"]
