"""Dataclass instances and named tuples in parts, and back, without running their code."""

from __future__ import annotations

import abc
import collections
import copyreg
import dataclasses
import importlib
import sys
import types
import weakref
from typing import Any

from afml_cache.exceptions import CacheCorruptError

DATACLASS, NAMED_TUPLE = 0, 1
Form = tuple[int, str, str, tuple[str, ...]]
Parts = tuple[Form, tuple[str, ...], tuple[object, ...]]


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What instances of a class are put together from."""

    form: Form
    names: tuple[str, ...]
    slots: dict[str, types.MemberDescriptorType]
    has_dict: bool


_SHAPES: weakref.WeakKeyDictionary[type, _Shape | None] = weakref.WeakKeyDictionary()
_CALLS = "__reduce__", "__reduce_ex__"
_ABSENT = object()
_OF_OBJECT = getattr(object, "__getstate__", None)  # since Python 3.11


def take_apart(value: object) -> Parts | None:
    """Give form, names and values of a dataclass instance or a named tuple; else nothing."""
    cls = type(value)
    shape = _shape_of(cls)
    if shape is None or not _is_found(cls):
        return None
    if isinstance(value, tuple):
        bare = not (shape.has_dict and vars(value)) and len(value) == len(shape.names)
        return (shape.form, shape.names, tuple(value)) if bare else None
    return _take_fields(value, shape)


def _take_fields(value: object, shape: _Shape) -> Parts | None:
    state = {}
    for name, slot in shape.slots.items():
        try:
            state[name] = slot.__get__(value)
        except AttributeError:
            continue
    if shape.has_dict:
        state |= object.__getattribute__(value, "__dict__")
    names = tuple(state)
    if names == shape.names:
        return shape.form, shape.names, tuple(state.values())
    whole = all(name in state for name in shape.form[3]) and {*map(type, names)} <= {str}
    return (shape.form, names, tuple(state.values())) if whole else None


def put_together(form: Form, names: tuple[str, ...], values: tuple[object, ...]) -> object:
    """Make the instance that was taken apart.

    Raises
    ------
    ImportError, AttributeError
        Its class is gone.
    CacheCorruptError
        Its class is not what it was.
    """
    _, module, qualname, fields = form
    cls: Any = importlib.import_module(module)
    for part in qualname.split("."):
        cls = getattr(cls, part)
    shape = _shape_of(cls) if isinstance(cls, type) else None
    if shape is None or shape.form != form or len(names) != len(values):
        message = f"`{module}.{qualname}` has no longer the fields that were stored: {fields}"
        raise CacheCorruptError(message)
    if form[0] == NAMED_TUPLE:
        return tuple.__new__(cls, values)
    made = object.__new__(cls)
    for name, value in zip(names, values, strict=True):
        if name in shape.slots:
            shape.slots[name].__set__(made, value)
        else:
            object.__getattribute__(made, "__dict__")[name] = value
    return made


def _is_found(cls: type) -> bool:
    found: object = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is cls and cls not in copyreg.dispatch_table


def _shape_of(cls: type) -> _Shape | None:
    # A metaclass may have its own idea of equality, and of what an instance is.
    if type(cls) is not type and type(cls) is not abc.ABCMeta:
        return None
    shape = _SHAPES.get(cls, _ABSENT)
    if shape is _ABSENT:
        shape = _SHAPES[cls] = _find_shape(cls)
    return shape  # type: ignore[return-value] # what is absent was found


def _find_shape(cls: type) -> _Shape | None:
    if any(getattr(cls, name) is not getattr(object, name) for name in _CALLS):
        return None
    if issubclass(cls, tuple):
        kind, fields = NAMED_TUPLE, _names_of_tuple(cls)
    else:
        kind, fields = DATACLASS, _names_of_dataclass(cls)
    if fields is None:
        return None
    slots: dict[str, types.MemberDescriptorType] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType):
                if name in slots:
                    return None
                slots[name] = member
    holders = [vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base)]
    if not all(isinstance(holder, types.GetSetDescriptorType) for holder in holders):
        return None
    names = tuple(name for name in fields if name in slots)
    names += tuple(name for name in fields if name not in slots)
    form = kind, cls.__module__, cls.__qualname__, fields
    return _Shape(form, names, slots, bool(holders))


def _names_of_dataclass(cls: type) -> tuple[str, ...] | None:
    plain = {
        "__new__": (object.__new__,),
        "__getstate__": (_OF_OBJECT, getattr(dataclasses, "_dataclass_getstate", None)),
        "__setstate__": (getattr(dataclasses, "_dataclass_setstate", None),),
        "__getnewargs__": (),
        "__getnewargs_ex__": (),
    }
    if "__dataclass_fields__" not in vars(cls):
        return None
    if any(getattr(cls, name, None) not in (None, *known) for name, known in plain.items()):
        return None
    return tuple(field.name for field in dataclasses.fields(cls))


def _names_of_tuple(cls: type) -> tuple[str, ...] | None:
    fields = getattr(cls, "_fields", None)
    if not isinstance(fields, tuple) or {*map(type, fields)} - {str}:
        return None
    state = getattr(cls, "__getstate__", None)
    if state not in (None, _OF_OBJECT) or hasattr(cls, "__setstate__"):
        return None
    # Both are made by `namedtuple`: the one in a namespace of its own, the other in its module.
    made = getattr(cls.__new__, "__globals__", {})
    arguments = getattr(cls, "__getnewargs__", None)
    own = made.get("_tuple_new") == tuple.__new__ and not hasattr(cls, "__getnewargs_ex__")
    if not own or getattr(arguments, "__globals__", None) is not vars(collections):
        return None
    return fields
