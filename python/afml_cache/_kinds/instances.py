"""Instances: by their attributes, or by what pickle would make of them."""

from __future__ import annotations

import copyreg
import sys
import types
from typing import TYPE_CHECKING, Any, Final, cast

from afml_cache._kinds.model import Apart, Part, defines, refusal
from afml_cache._origin import offered, origin, top_level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SHORTEST: Final = 2
_LONGEST: Final = 6
# `attrs` keeps an object's hash, which is another one in every process.
_DERIVED: Final = frozenset({"_attrs_cached_hash"})
# By address, since a metaclass may define `__hash__`.
_PLAIN_KEYS: Final = frozenset(map(id, (str, int, float, bool, bytes, type(None))))
_PICKLING: Final = ("__reduce_ex__", "__reduce__", "__getstate__")
_GENERATORS: Final = frozenset({"dataclasses", "attr._make"})
_NEWOBJ: Final = cast("Any", copyreg).__newobj__
_NEWOBJ_EX: Final = cast("Any", copyreg).__newobj_ex__
_RECONSTRUCTOR: Final = cast("Any", copyreg)._reconstructor  # noqa: SLF001
_PROTOCOL: Final = 2


def attributes(value: object, without: Collection[str] = ()) -> tuple[Part, ...]:
    """Give an instance's attributes: its `__dict__` in its order, then its slots."""
    skipped = _skipped(value, without)
    return (*attributes_in_dictionary(value, skipped), *_slots(value, skipped))


def attributes_in_dictionary(value: object, skipped: Collection[str]) -> tuple[Part, ...]:
    """Give what is in an instance's `__dict__`, in its order."""
    found = getattr(value, "__dict__", None)
    return tuple(_named(found, skipped)) if isinstance(found, dict) else ()


def instance(value: object, *content: Part, without: Collection[str] = ()) -> Apart:
    """Describe an instance by its class, `content` and its attributes."""
    return Apart("object", ((".__class__", type(value)), *content, *attributes(value, without)))


def is_plain(kind: type) -> bool:
    """Whether `attributes` are all that an instance of a dataclass or of an `attrs` class has.

    These write a `__getstate__` that knows of their fields only; one of the user's is obeyed.
    """
    if not (defines(kind, "__dataclass_fields__") or defines(kind, "__attrs_attrs__")):
        return False
    return not any(_is_users(kind, name) for name in _PICKLING) and _is_pure(kind)


def _is_users(kind: type, name: str) -> bool:
    found = next((vars(base)[name] for base in kind.__mro__[:-1] if name in vars(base)), None)
    return found is not None and getattr(found, "__module__", None) not in _GENERATORS


def _is_pure(kind: type) -> bool:
    """Whether no base of a class but `object` is compiled, and could keep more in its instances."""
    for base in kind.__mro__:
        if isinstance(vars(base).get("__new__"), types.BuiltinFunctionType):
            return base is object
    return False


def library_class(value: object, library: str) -> Part:
    """Give the class of an object: one of `library`'s own by its name, wherever it lies in it.

    Versions have their classes in different modules; that of the library counts by its arrays.
    """
    kind = type(value)
    own = top_level(kind.__module__) == library
    return ".__class__", kind.__qualname__ if own else kind


def items(pairs: Collection[tuple[object, object]]) -> object:
    """Give a mapping's items in their order, as a `dict` where no key has code of its own."""
    if all(id(type(key)) in _PLAIN_KEYS for key, _ in pairs):
        found = dict(pairs)
        if len(found) == len(pairs):  # a mapping may have a key twice
            return found
    return tuple(pairs)


def reduced(value: object, *, without: Collection[str] = ()) -> Apart:
    """Describe an object by what pickle would make of it.

    Parameters
    ----------
    value
        Any object.
    without
        Attributes to leave out.

    Raises
    ------
    UncacheableArgumentError
        It can't be pickled, or is pickled by a name that it doesn't have.
    """
    found = _reduce(value)
    if isinstance(found, str):
        return _global(value, found)
    if not isinstance(found, tuple) or not _SHORTEST <= len(found) <= _LONGEST:
        raise refusal(value, "whose `__reduce_ex__` gave no tuple of two to six elements")
    function, arguments, state, elements, pairs, setter = (*found, *(None,) * 4)[:_LONGEST]
    kind, made = _made(value, function, arguments)
    parts = [(".__class__", type(value)), *made, *_state(state, _skipped(value, without))]
    if state is None and not _says_all(type(value)):
        # slots of the library's own, such as those of a path, are content or kept for speed
        added = (*attributes_in_dictionary(value, without), *_slots(value, without, users=True))
        parts.extend(added)
    if elements is not None:
        parts.append(("", list(elements)))
    if pairs is not None:
        parts.append(("", items(tuple(pairs))))
    if setter is not None:
        parts.append((".__reduce__()[5]", setter))
    return Apart(kind, tuple(parts))


def _skipped(value: object, without: Collection[str]) -> Collection[str]:
    made_by_attrs = any("__attrs_attrs__" in vars(base) for base in type(value).__mro__)
    return _DERIVED.union(without) if made_by_attrs else frozenset(without)


def _says_all(kind: type) -> bool:
    """Whether what pickle gets is all there is: a library's own objects, or the user says so.

    A user's class inherits from `Decimal` what leaves out the attributes that it adds.
    """
    if _registered(kind) is not None or origin(str(kind.__module__)) != "user":
        return True
    for base in kind.__mro__:
        if "__reduce_ex__" in vars(base) or "__reduce__" in vars(base):
            return origin(str(base.__module__)) == "user"
    return True


def _named(found: dict[Any, object], skipped: Collection[str]) -> Iterator[Part]:
    for name, part in dict.items(found):  # a subclass may have methods of its own
        if type(name) is not str:
            yield ".__dict__", (name, part)
        elif name not in skipped:
            yield f".{name}", part


def _slots(value: object, skipped: Collection[str], *, users: bool = False) -> Iterator[Part]:
    for cls in reversed(type(value).__mro__):
        namespace = vars(cls)
        if "__slots__" not in namespace or (users and origin(str(cls.__module__)) != "user"):
            continue
        for name in sorted(namespace):
            descriptor = namespace[name]
            if type(descriptor) is not types.MemberDescriptorType or name in skipped:
                continue
            try:
                yield f".{name}", descriptor.__get__(value, type(value))
            except AttributeError:  # nothing was put there
                continue


def _registered(kind: type) -> Any:
    """Give what pickles a class as somebody said; not what adds tracebacks to exceptions.

    `dask.distributed` has tblib do that, for all exceptions: where one was raised is no content.
    """
    found = [reducer for one, reducer in copyreg.dispatch_table.items() if one is kind]
    if not found or str(getattr(found[0], "__module__", "")).partition(".")[0] == "tblib":
        return None
    return found[0]


def _reduce(value: Any) -> object:
    kind = type(value)
    plain = cast("Any", type(kind)).__hash__ is type.__hash__
    try:
        reducer = _registered(kind) if plain else None
        return reducer(value) if reducer else value.__reduce_ex__(_PROTOCOL)
    except Exception as error:
        raise refusal(value, f"which can't be pickled ({_text(error)})") from error


def _text(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _made(value: object, function: object, arguments: object) -> tuple[str, list[Part]]:
    """Tell how an object is made, before its state is put in."""
    if not callable(function) or not isinstance(arguments, tuple):
        raise refusal(value, "whose `__reduce_ex__` names no function and arguments")
    if function is _NEWOBJ:
        return "object", _new(value, arguments[0], arguments[1:], {})
    if function is _NEWOBJ_EX:
        return "object", _new(value, *arguments)
    if function is _RECONSTRUCTOR:
        cls, base, state = cast("tuple[Any, Any, Any]", arguments)
        content = [] if base is object else [(".__base__", base), ("", state)]
        return "object", [*_new(value, cls, (), {}), *content]
    called: list[Part] = (
        [] if cast("object", function) is type(value) else [(".__reduce__()[0]", function)]
    )
    return "reduced", [*called, (".__reduce__()[1]", arguments)]


def _new(
    value: object, cls: object, arguments: tuple[object, ...], keywords: dict[str, object]
) -> list[Part]:
    parts: list[Part] = [] if cls is type(value) else [(".__new__", cls)]
    if arguments:
        parts.append((".__getnewargs__()", arguments))
    if keywords:
        parts.append((".__getnewargs_ex__()[1]", keywords))
    return parts


def _state(state: object, skipped: Collection[str]) -> list[Part]:
    if state is None:
        return []
    if type(state) is dict and all(type(name) is str for name in state):
        return [(f".{name}", part) for name, part in state.items() if name not in skipped]
    if type(state) is tuple and len(state) == _SHORTEST and type(state[1]) is dict:
        own, slots = state
        if own is None or type(own) is dict:
            by_name = dict(sorted(slots.items()))
            return [*_state(own, skipped), *_state(by_name, skipped)]
    return [(".__getstate__()", state)]


def _global(value: object, name: str) -> Apart:
    """Describe what pickle finds again by its name in a module."""
    kind = type(value)
    for module in (getattr(value, "__module__", None), kind.__module__):
        found: object = sys.modules.get(module) if isinstance(module, str) else None
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is value:
            own = attributes(value) if origin(str(module)) == "user" else ()
            where = (".__module__", module), (".__name__", name)
            return Apart("global", ((".__class__", kind), *where, *own))
    raise refusal(value, f"which is pickled by the name `{name}`, and is not found there")


def has_public_name(value: object) -> bool:
    """Whether a module of the standard library or of a package offers this very object."""
    return offered(value, "", "") is not None
