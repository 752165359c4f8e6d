"""Any value that can be made of plain parts, arrays and frames comes back as it was."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from afml_cache import Store, robust_cacheable

alike = pytest.importorskip("alike", exc_type=ImportError)
drawn = pytest.importorskip("drawn_results", exc_type=ImportError)
NUMBERS = itertools.count()
PHASES = [phase for phase in Phase if phase is not Phase.explain]
LONG = settings(max_examples=200, suppress_health_check=list(HealthCheck), phases=PHASES)


def echoed(name: int, value: object) -> object:
    return value


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "store"


def check(value: Any, folder: Path, *, allow_pickle: bool) -> None:
    """A value comes back from memory and from the folder as it was."""
    name = next(NUMBERS)
    echo, again = (
        robust_cacheable(store=Store(folder, allow_pickle=allow_pickle), ignore=("value",))(echoed)
        for _ in range(2)
    )
    assert echo(name, value) is value
    assert alike.same(echo(name, None), value)
    assert alike.same(again(name, None), value)
    assert again.cache_info().misses == 0


@LONG
@given(value=drawn.plain)
def test_a_value_of_known_kinds_comes_back_without_a_pickle(folder: Path, value: Any) -> None:
    check(value, folder, allow_pickle=False)


@LONG
@given(value=drawn.opaque)
def test_a_value_with_parts_that_need_pickle_comes_back(folder: Path, value: Any) -> None:
    check(value, folder, allow_pickle=True)
