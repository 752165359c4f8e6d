"""The identity of a function's code: its own body, and all that the body reaches."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING

from afml_cache._bytecode import PYTHON, canonical, reads
from afml_cache._classes import annotations_of, members
from afml_cache._origin import file_name, module_name, origin, top_level
from afml_cache._reached import MISSING, Code, Item, Place
from afml_cache._references import Reference, References, is_generated, module_of, place_in
from afml_cache._scope import Scope
from afml_cache._values import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import CodeType

__all__ = ["MISSING", "Code", "Item", "describe"]


def describe(
    function: Callable[..., object], *, ignore_deps: Iterable[str] = (), decorated: bool = False
) -> Code:
    """Describe the code of a function and of everything in user code that it reaches.

    Parameters
    ----------
    function
        Usually a plain function; anything callable is accepted.
    ignore_deps
        Names of helpers, constants, classes and modules to leave out, as `"smooth"` or
        `"features.smooth"`.
    decorated
        Whether it is the decorated function: then all of its top-level package is the user's code,
        wherever it is installed. A value's class or function is not: one of a library is its name.

    Returns
    -------
    Code
        Its items are equal, in every process, as long as nothing that the function runs has
        changed.
    """
    return Walk(unwrap(function), tuple(ignore_deps), decorated=decorated).run()


class Walk:
    """One walk over everything reached from `root`, by a list of work and not by recursion."""

    def __init__(self, root: object, ignored: tuple[str, ...], *, decorated: bool) -> None:
        module = module_name(getattr(root, "__module__", None))
        own = top_level(module) if decorated and origin(module) != "standard" else ""
        self._root = root
        self._references = References(own, ignored)
        self._reached = self._references.reached
        self._functions: list[tuple[str, FunctionType, CodeType | None, dict[str, Reference]]] = []
        self._classes: list[tuple[str, type, dict[str, Reference]]] = []
        # what any of the code may read from an object that it knows by another name
        self._attributes: dict[str, None] = {"__getattr__": None}
        self._documentation = False

    def run(self) -> Code:
        """Walk, then put the items together."""
        self._begin()
        pending = self._references.pending
        while pending:
            while pending:
                value, identity = pending.popleft()
                if isinstance(value, FunctionType):
                    self._visit_function(value, identity)
                else:
                    self._visit_class(value, identity)
            self._follow_attributes()
        for function in self._functions:
            self._add_function(*function)
        for cls in self._classes:
            self._add_class(*cls)
        for holder in self._references.holders:
            self._add(holder.identity, holder.label, "attributes", _sorted(holder.edges))
        return self._reached.code()

    def _begin(self) -> None:
        name = getattr(self._root, "__qualname__", type(self._root).__qualname__)
        place = Place(("root",), "root", "function", f"`{name}`")
        reference = self._references.refer(self._root, place)
        self._refer_owner(str(name).split(".")[:-1])
        if not isinstance(self._root, FunctionType):
            self._add("root", f"function `{name}`", "root", reference)
            return
        found = annotations_of(self._root)
        if found:
            identity = f"{reference[1]} annotations"
            self._add(identity, f"annotations of `{name}`", "annotations", found)

    def _refer_owner(self, names: list[str]) -> None:
        """Take in the class that a decorated method stands in: `self` may reach all of it."""
        module = getattr(self._root, "__module__", None)
        namespace = getattr(self._root, "__globals__", {})
        if namespace.get("__name__") != module:  # a wrapper, made in another module
            namespace = getattr(sys.modules.get(str(module)), "__dict__", {})
        owner = namespace.get(names[0]) if names else None
        for name in names[1:]:
            owner = vars(owner).get(name) if isinstance(owner, type) else None
        if isinstance(owner, type):
            self._references.hold(place_in(namespace, ".".join(names)), owner)

    def _visit_function(self, function: FunctionType, identity: str) -> None:
        # watched before it is read: a change in between is seen at the next call
        self._reached.watch_function(function)
        code = function.__code__
        scope = Scope(self._references, function, identity)
        users = origin(module_of(function), self._references.own) == "user"
        if users:
            found = reads(code)
            self._documentation |= found.documentation
            self._attributes.update(found.attributes)
            scope.follow_body(found)
        scope.follow_defaults()
        scope.follow_cells()
        body = code if users or is_generated(function) else None
        self._functions.append((identity, function, body, scope.edges))

    def _visit_class(self, cls: type, identity: str) -> None:
        self._reached.classes.append((cls, tuple(vars(cls).items())))
        found: Mapping[str, object] = {"metaclass": type(cls), "bases": cls.__bases__}
        edges = {}
        for name, value in (*found.items(), *members(cls).items()):
            where = f"`{cls.__qualname__}.{name}` in {_file_of(cls)}"
            place = Place(("class", id(cls), name), f"{identity}.{name}", "class attribute", where)
            reference = self._references.hold(place, value)
            if reference is not None:
                edges[name] = reference
        self._classes.append((identity, cls, edges))

    def _follow_attributes(self) -> None:
        """Follow every attribute that the code mentions, wherever it may be read from."""
        for holder in self._references.holders:
            for name in self._attributes:
                if name in holder.namespace and name not in holder.edges:
                    place = place_in(holder.namespace, name)
                    if "__name__" not in holder.namespace:
                        place = place._replace(identity=f"{holder.identity}.{name}")
                        place = place._replace(where=f"`{name}` in {holder.label}")
                    reference = self._references.hold_name(holder.namespace, name, place)
                    if reference is not None:
                        holder.edges[name] = reference

    def _add_function(
        self,
        identity: str,
        function: FunctionType,
        code: CodeType | None,
        edges: dict[str, Reference],
    ) -> None:
        name = f"`{function.__qualname__}`"
        is_root = function is self._root
        label = f"function {name}" if is_root else f"helper {name} in {_file(function)}"
        body = canonical(code, docstrings=self._documentation) if code else None
        words = self._documentation_of(function)
        self._add(identity, label, "function", (PYTHON, body, _sorted(edges), words))

    def _add_class(self, identity: str, cls: type, edges: dict[str, Reference]) -> None:
        label = f"class `{cls.__qualname__}` in {_file_of(cls)}"
        words = self._documentation_of(cls)
        self._add(identity, label, "class", (_sorted(edges), annotations_of(cls), words))

    def _add(self, identity: str, label: str, kind: str, value: object) -> None:
        self._reached.items[identity] = Item(label, (kind, identity, value), "")

    def _documentation_of(self, value: object) -> str | None:
        documentation = value.__doc__ if self._documentation else None
        return documentation if isinstance(documentation, str) else None


def _sorted(edges: dict[str, Reference]) -> tuple[tuple[str, Reference], ...]:
    return tuple((name, edges[name]) for name in sorted(edges))


def _file(function: FunctionType) -> str:
    return file_name(function.__globals__)


def _file_of(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    return file_name(vars(module)) if module else module_name(cls.__module__)
