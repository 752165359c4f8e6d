"""What a value stands for in a function's identity, and what it leads to."""

from __future__ import annotations

import ast
import enum
import functools
from collections import deque
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any, cast

from afml_cache import _numba
from afml_cache._origin import (
    Origin,
    compiled,
    file_name,
    module_name,
    namespace_name,
    offered,
    origin,
    origin_of_import,
    public,
    qualified_name,
    top_level,
)
from afml_cache._reached import MISSING, Place, Reached
from afml_cache._values import DEPTH, attribute, constant, inert, is_a, parts, said_of, text, unwrap

Reference = tuple[object, ...]


@dataclass(slots=True)
class Holder:
    """A module or function that may be known by another name, so that any code may read it."""

    identity: str
    label: str
    namespace: dict[str, object]
    edges: dict[str, Reference] = field(default_factory=dict)
    whole: bool = False


class References:
    """Gives every value reached a reference, and queues the functions and classes among them.

    `own` is a top-level package that counts as the user's wherever it is installed; `only`, where
    it is given, has the ids of the only functions to enter.
    """

    def __init__(self, own: str, ignored: tuple[str, ...], only: set[int] | None = None) -> None:
        self.reached = Reached()
        self.own = own
        self.pending: deque[tuple[FunctionType | type, str]] = deque()
        self.holders: list[Holder] = []
        self.dispatchers: list[object] = []
        self._ignored = ignored
        self._only = only
        self._split: dict[int, tuple[object, Reference]] = {}

    def lift_limit(self) -> None:
        """Enter every function of the user's from now on."""
        self._only = None
        self._split.clear()

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
        if is_a(value, (FunctionType, type)):
            found = cast("type", value)
            names.append(f"{found.__module__}.{qualified_name(found)}")
        if any(f".{name}".endswith(f".{ignored}") for name in names for ignored in self._ignored):
            self.reached.inert.add(f"{place.where} (in `ignore_deps`)")
            return True
        return False

    def hold(self, place: Place, value: object) -> Reference | None:
        """Refer to a value that has a name, which makes a constant an item."""
        given, value = value, unwrap(value)
        if self.ignores(place, value):
            return None
        if constant(value):
            return self.reached.add_constant(place, value, text(value))
        if is_a(value, enum.Enum):
            return self.reached.add_constant(place, self.refer(value, place), text(value))
        return self.refer(given, place)

    def hold_name(self, namespace: dict[str, object], name: str, place: Place) -> Reference | None:
        """Refer to what a name is bound to, and watch the name."""
        value = namespace.get(name, MISSING)
        reference = self.hold(place, module_name(value) if name == "__name__" else value)
        if reference is not None:
            self.reached.watch_name(namespace, name, value)
        return reference

    def refer(self, value: object, place: Place, depth: int = DEPTH) -> Reference:
        """Refer to a value, and see to it that the code it brings is walked."""
        found = unwrap(value)
        reference = self._refer_value(found, place, depth)
        said = said_of(value) if found is not value and depth else ()
        if not said:
            return reference
        parts_of_it = (
            self.refer(each, place.part(index), depth - 1) for index, each in enumerate(said)
        )
        return ("cached", reference, tuple(parts_of_it))

    def _refer_value(self, value: object, place: Place, depth: int) -> Reference:
        if value is MISSING:
            return ("missing",)
        if constant(value):
            return ("value", value)
        reference = self._refer_code(value, place)
        if reference is not None:
            return reference
        known = self._split.get(id(value))
        if known is not None:
            return known[1]
        split = _numba.parts(value) or parts(value) if depth else None
        if split is None:
            return self.reached.add_mutable(place, value)
        reference = self._refer_parts(value, split, place, depth)
        # held, so that no other value takes its address
        self._split[id(value)] = (value, reference)
        return reference

    def refer_module(self, module: ModuleType, *, whole: bool = True) -> Reference:
        """Refer to a module; of a `whole` one, every attribute may be read."""
        name = module_name(attribute(module, "__name__"))
        self.reached.inert.add(f"module `{name}`")
        if self.whose(name) != "user" or not whole or self._only is not None:
            return ("module", name)
        code = compiled(name)
        if code is not None:
            return ("compiled", name, code)
        return self._hold_attributes(module, vars(module), f"module {name}", f"module `{name}`")

    def refer_annotation(self, form: object, namespace: dict[str, Any], place: Place) -> Reference:
        """Refer to an annotation: to what it is, or what the names in its text stand for."""
        if type(form) is not str:
            return self.refer(form, place)
        try:
            nodes = list(ast.walk(ast.parse(form, mode="eval")))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            nodes = []
        names = sorted({node.id for node in nodes if isinstance(node, ast.Name)} & set(namespace))
        found = (
            (name, self.hold_name(namespace, name, place_in(namespace, name))) for name in names
        )
        return ("text", form, tuple(found))

    def _refer_parts(
        self, value: Any, split: tuple[Reference, Reference], place: Place, depth: int
    ) -> Reference:
        if _numba.is_dispatcher(value):
            self.dispatchers.append(value)
        if is_a(value, functools.partial):
            for name, keyword in value.keywords.items():
                self.reached.watch_name(value.keywords, name, keyword)
        head, elements = split
        references = (
            self.refer(element, place.part(index), depth - 1)
            for index, element in enumerate(elements)
        )
        return ("parts", head, tuple(references))

    def _refer_code(self, value: object, place: Place) -> Reference | None:
        """Refer to what has a name of its own, or is inert."""
        found = cast("Any", value)
        if is_a(value, FunctionType):
            return self._refer_function(found, place)
        if is_a(value, (type, ModuleType)):
            return self._refer_class(found) if is_a(value, type) else self.refer_module(found)
        if inert(value):
            self.reached.inert.add(place.where)
            return ("inert", type(value).__qualname__)
        if type(value) is object:
            return ("sentinel", self.reached.identify(("object", id(value)), place.identity))
        named = type(value).__module__ == "typing" or callable(value)
        return self._refer_offered(value, place) or self._refer_compiled(value) if named else None

    def _refer_offered(self, value: object, place: Place) -> Reference | None:
        """Refer by name to what a module outside the user's code offers under that name."""
        bound_as = place.identity.rpartition(":")[2].rpartition(".")[2]
        name = offered(value, bound_as, self.own)
        if name is not None:
            self.whose(name.partition(":")[0])
        return None if name is None else ("named", name)

    def _refer_compiled(self, value: object) -> Reference | None:
        """Refer to what an extension module of the user's defines by that module's content."""
        module, name = attribute(value, "__module__"), attribute(value, "__qualname__")
        if type(module) is not str or type(name) is not str or self.whose(module) != "user":
            return None
        code = compiled(module)
        return None if code is None else ("compiled", f"{module_name(module)}:{name}", code)

    def _refer_function(self, function: FunctionType, place: Place) -> Reference:
        """Queue a function; one outside the user's code only if it may hold some of theirs."""
        module = module_of(function)
        name = f"{module}:{qualified_name(function)}"
        if module == "functools" and "registry" in function.__dict__:  # singledispatch
            return self._refer_registry(function, place)
        if self.whose(module) != "user":
            holds = function.__closure__ or function.__defaults__ or function.__kwdefaults__
            named = self._refer_offered(function, place)
            if named is not None or not (holds or is_generated(function)):
                return named or ("named", name)
        if self._only is not None and id(function) not in self._only:
            return ("named", name)
        reference = self._queue(function, name)
        if function.__dict__:
            identity, where = str(reference[1]), f"`{qualified_name(function)}`"
            self._hold_attributes(
                function, function.__dict__, f"{identity} attributes", f"attributes of {where}"
            )
        return reference

    def _refer_registry(self, function: FunctionType, place: Place) -> Reference:
        """Refer to what `functools.singledispatch` made: its memory of classes is no part of it."""
        registry = self.reached.add_mutable(place, attribute(function, "registry"))
        wrapped = self.refer(attribute(function, "__wrapped__"), place.part(0))
        return ("singledispatch", registry, wrapped)

    def _refer_class(self, cls: type) -> Reference:
        """Queue a user's class; one of a library is known by its name."""
        module = module_name(cls.__module__)
        name = f"{module}:{qualified_name(cls)}"
        if self.whose(module) != "user":
            # so it was called up to Python 3.10
            named = "EnumMeta" if cls is type(enum.Enum) else qualified_name(cls)
            return ("named", public(module, named, cls))
        if self._only is not None:
            return ("named", name)
        code = compiled(module)
        return self._queue(cls, name) if code is None else ("compiled", name, code)

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
