"""Parameters and data in the form that they are told apart by."""

from __future__ import annotations

import contextlib
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from afml_cache._apart import take_apart
from afml_cache._native import digest
from afml_cache.exceptions import UncacheableArgumentError

# Their `item()` is no equal of theirs: whole numbers instead of times, or themselves.
_KEPT = "mMGV"
# Mappings that hold their items and nothing else: all of them are one kind of parameters.
_ITEMS_ALONE: Final = (dict, OrderedDict, types.MappingProxyType)


def canonical(value: Any) -> Any:
    """Give parameters with NumPy scalars as their Python equals, and mappings in one order.

    So a grid of `np.arange` and its copy from JSON have one digest.

    Raises
    ------
    UncacheableArgumentError
        They hold themselves, or the name of a parameter can't be keyed.
    """
    try:
        return _canonical(value)
    except RecursionError as error:
        message = "parameters that hold themselves, or are nested too deeply, can't be keyed"
        raise UncacheableArgumentError(message) from error


def _canonical(value: Any) -> Any:
    if type(value) in _ITEMS_ALONE:
        items = [(plain(name), _canonical(each)) for name, each in value.items()]
        return dict(sorted(items, key=lambda item: digest(item[0])))
    if isinstance(value, Mapping):
        return _of_a_class(value)
    if type(value) in {list, tuple}:
        return type(value)(_canonical(each) for each in value)
    if type(value) in {set, frozenset}:
        return type(value)(map(plain, value))
    return plain(value)


def _of_a_class(value: Mapping[Any, Any]) -> Any:
    """Give a mapping with its class and all that it holds beside its items."""
    try:
        kind, parts = take_apart(value)
    except UncacheableArgumentError:
        return value  # its digest says where it is
    return kind, [(place, _canonical(part)) for place, part in parts]


def plain(value: Any) -> Any:
    """Give a scalar of NumPy as its equal of Python, and anything else as it is."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return value
    scalar = isinstance(value, numpy.generic) or (type(value) is numpy.ndarray and value.ndim == 0)
    if not scalar or value.dtype.kind in _KEPT or value.dtype == numpy.longdouble:
        return value
    return value.item()


def whole_number(value: Any, *, least: int) -> int | None:
    """Give a whole number of Python or NumPy from `least` on; `None` for anything else."""
    value = plain(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and value >= least else None


def typed(parameters: Mapping[Any, Any]) -> dict[Any, Any]:
    """Give parameters as they are kept: in their order, NumPy scalars as their Python equals."""
    return {plain(name): _kept(value) for name, value in parameters.items()}


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return typed(value)
    if type(value) in {list, tuple}:
        return type(value)(_kept(each) for each in value)
    return plain(value)


def data_digest(data: Any) -> str:
    """Digest the data of a backtest: one frame, several, or a dictionary of them in any order."""
    with named("value", "data"):
        if type(data) is dict:
            return digest(sorted((digest(symbol), digest(frame)) for symbol, frame in data.items()))
        return digest(data)


@contextlib.contextmanager
def named(place: str, name: str) -> Iterator[None]:
    """Call what can't be keyed as the user does."""
    try:
        yield
    except UncacheableArgumentError as error:
        message = str(error).replace(f"`{place}", f"`{name}", 1)
        raise UncacheableArgumentError(message) from error
