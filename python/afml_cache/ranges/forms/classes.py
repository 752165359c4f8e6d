"""Classes of bars: what an object of one consists of, and how one is made again unvalidated."""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import LoaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LIBRARIES: Final = frozenset({"builtins", "numpy", "pandas", "polars", "pyarrow"})
_UNKEPT: Final = frozenset({"__dict__", "__weakref__"})


def sort_of(cls: type) -> str:
    """Tell what kind of class it is.

    Raises
    ------
    LoaderError
        Its objects are more than their attributes.
    """
    if cls is dict:
        return "dict"
    if issubclass(cls, tuple) and hasattr(cls, "_make"):
        return "tuple"
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        return "model"
    if _is_plain(cls):
        return "object"
    message = (
        f"a list of `{cls.__module__}.{cls.__qualname__}` can't be kept; give a frame, or objects "
        "with named fields: dataclasses, named tuples, models of pydantic, classes of attrs, "
        "dictionaries"
    )
    raise LoaderError(message)


def _is_plain(cls: type) -> bool:
    """Whether an object is its attributes and nothing beside: nothing of a builtin's."""
    library = cls.__module__.partition(".")[0]
    if library in _LIBRARIES or not (slots_of(cls) or _has_dict(cls)):
        return False
    try:
        object.__new__(cls)
    except TypeError:
        return False
    return True


def _has_dict(cls: Any) -> bool:
    return bool(cls.__dictoffset__)


def slots_of(cls: type) -> list[str]:
    """List the attributes that have slots, as the class itself calls them."""
    slots: list[str] = []
    for base in reversed(cls.__mro__):
        own = base.__dict__.get("__slots__", ())
        for name in (own,) if isinstance(own, str) else own:
            private = name.startswith("__") and not name.endswith("__")
            slots.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return [name for name in slots if name not in _UNKEPT]


def reader_of(cls: type, sort: str) -> Callable[[Any], dict[str, Any]]:
    """Give what reads the named fields of an object."""
    if sort == "dict":
        return dict
    if sort == "tuple":
        return lambda row: dict(zip(cls._fields, row, strict=True))  # type: ignore[attr-defined]
    if sort == "model":
        return _state_of_model
    slots = slots_of(cls)
    computed = {
        name
        for base in cls.__mro__
        for name, each in vars(base).items()
        if isinstance(each, functools.cached_property)
    }
    if not slots and not computed:
        return lambda row: dict(vars(row))

    def state(row: Any) -> dict[str, Any]:
        found = {name: getattr(row, name) for name in slots if hasattr(row, name)}
        held = getattr(row, "__dict__", {})
        return found | {name: each for name, each in held.items() if name not in computed}

    return state


def _state_of_model(row: Any) -> dict[str, Any]:
    if row.__pydantic_private__:
        message = (
            f"`{type(row).__qualname__}` has private attributes, which can't be kept; give models "
            "without, or dictionaries by `model_dump()`"
        )
        raise LoaderError(message)
    return {**row.__dict__, **(row.__pydantic_extra__ or {})}


def given_fields(row: Any) -> set[str]:
    """Give the fields of a model that somebody set."""
    found: set[str] = row.model_fields_set
    return found


def enums_of(cls: type | None) -> dict[str, type[Enum]]:
    """Give the enumerations that a class says its fields are of."""
    if cls is None or cls is dict:
        return {}
    try:
        hints = typing.get_type_hints(cls)
    except Exception:  # noqa: BLE001 - annotations are anybody's code
        return {}
    found = {}
    for name, hint in hints.items():
        kinds = [hint, *typing.get_args(hint)]
        enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
        if len(enums) == 1:
            found[name] = enums[0]
    return found


def maker_of(cls: type, sort: str, names: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """Give what makes an object of its named fields, without running its own checks."""
    if sort == "dict":
        return dict
    if sort == "tuple":
        order: Sequence[str] = cls._fields  # type: ignore[attr-defined]
        return lambda state: cls._make([state[name] for name in order])  # type: ignore[attr-defined]
    if sort == "model":
        return functools.partial(_model, cls)
    slots = frozenset(slots_of(cls))
    new: Callable[[type], Any] = object.__new__
    if not slots.intersection(names) and _has_dict(cls):

        def filled(state: dict[str, Any]) -> Any:
            made = new(cls)
            made.__dict__.update(state)
            return made

        return filled

    def assigned(state: dict[str, Any]) -> Any:
        made = new(cls)
        for name, value in state.items():
            object.__setattr__(made, name, value)
        return made

    return assigned


def _model(cls: Any, state: dict[str, Any], given: set[str] | None = None) -> Any:
    made = cls.model_construct(set(state) if given is None else given, **state)
    for name in cls.model_fields:  # an alias of one field may be the name of another
        if name in state:
            made.__dict__[name] = state[name]
    return made


def fields_of(cls: type) -> tuple[list[str], set[str]]:
    """List the fields that a class can be made with, and those of them it must be.

    Raises
    ------
    LoaderError
        It has no named fields.
    """
    sort = sort_of(cls)
    if sort == "tuple":
        named: Any = cls
        return list(named._fields), set(named._fields) - set(named._field_defaults)
    if sort == "model":
        fields = typing.cast("Any", cls).model_fields
        return list(fields), {name for name, field in fields.items() if field.is_required()}
    if dataclasses.is_dataclass(cls):
        made = [field for field in dataclasses.fields(cls) if field.init]
        nothing = dataclasses.MISSING
        return [field.name for field in made], {
            field.name
            for field in made
            if field.default is nothing and field.default_factory is nothing
        }
    return _parameters_of(cls)


def _parameters_of(cls: type) -> tuple[list[str], set[str]]:
    import inspect

    parameters = [
        each
        for each in inspect.signature(cls).parameters.values()
        if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]
    needed = {each.name for each in parameters if each.default is each.empty}
    return [each.name for each in parameters], needed
