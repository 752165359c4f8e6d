"""How a range cache is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED = ("left", "both")
ALIGNED = (None, "day", "month")
BASES = ("rebuild", "raise")


@dataclass(frozen=True)
class Options:
    """What the user chose; lengths of time in ns."""

    closed: str = "left"
    loader_closed: str = "left"
    time: str | None = None
    settle: int = 0
    volatile_ttl: int | None = None
    overlap: int = 0
    adjustment: str | None = None
    on_basis_change: str = "rebuild"
    max_rows: int | None = None
    max_span: int | None = None
    align: str | None = None
    merge_gaps: int = 0
    concurrency: int = 1
    allow_partial: bool = False
    listing: Callable[..., Any] | None = None
    on_restated: Callable[..., Any] | None = None
    compact: bool = True

    @property
    def is_adjusted(self) -> bool:
        """Whether prices are on a basis that can change under what is stored."""
        return self.adjustment not in {None, "raw", "none", "unadjusted"}

    @property
    def seam(self) -> int:
        """How many sessions are fetched again where new bars begin."""
        return max(self.overlap, 1) if self.is_adjusted else self.overlap


def one_of(option: str, value: Any, known: tuple[Any, ...]) -> Any:
    """Give the value of an option that has a few.

    Raises
    ------
    CacheConfigError
        It is none of them.
    """
    if value not in known:
        shown = " or ".join(map(repr, known))
        message = f"`{option}` is {shown}, not {value!r}"
        raise CacheConfigError(message)
    return value


def count_of(option: str, value: Any, least: int = 0) -> int:
    """Give the value of an option that is a number of things.

    Raises
    ------
    CacheConfigError
        It is none, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"`{option}` takes a whole number from {least} on, not {value!r}"
        raise CacheConfigError(message)
    return value
