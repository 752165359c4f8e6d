"""Any value that can be made of plain parts, arrays and frames comes back as it was."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_digest_properties import frames, values

from afml_cache import Store, robust_cacheable

alike = pytest.importorskip("alike", exc_type=ImportError)
NUMBERS = itertools.count()

parts = st.one_of(
    values,
    frames,
    frames.map(lambda frame: frame["c"]),
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=3)),
    hnp.arrays(
        st.sampled_from(["f8", "i4", "S2"]), hnp.array_shapes(max_dims=2, min_side=40, max_side=60)
    ),
)


def echoed(name: int, value: object) -> object:
    return value


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "store"


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    value=st.one_of(
        parts, st.lists(parts, max_size=3), st.dictionaries(st.text(max_size=2), parts, max_size=3)
    )
)
def test_a_value_comes_back_from_memory_and_from_the_folder(folder: Path, value: Any) -> None:
    name = next(NUMBERS)
    echo = robust_cacheable(store=Store(folder, allow_pickle=False), ignore=("value",))(echoed)
    assert echo(name, value) is value
    assert alike.same(echo(name, None), value)
    again = robust_cacheable(store=Store(folder), ignore=("value",))(echoed)
    assert alike.same(again(name, None), value)
    assert again.cache_info().misses == 0
