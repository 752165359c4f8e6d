"""The arguments of a call as parameters of a run."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache._native import digest
from afml_cache._values import attribute
from afml_cache.mlflow.names import free
from afml_cache.mlflow.texts import content, inline, key, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What MLflow takes of a value since 2.8.
LONGEST_VALUE: Final = 6000
# Longer texts are told by their digest and not written out anywhere.
_LONGEST_TEXT: Final = 1_000_000
_MOST_PARAMETERS: Final = 1000
_DEPTH: Final = 10
# A mapping with more keys is data, and a sequence with more elements is not looked into.
_MOST_KEYS: Final = 1000
_MOST_PARTS: Final = 50


class Parameters(NamedTuple):
    """Parameters of a run, each within MLflow's limits.

    Attributes
    ----------
    values : dict
        Names to texts.
    in_full : dict
        Those texts in full that are cut in `values`, or have no room there.
    """

    values: dict[str, str]
    in_full: dict[str, str]


def parameters(arguments: Iterable[tuple[str, Any]]) -> Parameters:
    """Describe values by their names.

    Scalars, and containers of scalars, are text. Mappings, dataclasses and named tuples are taken
    apart, their keys behind a dot. Everything else, such as frames, arrays and estimators, is told
    by its type, shape and digest, so that another content is another text.

    Examples
    --------
    >>> parameters([("params", {"n_estimators": 100, "depth": None})]).values
    {'params.n_estimators': '100', 'params.depth': 'None'}
    """
    values: dict[str, str] = {}
    in_full: dict[str, str] = {}
    for path, text in _texts(arguments):
        name = free(path, values, f"{path}={len(values)}")
        if len(values) >= _MOST_PARAMETERS:
            in_full[name] = text
            continue
        if len(text) > LONGEST_VALUE:
            in_full[name] = text
            text = _cut(text)  # noqa: PLW2901 - the same text, shorter
        values[name] = text
    return Parameters(values, in_full)


def _cut(text: str) -> str:
    behind = f" ... ({len(text)} characters, digest {digest(text)})"
    return text[: LONGEST_VALUE - len(behind)] + behind


def _texts(arguments: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in arguments:
        yield from _walk(name, value, 0)


def _walk(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    parts = None if depth > _DEPTH else _parts(value)
    if parts:
        for name, part in parts:
            yield from _walk(f"{path}.{name}", part, depth + 1)
        return
    text = plain(value)
    if text is None:
        text = inline(value)
    if text is None or len(text) > _LONGEST_TEXT:
        text = content(value)
    yield path, text


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """Give the parts that a value is told by, if it is one that is taken apart."""
    if isinstance(value, Mapping):
        if len(value) > _MOST_KEYS:
            return None
        return [(key(name), part) for name, part in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, attribute(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, list | tuple) and len(value) <= _MOST_PARTS and inline(value) is None:
        return [(str(place), part) for place, part in enumerate(value)]
    return None


class Argument(NamedTuple):
    """An argument, the parameter that takes it, and its own name, which `**kwargs` leave to it."""

    parameter: str
    name: str
    value: Any


def bound(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> list[Argument]:
    """Give the arguments of a call, defaults filled in; none if the call does not fit."""
    try:
        arguments = signature.bind(*args, **(kwargs or {}))
    except TypeError:
        return []
    arguments.apply_defaults()
    found: list[Argument] = []
    for parameter, value in arguments.arguments.items():
        kind = signature.parameters[parameter].kind
        named = value if kind is inspect.Parameter.VAR_KEYWORD else {parameter: value}
        found.extend(Argument(parameter, name, part) for name, part in named.items())
    return found
