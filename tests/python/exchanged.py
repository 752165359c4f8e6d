"""Functions whose results go from one store to another, and what a file of them is made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from forged import exported

from afml_cache import Store, export_entries, robust_cacheable

FLAGS = 12


class Model:
    """A class of the user's: it needs pickle."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights


def squared(x: int) -> int:
    return x * x


def numbers(size: int) -> np.ndarray:
    return np.arange(size)


def modelled(x: int) -> object:
    return Model(np.arange(float(x)))


def cached(store: Store, function: Callable = squared) -> Callable:
    return robust_cacheable(store=store)(function)


def two(store: Store, file: Path) -> tuple[bytes, bytes, list[bytes]]:
    """Give an export of a number and of a model: all of it, store, payloads in that order."""
    cached(store)(2), cached(store, modelled)(3)
    export_entries(file, store=store)
    whole = file.read_bytes()
    first = int.from_bytes(whole[64:72], "little")
    payloads = [whole[72 : 72 + first], whole[80 + first :]]
    assert exported(whole[16:32], payloads) == whole
    payloads.sort(key=lambda payload: payload[FLAGS])
    return exported(whole[16:32], payloads), whole[16:32], payloads
