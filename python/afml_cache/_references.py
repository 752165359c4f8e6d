"""What a value stands for in a function's identity, and what it leads to."""

from __future__ import annotations

import enum
import functools
from collections import deque
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import cast

from afml_cache._origin import (
    Origin,
    compiled,
    file_name,
    module_name,
    namespace_name,
    offered,
    origin,
    origin_of_import,
    top_level,
)
from afml_cache._reached import MISSING, Place, Reached
from afml_cache._values import DEPTH, constant, inert, inside, parts, text, unwrap

Reference = tuple[object, ...]


@dataclass(slots=True)
class Holder:
    """A module or function that may be known by another name, so that any code may read it."""

    identity: str
    label: str
    namespace: dict[str, object]
    edges: dict[str, Reference] = field(default_factory=dict)


class References:
    """Gives every value reached a reference, and queues the functions and classes among them."""

    def __init__(self, own: str, ignored: tuple[str, ...]) -> None:
        self.reached = Reached()
        self.own = own
        self.pending: deque[tuple[FunctionType | type, str]] = deque()
        self.holders: list[Holder] = []
        self._ignored = ignored

    def whose(self, module: str, *, imported: bool = True) -> Origin:
        """Tell whose code a module is, and note the package it comes from."""
        whose = (origin if imported else origin_of_import)(module, self.own)
        if whose == "package":
            self.reached.packages.add(top_level(module))
        return whose

    def ignores(self, place: Place, value: object) -> bool:
        """Whether `ignore_deps` names the place, or the function or class found there."""
        if not self._ignored:
            return False
        names = [place.identity.replace(":", ".")]
        if isinstance(value, (FunctionType, type)):
            names.append(f"{value.__module__}.{value.__qualname__}")
        if any(f".{name}".endswith(f".{ignored}") for name in names for ignored in self._ignored):
            self.reached.inert.add(f"{place.where} (in `ignore_deps`)")
            return True
        return False

    def hold(self, place: Place, value: object) -> Reference | None:
        """Refer to a value that has a name, which makes a constant an item."""
        value = unwrap(value)
        if self.ignores(place, value):
            return None
        if constant(value):
            return self.reached.add_constant(place, value, text(value))
        if issubclass(type(value), enum.Enum):
            return self.reached.add_constant(place, self.refer(value, place), text(value))
        return self.refer(value, place)

    def hold_name(self, namespace: dict[str, object], name: str, place: Place) -> Reference | None:
        """Refer to what a name is bound to, and watch the name."""
        value = namespace.get(name, MISSING)
        reference = self.hold(place, module_name(value) if name == "__name__" else value)
        if reference is not None:
            self.reached.watch_name(namespace, name, value)
        return reference

    def refer(self, value: object, place: Place, depth: int = DEPTH) -> Reference:
        """Refer to a value, and see to it that the code it brings is walked."""
        value = unwrap(value)
        if value is MISSING:
            return ("missing",)
        if constant(value):
            return ("value", value)
        reference = self._refer_code(value, place)
        if reference is not None:
            return reference
        split = parts(value) if depth else None
        if split is None:
            return self._refer_mutable(value, place)
        if isinstance(value, functools.partial):
            for name, keyword in value.keywords.items():
                self.reached.watch_name(value.keywords, name, keyword)
        head, elements = split
        references = (
            self.refer(element, place.part(index), depth - 1)
            for index, element in enumerate(elements)
        )
        return ("parts", head, tuple(references))

    def refer_module(self, module: ModuleType, *, whole: bool = True) -> Reference:
        """Refer to a module; of a `whole` one, every attribute may be read."""
        name = module_name(module.__name__)
        self.reached.inert.add(f"module `{name}`")
        if self.whose(name) != "user" or not whole:
            return ("module", name)
        return self._hold_attributes(module, vars(module), f"module {name}", f"module `{name}`")

    def _refer_code(self, value: object, place: Place) -> Reference | None:
        """Refer to what has a name of its own, or is inert."""
        if isinstance(value, FunctionType):
            return self._refer_function(value, place)
        if issubclass(type(value), type):
            return self._refer_class(cast("type", value), place)
        if isinstance(value, ModuleType):
            return self.refer_module(value)
        if inert(value):
            self.reached.inert.add(place.where)
            return ("inert", type(value).__qualname__)
        if type(value) is object:
            return ("sentinel", self.reached.identify(("object", id(value)), place.identity))
        return self._refer_offered(value, place) if callable(value) else None

    def _refer_offered(self, value: object, place: Place) -> Reference | None:
        """Refer by name to what a module outside the user's code offers under that name."""
        bound_as = place.identity.rpartition(":")[2].rpartition(".")[2]
        name = offered(value, bound_as, self.own)
        if name is not None:
            self.whose(name.partition(":")[0])
        return None if name is None else ("named", name)

    def _refer_function(self, function: FunctionType, place: Place) -> Reference:
        """Queue a function; one outside the user's code only if it may hold some of theirs."""
        module = module_of(function)
        name = f"{module}:{function.__qualname__}"
        if self.whose(module) != "user":
            holds = function.__closure__ or function.__defaults__ or function.__kwdefaults__
            named = self._refer_offered(function, place)
            if named is not None or not (holds or is_generated(function)):
                return named or ("named", name)
        reference = self._queue(function, name)
        if function.__dict__:
            identity, where = str(reference[1]), f"`{function.__qualname__}`"
            self._hold_attributes(
                function, function.__dict__, f"{identity} attributes", f"attributes of {where}"
            )
        return reference

    def _refer_class(self, cls: type, place: Place) -> Reference:
        """Queue a user's class; one whose code can't be read is left for the digest to refuse."""
        module = module_name(cls.__module__)
        if self.whose(module) != "user":
            return ("named", f"{module}:{cls.__qualname__}")
        if compiled(module):
            return self.reached.add_mutable(place, cls)
        return self._queue(cls, f"{module}:{cls.__qualname__}")

    def _refer_mutable(self, value: object, place: Place) -> Reference:
        """Leave the contents for each call, but walk the code that they bring."""
        self._refer_class(type(value), place)
        for found in inside(value):
            self.refer(found, place)
        return self.reached.add_mutable(place, value)

    def _queue(self, value: FunctionType | type, name: str) -> Reference:
        identity, new = self.reached.introduce(("object", id(value)), name)
        if new:
            self.pending.append((value, identity))
        return ("item", identity)

    def _hold_attributes(
        self, owner: object, namespace: dict[str, object], name: str, label: str
    ) -> Reference:
        identity, new = self.reached.introduce(("attributes", id(owner)), name)
        if new:
            self.holders.append(Holder(identity, label, namespace))
        return ("item", identity)


def place_in(namespace: dict[str, object], name: str) -> Place:
    """Give the place of a module's global."""
    return Place(
        ("name", id(namespace), name),
        f"{namespace_name(namespace)}:{name}",
        "constant",
        f"`{name}` in {file_name(namespace)}",
    )


def module_of(function: FunctionType) -> str:
    """Give the name of the module whose globals a function reads."""
    return module_name(function.__globals__.get("__name__", function.__module__))


def is_generated(function: FunctionType) -> bool:
    """Whether a function was compiled from text, which may be the user's, by whatever module."""
    return function.__code__.co_filename.startswith("<")
