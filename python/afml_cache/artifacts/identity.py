"""What an artifact was made from: the key of a call, and the parts of it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Function, digest
from afml_cache.decorators import name_of, native_settings
from afml_cache.exceptions import CacheConfigError
from afml_cache.files import names_a_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.bar_ends import Bars

Part = tuple[str, str, str]

_ARGUMENT: Final = "argument `"


@dataclass(frozen=True, slots=True)
class Identity:
    """What one call is made from.

    Attributes
    ----------
    key : str or None
        32 hexadecimal digits; `None` where an argument can't be keyed.
    parts : list of (str, str, str)
        Label, digest and short text of each input and each piece of code.
    """

    key: str | None
    parts: list[Part]

    @property
    def inputs(self) -> list[Part]:
        """The arguments that count, by their names alone."""
        return [
            (label.removeprefix(_ARGUMENT).removesuffix("`"), content, text)
            for label, content, text in self.parts
            if label.startswith(_ARGUMENT)
        ]

    @property
    def code(self) -> list[Part]:
        """All else: code, constants, versions."""
        return [part for part in self.parts if not part[0].startswith(_ARGUMENT)]

    @property
    def code_digest(self) -> str:
        """The digest of the code."""
        return digest([part[:2] for part in self.code if not part[0].startswith("installed ")])


class Calls:
    """The calls of a function, and what tells them apart.

    Parameters
    ----------
    function : callable
        What makes the artifact.
    settings : dict
        Options of code, as `code_settings` gives them.
    identified_by : tuple of str, optional
        The parameters that count; all if it is left out.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        settings: dict[str, Any],
        identified_by: tuple[str, ...] | None = None,
    ) -> None:
        self._name = name_of(function)
        self.signature = inspect.signature(function, follow_wrapped=False)
        self.bars: Bars = settings["bars"]
        for name in identified_by or ():
            if name not in self.signature.parameters:
                message = (
                    f"`identified_by` names `{name}`, and `{name_of(function)}` has no such "
                    "parameter"
                )
                raise CacheConfigError(message)
        names = self.signature.parameters
        left_out = (
            () if identified_by is None else (name for name in names if name not in identified_by)
        )
        options = settings["options"]
        options = {**options, "ignore": (*options["ignore"], *left_out)}
        self._declared = {*options["ignore"], *options["files"]}
        settings = native_settings(**{**settings, "options": options}, raises=True)
        self._native = Function(function, f"artifact {name_of(function)}", **settings)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """Put arguments to the names of the parameters, defaults filled in.

        Raises
        ------
        TypeError
            They do not fit the signature.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            message = f"{self._name}() {error}"
            raise TypeError(message) from None
        bound.apply_defaults()
        return bound

    def key(self, bound: inspect.BoundArguments) -> str:
        """Give the key of a call.

        Raises
        ------
        UncacheableArgumentError
            An argument can't be keyed.
        """
        return self._native.cache_key(*bound.args, **bound.kwargs)

    def identity(self, bound: inspect.BoundArguments) -> Identity:
        """Give the key of a call, and what it is made of; raises as `key` does."""
        return Identity(*self._native.key_parts(*bound.args, **bound.kwargs))

    def undeclared(self, bound: inspect.BoundArguments) -> list[str]:
        """Name the arguments that name a file of which nothing says whether it counts."""
        others = (item for item in bound.arguments.items() if item[0] not in self._declared)
        return [name for name, value in others if names_a_file(value)]
