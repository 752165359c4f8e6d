"""What is done with an item: the call of a function, found by content, computed, and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from afml_cache.exceptions import UncacheableArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from afml_cache._native import Turn
    from afml_cache.scratch_space.ties import Ties

Key = str | UncacheableArgumentError


class Call(NamedTuple):
    """Arguments of one call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Begun(NamedTuple):
    """What there is to do for a call: "hit", "busy" or "compute"."""

    step: str
    turn: Turn | None = None
    key: str | None = None


class Result(NamedTuple):
    """What a call gave, within its turn, and the folders that must be there for it to count."""

    call: Call
    value: Any
    seconds: float
    turn: Turn
    ties: Ties


class Work(Protocol):
    """What a sweep asks of that which it runs."""

    name: str
    # The function, whose signature says what it takes.
    function: Callable[..., Any]
    # Arguments before the item: the instance of a method.
    prefix: tuple[Any, ...]

    def keys(self, calls: Sequence[Call]) -> list[Key]:
        """Give what tells each call from others."""

    def stored(self, calls: Sequence[Call]) -> list[tuple[Any] | None]:
        """Give what is there for each call, in a tuple, or `None`."""

    def begin(self, call: Call, anew: bool) -> Begun:
        """Look whether a call is to be computed here and now."""

    def compute(self, call: Call, anew: bool) -> Any:
        """Compute a call, of what is there where it need not be anew."""

    def folders(self, call: Call) -> set[Path]:
        """Give the open scratch folders that a call is known by."""

    def fill(self, results: Sequence[Result]) -> list[bool]:
        """Store what calls gave; says of each whether it is in."""

    def is_unchanged(self) -> bool:
        """Whether what calls share still is what it was."""

    def code_parts(self, call: Call) -> dict[str, str]:
        """Give labels and digests of the code that a call runs."""
