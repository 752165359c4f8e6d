"""Values taken apart into a kind and parts, for the digest to walk."""

from __future__ import annotations

from typing import NamedTuple

from afml_cache.exceptions import UncacheableArgumentError


class Apart(NamedTuple):
    """What a value is made of."""

    kind: str
    parts: tuple[tuple[str, object], ...]


def take_apart(value: object) -> Apart:
    """Take a value apart that is not handled natively.

    Raises
    ------
    UncacheableArgumentError
        It can't be keyed by its content.
    """
    kind = type(value)
    if kind.__module__ != "builtins" and hasattr(value, "__dict__"):
        attributes = tuple((f".{name}", part) for name, part in vars(value).items())
        return Apart("object", ((".__class__", kind), *attributes))
    message = f"a value of type `{kind.__module__}.{kind.__qualname__}`"
    raise UncacheableArgumentError(message)
