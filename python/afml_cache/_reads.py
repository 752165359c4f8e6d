"""The names that a function's code reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_DOCUMENTATION: Final = frozenset({"__doc__", "getdoc"})


@dataclass(slots=True)
class Reads:
    """The names that a function and the code inside it read, in the order of the code.

    Attributes
    ----------
    chains
        `("features", "smooth")` for `features.smooth`, `features` being a global.
    attributes
        Every attribute name, and every string that could be one for `getattr`.
    imports
        Level, module and names of every import statement.
    """

    chains: dict[tuple[str, ...], None] = field(default_factory=dict)
    attributes: dict[str, None] = field(default_factory=dict)
    imports: dict[tuple[int, str, tuple[str, ...]], None] = field(default_factory=dict)

    @property
    def documentation(self) -> bool:
        """Whether docstrings are read."""
        return not _DOCUMENTATION.isdisjoint(self.attributes) or ("__doc__",) in self.chains
