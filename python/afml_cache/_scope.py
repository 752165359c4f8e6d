"""What the names in a function's body stand for."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from afml_cache._origin import file_name, load, namespace_name, origin, qualified_name
from afml_cache._reached import MISSING, Place, contents
from afml_cache._references import Reference, References, place_in
from afml_cache._values import attribute, is_a

if TYPE_CHECKING:
    from afml_cache._reads import Reads


@dataclass(slots=True)
class Scope:
    """The names that one function reads, each followed to what it stands for.

    `edges` has a reference for every name, so that two helpers which change places are seen.
    """

    references: References
    function: FunctionType
    identity: str
    edges: dict[str, Reference] = field(default_factory=dict)

    def follow_body(self, reads: Reads) -> None:
        """Follow the globals and the imports that the body reads."""
        for chain in reads.chains:
            self._follow_chain(chain)
        for level, name, wanted in reads.imports:
            self._follow_import(self._absolute(level, name), wanted)

    def follow_cells(self) -> None:
        """Follow what the closure holds."""
        names = self.function.__code__.co_freevars
        for name, cell in zip(names, self.function.__closure__ or (), strict=False):
            self._hold(f"closure {name}", self._place("closure value", name), contents(cell))

    def follow_defaults(self) -> None:
        """Follow the defaults of the parameters."""
        code = self.function.__code__
        defaults = self.function.__defaults__ or ()
        names = code.co_varnames[max(code.co_argcount - len(defaults), 0) :]
        for name, value in zip(names, defaults, strict=False):
            self._hold(f"default {name}", self._place("default", name), value)
        keywords = self.function.__kwdefaults__ or {}
        for name, value in keywords.items():
            self.references.reached.watch_name(keywords, name, value)
            self._hold(f"default {name}", self._place("default", name), value)

    def _follow_chain(self, chain: tuple[str, ...]) -> None:
        """Follow `features.smooth` through the user's modules to the last object."""
        namespace = self.function.__globals__
        if chain[0] == "__annotations__":  # the body of an inner class writes its own
            return
        if chain[0] not in namespace:
            self._follow_builtin(chain[0])
            return
        for length, name in enumerate(chain, 1):
            text = ".".join(chain[:length])
            value = namespace.get(name, MISSING)
            if length == len(chain) or not self._is_users_module(value):
                self._hold_name(text, namespace, name)
                return
            module = cast("ModuleType", value)
            if self.references.ignores(place_in(namespace, name), module):
                return
            self.references.reached.watch_name(namespace, name, module)
            self.edges[text] = self.references.refer_module(module, whole=False)
            namespace = vars(module)

    def _follow_builtin(self, name: str) -> None:
        namespace = cast("Any", self.function).__builtins__
        place = Place(("builtin", name), f"builtins:{name}", "constant", f"`{name}`")
        reference = self.references.hold_name(namespace, name, place)
        if reference is not None:
            self.references.reached.watch_name(self.function.__globals__, name, MISSING)
            self.edges[name] = reference

    def _follow_import(self, path: str, wanted: tuple[str, ...]) -> None:
        """Follow an import inside the body to its modules, or to the names wanted of the last."""
        if self.references.whose(path, imported=False) != "user":
            self.edges[f"import {path}"] = ("module", path)
            return
        load(path)
        names = path.split(".")
        if not wanted:
            for length in range(1, len(names) + 1):
                self._follow_module(".".join(names[:length]))
            return
        module = sys.modules.get(path)
        if not isinstance(module, ModuleType):
            self._follow_module(path)
            return
        self.references.reached.watch_name(cast("Any", sys.modules), path, module)
        for name in wanted:
            if name not in vars(module):
                load(f"{path}.{name}")
            self._hold_name(f"{path}:{name}", vars(module), name)

    def _follow_module(self, path: str) -> None:
        modules = cast("dict[str, object]", sys.modules)
        place = Place(("module", path), path, "module", f"module `{path}`")
        reference = self.references.hold_name(modules, path, place)
        if reference is not None:
            self.edges[f"import {path}"] = reference

    def _hold_name(self, text: str, namespace: dict[str, object], name: str) -> None:
        """Add an edge for a global; one that is missing may come of the module's `__getattr__`."""
        reference = self.references.hold_name(namespace, name, place_in(namespace, name))
        if reference is not None:
            self.edges[text] = reference
        if name not in namespace and "__getattr__" in namespace:
            self._hold_name(f"{namespace_name(namespace)}:__getattr__", namespace, "__getattr__")

    def _hold(self, text: str, place: Place, value: object) -> None:
        reference = self.references.hold(place, value)
        if reference is not None:
            self.edges[text] = reference

    def _place(self, noun: str, name: str) -> Place:
        file = file_name(self.function.__globals__)
        return Place(
            (noun, id(self.function), name),
            f"{self.identity}.{name}",
            noun,
            f"`{name}` of `{qualified_name(self.function)}` in {file}",
        )

    def _is_users_module(self, value: object) -> bool:
        if not is_a(value, ModuleType):
            return False
        return origin(attribute(value, "__name__", ""), self.references.own) == "user"

    def _absolute(self, level: int, name: str) -> str:
        if not level:
            return name
        namespace = self.function.__globals__
        package = namespace.get("__package__") or namespace_name(namespace).rpartition(".")[0]
        try:
            return importlib.util.resolve_name("." * level + name, str(package))
        except ImportError:
            return name
