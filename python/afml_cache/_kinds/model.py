"""What a value is taken apart into, and how it is refused."""

from __future__ import annotations

from typing import NamedTuple

from afml_cache.exceptions import UncacheableArgumentError

Part = tuple[str, object]

REMEDY = (
    "give its class a `__cache_key__()` that returns what counts, or register one with "
    "`afml_cache.register_hasher`"
)


class Apart(NamedTuple):
    """What a value is made of.

    Attributes
    ----------
    kind
        What tells it apart from other things made of the same parts.
    parts
        Pairs of a segment of the path, such as `.window`, and the value found there.
    """

    kind: str
    parts: tuple[Part, ...]


def defines(kind: type, name: str) -> bool:
    """Whether a class or one of its bases has a method, without asking its metaclass."""
    return any(name in vars(base) for base in kind.__mro__)


def name_of(kind: type) -> str:
    """Give a class's name as one would import it."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def refusal(value: object, why: str, remedy: str = REMEDY) -> UncacheableArgumentError:
    """Make the exception for a value that can't be keyed.

    Parameters
    ----------
    value
        Only its type is looked at.
    why
        Follows the type's name, as in "which can be read only once".
    remedy
        What to do instead.
    """
    return UncacheableArgumentError(f"a `{name_of(type(value))}`, {why}; {remedy}")


def code(value: object) -> Apart:
    """Have a value described as code: whatever is callable and has a name."""
    return Apart("code", (("", value),))
