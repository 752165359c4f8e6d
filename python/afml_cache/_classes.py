"""What a class and an annotation are made of: the same for one source under every Python."""

from __future__ import annotations

import enum
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from afml_cache._reached import contents
from afml_cache._values import attribute, is_a

if TYPE_CHECKING:
    from collections.abc import Callable

# What Python itself writes into a class: derived from the rest, or told elsewhere.
_DERIVED: Final = frozenset(
    {
        *("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__"),
        *("__firstlineno__", "__static_attributes__", "__classcell__", "__slotnames__"),
        *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),
        *("__conditional_annotations__", "__classdictcell__", "__abstractmethods__", "_abc_impl"),
        *("__protocol_attrs__", "__non_callable_proto_members__", "_is_runtime_protocol"),
        *("__callable_proto_members_only__", "__dataclass_params__", "__match_args__"),
    }
)
_MAKERS: Final = frozenset({"dataclasses", "attr._make"})
_MADE: Final = frozenset(
    {
        *("__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__"),
        *("__setattr__", "__delattr__"),
    }
)
_PARAMETERS: Final = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_TYPED_DICT: Final = frozenset({"__required_keys__", "__optional_keys__", "__total__"})
_ATTRS: Final = (
    *("name", "default", "validator", "converter", "on_setattr", "init", "kw_only", "repr"),
    *("eq", "order", "hash", "alias"),
)
_PYDANTIC: Final = ("annotation", "default", "default_factory", "alias", "validate_default")


def members(cls: type) -> dict[str, object]:
    """Give what a class body defined, by name and sorted; made methods count as what made them."""
    own = {name: value for name, value in vars(cls).items() if name not in _DERIVED}
    for applies, change in _KINDS:
        if applies(cls):
            own = change(cls, own)
    if "__slots__" in own:
        slots = own["__slots__"]
        own["__slots__"] = slots if isinstance(slots, str) else tuple(cast("Any", slots))
    return dict(sorted(own.items()))


def annotations_of(value: object) -> tuple[tuple[str, object], ...]:
    """Give a function's or a class's own annotations, in their order."""
    if sys.version_info >= (3, 14):
        import annotationlib

        found = annotationlib.get_annotations(
            cast("Any", value), format=annotationlib.Format.FORWARDREF
        )
    elif is_a(value, type):
        found = vars(cast("type", value)).get("__annotations__", {})
    else:
        found = attribute(value, "__annotations__")
    return tuple((str(name), form) for name, form in found.items()) if is_a(found, dict) else ()


def _without_generated(own: dict[str, object]) -> dict[str, object]:
    """Leave out the methods that were compiled from a text made up from the fields."""
    return {name: value for name, value in own.items() if not _is_generated(value)}


def _is_generated(value: object) -> bool:
    function = _innermost(value)
    if not is_a(function, FunctionType):
        return False
    found = cast("FunctionType", function)
    if found.__globals__.get("__name__") in _MAKERS:
        return True
    code = found.__code__
    if code.co_filename.startswith("<attrs generated"):
        return True
    # the user's own text may be a "<string>" as well
    if sys.version_info >= (3, 11):
        return code.co_qualname.startswith("__create_fn__.")
    made = code.co_name in _MADE and code.co_filename == "<string>"
    return made and isinstance(found.__globals__.get("__file__"), str)


def _innermost(value: object) -> object:
    """Give the function in a descriptor, and that below the guard against a `repr` of itself."""
    while is_a(value, (classmethod, staticmethod)):
        value = attribute(value, "__func__")
    if not is_a(value, FunctionType):
        return value
    function = cast("FunctionType", value)
    cells = dict(
        zip(function.__code__.co_freevars, map(contents, function.__closure__ or ()), strict=True)
    )
    return cells.get("user_function", function)


def _dataclass(cls: type, own: dict[str, object]) -> dict[str, object]:
    parameters = vars(cls).get("__dataclass_params__")
    own = _without_generated(own)
    own["__dataclass_fields__"] = tuple(cast("Any", own["__dataclass_fields__"]).values())
    own["__dataclass_params__"] = tuple(attribute(parameters, name) for name in _PARAMETERS)
    own["__match_args__"] = "__match_args__" in vars(cls)
    return own


def _attrs(_cls: type, own: dict[str, object]) -> dict[str, object]:
    fields = tuple(
        tuple(attribute(field, part) for part in _ATTRS)
        for field in cast("Any", own["__attrs_attrs__"])
    )
    properties = own.pop("__attrs_props__", None)
    named = sorted(field.name for field in attribute(type(properties), "__attrs_attrs__", ()))
    made = {"__attrs_attrs__": fields} | {
        f"__attrs_props__.{name}": attribute(properties, name) for name in named
    }
    return {**_without_generated(own), **made}


def _named_tuple(cls: type, own: dict[str, object]) -> dict[str, object]:
    """Leave out what `collections` made; the fields are told by their names."""
    dropped = {"__slots__", "__orig_bases__", *cast("Any", cls)._fields}
    return {
        name: value
        for name, value in own.items()
        if name not in dropped and not _is_from_collections(value)
    }


def _is_from_collections(value: object) -> bool:
    space = attribute(_innermost(value), "__globals__", {})
    made_in = str(space.get("__name__"))
    return made_in == "collections" or made_in.startswith("namedtuple_")


def _typed_dict(_cls: type, own: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in own.items() if name in _TYPED_DICT}


def _protocol(_cls: type, own: dict[str, object]) -> dict[str, object]:
    return {
        name: value
        for name, value in own.items()
        if attribute(attribute(value, "__func__", value), "__module__") != "typing"
    }


def _enum(cls: type, own: dict[str, object]) -> dict[str, object]:
    """Replace what the metaclass keeps about members by their names, order and values."""
    listed = cast("type[enum.Enum]", cls).__members__
    inherited = [vars(base) for base in cls.__mro__[1:]]
    kept = {
        name: value
        for name, value in own.items()
        if name not in listed
        and (not _is_sunder(name) or hasattr(value, "__func__"))
        and attribute(attribute(value, "__func__", value), "__module__") != "enum"
        and not any(base.get(name) is value for base in inherited)
    }
    values = {f"member {name}": member.value for name, member in listed.items()}
    return {**kept, "members": tuple(listed), **values}


def _pydantic(_cls: type, own: dict[str, object]) -> dict[str, object]:
    """Keep the fields of a pydantic model, and not the validators compiled from them."""
    fields = cast("dict[str, object]", own.get("__pydantic_fields__", {}))
    decorators = own.get("__pydantic_decorators__")
    own = {
        name: value
        for name, value in own.items()
        if not name.startswith(("__pydantic_", "__class_vars__", "__private_attributes__"))
        and name != "__signature__"
    }
    for name, field in fields.items():
        parts = (_pydantic_part(attribute(field, part)) for part in _PYDANTIC)
        own[f"field {name}"] = (*parts, *cast("Any", attribute(field, "metadata") or ()))
    for group in attribute(decorators, "__dict__", {}).values():
        for name, decorator in group.items():
            own[f"decorator {name}"] = repr(attribute(decorator, "info"))
    return own


def _pydantic_part(part: object) -> object:
    return "undefined" if type(part).__name__ == "PydanticUndefinedType" else part


def _is_sunder(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.endswith("_")


_KINDS: Final[
    tuple[
        tuple[Callable[[type], bool], Callable[[type, dict[str, object]], dict[str, object]]], ...
    ]
] = (
    (lambda cls: issubclass(cls, enum.Enum), _enum),
    (lambda cls: "__dataclass_fields__" in vars(cls), _dataclass),
    (lambda cls: "__attrs_attrs__" in vars(cls), _attrs),
    (lambda cls: cls.__bases__ == (tuple,) and "_fields" in vars(cls), _named_tuple),
    (lambda cls: "__required_keys__" in vars(cls), _typed_dict),
    (lambda cls: "_is_protocol" in vars(cls), _protocol),
    (lambda cls: "__pydantic_fields__" in vars(cls), _pydantic),
)
