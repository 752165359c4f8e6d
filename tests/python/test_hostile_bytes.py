"""A tree that somebody wrote: reading it is an error or a value, never a crash."""

import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forged import plant, stored
from hostile import blobs, indexes, put_blob

from afml_cache import Store, robust_cacheable

xxhash = pytest.importorskip("xxhash")
exact = pytest.importorskip("results_exact", exc_type=ImportError)
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

HEADER, CHECK, FLAGS = 152, slice(96, 112), slice(12, 16)
LENGTHS = slice(56, 80)  # of description and tree, and the number of leaves
RECORD, PICKLE, LIST, MANNERS = 40, 243, 12, 54
COMPUTED = "computed"


def echoed(value: object) -> object:
    """Give the value; it is not in the key."""
    return value


def cached(store: Store) -> Callable:
    return robust_cacheable(store=store, ignore=("value",))(echoed)


class Payload:
    """A payload that lies in the index of a store, for an attacker to write to."""

    def __init__(self, folder: Path, value: Any) -> None:
        cached(Store(folder))(value)
        self.folder = folder
        self.content = blobs(indexes(folder)[0])[0][3]
        meta, tree, self.leaves = struct.unpack("<QQQ", self.content[LENGTHS])
        self.tree = slice(HEADER + meta, HEADER + meta + tree)
        assert self.check(self.content) == self.content[CHECK]

    def check(self, payload: bytes) -> bytes:
        end = self.tree.stop + 32 * self.leaves
        return xxhash.xxh3_128_digest(payload[:96] + payload[HEADER:end])[::-1]

    def with_tree(self, tree: bytes, flags: int = 0) -> None:
        """Put another tree of the same length there, and make the check right."""
        payload = bytearray(self.content)
        assert len(tree) == self.tree.stop - self.tree.start
        payload[self.tree] = tree
        payload[FLAGS] = struct.pack("<I", flags)
        payload[CHECK] = self.check(bytes(payload))
        index = indexes(self.folder)[0]
        put_blob(index, blobs(index)[0], bytes(payload))  # another row after each miss
        assert blobs(index)[0][3] == payload

    def read(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cached(Store(self.folder))(COMPUTED)


def frame() -> Any:
    index = pd.MultiIndex.from_product([[1, 2], ["a", None]], names=["n", "s"])
    parts = {
        "z": pd.date_range("2024", periods=4, freq="h", tz="Europe/Berlin"),
        "c": pd.Categorical(["x", None, "y", "x"]),
        "i": pd.array([1, None, 3, 4], "Int64"),
        "s": pd.arrays.SparseArray([0, 0, 1, 2]),
    }
    return pd.DataFrame(parts, index=index)


VALUES: dict[str, Callable[[], Any]] = {
    "containers": lambda: [{"a": (1, 2.5, {3})}, frozenset(["x"]), range(3), slice(1), b"a", 2**99],
    "standard": lambda: exact.plain()["zones"]() + exact.plain()["decimals"]()[:2],
    "arrays": lambda: [np.arange(6).reshape(2, 3), np.float32(1), np.zeros(2, "i1,f8")],
    "aligned": lambda: np.zeros(2, exact.aligned()),
    "read-only": exact.arrays()["read-only of all kinds"],
    "objects": lambda: [exact.cells("F"), exact.mapped()],
    "masked": lambda: [exact.hardened(), np.ma.masked_array([1, 2], [0, 1], fill_value=7)],
    "frame": frame,
    "indexes": lambda: [pd.period_range("2024", periods=2, freq="D"), pd.interval_range(0, 2)],
    "arrow": exact.arrow()["arrow chunks"],
    "polars": lambda: pl.DataFrame({"a": [[1], None], "s": ["x", "y"], "d": [None, 1.5]}),
}


def altered(tree: bytes) -> Iterator[bytes]:
    for place, byte in enumerate(tree):
        for other in {0, 1, byte ^ 1, (byte + 1) % 256, 255, RECORD, PICKLE, MANNERS, 241} - {byte}:
            yield tree[:place] + bytes([other]) + tree[place + 1 :]


@pytest.mark.parametrize("name", VALUES)
def test_any_altered_byte_of_a_tree_gives_a_value_or_a_miss(tmp_path: Path, name: str) -> None:
    payload = Payload(tmp_path / "store", VALUES[name]())
    tree = payload.content[payload.tree]
    payload.with_tree(tree)
    assert payload.read() is not COMPUTED
    changes = list(altered(tree))
    for tree in changes[:: max(1, len(changes) // 100)]:
        payload.with_tree(tree)
        payload.read()


@pytest.mark.parametrize("flags", [0, 2])
@pytest.mark.parametrize("tag", [RECORD, PICKLE, 242])
def test_a_class_or_a_pickle_without_a_seal_is_not_read(
    tmp_path: Path, tag: int, flags: int, module: Callable
) -> None:
    marker = tmp_path / "imported"
    module(f"import pathlib; pathlib.Path({str(marker)!r}).touch()", "evil")
    marker.unlink()
    sys.modules.pop("evil")
    text = struct.pack("<BQ", 7, 4) + b"evil"
    form = struct.pack("<BQ", 11, 4) + struct.pack("<Bq", 3, 0) + text + text
    form += struct.pack("<BQ", 11, 0)
    tree = bytes([tag]) + form + struct.pack("<BQ", 11, 0) + struct.pack("<Q", 0)
    payload = Payload(tmp_path / "store", b"x" * (len(tree) - 9))
    payload.with_tree(tree, flags)
    assert payload.read() is COMPUTED
    nested = struct.pack("<BQ", LIST, 1) + tree
    payload = Payload(tmp_path / "another", b"x" * (len(nested) - 9))
    payload.with_tree(nested, flags)
    assert payload.read() is COMPUTED
    assert not marker.exists()


@pytest.mark.parametrize("seconds", [float("nan"), float("-inf"), -1.0])
def test_a_forged_time_does_not_keep_the_index_from_being_rebuilt(
    tmp_path: Path, seconds: float
) -> None:
    folder = tmp_path / "store"
    echo = cached(Store(folder))
    echo(np.arange(20_000))
    (payload,) = stored(folder).values()
    payload.seconds = seconds
    plant(folder, payload)
    indexes(folder)[0].unlink()
    again = cached(Store(folder))
    assert again(COMPUTED) is COMPUTED
    assert again(None) == COMPUTED
    assert again.cache_info().errors == 0
