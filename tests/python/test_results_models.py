"""Fitted models as results: their arrays and buffers stand beside the pickle."""

import array
import pickle
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from afml_cache import Store, robust_cacheable


def echoed(name: str, value: object) -> object:
    """Give the value; only the name is in the key."""
    return value


def cached(store: Store) -> Callable:
    return robust_cacheable(store=store, ignore=("value",))(echoed)


@pytest.fixture
def through(store: Store) -> Callable[[Any], Any]:
    """Store a result, and give what another store reads."""

    def give(value: Any) -> Any:
        cached(store)("it", value)
        again = cached(Store(store.path))
        found = again("it", None)
        assert again.cache_info().misses == 0
        return found

    return give


def owner(part: Any) -> str:
    while isinstance(part, (np.ndarray, memoryview)):
        part = part.base if isinstance(part, np.ndarray) else part.obj
    return type(part).__name__


class Buffered:
    """Hands over its memory as a buffer."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return Buffered, (pickle.PickleBuffer(self.memory),)


def test_a_forest_predicts_as_before(through: Callable) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(500, 5)), rng.integers(0, 2, 500)
    forest = ensemble.RandomForestClassifier(20, random_state=0).fit(features, labels)
    back = through({"forest": forest, "classes": forest.classes_})
    assert np.array_equal(back["forest"].predict_proba(features), forest.predict_proba(features))
    assert back["classes"] is back["forest"].classes_
    assert back["forest"].get_params() == forest.get_params()


def test_a_sparse_matrix_lies_in_the_payload(through: Callable) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random(400, 400, 0.1, format="csr", random_state=0)
    back = through(matrix)
    assert (back != matrix).nnz == 0
    assert owner(back.data) == "Memory"
    back.data[0] = 5
    assert (through(matrix) != matrix).nnz == 0


@pytest.mark.parametrize("size", [100, 300_000])
def test_tensors_share_their_memory_as_before(through: Callable, size: int) -> None:
    torch = pytest.importorskip("torch")
    whole = torch.arange(float(size))
    value = {
        "whole": whole,
        "part": whole[5:10],
        "layer": torch.nn.Linear(3, 2),
        "turned": torch.arange(6).reshape(2, 3).T,
        "small": torch.ones(2, dtype=torch.bfloat16),
        "nothing": torch.empty(0, 3),
    }
    back = through(value)
    for name in ("whole", "part", "turned", "small", "nothing"):
        assert torch.equal(back[name], value[name])
        assert back[name].dtype == value[name].dtype
        assert back[name].stride() == value[name].stride()
    assert torch.equal(back["layer"].weight, value["layer"].weight)
    assert back["layer"].weight.requires_grad
    back["whole"][7] = -1
    assert back["part"][2] == -1
    assert through(value)["whole"][7] == 7


@pytest.mark.parametrize("size", [10, 5_000, 3_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_buffer_may_be_written_where_it_could_be_before(
    through: Callable, kind: type, size: int
) -> None:
    back = through([Buffered(kind(size)), "beside"])[0]
    view = memoryview(back.memory)
    assert bytes(view) == bytes(size)
    assert view.readonly == (kind is bytes)


def test_a_buffer_with_gaps_is_as_little_stored_as_it_is_pickled(store: Store) -> None:
    memory = memoryview(np.arange(5_000))[::2]
    with pytest.warns(UserWarning, match="can't be stored"):
        cached(store)("gaps", Buffered(memory))
    assert len(store) == 0


def test_large_arrays_in_a_pickle_stay_outside_of_it(through: Callable) -> None:
    pd = pytest.importorskip("pandas")
    weights = np.arange(300_000.0)
    frozen = np.ones(300_000)
    frozen.flags.writeable = False
    days = pd.date_range("2024", periods=300_000, freq="s", tz="UTC")
    model = types.SimpleNamespace(
        weights=weights, again=weights, frozen=frozen, frame=pd.DataFrame({"a": weights}, days)
    )
    back = through([model, weights, array.array("d", [1.0])])
    assert back[0].weights is back[0].again is back[1]
    assert back[0].weights.flags.writeable
    assert not back[0].frozen.flags.writeable
    assert owner(back[1]) == owner(back[0].frozen) == "Memory"
    pd.testing.assert_frame_equal(back[0].frame, model.frame, check_freq=True)
    assert owner(back[0].frame["a"].to_numpy()) == "Memory"
    assert owner(back[0].frame.index.asi8) == "Memory"


def test_many_small_objects_are_not_slowed_down(store: Store) -> None:
    value = [types.SimpleNamespace(a=number, b=str(number)) for number in range(20_000)]
    cached(store)("many", value)
    assert cached(Store(store.path))("many", None) == value
    assert store.size_bytes < 2 * len(pickle.dumps(value, 5))
