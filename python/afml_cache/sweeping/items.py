"""The items of a sweep: which calls they are, which of them are one, and what seeds they have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentError
from afml_cache.sweeping.shown import shortly
from afml_cache.sweeping.work import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from afml_cache.sweeping.work import Key, Work

_SEED_BITS: Final = 32  # what NumPy's legacy generators and scikit-learn take
_SEEDED: Final = ("seed", "rng")
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Shape:
    """How an item becomes a call.

    Attributes
    ----------
    prefix, common
        Arguments before and behind the item's.
    keywords
        What items share by name.
    unpack : bool
        Whether a tuple stands for several arguments, and a mapping for several by name.
    seed : int
        The seed of the sweep.
    seeded : tuple of str
        Which of `seed` and `rng` the function takes, and is given where an item does not give it.
    names : tuple of str
        The parameters of the function, in order.
    """

    prefix: tuple[Any, ...]
    common: tuple[Any, ...]
    keywords: dict[str, Any]
    unpack: bool
    seed: int
    seeded: tuple[str, ...]
    names: tuple[str, ...] = ()

    def call(self, item: Any) -> Call:
        """Give the call of an item."""
        return self._call(item, _generator)

    def key_call(self, item: Any) -> Call:
        """Give the call by which an item is known: a generator counts as what it is made of."""
        return self._call(item, _name_of_generator)

    def _call(self, item: Any, generator: Any) -> Call:
        args: tuple[Any, ...] = (item,)
        kwargs = self.keywords
        if self.unpack and isinstance(item, Mapping):
            args, kwargs = (), {**kwargs, **item}
        elif self.unpack and isinstance(item, tuple):
            args = item
        args = (*self.prefix, *args, *self.common)
        if self.seeded:
            kwargs = {**self._seeds(item, generator, self.names[: len(args)]), **kwargs}
        return Call(args, kwargs)

    def _seeds(
        self, item: Any, generator: Callable[[int], Any], given: tuple[str, ...]
    ) -> dict[str, Any]:
        seeds: dict[str, Any] = {}
        if "seed" in self.seeded and "seed" not in given:
            seeds["seed"] = self.seed_of(item)
        if "rng" in self.seeded and "rng" not in given:
            seeds["rng"] = generator(self._entropy(item))
        return seeds

    def seed_of(self, item: Any) -> int:
        """Give the seed of an item: H(seed of the sweep, item), in 32 bits."""
        return self._entropy(item) % (1 << _SEED_BITS)

    def _entropy(self, item: Any) -> int:
        return int(digest(("afml-cache seed", self.seed, item)), 16)


def shape_of(
    work: Work, common: Mapping[str, Any] | Sequence[Any], unpack: bool, seed: int
) -> Shape:
    """Tell how items become calls.

    Raises
    ------
    CacheConfigError
        `seed` is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        message = f"`seed` must be a whole number, not {seed!r}"
        raise CacheConfigError(message)
    is_named = isinstance(common, Mapping)
    behind, keywords = ((), dict(common)) if is_named else (tuple(common), {})
    parameters = _parameters(work.function)
    # Where items are several arguments, each of them says which.
    places = 0 if unpack else len(work.prefix) + 1 + len(behind)
    given = {*list(parameters)[:places], *keywords}
    if isinstance(work.function, functools.partial):
        given |= work.function.keywords.keys()
    free = {name for name, one in parameters.items() if one.kind in _BY_NAME} - given
    seeded = tuple(name for name in _SEEDED if name in free)
    return Shape(work.prefix, behind, keywords, unpack, seed, seeded, tuple(parameters))


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function of C that does not tell
        return {}


def _generator(entropy: int) -> Any:
    import numpy as np

    return np.random.default_rng(entropy)


def _name_of_generator(entropy: int) -> Any:
    return ("numpy.random.default_rng", entropy)


@dataclass
class Item:
    """One item, wherever it appears in the list.

    Attributes
    ----------
    number : int
        Its place among the distinct ones.
    value
        The item.
    places : list of int
        Where it is in the list.
    key : str or None
        What it is known by; `None` where it can't be keyed.
    attempts : int
        How often it was begun in this sweep.
    inline : bool
        Whether its result is sent and not stored, since what was stored is not to be found.
    alone : bool
        Whether it is given out by itself, since a worker died and nobody knows of which item.
    """

    number: int
    value: Any
    places: list[int]
    key: str | None
    attempts: int = 0
    inline: bool = False
    alone: bool = False

    def given(self) -> tuple[Any, str | None, bool]:
        """Give what a worker is told of it."""
        return self.value, self.key, self.inline


@dataclass
class Items:
    """The items of a sweep, each once.

    Attributes
    ----------
    function : str
        The name of what they are given to.
    distinct : list of Item
        In the order of the list.
    length : int
        Of the list.
    first : int
        Where the list begins in a longer one that it is a part of.
    whole : str, optional
        The id of that one.
    """

    shape: Shape
    function: str
    distinct: list[Item] = field(default_factory=list)
    length: int = 0
    first: int = 0
    whole: str | None = None

    def place(self, item: Item) -> int:
        """Give where an item is, as users are told."""
        return self.first + item.places[0]

    def call(self, item: Item) -> Call:
        """Give the call by which an item is known."""
        return self.shape.key_call(item.value)

    @property
    def id(self) -> str:
        """What tells this list from others: a digest of the function, and the keys in order."""
        return digest((self.function, self.listed_keys()))

    def listed_keys(self) -> list[str | None]:
        """Give the keys in the order of the list."""
        keys: list[str | None] = [None] * self.length
        for item in self.distinct:
            for place in item.places:
                keys[place] = item.key
        return keys


def listed_items(values: Iterable[Any]) -> list[Any]:
    """Give the items as a list.

    Raises
    ------
    TypeError
        They are nothing to go through, or what is gone through by accident.
    """
    kind = type(values)
    if isinstance(values, Mapping):
        message = (
            f"the items of a {kind.__name__} would be its keys; write `list(given.values())`, or "
            "`list(given.items())` for pairs, which `unpack=True` makes two arguments of"
        )
        raise TypeError(message)
    if kind.__name__ in {"DataFrame", "LazyFrame"}:
        message = (
            f"the items of a {kind.__name__} would be the names of its columns; for its rows write "
            '`frame.to_dict("records")` (pandas) or `frame.to_dicts()` (polars)'
        )
        raise TypeError(message)
    if isinstance(values, str | bytes):
        message = f"the items are a list, not {values!r}, whose characters they would be"
        raise TypeError(message)
    if not hasattr(kind, "__iter__") and not hasattr(kind, "__getitem__"):
        message = f"the items are a list, or something else to go through, not {shortly(values)}"
        raise TypeError(message)
    return list(values)


def items_of(values: Iterable[Any], work: Work, shape: Shape) -> Items:
    """Give the items of a list, each once.

    Raises
    ------
    TypeError
        They are no list, or an item does not fit the signature of the function.
    """
    listed = listed_items(values)
    items = Items(shape, work.name, length=len(listed))
    known: dict[str, Item] = {}
    for place, (value, key) in enumerate(zip(listed, _keys(listed, work, shape), strict=True)):
        name = key if isinstance(key, str) else None
        if name is not None and name in known:
            known[name].places.append(place)
            continue
        item = Item(len(items.distinct), value, [place], name)
        items.distinct.append(item)
        if name is not None:
            known[name] = item
    return items


def _keys(listed: list[Any], work: Work, shape: Shape) -> list[Key]:
    """Give the key of each item, all at once unless a seed is to be made of each first."""
    try:
        return _keys_of(listed, work, shape)
    except TypeError:
        for place, value in enumerate(listed):
            _check_fit(place, value, work, shape)
        raise


def _check_fit(place: int, value: Any, work: Work, shape: Shape) -> None:
    """Say of an item that does not fit the signature of the function which it is."""
    try:
        signature = inspect.signature(work.function)
    except (TypeError, ValueError):  # a function of C that does not tell
        return
    call = shape.key_call(value)
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError as error:
        message = (
            f"item {place} ({shortly(value)}) does not fit `{work.name}{signature}`: {error}; "
            "what all items share goes in `common`, and `unpack=True` makes several arguments of "
            "a tuple"
        )
        raise TypeError(message) from None


def _keys_of(listed: list[Any], work: Work, shape: Shape) -> list[Key]:
    if not shape.seeded:
        return work.keys([shape.key_call(value) for value in listed])
    keys: list[Key] = []
    for value in listed:
        try:
            keys += work.keys([shape.key_call(value)])
        except UncacheableArgumentError as error:
            keys.append(error)
    return keys
