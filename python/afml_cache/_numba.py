"""Functions that numba has compiled, and whether what they were compiled from still stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from afml_cache._values import attribute, constant
from afml_cache.exceptions import UncacheableArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from afml_cache._values import Parts

# What differs from these is named, once the machine code may be out of date.
Described = dict[str, object]


class _Seen(NamedTuple):
    """What a dispatcher's source was, and the machine code made of it or of an earlier one."""

    described: Described
    stale: tuple[object, ...]


_seen: Final[WeakKeyDictionary[Any, _Seen]] = WeakKeyDictionary()


def python_function(value: object) -> object:
    """Give the Python function that numba compiles for `value`; `None` if that is no dispatcher."""
    if not any(base.__module__.startswith("numba.") for base in type(value).__mro__):
        return None
    inner = attribute(attribute(value, "_dispatcher"), "py_func")
    return attribute(value, "py_func") or inner or attribute(value, "_pyfunc")


def is_dispatcher(value: object) -> bool:
    """Whether numba compiles this function when it is called."""
    return python_function(value) is not None


def parts(value: object) -> Parts | None:
    """Split a dispatcher into its options and its Python function."""
    function = python_function(value)
    if function is None:
        return None
    options = attribute(value, "targetoptions", {})
    named = tuple((str(name), _plain(options[name])) for name in sorted(options))
    return ("numba", type(value).__qualname__, named), (function,)


def check(dispatcher: object, described: Mapping[str, object]) -> None:
    """Compare a dispatcher's source with what it was when it was compiled.

    Raises
    ------
    UncacheableArgumentError
        It changed, and the dispatcher still runs the machine code of the earlier source.
    """
    compiled = tuple(attribute(dispatcher, "overloads", {}).values())
    seen = _seen.get(dispatcher)
    same = seen is None or seen.described == described
    recompiled = seen is not None and _fresh(compiled, seen.stale)
    if seen is None or same or not compiled or recompiled:
        # while it is the same, what is compiled is not known to be stale
        _seen[dispatcher] = _Seen(dict(described), ())
        return
    _seen[dispatcher] = seen._replace(stale=compiled)
    changed = [label for label, value in described.items() if seen.described.get(label) != value]
    gone = [label for label in seen.described if label not in described]
    name = attribute(python_function(dispatcher), "__qualname__", "dispatcher")
    reason = (
        f"the numba function `{name}`, which was compiled before {', '.join(changed + gone)} "
        f"changed; call `{name}.recompile()`"
    )
    raise UncacheableArgumentError(reason)


def check_arrays(dispatcher: object, mutables: Iterable[tuple[str, object]]) -> None:
    """Refuse global arrays that numba has compiled in, and that may change in place afterwards.

    Raises
    ------
    UncacheableArgumentError
        There is one: the machine code would go on with what it held.
    """
    for label, value in mutables:
        if attribute(attribute(value, "flags"), "writeable", default=False) is True:
            name = attribute(python_function(dispatcher), "__qualname__", "dispatcher")
            reason = (
                f"the numba function `{name}`, which has {label} compiled in and would not see it "
                f"change; pass the array as an argument, or set its `flags.writeable` to False"
            )
            raise UncacheableArgumentError(reason)


def _fresh(compiled: tuple[object, ...], stale: tuple[object, ...]) -> bool:
    return bool(stale) and not {id(one) for one in compiled} & {id(one) for one in stale}


def _plain(option: object) -> object:
    return option if constant(option) else repr(option)
