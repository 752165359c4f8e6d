"""Callables and what stands around them: described as code, or by what they are bound to."""

from __future__ import annotations

import functools
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from afml_cache._bytecode import PYTHON, canonical
from afml_cache._kinds.instances import attributes, has_public_name, instance
from afml_cache._kinds.model import Apart, code, refusal
from afml_cache._origin import module_name, origin, top_level

if TYPE_CHECKING:
    from collections.abc import Callable

_LRU: Final = type(functools.lru_cache(int))


def method(value: types.MethodType) -> Apart:
    """Describe a method bound to an object; a library's own object, such as `random`'s, by name."""
    if has_public_name(value):
        return code(value)
    return Apart("method", ((".__func__", value.__func__), (".__self__", value.__self__)))


def builtin(value: types.BuiltinFunctionType) -> Apart:
    """Describe a function of compiled code: by its name, or by the object that it is bound to."""
    owner: object = value.__self__
    if has_public_name(value):
        return code(value)
    if owner is None or isinstance(owner, types.ModuleType):
        module = sys.modules.get(str(value.__module__))
        if getattr(module, value.__name__, None) is value:
            return code(value)
        raise refusal(value, "which no module has under its name")
    return Apart("method", ((".__name__", value.__name__), (".__self__", owner)))


def wrapper(value: types.MethodWrapperType) -> Apart:
    """Describe a special method of a built-in type, bound to an object."""
    return Apart("method", ((".__name__", value.__name__), (".__self__", value.__self__)))


def descriptor(value: Any) -> Apart:
    """Describe a method or attribute of a compiled class."""
    return Apart(
        "descriptor", ((".__objclass__", value.__objclass__), (".__name__", value.__name__))
    )


def partial(value: functools.partial[object]) -> Apart:
    """Describe a function with some of its arguments."""
    bound = ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    return instance(value, *bound, without=("func", "args", "keywords"))


def partialmethod(value: Any) -> Apart:
    """Describe a method with some of its arguments."""
    return instance(value)


def wrapped(value: Any) -> Apart:
    """Describe a static or class method."""
    return Apart("descriptor", ((".__class__", type(value)), (".__func__", value.__func__)))


def attribute(value: property) -> Apart:
    """Describe a property."""
    functions = ((".fget", value.fget), (".fset", value.fset), (".fdel", value.fdel))
    return Apart("descriptor", ((".__class__", type(value)), *functions, *attributes(value)))


def cached_attribute(value: Any) -> Apart:
    """Describe a cached property; older Pythons keep a lock in it."""
    return instance(value, without=("lock", "__doc__"))


def bytecode(value: types.CodeType) -> Apart:
    """Describe compiled code."""
    return Apart("code object", (("", (PYTHON, canonical(value, docstrings=True))),))


def cell(value: types.CellType) -> Apart:
    """Describe a variable of a closure."""
    try:
        return Apart("cell", ((".cell_contents", value.cell_contents),))
    except ValueError:  # nothing was put there
        return Apart("cell", ())


def module(value: types.ModuleType) -> Apart:
    """Describe a module: one of the user's is code, another is a name and a version."""
    name = module_name(value.__name__)
    whose = origin(name)
    if whose == "user":
        return code(value)
    package = sys.modules.get(top_level(name)) if whose == "package" else None
    version = getattr(package, "__version__", None)
    known = version if isinstance(version, str) else None
    return Apart("module", ((".__name__", name), (".__version__", known)))


TYPES: Final[dict[type, Callable[[Any], Apart]]] = {
    types.MethodType: method,
    types.BuiltinFunctionType: builtin,
    types.MethodWrapperType: wrapper,
    types.WrapperDescriptorType: descriptor,
    types.MethodDescriptorType: descriptor,
    types.ClassMethodDescriptorType: descriptor,
    types.MemberDescriptorType: descriptor,
    types.GetSetDescriptorType: descriptor,
    functools.partial: partial,
    functools.partialmethod: partialmethod,
    functools.cached_property: cached_attribute,
    _LRU: code,
    staticmethod: wrapped,
    classmethod: wrapped,
    property: attribute,
    types.CodeType: bytecode,
    types.CellType: cell,
    types.ModuleType: module,
}
