"""The walk over everything that a value's code reaches."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, cast

from afml_cache import _numba
from afml_cache._bytecode import PYTHON, canonical, reads
from afml_cache._classes import annotations_of, members
from afml_cache._origin import file_name, module_name, origin, qualified_name
from afml_cache._reached import Code, Item, Place
from afml_cache._references import Reference, References, is_generated, module_of, place_in
from afml_cache._scope import Scope
from afml_cache._source import Body, body_of
from afml_cache._values import attribute, is_a, parts, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Walked:
    """A function reached: its code where that counts, what its source says, and what it names."""

    identity: str
    function: FunctionType
    code: CodeType | None
    body: Body | None
    edges: dict[str, Reference]


class Walk:
    """One walk, by a list of work and not by recursion.

    Parameters
    ----------
    own
        A top-level package that counts as the user's code.
    ignored
        What `ignore_deps` names.
    only
        The ids of the only functions to enter; `None` for all.
    """

    def __init__(self, own: str, ignored: tuple[str, ...], only: set[int] | None = None) -> None:
        self._options = (own, ignored)
        self._only = only
        self._root: object = None
        self._references = References(own, ignored, only)
        self._reached = self._references.reached
        self.functions: list[Walked] = []
        self._classes: list[tuple[str, type, dict[str, Reference]]] = []
        # what any of the code may read from an object that it knows by another name
        self._attributes: dict[str, None] = {"__getattr__": None, "__wrapped__": None}
        self._documentation = False

    def run(self, *, check: bool = True) -> Code:
        """Walk, then put the items together."""
        self._drain()
        for function in self.functions:
            self._add_function(function)
        for cls in self._classes:
            self._add_class(*cls)
        for holder in self._references.holders:
            self.add(holder.identity, holder.label, "attributes", _sorted(holder.edges))
        if check:
            self._check_dispatchers()
        return self._reached.code()

    def begin(self, root: object) -> None:
        """Start from a value, and from the class that a method stands in."""
        self._root = root
        name = attribute(root, "__qualname__") or attribute(root, "__name__")
        name = name if type(name) is str else type(root).__qualname__
        noun = _noun(root)
        reference = self._references.refer(root, Place(("root",), "root", noun, f"`{name}`"))
        if is_a(root, ModuleType):
            self._include_whole(cast("ModuleType", root))
        elif noun == "function" and self._only is None:
            self._refer_owner(name.split(".")[:-1])
        if not is_a(root, FunctionType) or reference[0] != "item":
            self.add("root", f"{noun} `{name}`", "root", reference)
        else:
            self._add_annotations(cast("FunctionType", root), str(reference[1]), name)

    def depend(self, values: tuple[object, ...]) -> None:
        """Take in what `deps` has, with all that it reaches."""
        if self._only is not None:
            self._drain()
            self._only = None
            self._references.lift_limit()
        edges = []
        for index, value in enumerate(values):
            place = Place(
                ("dependency", index), f"dependency {index}", "dependency", f"{index + 1}"
            )
            edges.append(self._references.hold(place, value))
            if is_a(value, ModuleType):
                self._include_whole(cast("ModuleType", value))
        if edges:
            self.add("dependencies", "`deps`", "dependencies", tuple(edges))

    def add(self, identity: str, label: str, kind: str, value: object, text: str = "") -> None:
        """Add an item."""
        self._reached.items[identity] = Item(label, (kind, identity, value), text)

    def _drain(self) -> None:
        pending = self._references.pending
        self._follow_attributes()
        while pending:
            while pending:
                value, identity = pending.popleft()
                if isinstance(value, FunctionType):
                    self._visit_function(value, identity)
                else:
                    self._visit_class(value, identity)
            self._follow_attributes()

    def _include_whole(self, module: ModuleType) -> None:
        """Have every name of a user's module count, and see new ones."""
        for holder in self._references.holders:
            if holder.namespace is vars(module):
                holder.whole = True
                self._reached.classes.append((module, tuple(vars(module).items())))

    def _refer_owner(self, names: list[str]) -> None:
        """Take in the class that a decorated method stands in: `self` may reach all of it."""
        module = attribute(self._root, "__module__")
        function = attribute(self._root, "__func__") or self._root
        namespace = attribute(function, "__globals__", {})
        if not is_a(namespace, dict) or namespace.get("__name__") != module:
            # a wrapper, made in another module
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
        users = users or self._only is not None
        entered = code if users or is_generated(function) else None
        body = body_of(code, function.__globals__) if entered else None
        if users:
            found = body.reads() if body else reads(code)
            self._documentation |= found.documentation
            if self._only is None:
                self._attributes.update(found.attributes)
                scope.follow_body(found)
        scope.follow_defaults()
        scope.follow_cells()
        self.functions.append(Walked(identity, function, entered, body, scope.edges))

    def _visit_class(self, cls: type, identity: str) -> None:
        self._reached.watch_class(cls)
        found: Mapping[str, object] = {"metaclass": type(cls), "bases": cls.__bases__}
        edges = {}
        for name, value in (*found.items(), *members(cls).items()):
            where = f"`{qualified_name(cls)}.{name}` in {_file_of(cls)}"
            place = Place(("class", id(cls), name), f"{identity}.{name}", "class attribute", where)
            reference = self._references.hold(place, value)
            if reference is not None:
                edges[name] = reference
        self._classes.append((identity, cls, edges))
        self._add_annotations(cls, identity, qualified_name(cls))

    def _add_annotations(self, owner: FunctionType | type, identity: str, name: str) -> None:
        """Add an item of a function's or class's annotations, with the classes that they name."""
        namespace = _namespace_of(owner)
        edges = []
        for field, form in annotations_of(owner):
            place = Place(
                ("annotation", id(owner), field),
                f"{identity}@{field}",
                "annotation",
                f"`{field}` of `{name}`",
            )
            edges.append((field, self._references.refer_annotation(form, namespace, place)))
        if edges:
            where = f" in {_file_of(owner)}" if isinstance(owner, type) else ""
            label = f"annotations of `{name}`{where}"
            self.add(f"{identity} annotations", label, "annotations", tuple(edges))

    def _follow_attributes(self) -> None:
        """Follow every attribute that the code mentions, wherever it may be read from."""
        for holder in self._references.holders:
            names = [name for name in holder.namespace if not _is_dunder(name)]
            for name in (*self._attributes, *(names if holder.whole else ())):
                if name in holder.namespace and name not in holder.edges:
                    place = place_in(holder.namespace, name)
                    if "__name__" not in holder.namespace:
                        place = place._replace(identity=f"{holder.identity}.{name}")
                        place = place._replace(where=f"`{name}` in {holder.label}")
                    reference = self._references.hold_name(holder.namespace, name, place)
                    if reference is not None:
                        holder.edges[name] = reference

    def _add_function(self, walked: Walked) -> None:
        function, body = walked.function, walked.body
        name = f"`{qualified_name(function)}`"
        is_root = function is self._root
        label = f"function {name}" if is_root else f"helper {name} in {_file(function)}"
        said: tuple[object, ...] | None = None
        if body is not None:
            said = ("source", body.tree, body.documents if self._documentation else None)
        elif walked.code is not None:
            said = (PYTHON, canonical(walked.code, docstrings=self._documentation))
        words = self._documentation_of(function)
        self.add(walked.identity, label, "function", (said, _sorted(walked.edges), words))

    def _add_class(self, identity: str, cls: type, edges: dict[str, Reference]) -> None:
        label = f"class `{qualified_name(cls)}` in {_file_of(cls)}"
        self.add(identity, label, "class", (_sorted(edges), self._documentation_of(cls)))

    def _documentation_of(self, value: object) -> str | None:
        documentation = attribute(value, "__doc__") if self._documentation else None
        if type(documentation) is not str:
            return None
        # as `inspect.cleandoc`, which the compiler does by itself since Python 3.13
        return "\n".join(line.strip() for line in documentation.strip().splitlines())

    def _check_dispatchers(self) -> None:
        # the innermost first: machine code may have the machine code of others in it
        for dispatcher in reversed(self._references.dispatchers):
            walk = Walk(*self._options)
            walk.begin(_numba.python_function(dispatcher))
            code = walk.run(check=False)
            _numba.check_arrays(dispatcher, code.mutables)
            _numba.check(dispatcher, {item.label: item.value for item in code.items})


def own_functions(root: object) -> set[int]:
    """Give the ids of the functions that a decorated object is: its own, and those it wraps."""
    found, pending = set[int](), [root]
    while pending:
        value = unwrap(pending.pop())
        if id(value) not in found and value is not None:
            found.add(id(value))
            pending.append(attribute(value, "__wrapped__"))
            split = None if is_a(value, FunctionType) else _numba.parts(value) or parts(value)
            pending.extend(split[1] if split else ())
    return found


def _namespace_of(owner: FunctionType | type) -> dict[str, object]:
    if isinstance(owner, type):
        return getattr(sys.modules.get(owner.__module__), "__dict__", {})
    return owner.__globals__


def _noun(value: object) -> str:
    if is_a(value, ModuleType):
        return "module"
    if is_a(value, type):
        return "class"
    return "function" if callable(value) else "value"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _sorted(edges: dict[str, Reference]) -> tuple[tuple[str, Reference], ...]:
    return tuple((name, edges[name]) for name in sorted(edges))


def _file(function: FunctionType) -> str:
    return file_name(function.__globals__)


def _file_of(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    return file_name(vars(module)) if module else module_name(cls.__module__)
