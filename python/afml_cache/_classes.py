"""What a class and an annotation are made of."""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from afml_cache._values import annotation

if TYPE_CHECKING:
    from types import FunctionType

# What Python itself writes into a class: derived from the rest, or told elsewhere.
_DERIVED: Final = frozenset(
    {
        *("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__"),
        *("__firstlineno__", "__static_attributes__", "__slotnames__"),
        *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),
        *("__conditional_annotations__", "__classdictcell__", "__abstractmethods__", "_abc_impl"),
        # pydantic makes these of the fields, with addresses in them, or fills them on the way
        *("__pydantic_core_schema__", "__pydantic_serializer__", "__pydantic_validator__"),
        *("__pydantic_setattr_handlers__", "__pydantic_parent_namespace__", "__signature__"),
        *("__protocol_attrs__", "__non_callable_proto_members__"),
        *("__callable_proto_members_only__", "__dataclass_params__"),
    }
)


def members(cls: type) -> dict[str, object]:
    """Give what a class body defined, by name and sorted."""
    own = {name: value for name, value in vars(cls).items() if name not in _DERIVED}
    if _is_salted(own.get("__hash__")):
        del own["__hash__"]
    if issubclass(cls, enum.Enum):
        own = _enum_members(cls, own)
    if "__slots__" in own:
        slots = own["__slots__"]
        own["__slots__"] = slots if isinstance(slots, str) else tuple(cast("Any", slots))
    if "__dataclass_fields__" in own:
        own["__dataclass_fields__"] = tuple(cast("Any", own["__dataclass_fields__"]).values())
        own["__dataclass_params__"] = repr(vars(cls).get("__dataclass_params__"))
    return dict(sorted(own.items()))


def annotations_of(value: FunctionType | type) -> tuple[tuple[str, object], ...]:
    """Give a function's or a class's own annotations, in their order."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return tuple(
            annotationlib.get_annotations(value, format=annotationlib.Format.STRING).items()
        )
    if isinstance(value, type):
        found = vars(value).get("__annotations__", {})
    else:
        found = value.__annotations__
    return (
        tuple((str(name), annotation(form)) for name, form in found.items())
        if isinstance(found, dict)
        else ()
    )


def _enum_members(cls: type[enum.Enum], own: dict[str, object]) -> dict[str, object]:
    """Replace what the metaclass keeps about members by their names, order and values."""
    kept = {
        name: value
        for name, value in own.items()
        if name not in cls.__members__ and (not _is_sunder(name) or hasattr(value, "__func__"))
    }
    values = {f"member {name}": member.value for name, member in cls.__members__.items()}
    return {**kept, "members": tuple(cls.__members__), **values}


def _is_salted(method: object) -> bool:
    """Whether `attrs` wrote a `__hash__`: it holds the hash of a text, which is never the same."""
    code = getattr(method, "__code__", None)
    return code is not None and code.co_filename.startswith("<attrs generated ")


def _is_sunder(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.endswith("_")
